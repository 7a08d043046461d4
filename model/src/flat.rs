//! The forest frozen for judging: flat arrays, children after parents, every leaf's statistics worked out in
//! advance, no allocation per prediction. It is what an artifact carries.

mod freeze;
mod walk;

pub use walk::{LeafView, TreeOpinion};

use crate::forest::Vote;
use crate::forest::vote::{Ballot, tally, weigh};
use crate::tree::CLASSES_MAX;
use serde::{Deserialize, Serialize};

/// Marks a node as a leaf.
pub(crate) const LEAF: u16 = u16::MAX;
/// Marks a leaf without naive Bayes.
pub(crate) const NO_BAYES: u32 = u32::MAX;

/// One tree as parallel arrays. Node 0 is the root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlatTree {
    /// Feature tested, or [`LEAF`].
    pub(crate) feature: Vec<u16>,
    /// `x <= threshold` goes left; 0 at leaves.
    pub(crate) threshold: Vec<f64>,
    /// Left child (the right one follows it); at leaves the index into `bayes`, or [`NO_BAYES`].
    pub(crate) child: Vec<u32>,
    /// Class shares of every node, inner ones too: `n_classes` a node.
    pub(crate) shares: Vec<f64>,
    /// Naive-Bayes leaves.
    pub(crate) bayes: Vec<FlatBayes>,
    /// The tree's accuracy when it was frozen, for the weighted vote.
    pub(crate) accuracy: f64,
}

/// A naive-Bayes leaf: the classes that can win, and their log-density terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlatBayes {
    /// Features watched.
    pub(crate) features: Vec<u16>,
    /// Classes that are not vetoed beforehand.
    pub(crate) classes: Vec<u8>,
    /// Log prior of each of `classes`.
    pub(crate) priors: Vec<f64>,
    /// (mean, scale, constant) of [`crate::tree::bayes::LogTerm`]: [class][feature][3].
    pub(crate) terms: Vec<f64>,
    /// Whether a density of 0 vetoes its class; else it is skipped.
    pub(crate) vetoes: bool,
}

/// A frozen forest. Samples are slices of `n_features` tamed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlatForest {
    pub(crate) n_features: usize,
    pub(crate) n_classes: usize,
    pub(crate) vote: Vote,
    pub(crate) trees: Vec<FlatTree>,
    /// Mean over the trees of the class shares at the root.
    pub(crate) prior: Vec<f64>,
}

/// A forest whose arrays contradict one another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tree {tree} of the forest is malformed ({what}); take the model from its source again")]
pub struct MalformedForest {
    /// The tree's number.
    pub tree: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// Opinions of up to this many trees live on the stack; larger forests allocate.
const BALLOTS_INLINE: usize = 32;

impl FlatForest {
    /// Length of a sample.
    pub fn n_features(&self) -> usize {
        self.n_features
    }

    /// Number of classes.
    pub fn n_classes(&self) -> usize {
        self.n_classes
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.trees.len()
    }

