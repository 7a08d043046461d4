//! A cheap look at a running sensor: what every part has published, added up so that the identities hold.

use std::sync::atomic::Ordering;

use flowmeter::{FlowAccounting, IntakeCounters, PacketAccounting, TableCounters};

use super::latency::Latency;
use super::settings::Alarms;
use super::sums::{Health, RecorderSums, RingSums, ScorerSums, Shadow, Shared};
use crate::capture::{FileSums, WireCounters};
use crate::fault::Fault;

/// Where every ended flow's final record went: `ended = scored + shed_unscored + queued`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScoreAccounting {
    /// Flows and segments that ended.
    pub ended: u64,
    /// Judged by the active model.
    pub scored: u64,
    /// Not judged, because scoring did not keep up; behaviour counters saw them unless they are in `events_shed`.
    pub shed_unscored: u64,
    /// On their way to scoring.
    pub queued: u64,
    /// Records of live flows, judged.
    pub provisional_scored: u64,
    /// Records of live flows, not judged.
    pub provisional_shed: u64,
    /// Events that nobody behind the meter saw.
    pub events_shed: u64,
}

impl ScoreAccounting {
    /// The identity holds.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.ended == self.scored + self.shed_unscored + self.queued
    }
}

/// Whether frames can come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// They can.
    Up,
    /// The interface is not there or not up; it is looked for every second.
    Down {
        /// What is wrong and what helps.
        reason: String,
    },
    /// The input is over.
    Ended,
}

/// One capture ring.
#[derive(Debug, Clone)]
pub struct RingReport {
    /// The interface; `files` or the folder for those.
    pub source: String,
    /// Which of the interface's rings.
    pub ring: usize,
    /// Whether frames can come.
    pub state: LinkState,
    /// Frames that reached the sensor.
    pub received: u64,
    /// What the kernel counted beside them.
    pub wire: WireCounters,
    /// Bytes of the ring; 0 when it is not open.
    pub ring_bytes: u64,
    /// Capture time of the last packet, microseconds since the epoch.
    pub last_packet_us: Option<u64>,
    /// How long no packet came; since the start if none came at all.
    pub silent_us: u64,
}

/// Something is wrong with the tap, not with its traffic.
#[derive(Debug, Clone, PartialEq)]
pub enum Alarm {
    /// Nothing comes from an interface that is up.
    NoTraffic {
        /// The interface.
        interface: String,
        /// For how long.
        silent_us: u64,
    },
    /// An interface is down or missing.
    Down {
        /// The interface.
        interface: String,
        /// What is wrong and what helps.
        reason: String,
    },
    /// Most conversations are seen in one direction only: half of a tap is not connected, or routes differ.
    OneWay {
        /// Share of conversations.
        share: f64,
    },
    /// Frames are longer than the interface's MTU: segmentation offload puts packets together, and what is measured is not
    /// what was on the wire. `ethtool -K IF gro off lro off gso off tso off` ends it.
    Offload {
        /// The interface.
        interface: String,
        /// Bytes of the longest.
        longest: u32,
    },
}

/// How long things take, by stage, for records except where it says otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct Latencies {
    /// From the kernel's timestamp of a batch's oldest frame to the end of metering, for packets. Interfaces only.
    pub wire_to_metered: Latency,
    /// From the end of metering to the verdict.
    pub metered_to_scored: Latency,
    /// From the verdict until the recorder was told.
    pub scored_to_recorded: Latency,
}

/// What waits between the stages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queues {
    /// Packets on their way from one ring to another.
    pub handed_over_packets: u64,
    /// Packets that wait for earlier ones of other interfaces.
    pub held_packets: u64,
    /// Batches of events that wait for scoring, or are being scored.
    pub scorer_batches: u64,
    /// Records among them.
    pub scorer_records: u64,
    /// Batches that wait for the recorder.
    pub recorder_batches: u64,
}

