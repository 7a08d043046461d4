//! How good predictions were: confusion matrix, accuracy, precision, recall, F1, kappa and ROC-AUC.

use serde::Serialize;

/// Counts by true class (row) and predicted class (column).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionMatrix {
    n_classes: usize,
    counts: Vec<u64>,
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl ConfusionMatrix {
    /// All zero.
    pub fn new(n_classes: usize) -> Self {
        ConfusionMatrix { n_classes, counts: vec![0; n_classes * n_classes] }
    }

    /// Counts one prediction.
    ///
    /// # Panics
    /// If a class is not below the number of classes.
    pub fn update(&mut self, truth: usize, predicted: usize) {
        self.update_many(truth, predicted, 1);
    }

    /// Counts so many equal predictions.
    ///
    /// # Panics
    /// As [`ConfusionMatrix::update`].
    pub fn update_many(&mut self, truth: usize, predicted: usize, count: u64) {
        assert!(truth < self.n_classes && predicted < self.n_classes);
        self.counts[truth * self.n_classes + predicted] += count;
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Samples of class `truth` predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.n_classes + predicted]
    }

    /// All samples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Samples of a class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|predicted| self.count(class, predicted)).sum()
    }

    /// Predictions of a class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.n_classes).map(|truth| self.count(truth, class)).sum()
    }

    /// Share of right predictions.
    pub fn accuracy(&self) -> f64 {
        let right = (0..self.n_classes).map(|class| self.count(class, class)).sum();
        ratio(right, self.total())
    }

    /// Right predictions of a class among all predictions of it; 0 when it was never predicted.
    pub fn precision(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.predicted(class))
    }

    /// Right predictions of a class among all its samples; 0 when it has none.
    pub fn recall(&self, class: usize) -> f64 {
        ratio(self.count(class, class), self.support(class))
    }

    /// Harmonic mean of precision and recall; 0 when it is undefined.
    pub fn f1(&self, class: usize) -> f64 {
        ratio(2 * self.count(class, class), self.support(class) + self.predicted(class))
    }

    /// Mean F1 of the classes that occur as truth or prediction.
    pub fn f1_macro(&self) -> f64 {
        let occurring: Vec<usize> =
            (0..self.n_classes).filter(|c| self.support(*c) + self.predicted(*c) > 0).collect();
        if occurring.is_empty() {
            return 0.0;
        }
        occurring.iter().fold(0.0, |sum, class| sum + self.f1(*class)) / occurring.len() as f64
    }

    /// F1 weighted by the classes' samples.
    pub fn f1_weighted(&self) -> f64 {
        let total = self.total();
        if total == 0 {
            return 0.0;
        }
        (0..self.n_classes).fold(0.0, |sum, c| sum + self.f1(c) * self.support(c) as f64) / total as f64
    }

    /// Cohen's kappa, (p0 - pe) / (1 - pe); 0 when it is undefined (one class only).
    pub fn kappa(&self) -> f64 {
        let total = self.total() as f64;
        if total == 0.0 {
            return 0.0;
        }
        let agreement = self.accuracy();
        let chance = (0..self.n_classes)
            .fold(0.0, |sum, c| sum + self.support(c) as f64 / total * (self.predicted(c) as f64 / total));
        if chance == 1.0 { 0.0 } else { (agreement - chance) / (1.0 - chance) }
    }

    /// The two-class matrix "not `negative`" against `negative`, with `negative` as class 0.
    pub fn against(&self, negative: usize) -> ConfusionMatrix {
        let mut binary = ConfusionMatrix::new(2);
        for truth in 0..self.n_classes {
            for predicted in 0..self.n_classes {
                let cell = usize::from(truth != negative) * 2 + usize::from(predicted != negative);
                binary.counts[cell] += self.count(truth, predicted);
            }
        }
        binary
    }

    /// Adds another matrix of the same size.
    pub fn merge(&mut self, other: &ConfusionMatrix) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
    }
}

/// Area under the ROC curve of (score, is positive) pairs, ties counted half (Mann-Whitney U); `None` when one of
/// the classes is missing. Sorts `scored`.
pub fn roc_auc(scored: &mut [(f64, bool)]) -> Option<f64> {
    scored.sort_by(|a, b| a.0.total_cmp(&b.0));
    let positives = scored.iter().filter(|(_, positive)| *positive).count() as f64;
    let negatives = scored.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let (mut below, mut wins) = (0.0, 0.0);
    for tied in scored.chunk_by(|a, b| a.0 == b.0) {
        let tied_positives = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let tied_negatives = tied.len() as f64 - tied_positives;
        wins += tied_positives * (below + 0.5 * tied_negatives);
        below += tied_negatives;
    }
    Some(wins / (positives * negatives))
}
