//! Gaussian naive Bayes at a leaf: three rules for a feature whose density says nothing, reduced to one form
//! that learning trees and frozen ones share.

use super::observer::Gaussian;
use crate::numeric::{HALF_LN_TWO_PI, exp, ln};
use serde::{Deserialize, Serialize};

/// What a leaf makes of a class whose variance is 0 or unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NaiveBayesRule {
    /// river: the feature is skipped for that class.
    River,
    /// MOA: no spread means density 1 at the mean and 0 elsewhere; a class not seen has density 0. A density of 0
    /// vetoes the class. (MOA multiplies densities, which underflow; here their logarithms are added.)
    Moa,
}

impl NaiveBayesRule {
    /// Every rule.
    pub const ALL: [NaiveBayesRule; 2] = [NaiveBayesRule::River, NaiveBayesRule::Moa];
}

/// `constant - scale * (x - mean)^2`: the logarithm of a density, or of a rule that stands in for one.
///
/// An infinite `scale` is a point mass (only `x == mean` is possible), a `constant` of minus infinity a veto,
/// and both 0 a feature that says nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogTerm {
    /// Centre.
    pub mean: f64,
    /// 1 / (2 variance).
    pub scale: f64,
    /// Logarithm of the density at the centre.
    pub constant: f64,
}

impl LogTerm {
    /// Says nothing.
    pub const SKIP: LogTerm = LogTerm { mean: 0.0, scale: 0.0, constant: 0.0 };
    /// Forbids the class.
    pub const VETO: LogTerm = LogTerm { mean: 0.0, scale: 0.0, constant: f64::NEG_INFINITY };

    /// The term of a Gaussian under a rule.
    pub fn of(gaussian: &Gaussian, rule: NaiveBayesRule) -> LogTerm {
        let variance = gaussian.variance();
        if variance > 0.0 {
            let constant = -HALF_LN_TWO_PI - 0.5 * ln(variance);
            return LogTerm { mean: gaussian.mean, scale: 0.5 / variance, constant };
        }
        match rule {
            NaiveBayesRule::River => LogTerm::SKIP,
            NaiveBayesRule::Moa if gaussian.n > 0.0 => {
                LogTerm { mean: gaussian.mean, scale: f64::INFINITY, constant: 0.0 }
            }
            NaiveBayesRule::Moa => LogTerm::VETO,
        }
    }

    /// The term's value at `x`.
    #[inline]
    pub fn at(&self, x: f64) -> f64 {
        let d = x - self.mean;
        let square = d * d;
        // Not inf * 0, which would be not-a-number.
        if square == 0.0 { self.constant } else { self.constant - self.scale * square }
    }
}

/// Turns log votes into probabilities, in place and in the order given; false when every class is vetoed.
pub fn normalise(log_votes: &mut [f64]) -> bool {
    let most = log_votes.iter().fold(f64::NEG_INFINITY, |most: f64, vote| most.max(*vote));
    if most == f64::NEG_INFINITY {
        return false;
    }
    let mut sum = 0.0;
    for vote in log_votes.iter_mut() {
        *vote = exp(*vote - most);
        sum += *vote;
    }
    for vote in log_votes.iter_mut() {
        *vote /= sum;
    }
    true
}
