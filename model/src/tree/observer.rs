//! What a leaf knows of one feature: a Gaussian and the extremes for each class, and the splits they suggest.
//!
//! Welford's weighted update; Pfahringer, Holmes, Kirkby: Handling Numeric Attributes in Hoeffding Trees, 2008.

use super::criterion::{Branch, SplitCriterion};
use super::stats::{CLASSES_MAX, ClassStats};
use crate::numeric::{HALF_LN_TWO_PI, ln, normal_cdf};
use serde::{Deserialize, Serialize};

/// Mean, variance and extremes of one feature in one class.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// Weight seen.
    pub n: f64,
    /// Mean.
    pub mean: f64,
    /// Sum of squared deviations.
    pub s: f64,
    /// Least value seen.
    pub min: f64,
    /// Greatest value seen.
    pub max: f64,
}

impl Default for Gaussian {
    fn default() -> Self {
        Gaussian { n: 0.0, mean: 0.0, s: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Gaussian {
    /// Counts `x` with weight `w` > 0.
    #[inline]
    pub fn update(&mut self, x: f64, w: f64) {
        self.n += w;
        let before = x - self.mean;
        self.mean += w / self.n * before;
        self.s += w * before * (x - self.mean);
        self.min = self.min.min(x);
        self.max = self.max.max(x);
    }

    /// Sample variance (n - 1), 0 while the weight is 1 or less.
    #[inline]
    pub fn variance(&self) -> f64 {
        if self.n > 1.0 { self.s / (self.n - 1.0) } else { 0.0 }
    }

    /// Logarithm of the density; minus infinity while the variance is not positive.
    pub fn log_density(&self, x: f64) -> f64 {
        let variance = self.variance();
        if variance > 0.0 {
            let d = x - self.mean;
            d * d / (-2.0 * variance) - HALF_LN_TWO_PI - 0.5 * ln(variance)
        } else {
            f64::NEG_INFINITY
        }
    }

    /// Distribution function; 0 while the variance is not positive.
    pub fn cdf(&self, x: f64) -> f64 {
        let sigma = self.variance().sqrt();
        if sigma > 0.0 { normal_cdf((x - self.mean) / sigma) } else { 0.0 }
    }
}

/// The best split a leaf has found on one feature, or none.
#[derive(Clone, Copy, Debug)]
pub struct SplitSuggestion {
    /// Merit; minus infinity for "do not split".
    pub merit: f64,
    /// Feature and threshold (`x <= threshold` goes left).
    pub split: Option<Split>,
}

/// A binary test on a feature.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// The feature's number.
    pub feature: u16,
    /// `x <= threshold` goes left.
    pub threshold: f64,
}

impl SplitSuggestion {
    /// The suggestion not to split.
    pub const NONE: SplitSuggestion = SplitSuggestion { merit: f64::NEG_INFINITY, split: None };
}

/// Gaussians of one feature, one a class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianObserver {
    classes: Vec<Gaussian>,
}

impl GaussianObserver {
    /// An observer that has seen nothing of `n_classes` classes.
    pub fn new(n_classes: usize) -> Self {
        GaussianObserver { classes: vec![Gaussian::default(); n_classes] }
    }

    /// Makes room for classes that come after those known so far.
    pub(crate) fn widen(&mut self, n_classes: usize) {
        self.classes.resize(n_classes.max(self.classes.len()), Gaussian::default());
    }

    /// Counts a value of a class with weight `w` > 0.
    #[inline]
    pub fn update(&mut self, x: f64, class: usize, w: f64) {
        self.classes[class].update(x, w);
    }

    /// The Gaussian of a class.
    #[inline]
    pub fn class(&self, class: usize) -> &Gaussian {
        &self.classes[class]
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.classes.len()
    }

    /// Estimated class weights on both sides of `threshold`; `seen` lists the classes observed, in the order of
    /// their arrival.
    pub fn branches(&self, threshold: f64, seen: &[u8]) -> [Branch; 2] {
        let (mut left, mut right) = (Branch::EMPTY, Branch::EMPTY);
        self.part(threshold, seen, &self.sigmas(seen), &mut left, &mut right);
        [left, right]
    }

    /// Standard deviations of the classes in `seen`.
    fn sigmas(&self, seen: &[u8]) -> [f64; CLASSES_MAX] {
        let mut sigmas = [0.0; CLASSES_MAX];
        for (sigma, &class) in sigmas.iter_mut().zip(seen) {
            *sigma = self.classes[usize::from(class)].variance().sqrt();
        }
        sigmas
    }

    /// [`GaussianObserver::branches`] into branches that lie ready.
    fn part(
        &self,
        threshold: f64,
        seen: &[u8],
        sigmas: &[f64; CLASSES_MAX],
        left: &mut Branch,
        right: &mut Branch,
    ) {
        left.clear();
        right.clear();
        for (&class, &sigma) in seen.iter().zip(sigmas) {
            let gaussian = &self.classes[usize::from(class)];
            if threshold < gaussian.min {
                right.push(class, gaussian.n);
            } else if threshold >= gaussian.max {
                left.push(class, gaussian.n);
            } else {
                let share = if sigma > 0.0 { normal_cdf((threshold - gaussian.mean) / sigma) } else { 0.0 };
                let below = share * gaussian.n;
                left.push(class, below);
                right.push(class, gaussian.n - below);
            }
        }
    }

    /// `n_splits` thresholds at equal distances strictly between the least and the greatest value.
    pub fn thresholds(&self, n_splits: u32, seen: &[u8]) -> impl Iterator<Item = f64> + use<> {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        for &class in seen {
            min = min.min(self.classes[usize::from(class)].min);
            max = max.max(self.classes[usize::from(class)].max);
        }
        let step = (max - min) / (f64::from(n_splits) + 1.0);
        (1..=n_splits).map(move |i| min + step * f64::from(i)).filter(move |t| min < *t && *t < max)
    }

    /// The best of the candidate thresholds, the first of equals.
    pub fn best_split(
        &self,
        feature: u16,
        before: &ClassStats,
        seen: &[u8],
        criterion: SplitCriterion,
        n_splits: u32,
        min_branch_fraction: f64,
    ) -> SplitSuggestion {
        let impurity = criterion.impurity_before(before);
        let sigmas = self.sigmas(seen);
        let (mut left, mut right) = (Branch::EMPTY, Branch::EMPTY);
        let mut best = SplitSuggestion::NONE;
        for threshold in self.thresholds(n_splits, seen) {
            self.part(threshold, seen, &sigmas, &mut left, &mut right);
            let merit = criterion.merit_from(impurity, &left, &right, min_branch_fraction);
            if merit > best.merit {
                best = SplitSuggestion { merit, split: Some(Split { feature, threshold }) };
            }
        }
        best
    }
}
