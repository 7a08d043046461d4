//! From a forest that learns to one that only judges.

use super::FlatForest;
use super::columns::{BayesColumns, ForestColumns, LEAF, NO_BAYES, TreeColumns};
use crate::draws::Draws;
use crate::forest::{AdaptiveRandomForest, TreeTrainer};
use crate::tree::bayes::LogTerm;
use crate::tree::{HoeffdingTree, Leaf, NaiveBayesRule, Node, TreeParams};

impl<D: Draws> AdaptiveRandomForest<D> {
    /// The forest as it judges now, without the means to learn.
    pub fn freeze(&self) -> FlatForest {
        let n_classes = self.params().tree.n_classes;
        let trees: Vec<TreeColumns> = self.trainers().iter().map(freeze_trainer).collect();
        let mut prior = vec![0.0; n_classes];
        for tree in &trees {
            for (sum, share) in prior.iter_mut().zip(&tree.shares) {
                *sum += share / trees.len() as f64;
            }
        }
        let n_features = self.params().tree.n_features;
        ForestColumns { n_features, n_classes, vote: self.params().vote, trees, prior }.lay_out()
    }
}

fn freeze_trainer<D: Draws>(trainer: &TreeTrainer<D>) -> TreeColumns {
    freeze_tree(trainer.tree(), trainer.params(), trainer.accuracy())
}

/// Breadth first, so that children follow their parents and the two of a branch lie side by side.
fn freeze_tree(tree: &HoeffdingTree, params: &TreeParams, accuracy: f64) -> TreeColumns {
    let n_classes = params.n_classes;
    let mut flat = TreeColumns { accuracy, ..TreeColumns::default() };
    let mut queue = vec![0usize];
    let mut next = 0;
    while next < queue.len() {
        match &tree.nodes()[queue[next]] {
            Node::Branch { feature, threshold, left, right, .. } => {
                flat.feature.push(*feature);
                flat.threshold.push(*threshold);
                flat.child.push(queue.len() as u32);
                queue.extend([*left as usize, *right as usize]);
                flat.shares.resize(flat.shares.len() + n_classes, 0.0);
            }
            Node::Leaf(leaf) => {
                flat.feature.push(LEAF);
                flat.threshold.push(0.0);
                flat.shares.extend((0..n_classes).map(|class| leaf.stats.weight(class)));
                // Without observers or weight naive Bayes has nothing to add to the class shares.
                let speaks = !leaf.observers.is_empty() && leaf.stats.total() > 0.0;
                if speaks && leaf.prefers_bayes(params.leaf_prediction) {
                    flat.child.push(flat.bayes.len() as u32);
                    flat.bayes.push(freeze_bayes(leaf, params));
                } else {
                    flat.child.push(NO_BAYES);
                }
            }
        }
        next += 1;
    }
    sum_upwards(&mut flat, n_classes);
    flat
}

/// An inner node's class weights are the sum of its children's; then weights become shares.
fn sum_upwards(flat: &mut TreeColumns, n_classes: usize) {
    for node in (0..flat.feature.len()).rev() {
        if flat.feature[node] != LEAF {
            let left = flat.child[node] as usize * n_classes;
            for class in 0..n_classes {
                let sum = flat.shares[left + class] + flat.shares[left + n_classes + class];
                flat.shares[node * n_classes + class] = sum;
            }
        }
    }
    for shares in flat.shares.chunks_mut(n_classes) {
        let total = shares.iter().fold(0.0, |sum, weight| sum + weight);
        for share in shares {
            *share = if total > 0.0 { *share / total } else { 0.0 };
        }
    }
}

fn freeze_bayes(leaf: &Leaf, params: &TreeParams) -> BayesColumns {
    let total = leaf.stats.total();
    let features: Vec<u16> = leaf.subset.iter().take(leaf.observers.len()).copied().collect();
    let vetoes = params.naive_bayes != NaiveBayesRule::River;
    let (mut classes, mut priors, mut terms) = (Vec::new(), Vec::new(), Vec::new());
    for &(class, weight) in leaf.stats.entries() {
        let of_class = |slot: usize| leaf.term(slot, usize::from(class), params);
        let own: Vec<LogTerm> = (0..features.len()).map(of_class).collect();
        let impossible = own.iter().any(|term| term.constant == f64::NEG_INFINITY);
        // A class without weight has no vote here. (river's leaf, while learning, gives it the log vote 0.)
        if weight <= 0.0 || vetoes && impossible {
            continue;
        }
        classes.push(class);
        priors.push(crate::numeric::ln(weight / total));
        terms.extend(own.iter().flat_map(|term| [term.mean, term.scale, term.constant]));
    }
    BayesColumns { features, classes, priors, terms, vetoes }
}
