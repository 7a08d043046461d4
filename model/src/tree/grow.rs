//! How a tree grows, and how it keeps within its memory.

use super::criterion::{Branch, hoeffding_bound};
use super::observer::Split;
use super::{HoeffdingTree, Leaf, Node, TreeParams};

/// The outcome of looking for a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitOutcome {
    /// All samples are of one class: nothing was evaluated.
    Pure,
    /// The bound was not passed, or no split promised anything.
    Kept,
    /// The leaf became a branch.
    Split,
}

/// The record of one attempt to split a leaf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SplitAttempt {
    /// The leaf's depth.
    pub depth: u32,
    /// The leaf's weight.
    pub weight: f64,
    /// What came of it.
    pub outcome: SplitOutcome,
    /// Best feature and threshold, if any split has a merit.
    pub best: Option<(u16, f64)>,
    /// Merit of the best suggestion.
    pub merit: f64,
    /// Merit of the second best.
    pub second_merit: f64,
    /// The Hoeffding bound they were held against.
    pub bound: f64,
}

impl HoeffdingTree {
    pub(super) fn attempt_split(&mut self, index: usize, weight: f64, params: &TreeParams) -> SplitAttempt {
        let Node::Leaf(leaf) = &self.nodes[index] else { unreachable!("only leaves split") };
        let mut attempt = SplitAttempt {
            depth: leaf.depth,
            weight,
            outcome: SplitOutcome::Pure,
            best: None,
            merit: f64::NEG_INFINITY,
            second_merit: f64::NEG_INFINITY,
            bound: f64::INFINITY,
        };
        if leaf.stats.is_pure() {
            return attempt;
        }
        attempt.outcome = SplitOutcome::Kept;
        let mut suggestions = leaf.suggestions(params);
        let Some(best) = suggestions.pop() else {
            return attempt;
        };
        attempt.merit = best.merit;
        attempt.best = best.split.map(|split| (split.feature, split.threshold));
        let decided = match suggestions.last() {
            None => true,
            Some(second) => {
                let range = params.split_criterion.range(leaf.stats.len());
                attempt.second_merit = second.merit;
                attempt.bound = hoeffding_bound(range, params.delta, weight);
                best.merit - second.merit > attempt.bound || attempt.bound < params.tau
            }
        };
        if !decided {
            return attempt;
        }
        match best.split {
            Some(split) => {
                if self.split(index, split, params) {
                    attempt.outcome = SplitOutcome::Split;
                }
            }
            // Not splitting is the best choice: start observing afresh.
            None => self.unwatch(index),
        }
        attempt
    }

    /// Turns a leaf into a branch; false (and the leaf stops observing) when memory does not allow it.
    fn split(&mut self, index: usize, split: Split, params: &TreeParams) -> bool {
        let Node::Leaf(leaf) = &self.nodes[index] else { unreachable!("only leaves split") };
        let [left_stats, right_stats] = leaf.children(split).map(Branch::to_stats);
        self.unwatch(index);
        self.keep_memory_limit(params, 2 * params.node_bytes());
        let fits = self.size_bytes(params) + 2 * params.node_bytes() <= params.max_bytes;
        let (left, right) = (self.nodes.len() as u32, self.nodes.len() as u32 + 1);
        let Node::Leaf(leaf) = &mut self.nodes[index] else { unreachable!("only leaves split") };
        if !fits {
            leaf.active = false;
            return false;
        }
        let depth = leaf.depth;
        let stats = std::mem::take(&mut leaf.stats);
        let Split { feature, threshold } = split;
        self.nodes[index] = Node::Branch { feature, threshold, left, right, depth, stats };
        self.nodes.push(Node::Leaf(Box::new(Leaf::new(left_stats, depth + 1))));
        self.nodes.push(Node::Leaf(Box::new(Leaf::new(right_stats, depth + 1))));
        true
    }

    fn unwatch(&mut self, index: usize) {
        if let Node::Leaf(leaf) = &mut self.nodes[index]
            && !leaf.observers.is_empty()
        {
            leaf.drop_observers();
            self.watched -= 1;
        }
    }

    /// Silences the least promising leaves until the tree and `extra` bytes fit its limit.
    pub(super) fn keep_memory_limit(&mut self, params: &TreeParams, extra: usize) {
        while self.watched > 0 && self.size_bytes(params) + extra > params.max_bytes {
            let mut least: Option<(usize, f64)> = None;
            for (index, node) in self.nodes.iter().enumerate() {
                if let Node::Leaf(leaf) = node
                    && !leaf.observers.is_empty()
                    && least.is_none_or(|(_, promise)| leaf.promise() < promise)
                {
                    least = Some((index, leaf.promise()));
                }
            }
            let Some((index, _)) = least else { return };
            self.unwatch(index);
            if let Node::Leaf(leaf) = &mut self.nodes[index] {
                leaf.active = false;
            }
        }
    }
}
