//! The forest frozen for judging: every leaf's statistics worked out in advance and laid out in the order in which they are
//! read, no allocation per prediction. Artifacts carry it as [`columns::ForestColumns`].
//!
//! All trees' branches lie in one array, and a leaf is a branch that leads to itself: eight samples (or eight trees) walk side
//! by side without a jump that depends on data. One sample and a batch go through the same arithmetic in the same order,
//! tree by tree, so they get the same bits.

pub(crate) mod columns;
mod election;
mod freeze;
mod leaf;
pub(crate) mod shapley;
mod walk;

pub use columns::MalformedForest;

use crate::forest::Vote;
use election::{Certainty, Election};
use leaf::Leaf;
use walk::{LANES, Step};

/// The most samples that are judged together: their tallies stay in the fastest cache.
const BATCH: usize = 64;

/// A frozen forest. Samples are slices of `n_features` tamed values.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatForest {
    n_features: usize,
    n_classes: usize,
    vote: Vote,
    /// Mean over the trees of the class shares at the root.
    prior: Vec<f64>,
    trees: Vec<Tree>,
    /// Branches and leaves of all trees, each tree's root first, children after parents.
    steps: Vec<Step>,
    /// Class shares of every node, inner ones too: `n_classes` a node.
    shares: Vec<f64>,
    leaves: Vec<Leaf>,
    /// What naive-Bayes leaves know; [`leaf`] says in which order.
    terms: Vec<f64>,
    /// Which votes are sure at first sight.
    certainty: Certainty,
}

/// One tree.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tree {
    /// Its first node.
    root: u32,
    /// Its accuracy when it was frozen.
    accuracy: f64,
    /// What its vote counts.
    weight: f64,
}

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
        self.steps.len()
    }

    /// Class probabilities when no tree has an opinion.
    pub fn prior(&self) -> &[f64] {
        &self.prior
    }

    /// Class probabilities of a tamed sample into `out` (`n_classes` long); the prior when every tree abstains.
    ///
    /// # Panics
    /// If `x` is shorter than `n_features` or `out` than `n_classes`.
    pub fn predict_proba(&self, x: &[f64], out: &mut [f64]) {
        let mut election = Election::default();
        self.each_leaf(x, |tree, leaf| {
            leaf.cast(x, self, tree.weight, &mut election);
        });
        self.elect(&election, &mut out[..self.n_classes]);
    }

    /// [`FlatForest::predict_proba`] of many samples that lie one behind the other in `xs`; so do the results in `out`.
    /// The same bits, at less cost: a tree stays in cache while many samples walk it.
    ///
    /// # Panics
    /// If `xs` is no whole number of samples or `out` is too short for them.
    pub fn predict_proba_batch(&self, xs: &[f64], out: &mut [f64]) {
        assert!(xs.len().is_multiple_of(self.n_features), "a sample has {} features", self.n_features);
        let samples = xs.chunks(self.n_features * BATCH);
        for (xs, out) in samples.zip(out.chunks_mut(self.n_classes * BATCH)) {
            let count = xs.len() / self.n_features;
            let mut elections = [Election::default(); BATCH];
            let mut nodes = [0; BATCH];
            for tree in &self.trees {
                self.walk_samples(tree.root, xs, &mut nodes[..count]);
                let samples = xs.chunks_exact(self.n_features).zip(&nodes);
                for ((x, &node), election) in samples.zip(&mut elections) {
                    self.leaf_at(node).cast(x, self, tree.weight, election);
                }
            }
            for (election, out) in elections[..count].iter().zip(out.chunks_exact_mut(self.n_classes)) {
                self.elect(election, out);
            }
        }
    }

    /// The forest's probabilities from its trees'; false when every tree abstained.
    fn elect(&self, election: &Election, out: &mut [f64]) -> bool {
        let elected = election.result(self.vote, out);
        if !elected {
            out.copy_from_slice(&self.prior);
        }
        elected
    }

    /// Visits the leaf of every tree, in the order of the trees.
    #[inline]
    fn each_leaf<'a>(&'a self, x: &[f64], mut visit: impl FnMut(&'a Tree, &'a Leaf)) {
        for trees in self.trees.chunks(LANES) {
            let mut nodes = [0; LANES];
            for (lane, node) in nodes.iter_mut().enumerate() {
                // Lanes without a tree walk the last one once more.
                *node = trees[lane.min(trees.len() - 1)].root;
            }
            walk::to_leaves(&self.steps, x, &[0; LANES], &mut nodes);
            for (tree, node) in trees.iter().zip(nodes) {
                visit(tree, self.leaf_at(node));
            }
        }
    }

    /// The leaf of one tree for each sample, as node numbers.
    #[inline]
    fn walk_samples(&self, root: u32, xs: &[f64], nodes: &mut [u32]) {
        let last = nodes.len() - 1;
        for (group, nodes) in nodes.chunks_mut(LANES).enumerate() {
            let first = group * LANES;
            let bases = std::array::from_fn(|lane| (first + lane).min(last) * self.n_features);
            let mut lanes = [root; LANES];
            walk::to_leaves(&self.steps, xs, &bases, &mut lanes);
            nodes.copy_from_slice(&lanes[..nodes.len()]);
        }
    }

    #[inline]
    fn leaf_at(&self, node: u32) -> &Leaf {
        &self.leaves[self.steps[node as usize].leaf()]
    }
}
