//! What a running sensor knows of itself: every part's counts put together into one status, and into metrics.

mod health;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use flowmeter::EndReason;
use store::Class;

use crate::corroborate::Corroboration;
use crate::drift::DriftDesk;
use crate::evidence::Evidence;
use crate::feed::Feed;
use crate::health::Told;
use crate::inline::Board;
use crate::live::{Alarm, LinkState, Live, Reports};
use crate::recorder::Found;
use crate::slot::ModelSlot;
use crate::status::{
    Accounting, FeedStatus, Health, HostStatus, ModelStatus, SourceStatus, StageLatency, Status, StoreStatus,
    Traffic,
};
use crate::writer::{RowKind, WriterHandle};
pub use health::HealthDesk;

/// The parts that are asked.
pub struct Pulse {
    /// Its name in the fleet.
    pub sensor_id: String,
    /// When it started, microseconds since the epoch.
    pub started_us: u64,
    /// Most flows that the table holds.
    pub flows_max: u64,
    /// The database file.
    pub store_path: PathBuf,
    /// The data plane, while it runs.
    pub live: RwLock<Option<Live>>,
    /// The models at work.
    pub slot: Arc<ModelSlot>,
    /// Why the installed model was not taken at the start, if it was not.
    pub model_refused: Option<String>,
    /// The store's writer.
    pub writer: WriterHandle,
    /// What the recorder has found.
    pub found: Arc<Found>,
    /// Whether the models still fit.
    pub drift: Arc<DriftDesk>,
    /// The newest packets on disk, where they are kept.
    pub evidence: Option<Evidence>,
    /// Follows another engine's alerts.
    pub corroboration: Option<Arc<Corroboration>>,
    /// What the appliance is heading for.
    pub health: HealthDesk,
    /// The feed.
    pub feed: Arc<Feed>,
    /// What is stopped.
    pub inline: Option<Arc<Board>>,
    /// The wall clock, microseconds since the epoch.
    pub now_us: fn() -> u64,
    /// The counts at the last look, for rates.
    pub last: Mutex<Look>,
}

/// Counts at one moment, and the rates since the one before.
#[derive(Debug, Clone, Copy, Default)]
pub struct Look {
    at_us: u64,
    packets: u64,
    bytes: u64,
    flows: u64,
    rates: (f64, f64, f64),
    /// Records and events that nobody judged, and their rate.
    shed: u64,
    shed_rate: f64,
}

impl Pulse {
    /// Rates are over at least so long, however often somebody looks.
    const LOOK_US: u64 = 1_000_000;

    /// How the sensor is now.
    #[must_use]
    pub fn status(&self) -> Status {
        let now_us = (self.now_us)();
        let reports = self.live.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(Live::reports);
        let mut status = Status {
            sensor_id: self.sensor_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_us: self.started_us,
            now_us,
            traffic: Traffic {
                flows_max: self.flows_max,
                alerts: self.found.alerts.load(Ordering::Relaxed),
                alerts_by_category: self
                    .found
                    .alerts_by_category
                    .each_ref()
                    .map(|n| n.load(Ordering::Relaxed)),
                incidents: self.found.incidents.load(Ordering::Relaxed),
                suppressed: self.found.suppressed.load(Ordering::Relaxed),
                flows_not_kept: self.found.flows_not_kept.load(Ordering::Relaxed),
                ..Traffic::default()
            },
            feed: FeedStatus {
                newest: self.feed.newest(),
                dropped: self.feed.dropped(),
                listeners: self.feed.listeners() as u64,
            },
            host: HostStatus::now(),
            evidence: self.evidence.as_ref().map(Evidence::status).unwrap_or_default(),
            corroboration: self.corroboration.as_ref().map(|c| c.status()).unwrap_or_default(),
            ..Status::default()
        };
        self.note_store(&mut status);
        self.note_model(&mut status, reports.as_ref());
        self.health.note(&mut status);
        if let Some(board) = &self.inline {
            board.note(&mut status);
        }
        match &reports {
            Some(reports) => self.note_traffic(&mut status, reports, now_us),
            None => status
                .complain(Health::Degraded, "nothing is captured: name an interface (`capture.interfaces`)"),
        }
        status
    }