/// Everything at one moment.
#[derive(Debug, Clone)]
pub struct Reports {
    /// Where every packet went, over all rings. `queued` are those held back for their time to be confirmed, on their way from
    /// one ring to another, or waiting for earlier ones of other interfaces.
    pub packets: PacketAccounting,
    /// What else was noticed at intake.
    pub intake: IntakeCounters,
    /// Where every flow went.
    pub flows: FlowAccounting,
    /// What full tables did.
    pub tables: TableCounters,
    /// Where every final record went.
    pub scores: ScoreAccounting,
    /// The active model at work.
    pub health: Health,
    /// The shadow beside it.
    pub shadow: Shadow,
    /// The rings, in the order of the settings.
    pub rings: Vec<RingReport>,
    /// Share of the last minutes' conversations seen in one direction only; none where there are not enough of them.
    pub one_way_share: Option<f64>,
    /// What is wrong with the tap.
    pub alarms: Vec<Alarm>,
    /// How long things take.
    pub latencies: Latencies,
    /// What waits.
    pub queues: Queues,
    /// Packets of several interfaces that came too late to be put in their place.
    pub late_between_rings: u64,
    /// Events and final records that the recorder has been told.
    pub recorded: (u64, u64),
    /// Capture files read, where they are the source.
    pub files: FileSums,
    /// What ended the run before its time.
    pub fault: Option<Fault>,
    /// The input is over, and everything has been metered.
    pub ended: bool,
}

impl Reports {
    /// Every identity holds.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.packets.is_balanced() && self.flows.is_balanced() && self.scores.is_balanced()
    }

    /// Frames that the kernel or the interfaces dropped.
    #[must_use]
    pub fn dropped(&self) -> (u64, u64) {
        let wires = || self.rings.iter().map(|ring| ring.wire);
        (wires().map(|w| w.kernel_dropped).sum(), wires().map(|w| w.interface_dropped).sum())
    }
}

/// Adds up what is published at `now_us` on the monotonic clock. `names[i]` is ring i's source and its number there.
pub(super) fn add_up(
    shared: &Shared,
    names: &[(String, usize)],
    alarms: &Alarms,
    started_us: u64,
    now_us: u64,
) -> Reports {
    // Downstream first, see `sums`.
    let recorder = **shared.recorder.load();
    let scorers: Vec<ScorerSums> = shared.scorers.iter().map(|scorer| **scorer.load()).collect();
    let (mut taken_over, mut held) = (0, 0);
    for ring in &shared.rings {
        let sums = ring.sums.load();
        taken_over += sums.taken_over;
        held += sums.held;
    }
    let rings: Vec<RingSums> = shared.rings.iter().map(|ring| **ring.sums.load()).collect();

    let mut sums = RingSums::default();
    let mut latencies = Latencies { scored_to_recorded: recorder.latency, ..Latencies::default() };
    for ring in &rings {
        add_packets(&mut sums.packets, &ring.packets);
        add_intake(&mut sums.intake, &ring.intake);
        sums.flows += ring.flows;
        sums.tables += ring.tables;
        sums.handed_over += ring.handed_over;
        sums.late += ring.late;
        sums.unscored.finals += ring.unscored.finals;
        sums.unscored.provisional += ring.unscored.provisional;
        sums.unscored.events += ring.unscored.events;
        sums.parcels += ring.parcels;
        sums.conversations += ring.conversations;
        sums.one_way += ring.one_way;
        latencies.wire_to_metered += ring.latency;
    }
    let on_their_way = sums.handed_over.saturating_sub(taken_over);
    sums.packets.metered -= on_their_way + held;
    sums.packets.queued += on_their_way + held;
    let (scores, health, shadow) = add_scores(&sums, &scorers, &mut latencies);
    let parcels: u64 = scorers.iter().map(|scorer| scorer.parcels).sum();
    let queues = Queues {
        handed_over_packets: on_their_way,
        held_packets: held,
        scorer_batches: sums.parcels.saturating_sub(parcels),
        scorer_records: shared.records_waiting.load(Ordering::Relaxed),
        recorder_batches: parcels.saturating_sub(recorder.parcels),
    };
    let enough = sums.conversations >= alarms.one_way_conversations.max(1);
    let one_way_share = enough.then(|| sums.one_way as f64 / sums.conversations as f64);
    let (rings, files, ended) = look_at(shared, &rings, names, started_us, now_us);
    Reports {
        packets: sums.packets,
        intake: sums.intake,
        flows: sums.flows,
        tables: sums.tables,
        scores,
        health,
        shadow,
        alarms: alarms_of(&rings, one_way_share, alarms),
        rings,
        one_way_share,
        latencies,
        queues,
        late_between_rings: sums.late,
        recorded: recorded(&recorder),
        files,
        fault: shared.fault.load().as_deref().cloned(),
        ended,
    }
}

fn recorded(recorder: &RecorderSums) -> (u64, u64) {
    (recorder.events, recorder.finals)
}

