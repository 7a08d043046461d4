//! The sections of the settings, each with its defaults.

use std::path::PathBuf;

use fleet::{LogTableSettings, ObjectsSettings, RegistrySettings};
use serde::{Deserialize, Serialize};

/// `[agent]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// Folder of the agent's own database, models and status.
    pub state_dir: PathBuf,
    /// The sensor's control socket.
    pub socket: PathBuf,
}

impl Default for Agent {
    fn default() -> Self {
        Self { state_dir: "/var/lib/taphound-sync".into(), socket: "/run/taphound/control.sock".into() }
    }
}

/// `[centre]`: each is a word (`sqlite:PATH`), a section with `kind`, or empty for none.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Centre {
    /// The log table.
    pub table: Place<LogTableSettings>,
    /// Where logs, reports and enrolment objects go.
    pub objects: Place<ObjectsSettings>,
    /// Where models and channel pointers are, when not in `objects`.
    pub models: Place<ObjectsSettings>,
    /// The model registry. Asked when the objects lack a model.
    pub registry: Place<RegistrySettings>,
}

/// Where a door leads: what a command line would say, or a section.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Place<S> {
    /// One word; empty: nowhere.
    Word(String),
    /// A section with `kind` and what belongs to it.
    Section(S),
}

impl<S> Default for Place<S> {
    fn default() -> Self {
        Place::Word(String::new())
    }
}

impl<S: Clone + std::str::FromStr<Err = fleet::DoorError>> Place<S> {
    /// The settings; none when it leads nowhere.
    ///
    /// # Errors
    /// The word says nothing.
    pub fn settings(&self) -> Result<Option<S>, fleet::DoorError> {
        match self {
            Place::Word(word) if word.is_empty() => Ok(None),
            Place::Word(word) => word.parse().map(Some),
            Place::Section(settings) => Ok(Some(settings.clone())),
        }
    }
}

/// `[identity]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// This sensor's own key; empty: `identity.key` in the state folder, or what systemd's LoadCredential= gives.
    pub key_file: PathBuf,
    /// The token this sensor was enrolled by; empty: it was not.
    pub token: String,
}

/// `[up]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Up {
    /// Rows of the outbox go up.
    pub enabled: bool,
    /// Seconds between looks into an outbox that was empty.
    pub poll_s: u32,
    /// Rows taken at once.
    pub rows_max: usize,
    /// Requests under way at once.
    pub requests_max: usize,
    /// Rows a second at most; 0: no limit.
    pub rows_per_second: u32,
    /// Bytes a second at most; 0: no limit.
    pub bytes_per_second: u64,
    /// Longest wait between two attempts, seconds.
    pub backoff_max_s: u32,
    /// Flows without an alert go to the table when their score lies between these two.
    pub uncertain: [f64; 2],
    /// Share of the other flows that goes to the table; the rest only to Parquet.
    pub table_flows_share: f64,
    /// Days until the table may forget an alerted flow; 0: never.
    pub alerts_days: u32,
    /// Days until the table may forget another flow; 0: never.
    pub flows_days: u32,
    /// Parquet in the object store.
    pub archive: Archive,
    /// Addresses under other names.
    pub pseudonyms: Pseudonyms,
}

impl Default for Up {
    fn default() -> Self {
        Self {
            enabled: true,
            poll_s: 2,
            rows_max: 500,
            requests_max: 8,
            rows_per_second: 0,
            bytes_per_second: 0,
            backoff_max_s: 300,
            uncertain: [0.2, 0.8],
            table_flows_share: 1.0,
            alerts_days: 0,
            flows_days: 90,
            archive: Archive::default(),
            pseudonyms: Pseudonyms::default(),
        }
    }
}

/// `[up.archive]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// Rows go to the object store as Parquet too, when there is one.
    pub enabled: bool,
    /// Rows of one file.
    pub rows: usize,
    /// A file is written when its oldest row has waited so long, seconds.
    pub age_s: u32,
}

impl Default for Archive {
    fn default() -> Self {
        Self { enabled: true, rows: 10_000, age_s: 300 }
    }
}

/// `[up.pseudonyms]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pseudonyms {
    /// Addresses leave this machine only as keyed, prefix-preserving pseudonyms (Crypto-PAn).
    pub enabled: bool,
    /// A file of 32 random bytes. The same key everywhere gives the same pseudonyms everywhere.
    pub key_file: PathBuf,
}

