//! A sample's way through one frozen tree.

use super::{FlatBayes, FlatTree, LEAF, NO_BAYES};
use crate::forest::vote::Ballot;
use crate::numeric::entropy_nats;
use crate::tree::CLASSES_MAX;
use crate::tree::bayes::{LogTerm, normalise};

/// A leaf as an explanation sees it.
#[derive(Clone, Copy, Debug)]
pub struct LeafView<'a> {
    pub(crate) shares: &'a [f64],
    pub(crate) bayes: Option<&'a FlatBayes>,
}

/// Whether a tree has an opinion on a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TreeOpinion {
    /// It votes.
    Votes,
    /// Its naive Bayes vetoes every class, or it has learned nothing.
    Abstains,
}

impl FlatTree {
    /// The leaf a sample ends at.
    #[inline]
    pub(crate) fn leaf(&self, x: &[f64]) -> usize {
        let mut node = 0;
        loop {
            let feature = self.feature[node];
            if feature == LEAF {
                return node;
            }
            // The right child follows the left one.
            let right = usize::from(x[usize::from(feature)] > self.threshold[node]);
            node = self.child[node] as usize + right;
        }
    }

    pub(crate) fn leaf_view(&self, node: usize, n_classes: usize) -> LeafView<'_> {
        let bayes = match self.child[node] {
            NO_BAYES => None,
            index => Some(&self.bayes[index as usize]),
        };
        LeafView { shares: &self.shares[node * n_classes..(node + 1) * n_classes], bayes }
    }

    /// The tree's vote on a sample.
    #[inline]
    pub(crate) fn ballot(&self, x: &[f64], n_classes: usize, ballot: &mut Ballot) {
        let view = self.leaf_view(self.leaf(x), n_classes);
        ballot.accuracy = self.accuracy;
        let opinion = view.votes(x, &mut ballot.votes);
        ballot.abstains = opinion == TreeOpinion::Abstains;
        ballot.entropy = entropy_nats(&ballot.votes);
    }
}

impl LeafView<'_> {
    /// Class probabilities at the leaf.
    #[inline]
    pub(crate) fn votes(&self, x: &[f64], votes: &mut [f64; CLASSES_MAX]) -> TreeOpinion {
        votes.fill(0.0);
        match self.bayes {
            Some(bayes) => bayes.votes(x, |_| true, votes),
            None => {
                votes[..self.shares.len()].copy_from_slice(self.shares);
                if self.shares.iter().all(|share| *share == 0.0) {
                    TreeOpinion::Abstains
                } else {
                    TreeOpinion::Votes
                }
            }
        }
    }
}

impl FlatBayes {
    /// Class probabilities by the watched features that `uses` admits (by their place at the leaf).
    #[inline]
    pub(crate) fn votes(
        &self,
        x: &[f64],
        uses: impl Fn(usize) -> bool,
        votes: &mut [f64; CLASSES_MAX],
    ) -> TreeOpinion {
        let mut log_votes = [f64::NEG_INFINITY; CLASSES_MAX];
        let width = self.features.len() * 3;
        for (slot, prior) in self.priors.iter().enumerate() {
            log_votes[slot] = self.log_vote(x, *prior, &self.terms[slot * width..(slot + 1) * width], &uses);
        }
        let log_votes = &mut log_votes[..self.priors.len()];
        if !normalise(log_votes) {
            return TreeOpinion::Abstains;
        }
        for (&class, &vote) in self.classes.iter().zip(log_votes.iter()) {
            votes[usize::from(class)] = vote;
        }
        TreeOpinion::Votes
    }

    #[inline]
    fn log_vote(&self, x: &[f64], prior: f64, terms: &[f64], uses: &impl Fn(usize) -> bool) -> f64 {
        let mut vote = prior;
        for (place, (&feature, term)) in self.features.iter().zip(terms.chunks_exact(3)).enumerate() {
            if !uses(place) {
                continue;
            }
            let term =
                LogTerm { mean: term[0], scale: term[1], constant: term[2] }.at(x[usize::from(feature)]);
            if self.vetoes || term > f64::NEG_INFINITY {
                vote += term;
            }
        }
        vote
    }
}
