//! How the running sensor is: one object for `status`, `top`, the API and the health gauges, with a verdict and its reasons.

#[cfg(test)]
mod tests;

use model::Category;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::corroborate::CorroborationStatus;
use crate::drift::{Drift, ModelHealth};
use crate::evidence::{EvidenceStatus, Mode};
use crate::health::{Appliance, Concern};
use crate::inline::board::InlineStatus;

/// The verdict on the sensor itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Everything works.
    #[default]
    Ok,
    /// It works, and something wants a look.
    Degraded,
    /// It does not do its job.
    Critical,
}

impl Health {
    /// Exit code of `taphound status`.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Degraded => 1,
            Self::Critical => 2,
        }
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Critical => "critical",
        }
    }
}

/// Everything about the sensor at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Status {
    /// The verdict.
    pub health: Health,
    /// Why it is not `ok`; a line each.
    pub reasons: Vec<String>,
    /// Its name in the fleet.
    pub sensor_id: String,
    /// The program's version.
    pub version: String,
    /// When it started, microseconds since the epoch.
    pub started_us: u64,
    /// When this was put together, microseconds since the epoch.
    pub now_us: u64,
    /// Where packets come from.
    pub sources: Vec<SourceStatus>,
    /// Rates since the last look, and what has been seen.
    pub traffic: Traffic,
    /// Where every packet, flow and detection went; each block sums (`docs/operate.md`).
    pub accounting: Accounting,
    /// The model at work.
    pub model: ModelStatus,
    /// How each model version does here: the active one first, then the shadow, then those that were active before.
    pub model_health: Vec<ModelHealth>,
    /// Whether the active model still fits.
    pub drift: Drift,
    /// The newest packets on disk.
    pub evidence: EvidenceStatus,
    /// Another engine whose alerts are joined with ours.
    pub corroboration: CorroborationStatus,
    /// The database.
    pub store: StoreStatus,
    /// What is told to listeners.
    pub feed: FeedStatus,
    /// Machine and sensor: readings, and what they are heading for.
    pub appliance: Appliance,
    /// What is stopped.
    pub inline: InlineStatus,
    /// How long stages take.
    pub latency: Vec<StageLatency>,
    /// This process.
    pub host: HostStatus,
}

/// A place that packets come from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct SourceStatus {
    /// The interface, file or folder.
    pub name: String,
    /// `up`, `waiting`, `down` or `ended`.
    pub state: String,
    /// What is the matter with it.
    pub reason: Option<String>,
    /// Packets it gave us.
    pub received: u64,
    /// Packets the kernel dropped for want of room in the ring.
    pub kernel_dropped: u64,
    /// Packets the interface dropped.
    pub interface_dropped: u64,
    /// Frames larger than the link allows: offloading is on.
    pub offloaded: u64,
    /// Share of flows seen in one direction only.
    pub one_way_share: Option<f64>,
    /// The newest packet's time, microseconds since the epoch.
    pub last_packet_us: Option<u64>,
    /// Size of the ring in bytes.
    pub ring_bytes: u64,
}

/// Rates and totals.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Traffic {
    /// Packets a second since the last look.
    pub packets_per_second: f64,
    /// Bits a second on the wire since the last look.
    pub bits_per_second: f64,
    /// Flows that began, a second, since the last look.
    pub flows_per_second: f64,
    /// Flows in the table.
    pub flows_active: u64,
    /// Most that it holds.
    pub flows_max: u64,
    /// Alerts since the start.
    pub alerts: u64,
    /// The same by category, each at its `Category::index`: for metrics alone.
    #[serde(skip)]
    pub alerts_by_category: [u64; Category::COUNT],
    /// Incidents since the start.
    pub incidents: u64,
    /// Alerts that a suppression hid since the start.
    pub suppressed: u64,
    /// Flows not kept since the start, for there were more than are kept a second.
    pub flows_not_kept: u64,
    /// Packets of several interfaces that came too late to be put in their place, since the start.
    pub late_between_rings: u64,
}

/// The three identities, by term, as in `--summary json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Accounting {
    /// `received` = the sum of the others.
    pub packets: std::collections::BTreeMap<String, u64>,
    /// `started` = `ended` + `active`; `ended` = `scored` + `shed_unscored` + `queued`.
    pub flows: std::collections::BTreeMap<String, u64>,
    /// `made` = `stored` + `dropped_at_queue` + `store_failed` + `queued`.
    pub detections: std::collections::BTreeMap<String, u64>,
}

/// The model at work.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ModelStatus {
    /// Its name.
    pub name: String,
    /// Its serial.
    pub version: u64,
    /// Its digest, hex.
    pub digest: String,
    /// The shadow's serial.
    pub shadow_version: Option<u64>,
    /// The serial that a rollback would bring back.
    pub previous_version: Option<u64>,
    /// Changes of the model since the start.
    pub reloads: u64,
    /// Share of equal verdicts of active and shadow model.
    pub agreement: Option<f64>,
}

/// The database.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StoreStatus {
    /// The file.
    pub path: String,
    /// Whether it takes rows.
    pub writable: bool,
    /// What is the matter with it.
    pub fault: Option<String>,
    /// Size of the database in bytes.
    pub bytes: u64,
    /// Size of the write-ahead log in bytes.
    pub wal_bytes: u64,
    /// Rows by class.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Rows that made room, by class.
    pub dropped: std::collections::BTreeMap<String, u64>,
    /// Rows that wait for the disk.
    pub queued: u64,
}

/// The feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct FeedStatus {
    /// Number of the newest event.
    pub newest: Option<u64>,
    /// Notices that found no room.
    pub dropped: u64,
    /// Listeners now.
    pub listeners: u64,
}

