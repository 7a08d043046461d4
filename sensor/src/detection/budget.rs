//! How many incidents a day a person is shown, and what the first days of a sensor teach it to take for usual.
//!
//! Everything runs in packet time and is a function of the incidents alone, so that a replay repeats it. What is held back is
//! counted by its cause, kept as detections, and shown after all when its evidence outgrows the cause.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::incident::{Incident, Severity};
use super::{Opinion, Scope};

/// The budget as configuration. The default holds nothing back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetConfig {
    /// Incidents shown a day (UTC); none for all. The last quarter is kept for high severity, the last half for medium and
    /// high.
    pub incidents_a_day: Option<u32>,
    /// For so long after its first packet a sensor learns what is usual here, seconds of packet time.
    pub burn_in_s: u64,
}

/// Why an incident is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// It came in the burn-in.
    BurnIn,
    /// It is no more than the burn-in has seen.
    Usual,
    /// The day's budget for its severity is spent.
    OverBudget,
}

impl Held {
    /// Its name in files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Held::BurnIn => "burn_in",
            Held::Usual => "usual",
            Held::OverBudget => "over_budget",
        }
    }
}

/// What a budget has to remember over a restart.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BudgetState {
    /// The first event ever, microseconds since the epoch; the burn-in begins with it.
    pub began_us: Option<u64>,
    /// The day that `shown_today` speaks of, days since the epoch (UTC).
    pub day: u64,
    /// Incidents shown on it.
    pub shown_today: u32,
    /// Incidents held back and not shown since, by cause.
    pub held: BTreeMap<Held, u64>,
    /// By opinion: the strongest evidence of the burn-in, as a multiple of the threshold.
    pub usual: BTreeMap<String, f64>,
    /// Scopes of the burn-in's incidents.
    pub known: BTreeSet<String>,
}

/// Decides which confirmed incidents are shown.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    config: BudgetConfig,
    state: BudgetState,
}

impl Budget {
    /// Evidence this many times its threshold is shown whatever was learned, and nothing is learned from it: an attack
    /// during the burn-in neither stays unseen nor raises a threshold beyond this.
    pub const GROSS: f64 = 3.0;
    /// What is usual may vary by so much and still be usual.
    const MARGIN: f64 = 1.25;
    /// Scopes kept of the burn-in; further ones count through `usual` alone.
    const KNOWN_MAX: usize = 1_024;
    const DAY_US: u64 = 86_400_000_000;

    /// A budget that goes on where `state` was left.
    #[must_use]
    pub fn new(config: BudgetConfig, state: BudgetState) -> Self {
        Self { config, state }
    }

    /// What to keep over a restart.
    #[must_use]
    pub fn state(&self) -> &BudgetState {
        &self.state
    }

    /// Time has come to `now_us`.
    pub fn tick(&mut self, now_us: u64) {
        self.state.began_us.get_or_insert(now_us);
    }

    /// Whether a confirmed incident is to be shown now; why not otherwise. Counts what it holds back, once an incident.
    pub(super) fn admit(&mut self, incident: &Incident, now_us: u64) -> Option<Held> {
        let before = incident.held();
        let verdict = self.judge(incident, now_us);
        if verdict != before {
            if let Some(count) = before.and_then(|cause| self.state.held.get_mut(&cause)) {
                *count = count.saturating_sub(1);
            }
            if let Some(cause) = verdict {
                *self.state.held.entry(cause).or_default() += 1;
            }
        }
        if verdict.is_none() {
            self.state.shown_today = self.state.shown_today.saturating_add(1);
        }
        verdict
    }

    fn judge(&mut self, incident: &Incident, now_us: u64) -> Option<Held> {
        let day = now_us / Self::DAY_US;
        if day > self.state.day {
            (self.state.day, self.state.shown_today) = (day, 0);
        }
        let strength = incident.strength();
        if strength < Self::GROSS {
            let opinion = incident.by_behaviour.map_or(Opinion::Forest, Opinion::Behaviour).as_str();
            let began_us = self.state.began_us.unwrap_or(now_us);
            if now_us.saturating_sub(began_us) < self.config.burn_in_s.saturating_mul(1_000_000) {
                let usual = self.state.usual.entry(opinion.to_owned()).or_default();
                *usual = usual.max(strength);
                if self.state.known.len() < Self::KNOWN_MAX {
                    self.state.known.insert(pattern(incident.scope));
                }
                return Some(Held::BurnIn);
            }
            let usual = self.state.usual.get(opinion).is_some_and(|usual| strength <= usual * Self::MARGIN);
            if usual || self.state.known.contains(&pattern(incident.scope)) {
                return Some(Held::Usual);
            }
        }
        let whole = self.config.incidents_a_day?;
        let allowed = match incident.severity() {
            Severity::High => whole,
            Severity::Medium => (whole - whole / 4).max(1),
            Severity::Low => whole.div_ceil(2),
        };
        (self.state.shown_today >= allowed).then_some(Held::OverBudget)
    }
}

fn pattern(scope: Scope) -> String {
    let text = |ip: Option<std::net::IpAddr>| ip.map_or_else(|| "*".to_owned(), |ip| ip.to_string());
    let port = scope.port.map_or_else(|| "*".to_owned(), |port| port.to_string());
    format!("{} {} {} {port}", scope.category.as_str(), text(scope.source), text(scope.target))
}

#[cfg(test)]
mod tests;
