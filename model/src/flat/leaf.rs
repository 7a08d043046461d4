//! What a frozen leaf says of a sample: its class shares, or naive Bayes over the features it watches.
//!
//! A naive-Bayes leaf's numbers lie in one run: the log priors of its classes; then, for each feature watched, the feature's
//! number and the classes' means, scales and constants ([`crate::tree::bayes::LogTerm`]). Classes are in the order in which
//! the leaf met them, filled up to whole pairs with classes that cannot be: two classes fit a vector register.

use super::FlatForest;
use super::election::{Certainty, Election};
use crate::numeric::lanes::{EXP_UNDERFLOW, exp_of_negative};
use crate::tree::CLASSES_MAX;

/// Pairs of classes at most.
const PAIRS_MAX: usize = CLASSES_MAX / 2;
type Pair = [f64; 2];

/// A leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Leaf {
    /// Where its class shares begin.
    pub(super) shares: u32,
    /// Where its naive Bayes begins.
    pub(super) terms: u32,
    /// Features watched.
    pub(super) features: u16,
    /// Classes that can win: those of naive Bayes, or those with a share.
    pub(super) count: u8,
    pub(super) kind: LeafKind,
    /// For [`LeafKind::Shares`]: whether the vote is sure.
    pub(super) sure: bool,
    /// The classes, the first `count` of them.
    pub(super) classes: [u8; CLASSES_MAX],
}

/// Who speaks for a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LeafKind {
    /// Its class shares.
    Shares,
    /// Naive Bayes; a density of 0 vetoes its class.
    VetoingBayes,
    /// Naive Bayes; a density of 0 is skipped.
    SkippingBayes,
}

/// Floats that a naive-Bayes leaf takes.
fn terms_len(features: usize, classes: usize) -> usize {
    let padded = classes.next_multiple_of(2);
    padded + features * (1 + 3 * padded)
}

impl Leaf {
    /// The floats of a naive-Bayes leaf.
    pub(super) fn block<'a>(&self, terms: &'a [f64]) -> &'a [f64] {
        let len = terms_len(usize::from(self.features), usize::from(self.count));
        &terms[self.terms as usize..self.terms as usize + len]
    }

    /// Counts the leaf's vote on a sample in an election; a leaf that has no opinion abstains.
    #[inline]
    pub(super) fn cast(&self, x: &[f64], forest: &FlatForest, weight: f64, election: &mut Election) {
        if self.kind == LeafKind::Shares {
            let shares = &forest.shares[self.shares as usize..];
            let votes = self.classes.iter().take(usize::from(self.count));
            return election.count(
                votes.map(|&class| (class, shares[usize::from(class)])),
                weight,
                self.sure,
            );
        }
        let block = self.block(&forest.terms);
        match self.count.div_ceil(2) {
            1 => self.cast_bayes::<1>(x, block, &forest.certainty, weight, election),
            2 => self.cast_bayes::<2>(x, block, &forest.certainty, weight, election),
            3 => self.cast_bayes::<3>(x, block, &forest.certainty, weight, election),
            4 => self.cast_bayes::<4>(x, block, &forest.certainty, weight, election),
            5 => self.cast_bayes::<5>(x, block, &forest.certainty, weight, election),
            6 => self.cast_bayes::<6>(x, block, &forest.certainty, weight, election),
            7 => self.cast_bayes::<7>(x, block, &forest.certainty, weight, election),
            8 => self.cast_bayes::<8>(x, block, &forest.certainty, weight, election),
            _ => {}
        }
    }

    /// Naive Bayes votes, unless every class is vetoed.
    #[inline]
    fn cast_bayes<const PAIRS: usize>(
        &self,
        x: &[f64],
        block: &[f64],
        certainty: &Certainty,
        weight: f64,
        election: &mut Election,
    ) {
        let logs = if self.kind == LeafKind::VetoingBayes {
            log_votes::<PAIRS, true>(x, block)
        } else {
            log_votes::<PAIRS, false>(x, block)
        };
        let mut most = [f64::NEG_INFINITY; 2];
        for pair in &logs {
            for (most, log) in most.iter_mut().zip(pair) {
                *most = if *log > *most { *log } else { *most };
            }
        }
        let most = if most[0] > most[1] { most[0] } else { most[1] };
        if most == f64::NEG_INFINITY {
            return;
        }
        let mut shares = [[0.0; 2]; PAIRS];
        for (share, log) in shares.iter_mut().zip(&logs) {
            *share = [log[0] - most, log[1] - most];
        }
        let possible = |x: &f64| usize::from(*x >= EXP_UNDERFLOW);
        let places = shares.as_flattened();
        if places.iter().map(possible).sum::<usize>() == 1 {
            // Next to the greatest the others are 0: it has all.
            let place = places.iter().position(|x| *x >= EXP_UNDERFLOW).unwrap_or(0);
            return election.count([(self.classes[place], 1.0)].into_iter(), weight, certainty.all_for_one());
        }
        let mut sum = 0.0;
        for share in &mut shares {
            *share = [exp_of_negative(share[0]), exp_of_negative(share[1])];
        }
        for share in &shares {
            sum += share[0];
            sum += share[1];
        }
        for share in &mut shares {
            *share = [share[0] / sum, share[1] / sum];
        }
        let votes = || self.classes.iter().copied().zip(shares.as_flattened().iter().copied());
        let votes = || votes().take(usize::from(self.count));
        // The greatest has the share exp(0) / sum.
        let sure = certainty.at_sight(1.0 / sum).unwrap_or_else(|| certainty.holds_of(votes()));
        election.count(votes(), weight, sure);
    }
}

/// Log prior plus log densities of each class, summed in the order of the features.
#[inline]
fn log_votes<const PAIRS: usize, const VETOES: bool>(x: &[f64], block: &[f64]) -> [Pair; PAIRS] {
    let (pairs, _) = block.as_chunks::<2>();
    let mut logs = [[0.0; 2]; PAIRS];
    logs.copy_from_slice(&pairs[..PAIRS]);
    for watched in block[2 * PAIRS..].chunks_exact(1 + 6 * PAIRS) {
        let value = x[feature_number(watched[0])];
        let (numbers, _) = watched[1..].as_chunks::<2>();
        let (means, rest) = numbers.split_at(PAIRS);
        let (scales, constants) = rest.split_at(PAIRS);
        for pair in 0..PAIRS {
            for lane in 0..2 {
                let term = log_term(value, means[pair][lane], scales[pair][lane], constants[pair][lane]);
                // river skips a density of 0.
                let counts = VETOES || term > f64::NEG_INFINITY;
                logs[pair][lane] += if counts { term } else { 0.0 };
            }
        }
    }
    logs
}

/// [`crate::tree::bayes::LogTerm::at`].
#[inline(always)]
pub(super) fn log_term(value: f64, mean: f64, scale: f64, constant: f64) -> f64 {
    let distance = value - mean;
    let square = distance * distance;
    let fall = scale * square;
    // Not inf * 0, which would be not-a-number.
    constant - if square == 0.0 { 0.0 } else { fall }
}

/// A feature's number as it lies among the floats: its bits.
#[inline]
pub(super) fn feature_number(float: f64) -> usize {
    float.to_bits() as usize
}

/// The most pairs that [`Leaf::cast`] knows.
const _: () = assert!(PAIRS_MAX == 8);