/// How long one stage takes, in microseconds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct StageLatency {
    /// The stage.
    pub stage: String,
    /// Times it was measured.
    pub count: u64,
    /// Half are faster.
    pub p50_us: f64,
    /// One in a hundred is slower.
    pub p99_us: f64,
}

/// This process on its machine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct HostStatus {
    /// Memory held, bytes.
    pub rss_bytes: u64,
    /// CPU used since the start, seconds.
    pub cpu_seconds: f64,
    /// Threads.
    pub threads: u64,
}

impl HostStatus {
    /// Reads `/proc/self`; zeros where it cannot be read.
    #[must_use]
    pub fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // Fields are counted after the command's name, which may hold anything but ends with the last parenthesis.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
        let field = |n: usize| fields.get(n).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
        // proc(5): utime 14, stime 15, num_threads 20, rss 24, counted from pid = 1; `fields` begins with 3. A tick is 10 ms
        // and a page 4 KiB on every machine we build for.
        Self {
            rss_bytes: field(24 - 3) * 4096,
            cpu_seconds: (field(14 - 3) + field(15 - 3)) as f64 / 100.0,
            threads: field(20 - 3),
        }
    }
}

impl Status {
    /// Notes that something is the matter.
    pub fn complain(&mut self, health: Health, reason: impl Into<String>) {
        self.health = self.health.max(health);
        self.reasons.push(reason.into());
    }

    /// Lines for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut lines = vec![format!(
            "{}  {}  up {}",
            self.sensor_id,
            self.health.as_str(),
            span(self.now_us.saturating_sub(self.started_us))
        )];
        lines.extend(self.reasons.iter().map(|reason| format!("  ! {reason}")));
        for source in &self.sources {
            let state =
                source.reason.as_ref().map_or(source.state.clone(), |r| format!("{} ({r})", source.state));
            lines.push(format!(
                "source   {:<12} {state}, {} packets, dropped {} by the kernel, {} by the interface",
                source.name,
                count(source.received),
                count(source.kernel_dropped),
                count(source.interface_dropped)
            ));
        }
        let t = &self.traffic;
        lines.push(format!(
            "traffic  {} packets/s, {} bit/s, {} new flows/s, {} of {} flows held",
            short(t.packets_per_second),
            short(t.bits_per_second),
            short(t.flows_per_second),
            count(t.flows_active),
            count(t.flows_max)
        ));
        lines.push(format!("found    {} alerts, {} incidents", count(t.alerts), count(t.incidents)));
        let m = &self.model;
        let shadow = m.shadow_version.map_or(String::new(), |v| format!(", shadow {v}"));
        let previous = m.previous_version.map_or(String::new(), |v| format!(", previous {v}"));
        lines.push(format!("model    {} {}{shadow}{previous}", m.name, m.version));
        lines.push(format!("drift    {}: {}", self.drift.state.as_str(), self.drift.reason));
        let s = &self.store;
        let rows: Vec<String> = s.rows.iter().map(|(class, n)| format!("{} {class}", count(*n))).collect();
        lines.push(format!(
            "store    {} ({}, log {}): {}",
            s.path,
            bytes(s.bytes),
            bytes(s.wal_bytes),
            rows.join(", ")
        ));
        let e = &self.evidence;
        if e.mode != Mode::Off {
            let since = e.oldest_us.map_or("nothing yet".to_owned(), |us| {
                format!("reaches back {}", span(self.now_us.saturating_sub(us)))
            });
            lines.push(format!(
                "evidence {} of {}, {since}, {} packets kept, {} shed, {} failed",
                bytes(e.bytes),
                bytes(e.quota_bytes),
                count(e.packets),
                count(e.shed),
                count(e.failed)
            ));
        }
        lines.extend((!self.corroboration.file.is_empty()).then(|| self.corroboration.line()));
        lines.extend(self.inline.decides().then(|| self.inline.line()));
        for (name, block) in [
            ("packets", &self.accounting.packets),
            ("flows", &self.accounting.flows),
            ("detections", &self.accounting.detections),
        ] {
            let terms: Vec<String> = block
                .iter()
                .filter(|(_, n)| **n > 0)
                .map(|(term, n)| format!("{term} {}", count(*n)))
                .collect();
            lines.push(format!("account  {name}: {}", terms.join(", ")));
        }
        for warning in self.appliance.warnings.iter().filter(|w| w.concern == Concern::Unusual) {
            lines.push(format!("unusual  {}", warning.text));
        }
        lines.push(format!(
            "process  {} of memory, {:.1} s of CPU, {} threads",
            bytes(self.host.rss_bytes),
            self.host.cpu_seconds,
            self.host.threads
        ));
        lines.join("\n") + "\n"
    }
}

/// A whole number with thousands apart.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|g| std::str::from_utf8(g).unwrap_or("")).collect();
    groups.join(",")
}

/// A number short enough to read: 1.2k, 3.4M, 5.6G.
#[must_use]
pub fn short(n: f64) -> String {
    match n {
        _ if n >= 1e9 => format!("{:.1}G", n / 1e9),
        _ if n >= 1e6 => format!("{:.1}M", n / 1e6),
        _ if n >= 1e3 => format!("{:.1}k", n / 1e3),
        _ => format!("{n:.0}"),
    }
}

/// A number of bytes, short enough to read.
#[must_use]
pub fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        _ => format!("{:.1} GB", n as f64 / 1e9),
    }
}

/// A span of time as people say it.
#[must_use]
pub fn span(us: u64) -> String {
    let s = us / 1_000_000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}
