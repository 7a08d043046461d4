//! The frozen forest as artifacts carry it: columns, one tree after another. What is read is checked before it becomes a
//! [`FlatForest`], and a forest gives back the very columns that it was made of.

use super::election::Certainty;
use super::leaf::{Leaf, LeafKind, feature_number};
use super::walk::Step;
use super::{FlatForest, Tree};
use crate::forest::{TREES_MAX, Vote};
use crate::tree::CLASSES_MAX;
use serde::{Deserialize, Serialize};

/// Marks a node as a leaf.
pub(super) const LEAF: u16 = u16::MAX;
/// Marks a leaf without naive Bayes.
pub(super) const NO_BAYES: u32 = u32::MAX;

/// One tree. Node 0 is the root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TreeColumns {
    /// Feature tested, or [`LEAF`].
    pub(super) feature: Vec<u16>,
    /// `x <= threshold` goes left; 0 at leaves.
    pub(super) threshold: Vec<f64>,
    /// Left child (the right one follows it); at leaves the index into `bayes`, or [`NO_BAYES`].
    pub(super) child: Vec<u32>,
    /// Class shares of every node, inner ones too: `n_classes` a node.
    pub(super) shares: Vec<f64>,
    /// Naive-Bayes leaves.
    pub(super) bayes: Vec<BayesColumns>,
    /// The tree's accuracy when it was frozen, for the weighted vote.
    pub(super) accuracy: f64,
}

/// A naive-Bayes leaf: the classes that can win, and their log-density terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BayesColumns {
    /// Features watched.
    pub(super) features: Vec<u16>,
    /// Classes that are not vetoed beforehand.
    pub(super) classes: Vec<u8>,
    /// Log prior of each of `classes`.
    pub(super) priors: Vec<f64>,
    /// (mean, scale, constant) of [`crate::tree::bayes::LogTerm`]: [class][feature][3].
    pub(super) terms: Vec<f64>,
    /// Whether a density of 0 vetoes its class; else it is skipped.
    pub(super) vetoes: bool,
}

/// The forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ForestColumns {
    pub(super) n_features: usize,
    pub(super) n_classes: usize,
    pub(super) vote: Vote,
    pub(super) trees: Vec<TreeColumns>,
    pub(super) prior: Vec<f64>,
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

impl TryFrom<ForestColumns> for FlatForest {
    type Error = MalformedForest;

    fn try_from(columns: ForestColumns) -> Result<FlatForest, MalformedForest> {
        columns.check()?;
        Ok(columns.lay_out())
    }
}

