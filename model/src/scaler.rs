//! A feature's mean and spread, fitted once and frozen: values become distances from the mean in standard
//! deviations.

use crate::numeric::tame;
use serde::{Deserialize, Serialize};

/// Mean and population variance of each feature (Welford), and the transform that they make.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardScaler {
    n: u64,
    mean: Vec<f64>,
    variance: Vec<f64>,
}

impl StandardScaler {
    /// A scaler that has seen nothing.
    pub fn new(n_features: usize) -> Self {
        StandardScaler { n: 0, mean: vec![0.0; n_features], variance: vec![0.0; n_features] }
    }

    /// Counts a sample.
    pub fn learn_one(&mut self, x: &[f64]) {
        self.n += 1;
        let n = self.n as f64;
        for ((mean, variance), &value) in self.mean.iter_mut().zip(&mut self.variance).zip(x) {
            let value = tame(value);
            let before = value - *mean;
            *mean += before / n;
            *variance += (before * (value - *mean) - *variance) / n;
        }
    }

    /// (x - mean) / standard deviation into `out`; 0 where the variance is 0.
    #[inline]
    pub fn transform_into(&self, x: &[f64], out: &mut [f64]) {
        for (index, (value, slot)) in x.iter().zip(out.iter_mut()).enumerate() {
            let variance = self.variance[index];
            *slot = if variance > 0.0 { (tame(*value) - self.mean[index]) / variance.sqrt() } else { 0.0 };
        }
    }

    /// [`StandardScaler::transform_into`] where the values lie.
    #[inline]
    pub fn transform_in_place(&self, x: &mut [f64]) {
        for ((value, mean), variance) in x.iter_mut().zip(&self.mean).zip(&self.variance) {
            let distance = (tame(*value) - mean) / variance.sqrt();
            *value = if *variance > 0.0 { distance } else { 0.0 };
        }
    }

    /// [`StandardScaler::transform_into`] into a new vector.
    pub fn transform_one(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; x.len()];
        self.transform_into(x, &mut out);
        out
    }

    /// Means by feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Population variances by feature.
    pub fn variance(&self) -> &[f64] {
        &self.variance
    }

    /// Checks a scaler that was read from a file; the error is its width, 0 when its values are unusable.
    pub(crate) fn check(&self, n_features: usize) -> Result<(), usize> {
        if self.mean.len() != n_features || self.variance.len() != n_features {
            return Err(self.mean.len());
        }
        let usable = self.mean.iter().all(|mean| mean.is_finite())
            && self.variance.iter().all(|variance| variance.is_finite() && *variance >= 0.0);
        if usable { Ok(()) } else { Err(0) }
    }

    /// Samples counted.
    pub fn n(&self) -> u64 {
        self.n
    }
}
