//! Whether scores are what they say: among flows scored 0.8, are 80 % attacks?

use serde_json::{Value, json};

const BINS: usize = 10;

/// Scores in ten bins of equal width, and how far each bin is from the truth.
#[derive(Default)]
pub(crate) struct Calibration {
    rows: [u64; BINS],
    score_sums: [f64; BINS],
    right: [u64; BINS],
}

impl Calibration {
    /// Of (score in [0, 1], was it so) pairs.
    pub(crate) fn of(scored: impl Iterator<Item = (f64, bool)>) -> Calibration {
        let mut calibration = Calibration::default();
        for (score, right) in scored {
            let bin = ((score * BINS as f64) as usize).min(BINS - 1);
            calibration.rows[bin] += 1;
            calibration.score_sums[bin] += score;
            calibration.right[bin] += u64::from(right);
        }
        calibration
    }

    /// Expected calibration error (Naeini et al. 2015): the bins' mean distances, weighted by their rows.
    pub(crate) fn expected_error(&self) -> f64 {
        let rows: u64 = self.rows.iter().sum();
        let distance = |bin: usize| (self.score_sums[bin] - self.right[bin] as f64).abs();
        (0..BINS).map(distance).sum::<f64>() / rows.max(1) as f64
    }

    pub(crate) fn to_json(&self) -> Value {
        let bins: Vec<Value> = (0..BINS)
            .filter(|bin| self.rows[*bin] > 0)
            .map(|bin| {
                let rows = self.rows[bin] as f64;
                json!({"rows": self.rows[bin], "score": self.score_sums[bin] / rows,
                       "share": self.right[bin] as f64 / rows})
            })
            .collect();
        json!({"expected_error": self.expected_error(), "bins": bins})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_weighted_distance_of_the_bins() {
        // Three of four at 0.75 are right: no error. Both at 1.0 are wrong: error 1. Together 2 of 6.
        let scored = [(0.75, true), (0.75, true), (0.75, true), (0.75, false), (1.0, false), (1.0, false)];
        let calibration = Calibration::of(scored.into_iter());
        assert!((calibration.expected_error() - 2.0 / 6.0).abs() < 1e-12);
        assert_eq!(Calibration::of(std::iter::empty()).expected_error(), 0.0);
    }
}
