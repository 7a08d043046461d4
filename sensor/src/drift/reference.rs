//! How far what is seen has moved from what a model was made of: the population stability index over cells cut from quantiles.
//!
//! PSI sums `(o - e) ln(o / e)` over cells, `o` the share observed in a cell and `e` the share expected (Siddiqi, *Credit Risk
//! Scorecards*, 2006). A manifest keeps quantiles, and quantiles leave some shares open: a value that repeats among them has
//! between so much and so much of the mass. What the manifest leaves open counts as agreement, so that a stream like the
//! training data has a PSI near 0 and no artefact of ties.

use model::quantiles::ReferenceQuantiles;
use model::{FEATURES, N_FEATURES};

/// Everything that is compared: the features in their order, then the score.
pub(super) const QUANTITIES: usize = N_FEATURES + 1;

/// A share that is smaller is taken as this: one value where none was expected is no drift.
const SHARE_MIN: f64 = 1e-3;
/// Quantiles nearer to the ends cut cells too small to fill.
const TAIL: f64 = 0.05;

/// Where one cell ends and the next begins.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cut {
    value: f64,
    /// The value itself lies below the cut.
    after: bool,
    /// What is known of the share below it.
    below: (f64, f64),
}

/// The cells of one quantity.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cells {
    cuts: Vec<Cut>,
    /// By cell, the least and the most that is expected in it.
    expected: Vec<(f64, f64)>,
}

impl Cells {
    /// Cells from `quantiles` at `probabilities`, both ascending. Quantiles of whole numbers are taken as of counts: between two
    /// of them lies a share that the numbers themselves may hold.
    pub(super) fn new(probabilities: &[f64], quantiles: &[f64]) -> Self {
        let mut runs: Vec<(f64, f64, f64)> = Vec::new();
        for (&p, &value) in probabilities.iter().zip(quantiles) {
            let inner = (TAIL..=1.0 - TAIL).contains(&p) || p <= 0.0 || p >= 1.0;
            match runs.last_mut() {
                _ if !inner || !value.is_finite() => {}
                Some((known, _, to)) if *known >= value => *to = p,
                _ => runs.push((value, p, p)),
            }
        }
        let whole = runs.iter().all(|(value, ..)| value.fract() == 0.0);
        let mut cuts = Vec::new();
        for (at, &(value, from, to)) in runs.iter().enumerate() {
            let before = at.checked_sub(1).map(|b| runs[b]);
            let next = runs.get(at + 1).copied();
            let tied = to > from;
            let low = match before {
                None => from.min(0.0),
                Some((_, _, p)) if tied => p,
                // The share of one whole number, were they spread evenly between the neighbours.
                Some((v, _, p)) if whole => {
                    let (v_next, p_next) = next.map_or((value, to), |(v, p, _)| (v, p));
                    (from - ((p_next - p) / (v_next - v)).min(from - p)).max(p)
                }
                Some(_) => from,
            };
            let is_end = before.is_none() || next.is_none();
            if tied {
                cuts.push(Cut { value, after: false, below: (low, from) });
                cuts.push(Cut { value, after: true, below: (to, next.map_or(1.0, |(_, p, _)| p)) });
            } else if !is_end {
                cuts.push(Cut { value, after: false, below: (low, from) });
            }
        }
        let mut expected = Vec::with_capacity(cuts.len() + 1);
        let mut under = (0.0, 0.0);
        for over in cuts.iter().map(|cut| cut.below).chain([(1.0, 1.0)]) {
            let (least, most): (f64, f64) = (over.0 - under.1, over.1 - under.0);
            expected.push((least.max(0.0), most.max(0.0)));
            under = over;
        }
        Self { cuts, expected }
    }

    /// How many there are; at least one.
    pub(super) fn len(&self) -> usize {
        self.expected.len()
    }

    /// The cell of a value.
    #[inline]
    pub(super) fn of(&self, value: f64) -> usize {
        self.cuts.partition_point(|cut| value > cut.value || (value >= cut.value && !cut.after))
    }

    /// PSI of counts by cell against what is expected; 0 when nothing was counted.
    pub(super) fn psi(&self, counts: &[f64]) -> f64 {
        let total: f64 = counts.iter().sum();
        let terms = counts.iter().zip(&self.expected).map(|(n, (least, most))| {
            let share = n / total;
            term(share, share.clamp(*least, *most))
        });
        if total > 0.0 { terms.sum() } else { 0.0 }
    }
}

/// PSI of one set of counts against another; 0 when one is empty.
pub(super) fn psi_between(now: &[f64], usual: &[f64]) -> f64 {
    let (n, m): (f64, f64) = (now.iter().sum(), usual.iter().sum());
    if n <= 0.0 || m <= 0.0 {
        return 0.0;
    }
    now.iter().zip(usual).map(|(a, b)| term(a / n, b / m)).sum()
}

fn term(observed: f64, expected: f64) -> f64 {
    let (o, e) = (observed.max(SHARE_MIN), expected.max(SHARE_MIN));
    (o - e) * libm::log(o / e)
}

/// The cells of every feature, and of the score.
pub(super) fn cells_of(reference: &ReferenceQuantiles) -> Vec<Cells> {
    let p = &reference.probabilities;
    let mut all: Vec<Cells> = reference.features.iter().take(N_FEATURES).map(|q| Cells::new(p, q)).collect();
    // A manifest was checked when it was read; one that lacks a feature compares nothing there.
    all.resize_with(N_FEATURES, || Cells::new(&[], &[]));
    all.push(Cells::new(p, &reference.score));
    all
}

/// The name of a quantity.
pub(super) fn name_of(quantity: usize) -> &'static str {
    FEATURES.get(quantity).copied().unwrap_or("score")
}

#[cfg(test)]
mod tests;
