//! Settings of a Hoeffding tree; names are river's.

use super::bayes::{LogTerm, NaiveBayesRule};
use super::criterion::SplitCriterion;
use super::observer::Gaussian;
use super::{Leaf, Node};
use serde::{Deserialize, Serialize};
use std::mem::size_of;

/// Which predictor speaks at a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeafPrediction {
    /// The majority class.
    Mc,
    /// Naive Bayes.
    Nb,
    /// Whichever of the two has been right more often at this leaf.
    Nba,
}

/// Settings of a Hoeffding tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeParams {
    /// Length of a sample.
    pub n_features: usize,
    /// Number of classes, at most [`super::CLASSES_MAX`].
    pub n_classes: usize,
    /// Features a leaf watches.
    pub max_features: usize,
    /// Weight a leaf sees between two attempts to split.
    pub grace_period: f64,
    /// The deepest a leaf may lie; the root has depth 0.
    pub max_depth: Option<u32>,
    /// Measure of merit.
    pub split_criterion: SplitCriterion,
    /// Allowed error of a split decision.
    pub delta: f64,
    /// A bound below this settles a tie.
    pub tau: f64,
    /// Which predictor speaks at a leaf.
    pub leaf_prediction: LeafPrediction,
    /// The rule of the naive-Bayes leaves.
    pub naive_bayes: NaiveBayesRule,
    /// Least share of the weight either branch must get.
    pub min_branch_fraction: f64,
    /// A leaf whose majority class has a greater share does not split; 1 lets every leaf split. (river's 0.99
    /// keeps rare attacks in mostly benign leaves for ever.)
    pub max_share_to_split: f64,
    /// Whether "do not split" competes.
    pub merit_preprune: bool,
    /// Thresholds tried on each feature.
    pub n_splits: u32,
    /// Memory the tree may take. Beyond it the least promising leaves stop observing, then growth stops.
    pub max_bytes: usize,
}

impl TreeParams {
    /// The defaults of a stand-alone tree (river's `HoeffdingTreeClassifier`, with MOA's leaf rule).
    pub fn new(n_features: usize, n_classes: usize) -> Self {
        TreeParams {
            n_features,
            n_classes,
            max_features: n_features,
            grace_period: 200.0,
            max_depth: None,
            split_criterion: SplitCriterion::InfoGain,
            delta: 1e-7,
            tau: 0.05,
            leaf_prediction: LeafPrediction::Nba,
            naive_bayes: NaiveBayesRule::Moa,
            min_branch_fraction: 0.01,
            max_share_to_split: 1.0,
            merit_preprune: true,
            n_splits: 10,
            max_bytes: 16 << 20,
        }
    }

    /// Bytes of one node without observers.
    pub(crate) fn node_bytes(&self) -> usize {
        let stats = self.n_classes * size_of::<(u8, f64)>();
        size_of::<Node>() + size_of::<Leaf>() + stats + self.max_features * size_of::<u16>() + self.n_classes
    }

    /// Bytes of one leaf's observers.
    pub(crate) fn watch_bytes(&self) -> usize {
        let class = size_of::<Gaussian>() + size_of::<LogTerm>();
        self.max_features * (self.n_classes * class + size_of::<super::GaussianObserver>())
    }
}
