//! The isolation forest laid out for walking: all trees in one array, eight walks side by side without a jump
//! that depends on data.

use super::{IsolationTree, LEAF, average_depth};

/// Walks side by side.
pub(super) const LANES: usize = 8;

/// `x < threshold` goes to the left child, else to the one after it; a leaf names itself.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Step {
    threshold: f32,
    child: u32,
    feature: u16,
}

/// Every tree's nodes, one behind the other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    roots: Vec<u32>,
    steps: Vec<Step>,
    /// By node: the depth that ending there stands for.
    depths: Vec<f64>,
    /// What a mean depth is held against.
    pub(super) ordinary_depth: f64,
}

impl Walk {
    pub(super) fn of(trees: &[IsolationTree], sample_size: u32) -> Walk {
        let ordinary_depth = average_depth(sample_size).max(1.0);
        let mut walk = Walk { roots: Vec::new(), steps: Vec::new(), depths: Vec::new(), ordinary_depth };
        for tree in trees {
            let root = walk.steps.len() as u32;
            walk.roots.push(root);
            let mut levels = vec![0.0; tree.feature.len()];
            for (node, &feature) in tree.feature.iter().enumerate() {
                let (threshold, child) = (tree.threshold[node], tree.child[node]);
                if feature == LEAF {
                    // No sample is infinite, so none moves on.
                    walk.steps.push(Step { threshold: f32::INFINITY, child: root + node as u32, feature: 0 });
                    walk.depths.push(levels[node] + f64::from(threshold));
                } else {
                    walk.steps.push(Step { threshold, child: root + child, feature });
                    walk.depths.push(0.0);
                    levels[child as usize] = levels[node] + 1.0;
                    levels[child as usize + 1] = levels[node] + 1.0;
                }
            }
        }
        walk
    }

    /// The sum of a sample's depths, in the order of the trees.
    pub(super) fn depth(&self, x: &[f64]) -> f64 {
        let mut sum = 0.0;
        for roots in self.roots.chunks(LANES) {
            let mut nodes = std::array::from_fn(|lane| roots[lane.min(roots.len() - 1)]);
            self.to_leaves(x, &[0; LANES], &mut nodes);
            for &node in &nodes[..roots.len()] {
                sum += self.depths[node as usize];
            }
        }
        sum
    }

    /// [`Walk::depth`] of up to [`LANES`] samples.
    pub(super) fn depths(&self, xs: &[f64], n_features: usize, sums: &mut [f64]) {
        let count = xs.len() / n_features;
        let bases = std::array::from_fn(|lane| lane.min(count - 1) * n_features);
        let mut own = [0.0; LANES];
        for &root in &self.roots {
            let mut nodes = [root; LANES];
            self.to_leaves(xs, &bases, &mut nodes);
            for (sum, node) in own.iter_mut().zip(nodes) {
                *sum += self.depths[node as usize];
            }
        }
        sums.copy_from_slice(&own[..count]);
    }

    #[inline]
    fn to_leaves(&self, xs: &[f64], bases: &[usize; LANES], nodes: &mut [u32; LANES]) {
        loop {
            let mut moved = 0;
            for (node, &base) in nodes.iter_mut().zip(bases) {
                let step = &self.steps[*node as usize];
                let x = xs[base + usize::from(step.feature)];
                let next = step.child + u32::from(x >= f64::from(step.threshold));
                moved |= next ^ *node;
                *node = next;
            }
            if moved == 0 {
                return;
            }
        }
    }
}
