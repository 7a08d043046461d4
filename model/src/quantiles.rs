//! What was normal when a model was made: quantiles of every feature and of the scores, kept in the manifest so
//! that a sensor can tell how far today's traffic has moved.

use serde::{Deserialize, Serialize};

/// The probabilities at which quantiles are kept.
pub const PROBABILITIES: [f64; 15] =
    [0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];

/// Quantiles of one quantity at [`PROBABILITIES`].
pub type Quantiles = [f64; PROBABILITIES.len()];

/// Quantiles of everything a sensor compares with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceQuantiles {
    /// The probabilities.
    pub probabilities: Vec<f64>,
    /// By feature, raw values of the training rows.
    pub features: Vec<Vec<f64>>,
    /// Of the score, over all training rows.
    pub score: Vec<f64>,
    /// Of the score, over benign rows: a threshold's false-alarm rate can be read off.
    pub score_benign: Vec<f64>,
    /// Of novelty, over benign rows.
    pub novelty_benign: Vec<f64>,
}

impl ReferenceQuantiles {
    /// Where `value` lies among the quantiles: a share in [0, 1], interpolated.
    pub fn rank(&self, quantiles: &[f64], value: f64) -> f64 {
        let above = quantiles.partition_point(|quantile| *quantile <= value);
        if above == 0 {
            return 0.0;
        }
        if above >= quantiles.len() || above >= self.probabilities.len() {
            return 1.0;
        }
        let (low, high) = (quantiles[above - 1], quantiles[above]);
        let (p_low, p_high) = (self.probabilities[above - 1], self.probabilities[above]);
        let part = if high > low { (value - low) / (high - low) } else { 0.0 };
        p_low + (p_high - p_low) * part
    }
}

/// Quantiles of `values` at [`PROBABILITIES`], linearly interpolated (Hyndman and Fan's type 7, numpy's default);
/// all 0 when there are none. Sorts `values`.
pub fn quantiles(values: &mut [f64]) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    PROBABILITIES.iter().map(|p| quantile_sorted(values, *p)).collect()
}

/// The quantile at probability `p` of sorted values, 0 when there are none.
pub fn quantile_sorted(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let place = p * last as f64;
    let low = place as usize;
    let high = (low + 1).min(last);
    let part = place - low as f64;
    sorted[low] + part * (sorted[high] - sorted[low])
}