    /// Takes readings of the appliance (about every ten seconds), and says what has changed.
    pub fn look_at_appliance(&self, status: &Status) -> Vec<Told> {
        let reports = self.live.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(Live::reports);
        let state_dir = self.store_path.parent().unwrap_or(&self.store_path);
        self.health.look(status, reports.as_ref(), Live::RECORDS_WAITING_MAX, state_dir)
    }

    fn note_traffic(&self, status: &mut Status, reports: &Reports, now_us: u64) {
        let (packets, bytes, flows) = (reports.packets.received, reports.intake.bytes, reports.flows.started);
        let shed = reports.scores.shed_unscored + reports.scores.events_shed + reports.packets.shed;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let span_us = now_us.saturating_sub(last.at_us);
        if span_us >= Self::LOOK_US {
            let rate = |now: u64, then: u64| now.saturating_sub(then) as f64 * 1e6 / span_us as f64;
            let rates = if last.at_us == 0 {
                (0.0, 0.0, 0.0)
            } else {
                (rate(packets, last.packets), rate(bytes, last.bytes) * 8.0, rate(flows, last.flows))
            };
            let shed_rate = if last.at_us == 0 { 0.0 } else { rate(shed, last.shed) };
            *last = Look { at_us: now_us, packets, bytes, flows, rates, shed, shed_rate };
        }
        let t = &mut status.traffic;
        (t.packets_per_second, t.bits_per_second, t.flows_per_second) = last.rates;
        let shed_rate = last.shed_rate;
        drop(last);
        t.flows_active = reports.flows.active;
        t.late_between_rings = reports.late_between_rings;
        status.sources = sources(reports);
        status.accounting.packets = packet_terms(reports);
        status.accounting.flows = flow_terms(reports);
        status.latency = vec![
            stage("wire to metered", &reports.latencies.wire_to_metered),
            stage("metered to scored", &reports.latencies.metered_to_scored),
            stage("scored to recorded", &reports.latencies.scored_to_recorded),
        ];
        for alarm in &reports.alarms {
            match alarm {
                Alarm::Down { interface, reason } => status.complain(Health::Critical, format!("{interface}: {reason}")),
                Alarm::NoTraffic { interface, silent_us } => status.complain(
                    Health::Degraded,
                    format!("{interface}: no packet for {}; check the mirror port and its cable", crate::status::span(*silent_us)),
                ),
                Alarm::OneWay { share } => status.complain(
                    Health::Degraded,
                    format!("{:.0} % of the conversations are seen in one direction only; check that both directions are mirrored", share * 100.0),
                ),
                Alarm::Offload { interface, longest } => status.complain(
                    Health::Degraded,
                    format!("{interface}: frames of up to {longest} bytes, longer than its MTU; turn offloading off: ethtool -K {interface} gro off lro off gso off tso off"),
                ),
            }
        }
        if shed_rate > 0.0 {
            status.complain(
                Health::Degraded,
                format!(
                    "{} records and events a second are not judged: scoring does not keep up; filter, or give it another core",
                    crate::status::short(shed_rate)
                ),
            );
        }
        let (kernel, interface) = reports.dropped();
        if kernel + interface > reports.packets.received / 1000 && reports.packets.received > 0 {
            status.complain(
                Health::Degraded,
                format!("more than 1 in 1,000 packets is dropped (kernel {kernel}, interface {interface}); raise `capture.ring_mib`, or filter"),
            );
        }
        if let Some(fault) = &reports.fault {
            status.complain(Health::Critical, fault.to_string());
        }
    }

    fn note_store(&self, status: &mut Status) {
        let counts = self.writer.counts();
        let detections = counts.of(RowKind::Detections);
        status.accounting = Accounting {
            detections: terms([
                ("made", detections.made),
                ("stored", detections.stored),
                ("dropped_at_queue", detections.dropped_at_queue),
                ("store_failed", detections.store_failed),
                ("queued", detections.queued),
            ]),
            ..Accounting::default()
        };
        let by_class = |count: fn(&store::ClassCount) -> u64| -> BTreeMap<String, u64> {
            Class::ALL
                .iter()
                .zip(&counts.classes)
                .map(|(class, c)| (class.as_str().to_owned(), count(c)))
                .collect()
        };
        status.store = StoreStatus {
            path: self.store_path.display().to_string(),
            writable: counts.fault.is_none(),
            fault: counts.fault.clone(),
            bytes: counts.sizes.database_bytes,
            wal_bytes: counts.sizes.wal_bytes,
            rows: by_class(|c| c.rows),
            dropped: by_class(|c| c.dropped),
            queued: RowKind::ALL.iter().map(|kind| counts.of(*kind).queued).sum(),
        };
        if let Some(fault) = counts.fault {
            status.complain(Health::Critical, format!("the store takes no rows: {fault}"));
        }
    }

