//! How good a binary split is: information gain and Gini purity, and the Hoeffding bound that says when the best
//! split is surely the best.

use super::stats::{CLASSES_MAX, ClassStats};
use crate::numeric::{ln, log2};
use serde::{Deserialize, Serialize};

/// The measure of a split's merit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitCriterion {
    /// Reduction of the class entropy, in bits.
    InfoGain,
    /// 1 - weighted Gini impurity of the branches.
    Gini,
}

/// Class weights of one branch of a split under trial: entries in the order of arrival, without allocation.
#[derive(Clone, Copy, Debug)]
pub struct Branch {
    entries: [(u8, f64); CLASSES_MAX],
    len: usize,
}

impl Branch {
    /// No class yet.
    pub const EMPTY: Branch = Branch { entries: [(0, 0.0); CLASSES_MAX], len: 0 };

    /// Forgets the entries.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends a class. At most [`CLASSES_MAX`] are kept.
    pub fn push(&mut self, class: u8, weight: f64) {
        if self.len < CLASSES_MAX {
            self.entries[self.len] = (class, weight);
            self.len += 1;
        }
    }

    /// The entries so far.
    pub fn entries(&self) -> &[(u8, f64)] {
        &self.entries[..self.len]
    }

    /// Sum of the weights.
    pub fn total(&self) -> f64 {
        self.entries().iter().fold(0.0, |sum, (_, weight)| sum + weight)
    }

    /// The branch as a child's first statistics.
    pub fn to_stats(self) -> ClassStats {
        let mut stats = ClassStats::default();
        for &(class, weight) in self.entries() {
            stats.push(class, weight);
        }
        stats
    }
}

impl SplitCriterion {
    /// Merit of splitting `before` into `left` and `right`; minus infinity when one of them holds no more than
    /// `min_branch_fraction` of the weight.
    pub fn merit(self, before: &ClassStats, left: &Branch, right: &Branch, min_branch_fraction: f64) -> f64 {
        self.merit_from(self.impurity_before(before), left, right, min_branch_fraction)
    }

    /// What [`SplitCriterion::merit_from`] wants to know of the node before a split, whatever the split.
    pub(crate) fn impurity_before(self, before: &ClassStats) -> f64 {
        match self {
            SplitCriterion::InfoGain => entropy_bits(before.entries()),
            SplitCriterion::Gini => 1.0,
        }
    }

    /// [`SplitCriterion::merit`] by the impurity before the split.
    pub(crate) fn merit_from(
        self,
        before: f64,
        left: &Branch,
        right: &Branch,
        min_branch_fraction: f64,
    ) -> f64 {
        let (left_total, right_total) = (left.total(), right.total());
        let total = left_total + right_total;
        let enough = |part: f64| total > 0.0 && part / total > min_branch_fraction;
        if !(enough(left_total) && enough(right_total)) {
            return f64::NEG_INFINITY;
        }
        match self {
            SplitCriterion::InfoGain => {
                let after =
                    left_total * entropy_bits(left.entries()) + right_total * entropy_bits(right.entries());
                before - after / total
            }
            SplitCriterion::Gini => {
                let left_part = left_total / total * gini(left.entries(), left_total);
                let right_part = right_total / total * gini(right.entries(), right_total);
                before - (left_part + right_part)
            }
        }
    }

    /// The greatest merit possible at a node that has seen `classes` classes.
    pub fn range(self, classes: usize) -> f64 {
        match self {
            SplitCriterion::InfoGain => log2(classes.max(2) as f64),
            SplitCriterion::Gini => 1.0,
        }
    }
}

/// Class entropy in bits of weights that need not sum to 1.
pub fn entropy_bits(entries: &[(u8, f64)]) -> f64 {
    let (mut entropy, mut sum) = (0.0, 0.0);
    for &(_, weight) in entries {
        if weight > 0.0 {
            entropy -= weight * ln(weight);
            sum += weight;
        }
    }
    if sum > 0.0 { (entropy + sum * ln(sum)) / sum * std::f64::consts::LOG2_E } else { 0.0 }
}

/// Gini impurity of weights that sum to `total`.
pub fn gini(entries: &[(u8, f64)], total: f64) -> f64 {
    let mut impurity = 1.0;
    if total != 0.0 {
        for &(_, weight) in entries {
            let share = weight / total;
            impurity -= share * share;
        }
    }
    impurity
}

/// Hoeffding's bound: with probability 1 - `delta` the mean of `n` observations of a variable of the given
/// `range` is no further than this from the true mean.
pub fn hoeffding_bound(range: f64, delta: f64, n: f64) -> f64 {
    (range * range * ln(1.0 / delta) / (2.0 * n)).sqrt()
}
