//! The settings of a running sensor: `/etc/taphound/taphound.toml` and `conf.d/*.toml`, strict, with a default for everything.
//!
//! `read` puts files and environment together; what is in force is [`Config`]. A key that does not exist is an error
//! that names the nearest one that does. `config/taphound.toml` shows every key with its default; a test holds it to that.

mod api;
pub mod inline;
mod read;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::corroborate::CorroborateConfig;
use crate::detection::behaviour::Thresholds;
use crate::detection::budget::BudgetConfig;
use crate::drift::DriftConfig;
use crate::evidence::EvidenceConfig;
use flowmeter::{HashKey, MeterConfig, Tunnels};
use serde::{Deserialize, Serialize};

pub use api::Api;
pub use inline::Inline;
pub use read::{ConfigFault, load};

/// Where the settings are unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/taphound/taphound.toml";

/// Everything that can be set about a running sensor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Who this sensor is and where it keeps its state.
    pub sensor: Sensor,
    /// Where packets come from.
    pub capture: Capture,
    /// How packets become flows.
    pub meter: Meter,
    /// Which model scores.
    pub model: ModelSource,
    /// What is worth an alert, and how many of them a person is shown.
    pub detection: Detection,
    /// When traffic, or the model's success on it, counts as changed.
    pub drift: DriftConfig,
    /// The newest packets, kept encrypted for when they are asked for.
    pub evidence: EvidenceConfig,
    /// Another engine whose alerts are joined with ours.
    pub corroborate: CorroborateConfig,
    /// What the database keeps.
    pub store: Retention,
    /// What waits for the sync agent.
    pub outbox: Outbox,
    /// The unix socket for the command line and the sync agent.
    pub control: Control,
    /// HTTP: the API and the page.
    pub api: Api,
    /// Events written to a file as they happen.
    pub eve: EveFile,
    /// Whether traffic is stopped, and which.
    pub inline: Inline,
    /// What is logged and how.
    pub log: Log,
}

/// `[sensor]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sensor {
    /// Name of this sensor in the fleet; empty: the host's name. It goes into the uid of every flow.
    pub id: String,
    /// Folder of the database and the models.
    pub state_dir: PathBuf,
}

impl Default for Sensor {
    fn default() -> Self {
        Self { id: String::new(), state_dir: PathBuf::from("/var/lib/taphound") }
    }
}

/// `[capture]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capture {
    /// Interfaces to listen on. Empty: nothing is captured until one is named.
    pub interfaces: Vec<String>,
    /// A folder whose finished capture files are read as they appear; empty: none.
    pub directory: PathBuf,
    /// Keep only packets that match (the language of tcpdump). Can be changed while running.
    pub filter: String,
    /// Receive what is not addressed to this host.
    pub promiscuous: bool,
    /// Bytes kept of each packet. Lengths on the wire are known whatever this is.
    pub snaplen: u32,
    /// Ring buffer of each capture thread in MiB; 0: from link speed and memory.
    pub ring_mib: u32,
    /// Capture threads an interface (the kernel spreads flows over them).
    pub rings: u8,
    /// Wait for an interface that does not exist yet, instead of failing at start.
    pub wait_for_interface: bool,
    /// Seconds without a packet after which the sensor calls itself degraded; 0: never.
    pub no_traffic_after_s: u32,
    /// Share of flows seen in one direction only from which the sensor calls itself degraded; 1: never.
    pub one_way_share: f64,
}

impl Default for Capture {
    fn default() -> Self {
        Self {
            interfaces: Vec::new(),
            directory: PathBuf::new(),
            filter: String::new(),
            promiscuous: true,
            snaplen: 2048,
            ring_mib: 0,
            rings: 1,
            wait_for_interface: true,
            no_traffic_after_s: 300,
            one_way_share: 0.9,
        }
    }
}

/// `[meter]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Meter {
    /// A flow ends this many seconds after its last packet.
    pub idle_timeout_s: u32,
    /// A flow's record is cut this many seconds after its first packet.
    pub active_timeout_s: u32,
    /// Most flows held at once.
    pub flows_max: usize,
    /// Packet counts at which a running flow is scored.
    pub snapshots: Vec<u32>,
    /// Which IP header of a tunnelled packet names the flow: `inner` or `outer`.
    pub tunnels: TunnelView,
    /// Remove exact repeats of packets, as SPAN ports make them.
    pub dedupe: bool,
    /// VLAN numbers tell flows apart.
    pub track_vlan: bool,
    /// Datagrams whose later fragments are waited for at once.
    pub fragments_max: usize,
    /// Names (TLS server, DNS question, HTTP host) remembered at once, for display.
    pub contexts_max: usize,
}

/// Which IP header of a tunnelled packet names the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelView {
    /// The innermost that can be read.
    Inner,
    /// The outermost.
    Outer,
}

