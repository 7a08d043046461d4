//! How unlike everything benign a flow is, for what no label has described: an isolation forest.
//!
//! Liu, Ting, Zhou: Isolation Forest, ICDM 2008. Odd points are cut off from the rest by few random cuts; the score
//! is 2^(-E[depth] / c(sample size)), near 1 for odd points and below 0.5 for ordinary ones.

mod walk;

use crate::draws::TreeRng;
use crate::numeric::ln;
use serde::{Deserialize, Serialize};
use walk::{LANES, Walk};

/// Euler's constant.
const EULER_GAMMA: f64 = 0.577_215_664_901_532_9;
/// Keeps the generators of the isolation trees apart from those of the forest.
const STREAM: u64 = 0x6e6f_7665_6c74_7921;
const LEAF: u16 = u16::MAX;

/// Settings of an isolation forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoveltyParams {
    /// Trees.
    pub trees: usize,
    /// Samples a tree is grown from.
    pub sample_size: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for NoveltyParams {
    fn default() -> Self {
        NoveltyParams { trees: 64, sample_size: 256, seed: 0 }
    }
}

/// A tree as a file carries it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct IsolationTree {
    /// Feature tested, or [`LEAF`].
    feature: Vec<u16>,
    /// `x < threshold` goes left; at leaves the depth that the samples which ended there stand for. Single
    /// precision: a cut is random anyway, and files stay small.
    threshold: Vec<f32>,
    /// Left child (the right one follows it); 0 at leaves.
    child: Vec<u32>,
}

/// The forest as a file carries it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct IsolationColumns {
    sample_size: u32,
    trees: Vec<IsolationTree>,
}

/// The forest.
#[derive(Clone, Debug, PartialEq)]
pub struct IsolationForest {
    columns: IsolationColumns,
    walk: Walk,
}

/// Mean depth of an unsuccessful search among `n` points: what a leaf holding `n` points stands for.
fn average_depth(n: u32) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let n = f64::from(n);
            2.0 * (ln(n - 1.0) + EULER_GAMMA) - 2.0 * (n - 1.0) / n
        }
    }
}

impl IsolationForest {
    /// Grows a forest on tamed, transformed benign rows; `None` when there are fewer than two.
    pub fn fit(rows: &[Vec<f64>], params: NoveltyParams) -> Option<IsolationForest> {
        if rows.len() < 2 || params.trees == 0 {
            return None;
        }
        let sample_size = params.sample_size.clamp(2, rows.len());
        let depth_max = usize::BITS - (sample_size - 1).leading_zeros();
        let trees = (0..params.trees as u64)
            .map(|id| {
                let mut rng = TreeRng::for_tree(params.seed ^ STREAM, id);
                let sample = draw_rows(rows.len(), sample_size, &mut rng);
                grow(rows, sample, depth_max, &mut rng)
            })
            .collect();
        Some(IsolationForest::lay_out(IsolationColumns { sample_size: sample_size as u32, trees }))
    }

    fn lay_out(columns: IsolationColumns) -> IsolationForest {
        let walk = Walk::of(&columns.trees, columns.sample_size);
        IsolationForest { columns, walk }
    }

    /// The forest that a file's columns describe.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn from_columns(columns: IsolationColumns, n_features: usize) -> Result<Self, &'static str> {
        columns.check(n_features)?;
        Ok(IsolationForest::lay_out(columns))
    }

    pub(crate) fn to_columns(&self) -> IsolationColumns {
        self.columns.clone()
    }

    /// Novelty of a tamed, transformed sample, in [0, 1].
    pub fn score(&self, x: &[f64]) -> f64 {
        self.novelty(self.walk.depth(x))
    }

    /// [`IsolationForest::score`] of many samples of `n_features` values that lie one behind the other; the same bits.
    pub fn score_batch(&self, xs: &[f64], n_features: usize, out: &mut [f64]) {
        for (xs, out) in xs.chunks(n_features * LANES).zip(out.chunks_mut(LANES)) {
            self.walk.depths(xs, n_features, out);
            out.iter_mut().for_each(|depth| *depth = self.novelty(*depth));
        }
    }

    /// Novelty by the sum of depths.
    fn novelty(&self, depth: f64) -> f64 {
        let mean = depth / self.columns.trees.len() as f64;
        libm::exp2(-mean / self.walk.ordinary_depth).clamp(0.0, 1.0)
    }

    /// Checks that samples have the features that are tested.
    pub(crate) fn check(&self, n_features: usize) -> Result<(), &'static str> {
        self.columns.check(n_features)
    }
}