impl ForestColumns {
    /// Checks everything that judging relies on.
    fn check(&self) -> Result<(), MalformedForest> {
        let fault = |tree, what| Err(MalformedForest { tree, what });
        if self.n_classes == 0 || self.n_classes > CLASSES_MAX || self.prior.len() != self.n_classes {
            return fault(0, "number of classes");
        }
        if self.prior.iter().any(|share| !(0.0..=1.0 + 1e-9).contains(share)) {
            return fault(0, "a prior outside 0 to 1");
        }
        if self.trees.is_empty() || self.trees.len() > TREES_MAX {
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

    /// The forest that these sound columns describe.
    pub(super) fn lay_out(self) -> FlatForest {
        let certainty = Certainty::of(self.vote, self.n_classes);
        let ForestColumns { n_features, n_classes, vote, trees: columns, prior } = self;
        let mut forest = FlatForest {
            n_features,
            n_classes,
            vote,
            prior,
            trees: Vec::with_capacity(columns.len()),
            steps: Vec::with_capacity(columns.iter().map(|tree| tree.feature.len()).sum()),
            shares: Vec::with_capacity(columns.iter().map(|tree| tree.shares.len()).sum()),
            leaves: Vec::new(),
            terms: Vec::new(),
            certainty,
        };
        for tree in &columns {
            forest.append(tree);
        }
        forest
    }
}

impl FlatForest {
    fn append(&mut self, tree: &TreeColumns) {
        let root = self.steps.len() as u32;
        let weight = if self.vote == Vote::Weighted && tree.accuracy > 0.0 { tree.accuracy } else { 1.0 };
        self.trees.push(Tree { root, accuracy: tree.accuracy, weight });
        let first_share = self.shares.len();
        self.shares.extend_from_slice(&tree.shares);
        // Once each, however many leaves of a hostile file name it.
        let bayes: Vec<Leaf> = tree.bayes.iter().map(|bayes| self.bayes_leaf(bayes)).collect();
        for (node, (&feature, &child)) in tree.feature.iter().zip(&tree.child).enumerate() {
            if feature != LEAF {
                self.steps.push(Step::branch(feature, tree.threshold[node], root + child));
                continue;
            }
            self.steps.push(Step::end(root + node as u32, self.leaves.len() as u32));
            let shares = first_share + node * self.n_classes;
            let leaf = match bayes.get(child as usize) {
                Some(leaf) => Leaf { shares: shares as u32, ..*leaf },
                None => self.shares_leaf(shares),
            };
            self.leaves.push(leaf);
        }
    }

    fn shares_leaf(&self, first: usize) -> Leaf {
        let shares = &self.shares[first..first + self.n_classes];
        let mut leaf = Leaf {
            shares: first as u32,
            terms: 0,
            features: 0,
            count: 0,
            kind: LeafKind::Shares,
            sure: self.certainty.holds(shares),
            classes: [0; CLASSES_MAX],
        };
        for (class, _) in shares.iter().enumerate().filter(|(_, share)| **share != 0.0) {
            leaf.classes[usize::from(leaf.count)] = class as u8;
            leaf.count += 1;
        }
        leaf
    }

    fn bayes_leaf(&mut self, bayes: &BayesColumns) -> Leaf {
        let (count, width) = (bayes.classes.len(), bayes.features.len());
        let padding = count % 2;
        let pad = |terms: &mut Vec<f64>, value: f64| terms.extend(std::iter::repeat_n(value, padding));
        let start = self.terms.len();
        self.terms.extend_from_slice(&bayes.priors);
        pad(&mut self.terms, f64::NEG_INFINITY);
        for (place, &feature) in bayes.features.iter().enumerate() {
            self.terms.push(f64::from_bits(u64::from(feature)));
            for part in 0..3 {
                self.terms.extend((0..count).map(|class| bayes.terms[(class * width + place) * 3 + part]));
                pad(&mut self.terms, 0.0);
            }
        }
        let mut classes = [0; CLASSES_MAX];
        classes[..count].copy_from_slice(&bayes.classes);
        Leaf {
            shares: 0,
            terms: start as u32,
            features: width as u16,
            count: count as u8,
            kind: if bayes.vetoes { LeafKind::VetoingBayes } else { LeafKind::SkippingBayes },
            sure: false,
            classes,
        }
    }

    /// The columns that make this forest.
    pub(crate) fn to_columns(&self) -> ForestColumns {
        let ends = self.trees.iter().skip(1).map(|tree| tree.root as usize).chain([self.steps.len()]);
        let trees = self.trees.iter().zip(ends).map(|(tree, end)| self.tree_columns(tree, end)).collect();
        let (n_features, n_classes) = (self.n_features, self.n_classes);
        ForestColumns { n_features, n_classes, vote: self.vote, trees, prior: self.prior.clone() }
    }

    fn tree_columns(&self, tree: &Tree, end: usize) -> TreeColumns {
        let root = tree.root as usize;
        let mut columns = TreeColumns { accuracy: tree.accuracy, ..TreeColumns::default() };
        columns.shares = self.shares[root * self.n_classes..end * self.n_classes].to_vec();
        for step in &self.steps[root..end] {
            let (feature, threshold, child) = match step.test() {
                Some((feature, threshold, child)) => (feature, threshold, child - tree.root),
                None => {
                    let leaf = &self.leaves[step.leaf()];
                    let bayes = (leaf.kind != LeafKind::Shares).then(|| self.bayes_columns(leaf));
                    let place = bayes.as_ref().map_or(NO_BAYES, |_| columns.bayes.len() as u32);
                    columns.bayes.extend(bayes);
                    (LEAF, 0.0, place)
                }
            };
            columns.feature.push(feature);
            columns.threshold.push(threshold);
            columns.child.push(child);
        }
        columns
    }

    fn bayes_columns(&self, leaf: &Leaf) -> BayesColumns {
        let (count, width) = (usize::from(leaf.count), usize::from(leaf.features));
        let padded = count.next_multiple_of(2);
        let block = leaf.block(&self.terms);
        let watched = || block[padded..].chunks_exact(1 + 3 * padded);
        let term = |class: usize, place: usize, part: usize| {
            block[padded + place * (1 + 3 * padded) + 1 + part * padded + class]
        };
        let mut terms = Vec::with_capacity(count * width * 3);
        for class in 0..count {
            terms.extend((0..width * 3).map(|at| term(class, at / 3, at % 3)));
        }
        BayesColumns {
            features: watched().map(|block| feature_number(block[0]) as u16).collect(),
            classes: leaf.classes[..count].to_vec(),
            priors: block[..count].to_vec(),
            terms,
            vetoes: leaf.kind == LeafKind::VetoingBayes,
        }
    }
}

impl TreeColumns {
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
        for (node, (&feature, &child)) in self.feature.iter().zip(&self.child).enumerate() {
            if feature == LEAF {
                if child != NO_BAYES && child as usize >= self.bayes.len() {
                    return Err("a leaf without its statistics");
                }
            } else if usize::from(feature) >= n_features {
                return Err("an unknown feature");
            } else if child as usize <= node || child as usize >= nodes - 1 {
                return Err("a child before its parent or out of range");
            }
        }
        self.bayes.iter().try_for_each(|bayes| bayes.check(n_features, n_classes))
    }
}

impl BayesColumns {
    fn check(&self, n_features: usize, n_classes: usize) -> Result<(), &'static str> {
        let (features, classes) = (self.features.len(), self.classes.len());
        if classes > CLASSES_MAX
            || features > n_features
            || self.priors.len() != classes
            || self.terms.len() != classes * features * 3
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