    fn note_model(&self, status: &mut Status, reports: Option<&Reports>) {
        let serving = self.slot.load();
        let manifest = serving.active.artifact().manifest();
        status.model = ModelStatus {
            name: manifest.name.clone(),
            version: manifest.serial,
            digest: serving.active.artifact().digest().to_string(),
            shadow_version: serving.shadow.as_ref().map(|shadow| shadow.version()),
            previous_version: self.slot.previous_version(),
            reloads: serving.generation,
            agreement: reports.and_then(|r| r.shadow.agreement_share()),
        };
        self.drift.note(status, &serving, reports);
        // A model that has been installed since then has put it right.
        if let Some(why) = self.model_refused.as_ref().filter(|_| serving.generation == 0) {
            status.complain(Health::Degraded, why.clone());
        }
        if let Some(unsound) = reports.map(|r| r.health.unsound).filter(|n| *n > 0) {
            status.complain(Health::Critical, format!("the model gave {unsound} scores that are no number from 0 to 1; roll it back: taphound model rollback"));
        }
    }
}

/// One line a source: the rings of an interface added up.
fn sources(reports: &Reports) -> Vec<SourceStatus> {
    let mut sources: Vec<SourceStatus> = Vec::new();
    for ring in &reports.rings {
        if sources.last().is_none_or(|source| source.name != ring.source) {
            sources.push(SourceStatus {
                name: ring.source.clone(),
                state: "up".into(),
                ..SourceStatus::default()
            });
        }
        let Some(source) = sources.last_mut() else { continue };
        match &ring.state {
            LinkState::Up => {}
            LinkState::Down { reason } => {
                source.state = "down".into();
                source.reason = Some(reason.clone());
            }
            LinkState::Ended => source.state = "ended".into(),
        }
        source.received += ring.received;
        source.kernel_dropped += ring.wire.kernel_dropped;
        source.interface_dropped += ring.wire.interface_dropped;
        source.offloaded += ring.wire.offload_frames;
        source.ring_bytes += ring.ring_bytes;
        source.last_packet_us = source.last_packet_us.max(ring.last_packet_us);
        source.one_way_share = reports.one_way_share;
    }
    sources
}

fn packet_terms(reports: &Reports) -> BTreeMap<String, u64> {
    let p = &reports.packets;
    let (kernel, interface) = reports.dropped();
    terms([
        ("received", p.received),
        ("metered", p.metered),
        ("filtered", p.filtered),
        ("duplicates_removed", p.duplicates_removed),
        ("not_ip", p.not_ip),
        ("unsupported_link", p.unsupported_link),
        ("malformed", p.malformed),
        ("fragments_unmatched", p.fragments_unmatched),
        ("shed", p.shed),
        ("queued", p.queued),
        ("kernel_dropped", kernel),
        ("interface_dropped", interface),
    ])
}

fn flow_terms(reports: &Reports) -> BTreeMap<String, u64> {
    let (f, s) = (&reports.flows, &reports.scores);
    let mut all = terms([
        ("started", f.started),
        ("ended", f.ended()),
        ("active", f.active),
        ("scored", s.scored),
        ("shed_unscored", s.shed_unscored),
        ("queued", s.queued),
        ("provisional_scored", s.provisional_scored),
        ("provisional_shed", s.provisional_shed),
        ("events_shed", s.events_shed),
    ]);
    all.extend(
        EndReason::ALL.iter().zip(f.ended_by).map(|(reason, n)| (format!("ended_by_{}", reason.as_str()), n)),
    );
    all
}

fn terms<const N: usize>(terms: [(&str, u64); N]) -> BTreeMap<String, u64> {
    terms.into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

fn stage(name: &str, latency: &crate::live::Latency) -> StageLatency {
    StageLatency {
        stage: name.to_owned(),
        count: latency.count(),
        p50_us: latency.quantile_us(0.5) as f64,
        p99_us: latency.quantile_us(0.99) as f64,
    }
}
