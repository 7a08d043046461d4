//! Which class naive Bayes favours, at a glance: without exp, with one logarithm a sample learned, and only when the answer is
//! beyond doubt. Where two classes come close, or anything is out of the ordinary, the leaf works the votes out in full, so a
//! glance never decides otherwise than the whole computation.

use super::bayes::NaiveBayesRule;
use super::observer::GaussianObserver;
use crate::numeric::{HALF_LN_TWO_PI, ln};

/// By class: a constant, then (mean, 1 / (2 variance)) of each watched feature. A log vote, but for what all classes share,
/// is the constant less the sum of scale * (x - mean)^2.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Glance {
    numbers: Vec<f64>,
    /// Numbers a class.
    width: usize,
}

/// Log votes must be further apart than this, times 1000 or the greater of them, for a glance to tell.
const DOUBT: f64 = 1e-9;
/// Smaller sums of squares are left to the whole computation.
const SPREAD_MIN: f64 = 1e-280;

impl Glance {
    pub(super) fn new(features: usize, n_classes: usize) -> Glance {
        if features == 0 {
            return Glance::default();
        }
        let width = 1 + 2 * features;
        Glance { numbers: vec![f64::NAN; width * n_classes], width }
    }

    /// Makes every glance fail until it is built anew.
    pub(super) fn forget(&mut self) {
        self.numbers.clear();
    }

    /// Works out what is needed of a class that has weight `weight`.
    pub(super) fn refresh(
        &mut self,
        class: usize,
        weight: f64,
        observers: &[GaussianObserver],
        rule: NaiveBayesRule,
    ) {
        let Some(numbers) = self.numbers.get_mut(class * self.width..(class + 1) * self.width) else {
            return;
        };
        let Some((constant, pairs)) = numbers.split_first_mut() else { return };
        // The logarithm of a product of variances, with as few logarithms as the exponents allow.
        let (mut logs, mut product, mut gaussians) = (0.0, 1.0, 0.0);
        *constant = 0.0;
        for (pair, observer) in pairs.chunks_exact_mut(2).zip(observers) {
            let gaussian = observer.class(class);
            let freedom = gaussian.n - 1.0;
            pair[0] = gaussian.mean;
            if freedom > 0.0 && gaussian.s > 0.0 {
                pair[1] = 0.5 * freedom / gaussian.s;
                product *= gaussian.s / freedom;
                gaussians += 1.0;
                if !(1e-100..1e100).contains(&product) {
                    logs += ln(product);
                    product = 1.0;
                }
                if gaussian.s < SPREAD_MIN {
                    *constant = f64::NAN;
                }
            } else {
                (pair[1], *constant) = match rule {
                    NaiveBayesRule::River => (0.0, *constant),
                    NaiveBayesRule::Moa if gaussian.n > 0.0 => (f64::INFINITY, *constant),
                    NaiveBayesRule::Moa => (0.0, f64::NEG_INFINITY),
                };
            }
        }
        // A class without weight has no vote by MOA's rule and an odd one by river's.
        *constant += match rule {
            _ if weight > 0.0 => 0.5 * (ln(weight * weight / product) - logs) - gaussians * HALF_LN_TWO_PI,
            NaiveBayesRule::River => f64::NAN,
            NaiveBayesRule::Moa => f64::NEG_INFINITY,
        };
    }

    /// The class that naive Bayes favours among those of `entries`; `None` when in doubt.
    #[inline]
    pub(super) fn favourite(&self, x: &[f64], subset: &[u16], entries: &[(u8, f64)]) -> Option<usize> {
        let (mut best, mut second, mut favourite) = (f64::NEG_INFINITY, f64::NEG_INFINITY, 0);
        for &(class, _) in entries {
            let class = usize::from(class);
            let numbers = self.numbers.get(class * self.width..(class + 1) * self.width)?;
            let mut vote = *numbers.first()?;
            for (pair, &feature) in numbers[1..].as_chunks::<2>().0.iter().zip(subset) {
                let distance = x[usize::from(feature)] - pair[0];
                let square = distance * distance;
                vote -= if square == 0.0 { 0.0 } else { pair[1] * square };
            }
            if vote.is_nan() {
                return None;
            }
            if vote > best {
                (second, best, favourite) = (best, vote, class);
            } else if vote > second {
                second = vote;
            }
        }
        let doubt = DOUBT * best.abs().max(1000.0);
        (best > f64::NEG_INFINITY && best - second > doubt).then_some(favourite)
    }
}

/// The heaviest class; `None` when another comes so close that shares might not tell them apart.
#[inline]
pub(super) fn majority(entries: &[(u8, f64)]) -> Option<usize> {
    let (mut best, mut second, mut favourite) = (0.0, 0.0, None);
    for &(class, weight) in entries {
        if weight > best {
            (second, best, favourite) = (best, weight, Some(usize::from(class)));
        } else if weight > second {
            second = weight;
        }
    }
    favourite.filter(|_| second < best * (1.0 - DOUBT))
}
