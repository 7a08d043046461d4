//! What each sensor says of itself to the centre: one small object a sensor, replaced at every report.

use serde::{Deserialize, Serialize};

/// Reports lie under this prefix.
pub const PREFIX: &str = "health/";
/// A report is never longer.
pub const BYTES_MAX: u64 = 256 << 10;

/// Key of a sensor's report.
#[must_use]
pub fn report_key(sensor_id: &str) -> String {
    format!("{PREFIX}{sensor_id}.json")
}

/// How a sensor and its agent are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorReport {
    /// The sensor.
    pub sensor_id: String,
    /// When this was written, ms since the epoch by the sensor's clock.
    pub at_ms: u64,
    /// How far the sensor's clock is ahead of the object store's, seconds; none when it is not known.
    pub clock_skew_s: Option<i64>,
    /// Release of the sensor; empty when it does not answer.
    pub sensor_version: String,
    /// Release of the agent.
    pub agent_version: String,
    /// `ok`, `degraded` or `critical`: the worse of sensor and agent.
    pub health: String,
    /// Why it is not `ok`; a line each.
    pub reasons: Vec<String>,
    /// The channel that it follows now.
    pub channel: String,
    /// Sequence of the pointer acted upon.
    pub sequence: u64,
    /// Serial of the model at work.
    pub model_version: u64,
    /// Its digest, hex.
    pub model_digest: String,
    /// Per model version, the one at work first.
    pub models: Vec<ModelHealth>,
    /// Models that this sensor took back, and why.
    pub pinned: Vec<Pin>,
    /// The last model that was not taken, and why.
    pub refused: Option<String>,
    /// What waits to go up.
    pub lag: Lag,
}

/// How one version of the model did on this sensor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelHealth {
    /// Serial.
    pub version: u64,
    /// Flows scored.
    pub flows: u64,
    /// Flows called attacks.
    pub attacks: u64,
    /// Share of the above, 0 to 1.
    pub alert_rate: f64,
    /// Labels on its verdicts.
    pub labels: u64,
    /// Labels that say otherwise.
    pub label_errors: u64,
    /// The largest population stability index of a feature against the model's reference; none when it is not known.
    pub psi: Option<f64>,
    /// Metered to scored, 99 % are faster, microseconds.
    pub latency_p99_us: f64,
}

/// A model that must not come back to a sensor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pin {
    /// Digest, hex.
    pub digest: String,
    /// Serial.
    pub version: u64,
    /// Why it was taken back.
    pub reason: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
}

/// What waits to go up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Lag {
    /// Rows in the sensor's outbox.
    pub rows: u64,
    /// Age of the oldest one, seconds.
    pub oldest_s: u64,
    /// Rows that could not be sent and were set aside.
    pub set_aside: u64,
}