fn add_scores(
    sums: &RingSums,
    scorers: &[ScorerSums],
    latencies: &mut Latencies,
) -> (ScoreAccounting, Health, Shadow) {
    let newest = scorers.iter().map(|scorer| scorer.health.generation).max().unwrap_or(0);
    let (mut health, mut shadow) = (Health::default(), Shadow::default());
    let mut scores = ScoreAccounting {
        ended: sums.flows.ended(),
        shed_unscored: sums.unscored.finals,
        provisional_shed: sums.unscored.provisional,
        events_shed: sums.unscored.events,
        ..ScoreAccounting::default()
    };
    for scorer in scorers {
        scores.scored += scorer.scored;
        scores.provisional_scored += scorer.provisional;
        latencies.metered_to_scored += scorer.latency;
        if scorer.health.generation == newest && scorer.health.model_version > 0 {
            health.add(&scorer.health);
            shadow.add(&scorer.shadow);
        }
    }
    scores.queued = scores.ended.saturating_sub(scores.scored + scores.shed_unscored);
    (scores, health, shadow)
}

fn look_at(
    shared: &Shared,
    sums: &[RingSums],
    names: &[(String, usize)],
    started_us: u64,
    now_us: u64,
) -> (Vec<RingReport>, FileSums, bool) {
    let (mut files, mut ended) = (FileSums::default(), true);
    let report =
        |((published, sums), (source, ring)): ((&super::sums::Published, &RingSums), &(String, usize))| {
            let state = published.state.load();
            ended &= state.ended;
            files = state.files.clone();
            RingReport {
                source: source.clone(),
                ring: *ring,
                state: match &state.down {
                    _ if state.ended => LinkState::Ended,
                    Some(reason) => LinkState::Down { reason: reason.clone() },
                    None => LinkState::Up,
                },
                received: sums.packets.received,
                wire: sums.wire,
                ring_bytes: sums.ring_bytes,
                last_packet_us: sums.last_seen_us.map(|_| sums.last_packet_us),
                silent_us: now_us.saturating_sub(sums.last_seen_us.unwrap_or(started_us)),
            }
        };
    let rings = shared.rings.iter().zip(sums).zip(names).map(report).collect();
    (rings, files, ended)
}

fn alarms_of(rings: &[RingReport], one_way_share: Option<f64>, limits: &Alarms) -> Vec<Alarm> {
    let mut found = Vec::new();
    let no_traffic_us = u64::try_from(limits.no_traffic_after.as_micros()).unwrap_or(u64::MAX);
    for ring in rings.iter().filter(|ring| ring.ring == 0) {
        let interface = ring.source.clone();
        let same = || rings.iter().filter(|other| other.source == ring.source);
        if let Some(LinkState::Down { reason }) =
            same().map(|r| &r.state).find(|s| matches!(s, LinkState::Down { .. }))
        {
            found.push(Alarm::Down { interface: interface.clone(), reason: reason.clone() });
        } else if ring.state == LinkState::Up && ring.ring_bytes > 0 {
            // One ring without a packet may have no flow of its own.
            let silent_us = same().map(|r| r.silent_us).min().unwrap_or(0);
            if silent_us >= no_traffic_us {
                found.push(Alarm::NoTraffic { interface: interface.clone(), silent_us });
            }
        }
        let longest = same().map(|r| r.wire.offload_longest).max().unwrap_or(0);
        if longest > 0 {
            found.push(Alarm::Offload { interface, longest });
        }
    }
    if let Some(share) = one_way_share.filter(|share| *share >= limits.one_way_share) {
        found.push(Alarm::OneWay { share });
    }
    found
}

fn add_packets(sum: &mut PacketAccounting, more: &PacketAccounting) {
    sum.received += more.received;
    sum.metered += more.metered;
    sum.filtered += more.filtered;
    sum.duplicates_removed += more.duplicates_removed;
    sum.not_ip += more.not_ip;
    sum.unsupported_link += more.unsupported_link;
    sum.malformed += more.malformed;
    sum.fragments_unmatched += more.fragments_unmatched;
    sum.shed += more.shed;
    sum.queued += more.queued;
}

fn add_intake(sum: &mut IntakeCounters, more: &IntakeCounters) {
    sum.bytes += more.bytes;
    sum.clock_outliers += more.clock_outliers;
    sum.clock_steps_back += more.clock_steps_back;
    sum.duplicates_seen += more.duplicates_seen;
    sum.tunnel_depth_exceeded += more.tunnel_depth_exceeded;
    sum.tunnel_unreadable += more.tunnel_unreadable;
    sum.offload_zero_length += more.offload_zero_length;
    sum.lengths_beyond_wire += more.lengths_beyond_wire;
    sum.fragments += more.fragments;
    sum.fragments_overlapping += more.fragments_overlapping;
    sum.fragments_evicted += more.fragments_evicted;
}