impl Default for Meter {
    fn default() -> Self {
        let meter = MeterConfig::default();
        Self {
            idle_timeout_s: 60,
            active_timeout_s: 120,
            flows_max: meter.flows_max,
            snapshots: meter.snapshots,
            tunnels: TunnelView::Inner,
            dedupe: meter.dedupe,
            track_vlan: meter.track_vlan,
            fragments_max: meter.fragments_max,
            contexts_max: meter.contexts_max,
        }
    }
}

impl Meter {
    /// The meter's own settings. `hash_key`: fixed for replays, random when live.
    #[must_use]
    pub fn settings(&self, hash_key: HashKey) -> MeterConfig {
        MeterConfig {
            idle_timeout_us: u64::from(self.idle_timeout_s) * 1_000_000,
            active_timeout_us: u64::from(self.active_timeout_s) * 1_000_000,
            flows_max: self.flows_max,
            snapshots: self.snapshots.clone(),
            tunnels: match self.tunnels {
                TunnelView::Inner => Tunnels::Inner,
                TunnelView::Outer => Tunnels::Outer,
            },
            dedupe: self.dedupe,
            track_vlan: self.track_vlan,
            fragments_max: self.fragments_max,
            contexts_max: self.contexts_max,
            hash_key,
            ..MeterConfig::default()
        }
    }
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSource {
    /// Folder of public keys (`*.pub`) that may sign models.
    pub keys_dir: PathBuf,
    /// The registered model that this sensor follows.
    pub name: String,
    /// The channel that it follows: `production`, `canary` or `staging`.
    pub channel: String,
}

impl Default for ModelSource {
    fn default() -> Self {
        Self {
            keys_dir: PathBuf::from("/etc/taphound/keys"),
            name: "ARF Baseline Model".into(),
            channel: "production".into(),
        }
    }
}

/// `[detection]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Detection {
    /// How many incidents a day a person is shown, and how long the sensor first learns what is usual.
    pub budget: BudgetConfig,
    /// From what on a behaviour counter speaks.
    pub thresholds: Thresholds,
}

/// `[store]`: what is kept, by class. Labels and alerts outlive plain flows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Largest size of the database in MiB; the oldest plain flows make room first.
    pub size_max_mib: u64,
    /// Plain flows kept a second of capture time, and four times as many of those called attacks.
    pub flows_per_second: u32,
    /// Most plain flows kept.
    pub flows_max: u64,
    /// Days that plain flows are kept.
    pub flows_days: u32,
    /// Days that alerts, incidents and their flows are kept.
    pub alerts_days: u32,
    /// Days that the audit log is kept.
    pub audit_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            size_max_mib: 1024,
            flows_per_second: 2_000,
            flows_max: 2_000_000,
            flows_days: 7,
            alerts_days: 90,
            audit_days: 365,
        }
    }
}

/// `[outbox]`: what waits for the sync agent. Labels and alerted flows go first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// Rows are queued for the centre. Off on a sensor that has none.
    pub enabled: bool,
    /// Share of the plain flows that goes up, from 0 to 1.
    pub flows_share: f64,
    /// Most rows that wait.
    pub rows_max: u64,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { enabled: false, flows_share: 0.01, rows_max: 1_000_000 }
    }
}

/// `[control]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The unix socket. Who may write to it may change everything: its mode is 0660.
    pub socket: PathBuf,
    /// The group that owns the socket; empty: the group the sensor runs as.
    pub group: String,
}

impl Default for Control {
    fn default() -> Self {
        Self { socket: PathBuf::from(crate::control::DEFAULT_SOCKET), group: String::new() }
    }
}

/// `[eve]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EveFile {
    /// File that gets one JSON object per alert (and flow, if asked), as Suricata's `eve.json`; empty: none.
    pub path: PathBuf,
    /// Under whose field names.
    pub format: EveFormat,
    /// Flows too, not only alerts.
    pub flows: bool,
    /// Turn the file over at this size in MiB; 0: leave that to logrotate and SIGUSR1.
    pub rotate_mib: u64,
    /// Turned files that are kept.
    pub keep: u32,
}

impl Default for EveFile {
    fn default() -> Self {
        Self { path: PathBuf::new(), format: EveFormat::Eve, flows: false, rotate_mib: 100, keep: 5 }
    }
}

/// Under whose field names events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EveFormat {
    /// Suricata's EVE.
    Eve,
    /// The Elastic Common Schema.
    Ecs,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; or by module, as `info,sensor::capture=debug`.
    pub level: String,
    /// `auto` (the journal under systemd, text otherwise), `text`, `json` or `journald`.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto }
    }
}

/// Where logs go and in which shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// The journal when systemd started us, text on standard error otherwise.
    Auto,
    /// Lines for people on standard error.
    Text,
    /// One JSON object a line on standard error.
    Json,
    /// The systemd journal, with fields.
    Journald,
}
