//! The drift check over labelled flows: ADWIN on the sensor's errors with a trend buffer, what kind of drift it is, and
//! whether it is worth a retrain.

pub(crate) mod label_free;
pub(crate) mod traffic;

use crate::sample::Sample;
use model::adwin::AdwinParams;
use model::drift_phase::{DriftPhase, DriftPhaseParams, Turn};
use serde::{Deserialize, Serialize};

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DriftType {
    /// Errors rose.
    Negative,
    /// Errors fell.
    Positive,
    /// Errors did not change, but the traffic did.
    Distribution,
    /// Nothing.
    None,
}

impl DriftType {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            DriftType::Negative => "negative",
            DriftType::Positive => "positive",
            DriftType::Distribution => "distribution",
            DriftType::None => "none",
        }
    }
}

/// What the errors of a stream of labelled flows say. Indices count from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) kind: DriftType,
    /// Where errors began to be more.
    pub(crate) first: Option<usize>,
    /// Where that was over.
    pub(crate) second: Option<usize>,
    /// Where ADWIN first found any change.
    pub(crate) detected: Option<usize>,
    /// The first of the flows whose errors prove it: the newer half of the trend buffer at the first detection begins here.
    pub(crate) window: Option<usize>,
    /// Mean errors on both sides of the first detection: older and newer half of the trend buffer.
    pub(crate) means: Option<(f64, f64)>,
    /// Share of wrong verdicts, over all and over the newest half buffer.
    pub(crate) error: f64,
    pub(crate) error_recent: f64,
}

/// The rule. `trend_buffer_size` counts samples (2K): the two means are of half as many each.
///
/// A change that begins a drift makes it `negative` wherever it comes; without one the first change decides.
pub(crate) fn judge(samples: &[Sample], adwin_delta: f64, trend_buffer_size: usize) -> Verdict {
    let half = (trend_buffer_size / 2).max(1);
    let adwin = AdwinParams::with_delta(adwin_delta);
    let mut phase = DriftPhase::new(DriftPhaseParams { adwin, trend_length: half });
    let (mut first, mut second, mut detected, mut window, mut means) = (None, None, None, None, None);
    for (index, sample) in samples.iter().enumerate() {
        let Some(change) = phase.update(sample.is_wrong()) else { continue };
        let begins = change.turn == Some(Turn::Start) && first.is_none();
        if detected.is_none() || begins {
            window = Some((index + 1).saturating_sub(half));
            means = Some((change.past, change.recent));
        }
        detected = detected.or(Some(index));
        match change.turn {
            Some(Turn::Start) => first = first.or(Some(index)),
            Some(Turn::End) => second = second.or(Some(index)),
            None => {}
        }
    }
    let kind = match (first, means) {
        (Some(_), _) => DriftType::Negative,
        (None, Some((past, recent))) if recent > past => DriftType::Negative,
        (None, Some((past, recent))) if recent < past => DriftType::Positive,
        _ => DriftType::None,
    };
    let share = |samples: &[Sample]| {
        let wrong = samples.iter().filter(|sample| sample.is_wrong()).count();
        if samples.is_empty() { 0.0 } else { wrong as f64 / samples.len() as f64 }
    };
    let newest = &samples[samples.len().saturating_sub(half)..];
    let (error, error_recent) = (share(samples), share(newest));
    Verdict { kind, first, second, detected, window, means, error, error_recent }
}

#[cfg(test)]
pub(crate) mod tests;
