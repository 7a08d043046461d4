//! A Hoeffding tree: an incremental decision tree that splits a leaf once the Hoeffding bound says that the best
//! split is surely the best.
//!
//! Domingos, Hulten: Mining High-Speed Data Streams, KDD 2000; Holmes, Kirkby, Pfahringer: Stress-testing
//! Hoeffding trees, 2005 (adaptive naive-Bayes leaves); feature subsets at leaves as in Gomes et al. 2017.

pub mod bayes;
pub mod criterion;
mod glance;
mod grow;
pub mod leaf;
pub mod observer;
mod params;
pub mod stats;

pub use bayes::NaiveBayesRule;
pub use criterion::SplitCriterion;
pub use grow::{SplitAttempt, SplitOutcome};
pub use leaf::Leaf;
pub use observer::GaussianObserver;
pub use params::{LeafPrediction, TreeParams};
pub use stats::{CLASSES_MAX, ClassStats};

use crate::draws::Draws;
use crate::numeric::argmax;
use leaf::{BayesVerdict, ClassVotes};
use serde::{Deserialize, Serialize};

/// A node of the tree; children come after their parents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Node {
    /// `x[feature] <= threshold` goes left.
    Branch {
        /// The feature tested.
        feature: u16,
        /// The greatest value that goes left.
        threshold: f64,
        /// Index of the left child.
        left: u32,
        /// Index of the right child.
        right: u32,
        /// Distance from the root.
        depth: u32,
        /// Class weights at the moment of the split.
        stats: ClassStats,
    },
    /// A leaf that learns.
    Leaf(Box<Leaf>),
}

/// What a tree thought of a sample before learning it.
#[derive(Clone, Copy, Debug)]
pub struct Judgement {
    /// Probability by class; all 0 when the tree has seen nothing or every class is vetoed.
    pub votes: ClassVotes,
    /// The class predicted: the lowest of the most probable; `None` before the first sample.
    pub predicted: Option<usize>,
    favourites: Favourites,
}

/// What learning a sample wants to know of a tree's opinion on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Favourites {
    /// The class predicted, as in [`Judgement`].
    pub(crate) predicted: Option<usize>,
    leaf: u32,
    majority: Option<usize>,
    bayes: Option<usize>,
}

/// The tree. Samples are slices of `n_features` values, classes are 0..`n_classes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HoeffdingTree {
    nodes: Vec<Node>,
    /// Bit c is set once class c has been learned.
    classes_seen: u32,
    /// Leaves whose observers take memory.
    watched: u32,
}

impl Default for HoeffdingTree {
    fn default() -> Self {
        HoeffdingTree::new()
    }
}

impl HoeffdingTree {
    /// A tree that has seen nothing.
    pub fn new() -> Self {
        let root = Leaf::new(ClassStats::default(), 0);
        HoeffdingTree { nodes: vec![Node::Leaf(Box::new(root))], classes_seen: 0, watched: 0 }
    }

    /// The nodes; the root is the first.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The classes learned so far, in ascending order.
    pub fn classes_seen(&self) -> impl Iterator<Item = usize> + use<> {
        let seen = self.classes_seen;
        (0..CLASSES_MAX).filter(move |class| seen >> class & 1 == 1)
    }

    /// Levels of nodes: 1 for a single leaf.
    pub fn height(&self) -> u32 {
        self.nodes.iter().map(Node::depth).max().unwrap_or(0) + 1
    }

    /// Memory taken by nodes and observers, in bytes.
    pub fn size_bytes(&self, params: &TreeParams) -> usize {
        self.nodes.len() * params.node_bytes() + self.watched as usize * params.watch_bytes()
    }

    fn leaf_index(&self, x: &[f64]) -> usize {
        let mut index = 0;
        while let Node::Branch { feature, threshold, left, right, .. } = &self.nodes[index] {
            index = if x[usize::from(*feature)] <= *threshold { *left } else { *right } as usize;
        }
        index
    }

    /// Votes on a sample that has been tamed (see [`crate::numeric::tame`]).
    pub fn judge(&self, x: &[f64], params: &TreeParams) -> Judgement {
        let index = self.leaf_index(x);
        let Node::Leaf(leaf) = &self.nodes[index] else { unreachable!("the walk ends at a leaf") };
        let mut votes = [0.0; CLASSES_MAX];
        let majority = leaf.stats.majority();
        let mut bayes = None;
        let by_bayes = leaf.prefers_bayes(params.leaf_prediction);
        if leaf.active && params.leaf_prediction != LeafPrediction::Mc {
            let (verdict, favoured) = leaf.bayes_votes(x, params, &mut votes);
            bayes = favoured;
            if verdict == BayesVerdict::Vetoed {
                votes.fill(0.0);
            }
        }
        if !by_bayes {
            leaf.majority_votes(&mut votes);
        }
        let predicted = self.favourite(&votes);
        Judgement {
            votes,
            predicted,
            favourites: Favourites { predicted, leaf: index as u32, majority, bayes },
        }
    }

