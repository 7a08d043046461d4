//! One model version's health as others read it: in `status`, in the metrics, in the health reports to the centre.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::labels::LabelHealth;

/// What a model is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ModelRole {
    /// Its verdicts count.
    Active,
    /// It judges beside the active one; nobody acts on it.
    Shadow,
    /// It was active since the start.
    #[default]
    Previous,
}

impl ModelRole {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Shadow => "shadow",
            Self::Previous => "previous",
        }
    }
}

/// How one model version does on this sensor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ModelHealth {
    /// Serial.
    pub version: u64,
    /// Digest, hex.
    pub digest: String,
    /// What it is here.
    pub role: ModelRole,
    /// Capture time of the first flow it judged since the start, microseconds since the epoch; 0 before.
    pub since_us: u64,
    /// Flows it judged when they ended, since the start.
    pub flows: u64,
    /// Of them called attacks.
    pub alerts: u64,
    /// Their share; none before the first flow.
    pub alert_rate: Option<f64>,
    /// Mean score; none before the first flow, and for a shadow.
    pub score_mean: Option<f64>,
    /// Scores that are no number from 0 to 1; of the active model.
    pub unsound: u64,
    /// From the end of metering to the verdict, of the active model since the slot was last changed, microseconds.
    pub latency_p50_us: Option<f64>,
    /// As above; one in a hundred is slower.
    pub latency_p99_us: Option<f64>,
    /// Population stability indices over the newest flows; none before there are 500.
    pub psi: Option<Psi>,
    /// What labels say of it; none before the first.
    pub labels: Option<LabelHealth>,
}

/// How far the newest flows lie from the model's training data, and from what was usual when the model began here.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Psi {
    /// Flows in the window, fading ones in parts.
    pub flows: f64,
    /// The largest among the features, against the manifest's quantiles.
    pub max: f64,
    /// Its feature.
    pub max_feature: String,
    /// By feature.
    pub features: BTreeMap<String, f64>,
    /// Of the score.
    pub score: f64,
    /// The largest among the features, against the first window of flows that the model judged here; none before it is full.
    pub shift_max: Option<f64>,
    /// Its feature.
    pub shift_feature: Option<String>,
    /// Of the score, likewise.
    pub shift_score: Option<f64>,
}

impl Psi {
    pub(super) fn note(&mut self, feature: &str, value: f64, shift: Option<f64>) {
        if value > self.max || self.max_feature.is_empty() {
            (self.max, self.max_feature) = (value, feature.to_owned());
        }
        self.features.insert(feature.to_owned(), value);
        if shift.is_some() && (self.shift_max.is_none() || shift > self.shift_max) {
            (self.shift_max, self.shift_feature) = (shift, Some(feature.to_owned()));
        }
    }
}

/// Whether the active model still fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DriftState {
    /// Too few flows to say.
    #[default]
    Settling,
    /// Flows are like those the model was made of.
    Calm,
    /// Flows are unlike those the model was made of, and nothing has changed since it saw the first ones here.
    Unlike,
    /// Flows have moved away from what was usual here: it may be wrong more often.
    Moved,
    /// Labels show that it is wrong more often than it was.
    Failing,
}

impl DriftState {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settling => "settling",
            Self::Calm => "calm",
            Self::Unlike => "unlike",
            Self::Moved => "moved",
            Self::Failing => "failing",
        }
    }
}

/// The verdict on the active model, and why.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Drift {
    /// The verdict.
    pub state: DriftState,
    /// In one line.
    pub reason: String,
}

impl Drift {
    /// What the figures of the active model mean, when traffic counts as moved from an index of `psi_moved` on.
    #[must_use]
    pub fn of(model: &ModelHealth, psi_moved: f64) -> Self {
        if let Some(labels) = model.labels.as_ref().filter(|labels| labels.is_failing()) {
            let was = labels.error_rate_before.unwrap_or_default();
            let is = labels.error_rate_recent.unwrap_or_default();
            return Self {
                state: DriftState::Failing,
                reason: format!(
                    "labels show {:.0} % errors, {:.0} % before: have the model retrained, or roll it back",
                    is * 100.0,
                    was * 100.0
                ),
            };
        }
        let Some(psi) = &model.psi else {
            return Self { state: DriftState::Settling, reason: format!("{} flows judged", model.flows) };
        };
        let shifts = [
            (psi.shift_max, psi.shift_feature.as_deref().unwrap_or_default()),
            (psi.shift_score, "the score"),
        ];
        let shifts = shifts.into_iter().filter_map(|(value, what)| Some((value?, what)));
        let indices = [(psi.max, psi.max_feature.as_str()), (psi.score, "the score")];
        let reaches = |(value, _): &(f64, &str)| *value >= psi_moved;
        if let Some((value, what)) = shifts.clone().find(reaches) {
            let reason = format!("{what} has moved from what was usual here (PSI {value:.2})");
            return Self { state: DriftState::Moved, reason };
        }
        if let Some((value, what)) = indices.into_iter().find(reaches) {
            let reason =
                format!("{what} is unlike the training data (PSI {value:.2}), as it was from the first");
            return Self { state: DriftState::Unlike, reason };
        }
        let reason = format!("largest PSI {:.2} ({})", psi.max, psi.max_feature);
        Self { state: DriftState::Calm, reason }
    }
}
