//! What is told of drift: a change of the verdict, once.

use serde_json::{Value, json};

use super::health::{DriftState, ModelRole};
use crate::status::Status;

/// Remembers what was told.
#[derive(Debug, Default)]
pub struct DriftNews {
    told: Option<(u64, DriftState)>,
}

impl DriftNews {
    /// The event that this status is worth, if its verdict on drift is another than the one before.
    ///
    /// A model that has just been put to work and settles, or is calm from the start, is no news.
    pub fn of(&mut self, status: &Status) -> Option<Value> {
        let active = status.model_health.iter().find(|model| model.role == ModelRole::Active)?;
        let now = (active.version, status.drift.state);
        let before = self.told.replace(now);
        if before == Some(now) {
            return None;
        }
        let quiet = matches!(now.1, DriftState::Settling | DriftState::Calm | DriftState::Unlike);
        let same_model = before.is_some_and(|(version, _)| version == now.0);
        let was_quiet = before.is_none_or(|(_, state)| {
            matches!(state, DriftState::Settling | DriftState::Calm | DriftState::Unlike)
        });
        if quiet && (was_quiet || !same_model) {
            return None;
        }
        Some(json!({
            "state": now.1.as_str(),
            "reason": status.drift.reason,
            "model_version": active.version,
            "psi_max": active.psi.as_ref().map(|psi| psi.max),
            "psi_feature": active.psi.as_ref().map(|psi| psi.max_feature.clone()),
            "psi_score": active.psi.as_ref().map(|psi| psi.score),
            "shift_max": active.psi.as_ref().and_then(|psi| psi.shift_max),
            "error_rate": active.labels.as_ref().map(|labels| labels.error_rate),
        }))
    }
}