impl IsolationColumns {
    /// Checks everything that walking the arrays relies on.
    fn check(&self, n_features: usize) -> Result<(), &'static str> {
        if self.trees.is_empty() || self.trees.len() > crate::forest::TREES_MAX || self.sample_size < 2 {
            return Err("number of trees or sample size");
        }
        for tree in &self.trees {
            let nodes = tree.feature.len();
            if nodes == 0 || tree.threshold.len() != nodes || tree.child.len() != nodes {
                return Err("arrays of different lengths");
            }
            for (node, (&feature, &child)) in tree.feature.iter().zip(&tree.child).enumerate() {
                let child = child as usize;
                if feature != LEAF
                    && (usize::from(feature) >= n_features || child <= node || child >= nodes - 1)
                {
                    return Err("an unknown feature or a child out of range");
                }
            }
            if tree.threshold.iter().any(|threshold| !threshold.is_finite()) {
                return Err("a threshold is not finite");
            }
        }
        Ok(())
    }
}

/// `k` different row numbers of `n` (Floyd's algorithm, then in ascending order).
fn draw_rows(n: usize, k: usize, rng: &mut TreeRng) -> Vec<usize> {
    let mut chosen = std::collections::BTreeSet::new();
    for j in n - k..n {
        let t = rng.below(j + 1);
        if !chosen.insert(t) {
            chosen.insert(j);
        }
    }
    chosen.into_iter().collect()
}

fn grow(rows: &[Vec<f64>], sample: Vec<usize>, depth_max: u32, rng: &mut TreeRng) -> IsolationTree {
    let mut tree = IsolationTree::default();
    let mut queue = vec![(sample, 0u32)];
    let mut next = 0;
    while next < queue.len() {
        let (members, depth) = std::mem::take(&mut queue[next]);
        next += 1;
        let cut = if depth < depth_max { random_cut(rows, &members, rng) } else { None };
        match cut {
            Some((feature, threshold)) => {
                tree.feature.push(feature as u16);
                tree.threshold.push(threshold);
                tree.child.push(queue.len() as u32);
                let (left, right) =
                    members.into_iter().partition(|row| rows[*row][feature] < f64::from(threshold));
                queue.push((left, depth + 1));
                queue.push((right, depth + 1));
            }
            None => {
                tree.feature.push(LEAF);
                tree.threshold.push(average_depth(members.len() as u32) as f32);
                tree.child.push(0);
            }
        }
    }
    tree
}

/// A random feature that varies among the members and a random cut between its extremes that parts them.
fn random_cut(rows: &[Vec<f64>], members: &[usize], rng: &mut TreeRng) -> Option<(usize, f32)> {
    let n_features = rows.first()?.len();
    let mut extremes = vec![(f64::INFINITY, f64::NEG_INFINITY); n_features];
    for row in members {
        for (value, (min, max)) in rows[*row].iter().zip(&mut extremes) {
            *min = min.min(*value);
            *max = max.max(*value);
        }
    }
    let varying = extremes.into_iter().enumerate().filter(|(_, (min, max))| min < max);
    let candidates: Vec<(usize, f64, f64)> =
        varying.map(|(feature, (min, max))| (feature, min, max)).collect();
    if candidates.is_empty() {
        return None;
    }
    let (feature, min, max) = candidates[rng.below(candidates.len())];
    let threshold = (min + (max - min) * rng.uniform()) as f32;
    // Rounding to single precision may push the cut off either end.
    let parts = f64::from(threshold) > min && f64::from(threshold) <= max;
    let threshold = if parts { threshold } else { max as f32 };
    (f64::from(threshold) > min && f64::from(threshold) <= max).then_some((feature, threshold))
}
