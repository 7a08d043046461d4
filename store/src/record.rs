//! The rows of the store as plain types: the upward contract, free of SQLite and of the sensor's own types.

pub(crate) mod cidr;
mod feedback;
pub(crate) mod flow;
mod outbox;
mod packed;
mod witness;

use serde::{Deserialize, Serialize};

pub use cidr::Cidr;
pub use feedback::{
    AuditRow, BlockRow, Label, LabelRow, NewAudit, NewBlock, NewLabel, NewSuppression, SuppressionRow,
    TrueLabel,
};
pub use flow::{FEATURES, FlowId, FlowRow, Judgement, NotOne, Sent, SnapshotRow, Source};
pub use outbox::{LabelItem, LogItem, LogRow, OutboxKind, OutboxRow};
pub(crate) use packed::{pack_features, unpack_features};
pub use witness::Witness;

/// How much something matters, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// Worth being woken up for.
    Critical,
}

impl Severity {
    /// Every severity, mildest first.
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// Its name in files and interfaces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

/// A detection was shown to people, or would have been but for a suppression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Id of the detection.
    pub id: String,
    /// When, microseconds since the epoch.
    pub shown_us: u64,
    /// How much it mattered then.
    pub severity: Severity,
    /// The suppression that hid it.
    pub suppression: Option<u64>,
}

/// What the sensor has to tell the store at one time. Kinds are written in the order of the fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Final flows.
    pub flows: Vec<FlowRow>,
    /// Vectors of running flows.
    pub snapshots: Vec<SnapshotRow>,
    /// Detections; a known id replaces the older row.
    pub detections: Vec<DetectionRow>,
    /// How provisional detections ended.
    pub settled: Vec<Settled>,
    /// What was shown.
    pub alerts: Vec<AlertRow>,
    /// Incidents; a known id replaces the older row.
    pub incidents: Vec<IncidentRow>,
    /// Incidents that went into others: (from, into).
    pub merged: Vec<(String, String)>,
    /// What suppressions hid: (id of the suppression, alerts).
    pub hits: Vec<(u64, u64)>,
    /// Items for the centre. The store makes their keys unique and queues them.
    pub log: Vec<LogRow>,
}

impl Batch {
    /// Rows in it.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.flows.len()
            + self.snapshots.len()
            + self.detections.len()
            + self.settled.len()
            + self.alerts.len()
            + self.incidents.len()
            + self.merged.len()
            + self.hits.len()
            + self.log.len()
    }

    /// Nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows() == 0
    }

    /// Takes the rows of a later batch.
    pub fn append(&mut self, later: &mut Batch) {
        self.flows.append(&mut later.flows);
        self.snapshots.append(&mut later.snapshots);
        self.detections.append(&mut later.detections);
        self.settled.append(&mut later.settled);
        self.alerts.append(&mut later.alerts);
        self.incidents.append(&mut later.incidents);
        self.merged.append(&mut later.merged);
        self.hits.append(&mut later.hits);
        self.log.append(&mut later.log);
    }
}

/// One opinion held on one flow or one behaviour episode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionRow {
    /// The flow's uid (with `.segment` for later segments), or the episode's id; hex.
    pub id: String,
    /// Who holds it: `forest`, or the name of a behaviour counter.
    pub opinion: String,
    /// Attack category, as DESIGN spells them: `scan`, `dos`, ...
    pub category: String,
    /// 1 - P(benign) in \[0, 1\]; for a behaviour the strength of its evidence.
    pub score: f64,
    /// Probability of the category, in \[0, 1\].
    pub confidence: f64,
    /// How unlike benign traffic the flow is, in \[0, 1\]; none for a behaviour.
    pub novelty: Option<f64>,
    /// Initiator's address; none when there are many.
    pub src_ip: Option<String>,
    /// Initiator's port; none when there are many.
    pub src_port: Option<u16>,
    /// Responder's address; none when there are many.
    pub dst_ip: Option<String>,
    /// Responder's port; none when there are many.
    pub dst_port: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// First packet, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet seen when the row was written, microseconds since the epoch.
    pub last_us: u64,
    /// The flow has not ended yet.
    pub provisional: bool,
    /// A provisional opinion that the final record took back.
    pub revised: bool,
    /// Only counted in its incident: the incident had as many alerts as it shows.
    pub folded: bool,
    /// Id of the incident it belongs to. An incident that the forest alone suspects is written once it is confirmed.
    pub incident: String,
    /// The strongest reasons, readable, strongest first.
    pub reasons: Vec<String>,
    /// Serial of the model that scored.
    pub model_version: u64,
}

/// How a provisional detection ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Id of the detection.
    pub id: String,
    /// The flow's last packet, microseconds since the epoch.
    pub last_us: u64,
    /// The final score; none when the detection is taken back.
    pub score: Option<f64>,
}

/// Detections that are one story.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentRow {
    /// Hash of category, scope and first time; hex.
    pub id: String,
    /// Attack category.
    pub category: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The attacker; none when there are many.
    pub source: Option<String>,
    /// The victim; none when there are many.
    pub target: Option<String>,
    /// The service; none when there are many.
    pub port: Option<u16>,
    /// First packet of the first detection, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet of the last detection, microseconds since the epoch.
    pub last_us: u64,
    /// Detections in it, alerts included.
    pub detections: u64,
    /// Detections that were shown.
    pub alerts: u64,
    /// Highest score of a detection in it.
    pub score: f64,
    /// Every one of its alerts was taken back.
    pub revised: bool,
    /// The strongest reasons, readable, strongest first.
    pub reasons: Vec<String>,
    /// What other engines said of the same conversations.
    pub witnesses: Vec<Witness>,
}