/// `[down]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Down {
    /// Models come down.
    pub enabled: bool,
    /// The registered model that this sensor follows.
    pub model: String,
    /// The channel that it follows. Who follows `production` tries `canary` too when it is in the canary's share.
    pub channel: String,
    /// Seconds between looks at the channel, give or take a tenth.
    pub poll_s: u32,
    /// Folder of public keys (`*.pub`) that may sign models and pointers.
    pub keys_dir: PathBuf,
    /// Minutes that a new model scores beside the old one before it takes its place; 0: none.
    pub shadow_minutes: u32,
    /// Share of equal verdicts of shadow and active model below which it does not take its place.
    pub shadow_agreement_min: f64,
    /// Labels given at the centre come down.
    pub labels: bool,
    /// When a new model is taken back.
    pub gate: Gate,
}

impl Default for Down {
    fn default() -> Self {
        Self {
            enabled: true,
            model: "ARF Baseline Model".into(),
            channel: "production".into(),
            poll_s: 300,
            keys_dir: "/etc/taphound/keys".into(),
            shadow_minutes: 0,
            shadow_agreement_min: 0.9,
            labels: true,
            gate: Gate::default(),
        }
    }
}

/// `[down.gate]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Minutes that a new model is watched; 0: not at all.
    pub minutes: u32,
    /// Seconds between two looks at it.
    pub look_s: u32,
    /// Looks in a row that must fail before it is taken back.
    pub failures: u32,
    /// Flows it must have scored since the last look for a look to count.
    pub flows_min: u64,
    /// Share of attacks among its verdicts from which a look fails, whatever the model before said.
    pub attack_share_max: f64,
    /// Times the share of attacks of the model before from which a look fails.
    pub attack_share_times: f64,
    /// Population stability index of its scores against the model's own reference from which a look fails.
    pub psi_max: f64,
    /// Share of wrong verdicts among its labelled flows from which a look fails.
    pub label_errors_max: f64,
    /// Labels it must have for that.
    pub labels_min: u64,
    /// Times the time to score of the model before from which a look fails.
    pub latency_times: f64,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            minutes: 60,
            look_s: 60,
            failures: 3,
            flows_min: 100,
            attack_share_max: 0.8,
            attack_share_times: 5.0,
            psi_max: 2.0,
            label_errors_max: 0.3,
            labels_min: 20,
            latency_times: 20.0,
        }
    }
}

/// `[out]`
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Out {
    /// Webhooks.
    pub webhooks: Vec<WebhookOut>,
    /// Syslog servers.
    pub syslog: Vec<SyslogOut>,
}

/// `[[out.webhooks]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookOut {
    /// Where to post.
    pub url: String,
    /// File of the secret that signs each request (HMAC-SHA256); empty: not signed.
    pub secret_file: PathBuf,
    /// The least severity.
    pub min_severity: String,
    /// Decisions to block and to lift, too.
    pub blocks: bool,
    /// The address may be one of this network or machine.
    pub allow_private: bool,
    /// Certificates of the authorities that may vouch for the receiver (PEM); empty: the system's.
    pub ca_file: PathBuf,
}

impl Default for WebhookOut {
    fn default() -> Self {
        Self {
            url: String::new(),
            secret_file: PathBuf::new(),
            min_severity: "low".into(),
            blocks: false,
            allow_private: false,
            ca_file: PathBuf::new(),
        }
    }
}

/// `[[out.syslog]]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyslogOut {
    /// `host:port`.
    pub address: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: Transport,
    /// Messages as ArcSight CEF in place of structured data.
    pub cef: bool,
    /// The least severity.
    pub min_severity: String,
    /// Certificates of the authorities that may vouch for the server (PEM); empty: the system's.
    pub ca_file: PathBuf,
}

impl Default for SyslogOut {
    fn default() -> Self {
        Self {
            address: String::new(),
            transport: Transport::Udp,
            cef: false,
            min_severity: "low".into(),
            ca_file: PathBuf::new(),
        }
    }
}

/// How syslog travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// RFC 5426: one datagram a message, unconfirmed.
    Udp,
    /// RFC 6587 octet counting.
    Tcp,
    /// RFC 5425.
    Tls,
}

/// `[report]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Report {
    /// Seconds between two reports of how this sensor is.
    pub interval_s: u32,
}

impl Default for Report {
    fn default() -> Self {
        Self { interval_s: 300 }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug` or `trace`; or by module.
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