    /// Number of nodes in all trees.
    pub fn n_nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.feature.len()).sum()
    }

    /// Class probabilities when no tree has an opinion.
    pub fn prior(&self) -> &[f64] {
        &self.prior
    }

    /// Class probabilities of a tamed sample into `out` (`n_classes` long); the prior when every tree abstains.
    pub fn predict_proba(&self, x: &[f64], out: &mut [f64]) {
        let blank = Ballot { votes: [0.0; CLASSES_MAX], entropy: 0.0, accuracy: 0.0, abstains: true };
        if self.trees.len() <= BALLOTS_INLINE {
            let mut ballots = [blank; BALLOTS_INLINE];
            let mut weights = [0.0; BALLOTS_INLINE];
            self.elect(x, &mut ballots[..self.trees.len()], &mut weights[..self.trees.len()], out);
        } else {
            let mut ballots = vec![blank; self.trees.len()];
            let mut weights = vec![0.0; self.trees.len()];
            self.elect(x, &mut ballots, &mut weights, out);
        }
    }

    /// Fills in every tree's ballot and weight, and the forest's probabilities; false when every tree abstains.
    pub(crate) fn elect(
        &self,
        x: &[f64],
        ballots: &mut [Ballot],
        weights: &mut [f64],
        out: &mut [f64],
    ) -> bool {
        for (tree, ballot) in self.trees.iter().zip(ballots.iter_mut()) {
            tree.ballot(x, self.n_classes, ballot);
        }
        weigh(ballots, self.vote, weights);
        let elected = tally(ballots, weights, out);
        if !elected {
            out.copy_from_slice(&self.prior);
        }
        elected
    }

    /// Checks everything that walking the arrays relies on.
    ///
    /// # Errors
    /// The first tree and what is wrong with it.
    pub fn check(&self) -> Result<(), MalformedForest> {
        let fault = |tree, what| Err(MalformedForest { tree, what });
        if self.n_classes == 0 || self.n_classes > CLASSES_MAX || self.prior.len() != self.n_classes {
            return fault(0, "number of classes");
        }
        if self.prior.iter().any(|share| !(0.0..=1.0 + 1e-9).contains(share)) {
            return fault(0, "a prior outside 0 to 1");
        }
        if self.trees.is_empty() || self.trees.len() > crate::forest::TREES_MAX {
            return fault(0, "number of trees");
        }
        if self.n_features == 0 || self.n_features >= usize::from(LEAF) {
            return fault(0, "number of features");
        }
        for (number, tree) in self.trees.iter().enumerate() {
            if let Err(what) = tree.check(self.n_features, self.n_classes) {
                return fault(number, what);
            }
        }
        Ok(())
    }
}

impl FlatTree {
    fn check(&self, n_features: usize, n_classes: usize) -> Result<(), &'static str> {
        let nodes = self.feature.len();
        if nodes == 0 {
            return Err("no root");
        }
        if self.threshold.len() != nodes
            || self.child.len() != nodes
            || self.shares.len() != nodes * n_classes
        {
            return Err("arrays of different lengths");
        }
        if self.threshold.iter().any(|value| !value.is_finite())
            || self.shares.iter().any(|share| !(0.0..=1.0 + 1e-9).contains(share))
        {
            return Err("a share or threshold out of range");
        }
        if !(0.0..=1.0).contains(&self.accuracy) {
            return Err("an accuracy outside 0 to 1");
        }
        for node in 0..nodes {
            let child = self.child[node];
            if self.feature[node] == LEAF {
                if child != NO_BAYES && child as usize >= self.bayes.len() {
                    return Err("a leaf without its statistics");
                }
            } else if usize::from(self.feature[node]) >= n_features {
                return Err("an unknown feature");
            } else if child as usize <= node || child as usize >= nodes - 1 {
                return Err("a child before its parent or out of range");
            }
        }
        self.bayes.iter().try_for_each(|bayes| bayes.check(n_features, n_classes))
    }
}

impl FlatBayes {
    fn check(&self, n_features: usize, n_classes: usize) -> Result<(), &'static str> {
        let (features, classes) = (self.features.len(), self.classes.len());
        if classes > CLASSES_MAX || self.priors.len() != classes || self.terms.len() != classes * features * 3
        {
            return Err("naive-Bayes arrays of different lengths");
        }
        if self.features.iter().any(|feature| usize::from(*feature) >= n_features) {
            return Err("naive Bayes on an unknown feature");
        }
        if self.classes.iter().any(|class| usize::from(*class) >= n_classes) {
            return Err("naive Bayes on an unknown class");
        }
        let sound = |term: &[f64]| {
            let (mean, scale, constant) = (term[0], term[1], term[2]);
            mean.is_finite() && scale >= 0.0 && constant < f64::INFINITY
        };
        if !self.terms.chunks_exact(3).all(sound) || !self.priors.iter().all(|prior| prior.is_finite()) {
            return Err("a naive-Bayes term is out of range");
        }
        Ok(())
    }
}
