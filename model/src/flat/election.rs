//! Counting the trees' votes, in tree order: the sum over all and the sum over the sure ones grow side by side, because
//! which of them decides is known only at the end.

use crate::forest::Vote;
use crate::numeric::{entropy_nats, ln};
use crate::tree::CLASSES_MAX;

/// Votes counted so far on one sample.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Election {
    /// Sums over all trees.
    pub(super) all: [f64; CLASSES_MAX],
    sure: [f64; CLASSES_MAX],
    /// Trees that voted.
    pub(super) n_voted: u32,
    /// Trees that were sure.
    pub(super) n_sure: u32,
}

impl Election {
    /// Counts a tree's vote, given as probabilities of classes; no class: it abstains.
    #[inline]
    pub(super) fn count(&mut self, votes: impl ExactSizeIterator<Item = (u8, f64)>, weight: f64, sure: bool) {
        let voted = u32::from(votes.len() > 0);
        self.n_voted += voted;
        self.n_sure += if sure { voted } else { 0 };
        for (class, vote) in votes {
            let class = usize::from(class) % CLASSES_MAX;
            let vote = weight * vote;
            self.all[class] += vote;
            self.sure[class] += if sure { vote } else { 0.0 };
        }
    }

    /// Adds what another election counted, `weight` times.
    pub(super) fn add(&mut self, other: &Election, weight: f64) {
        for class in 0..CLASSES_MAX {
            self.all[class] += weight * other.all[class];
            self.sure[class] += weight * other.sure[class];
        }
        self.n_voted += other.n_voted;
        self.n_sure += other.n_sure;
    }

    /// Whether the sure trees decide.
    pub(super) fn by_sure(&self, vote: Vote) -> bool {
        matches!(vote, Vote::Confident { trees_min, .. } if self.n_sure as usize >= trees_min.max(1))
    }

    /// The probabilities; false when nobody voted.
    #[inline]
    pub(super) fn result(&self, vote: Vote, out: &mut [f64]) -> bool {
        let sums = if self.by_sure(vote) { &self.sure } else { &self.all };
        out.copy_from_slice(&sums[..out.len()]);
        let total = out.iter().fold(0.0, |sum, vote| sum + vote);
        if total <= 0.0 {
            return false;
        }
        for vote in out.iter_mut() {
            *vote /= total;
        }
        true
    }
}

/// When the entropy of a vote is below the limit of the confident vote: nearly always the greatest probability tells, and
/// no logarithm is needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Certainty {
    entropy_max: f64,
    /// From this greatest probability on the entropy is below the limit, however the rest is spread.
    sure_from: f64,
    /// Up to this one it is not.
    unsure_to: f64,
}

/// Further from the limit than any rounding.
const MARGIN: f64 = 1e-9;

impl Certainty {
    pub(super) fn of(vote: Vote, n_classes: usize) -> Certainty {
        let Vote::Confident { entropy_max, .. } = vote else {
            // Nobody asks.
            return Certainty { entropy_max: 0.0, sure_from: f64::INFINITY, unsure_to: f64::INFINITY };
        };
        // The rest in one other class is the least entropy (above one half), the rest spread evenly the greatest.
        let least = |p: f64| -p * ln(p) - (1.0 - p) * ln(1.0 - p);
        let others = (n_classes.max(2) - 1) as f64;
        let greatest = |p: f64| least(p) + (1.0 - p) * ln(others);
        let (mut sure_from, mut unsure_to) = (f64::INFINITY, 0.5f64);
        let (mut low, mut high) = (0.5, 1.0 - 1e-12);
        if greatest(high) < entropy_max - MARGIN {
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if greatest(middle) < entropy_max - MARGIN { high = middle } else { low = middle }
            }
            sure_from = high;
        }
        (low, high) = (0.5, 1.0 - 1e-12);
        // With less than ln 2 allowed, no greatest probability up to one half is sure.
        if least(low) <= entropy_max + MARGIN {
            unsure_to = 0.0;
        } else {
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if least(middle) > entropy_max + MARGIN { low = middle } else { high = middle }
            }
            unsure_to = unsure_to.max(low);
        }
        Certainty { entropy_max, sure_from, unsure_to }
    }

    /// Whether a vote of this greatest probability is sure; none when the logarithms must tell.
    #[inline]
    pub(super) fn at_sight(&self, greatest: f64) -> Option<bool> {
        if greatest <= self.unsure_to {
            Some(false)
        } else if greatest >= self.sure_from {
            Some(true)
        } else {
            None
        }
    }

    /// Whether the entropy of probabilities by class is below the limit.
    pub(super) fn holds(&self, votes: &[f64]) -> bool {
        entropy_nats(votes) < self.entropy_max
    }

    /// The same of probabilities in another order: summed by class, as [`Certainty::holds`] does.
    pub(super) fn holds_of(&self, votes: impl Iterator<Item = (u8, f64)>) -> bool {
        let mut by_class = [0.0; CLASSES_MAX];
        for (class, vote) in votes {
            by_class[usize::from(class)] = vote;
        }
        self.holds(&by_class)
    }

    /// Whether a vote of probability 1 for one class is sure: its entropy is 0.
    pub(super) fn all_for_one(&self) -> bool {
        0.0 < self.entropy_max
    }
}

#[cfg(test)]
mod tests;
