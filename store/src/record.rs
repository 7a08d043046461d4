//! The rows of the store as plain types: the upward contract, free of SQLite and of the sensor's own types.

use serde::{Deserialize, Serialize};

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
}