    /// What [`HoeffdingTree::judge`] predicts, without the votes.
    #[inline]
    pub(crate) fn favourites(&self, x: &[f64], params: &TreeParams) -> Favourites {
        let index = self.leaf_index(x);
        let Node::Leaf(leaf) = &self.nodes[index] else { unreachable!("the walk ends at a leaf") };
        if let Some((majority, bayes)) = leaf.favourites(x, params) {
            let by_bayes = leaf.prefers_bayes(params.leaf_prediction);
            let predicted = bayes.filter(|_| by_bayes).unwrap_or(majority);
            if self.classes_seen >> predicted & 1 == 1 {
                return Favourites {
                    predicted: Some(predicted),
                    leaf: index as u32,
                    majority: Some(majority),
                    bayes,
                };
            }
        }
        self.judge(x, params).favourites
    }

    /// The most probable of the classes seen, the lowest of equals.
    fn favourite(&self, votes: &ClassVotes) -> Option<usize> {
        let mut masked = [f64::NEG_INFINITY; CLASSES_MAX];
        for (class, vote) in votes.iter().enumerate() {
            if self.classes_seen >> class & 1 == 1 {
                masked[class] = *vote;
            }
        }
        if self.classes_seen == 0 { None } else { argmax(&masked) }
    }

    /// Learns a tamed sample of `class` with weight `w` > 0. Returns the attempt to split, if one was due.
    pub fn learn_one(
        &mut self,
        x: &[f64],
        class: usize,
        w: f64,
        params: &TreeParams,
        draws: &mut impl Draws,
    ) -> Option<SplitAttempt> {
        let favourites = self.favourites(x, params);
        self.learn_judged(x, class, w, &favourites, params, draws)
    }

    /// [`HoeffdingTree::learn_one`] for a sample whose [`HoeffdingTree::favourites`] are known.
    pub(crate) fn learn_judged(
        &mut self,
        x: &[f64],
        class: usize,
        w: f64,
        judgement: &Favourites,
        params: &TreeParams,
        draws: &mut impl Draws,
    ) -> Option<SplitAttempt> {
        self.classes_seen |= 1 << class;
        let index = judgement.leaf as usize;
        let Node::Leaf(leaf) = &mut self.nodes[index] else { unreachable!("judged at a leaf") };
        if leaf.active {
            if judgement.majority.is_none_or(|favoured| favoured == class) {
                leaf.mc_correct += w;
            }
            if judgement.bayes == Some(class) {
                leaf.nb_correct += w;
            }
        }
        let was_watched = !leaf.observers.is_empty();
        leaf.learn(x, class, w, params, draws);
        if !was_watched && !leaf.observers.is_empty() {
            self.watched += 1;
            self.keep_memory_limit(params, 0);
        }
        let Node::Leaf(leaf) = &mut self.nodes[index] else { unreachable!("still a leaf") };
        if !leaf.active {
            return None;
        }
        if params.max_depth.is_some_and(|most| leaf.depth >= most) {
            leaf.active = false;
            leaf.drop_observers();
            self.watched -= 1;
            return None;
        }
        let weight = leaf.stats.total();
        if weight - leaf.last_split_attempt_at < params.grace_period {
            return None;
        }
        let attempt = self.attempt_split(index, weight, params);
        if let Node::Leaf(leaf) = &mut self.nodes[index] {
            leaf.last_split_attempt_at = weight;
        }
        Some(attempt)
    }

    /// Makes room for classes that come after those known so far.
    pub(crate) fn widen(&mut self, params: &TreeParams) {
        for node in &mut self.nodes {
            if let Node::Leaf(leaf) = node {
                leaf.widen(params);
            }
        }
    }

    /// Checks a tree that was read from a file and works out what is not saved with it.
    pub(crate) fn restore(&mut self, params: &TreeParams) -> Result<(), &'static str> {
        let count = self.nodes.len();
        self.watched = 0;
        for (index, node) in self.nodes.iter_mut().enumerate() {
            match node {
                Node::Branch { feature, left, right, .. } => {
                    let (left, right) = (*left as usize, *right as usize);
                    if usize::from(*feature) >= params.n_features || left <= index || right <= index {
                        return Err("a branch is malformed");
                    }
                    if left >= count || right >= count {
                        return Err("a branch has no such child");
                    }
                }
                Node::Leaf(leaf) => {
                    leaf.restore(params)?;
                    self.watched += u32::from(!leaf.observers.is_empty());
                }
            }
        }
        if count == 0 { Err("a tree has no root") } else { Ok(()) }
    }
}

impl Node {
    /// Distance from the root.
    pub fn depth(&self) -> u32 {
        match self {
            Node::Branch { depth, .. } => *depth,
            Node::Leaf(leaf) => leaf.depth,
        }
    }
}
