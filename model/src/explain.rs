//! Why a flow got its score: what each feature added to or took from the base, so that the parts sum to the whole.
//!
//! Two steps, both exact. Down a tree the probability of attack changes from node to node; each change belongs to
//! the feature tested there (Saabas 2014; Palczewska et al. 2013). At a naive-Bayes leaf the change from the leaf's
//! class shares to its verdict is shared among the watched features by their Shapley values, over all subsets.
//! `docs/explanations.md` tells what this can and cannot say.

use crate::category::Category;
use crate::flat::{FlatForest, TreeOpinion};
use crate::forest::vote::Ballot;
use crate::schema::N_FEATURES;
use crate::tree::CLASSES_MAX;
use std::collections::BTreeMap;

/// The parts of a score: `base + sum(contributions) = score` within 1e-6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Explanation {
    /// Mean attack share, at their roots, of the trees that voted.
    pub base: f64,
    /// 1 - P(benign).
    pub score: f64,
    /// By feature number; positive speaks for attack.
    pub contributions: [f64; N_FEATURES],
}

impl Explanation {
    /// The features with the greatest contributions, greatest first: (feature number, contribution). Features
    /// that contributed nothing are left out.
    pub fn strongest(&self, count: usize) -> Vec<(usize, f64)> {
        let mut ranked: Vec<(usize, f64)> =
            self.contributions.iter().copied().enumerate().filter(|(_, part)| *part != 0.0).collect();
        ranked.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
        ranked.truncate(count);
        ranked
    }
}

/// The global view: how much each feature moves scores, by category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MeanContributions {
    sums: BTreeMap<Category, ([f64; N_FEATURES], u64)>,
}

impl MeanContributions {
    /// Counts one explained flow of a category (the true or the predicted one).
    pub fn add(&mut self, category: Category, explanation: &Explanation) {
        let (sums, count) = self.sums.entry(category).or_insert(([0.0; N_FEATURES], 0));
        for (sum, part) in sums.iter_mut().zip(explanation.contributions) {
            *sum += part.abs();
        }
        *count += 1;
    }

    /// Mean absolute contribution by feature, for every category counted.
    pub fn by_category(&self) -> impl Iterator<Item = (Category, [f64; N_FEATURES])> {
        self.sums.iter().map(|(category, (sums, count))| (*category, sums.map(|sum| sum / *count as f64)))
    }
}

/// Subsets of more features than this are not enumerated; two opposite orders are averaged instead.
const SHAPLEY_FEATURES_MAX: usize = 10;

impl FlatForest {
    /// The parts of the score of a tamed sample, `benign` being the class that is no attack: base, score, and
    /// one contribution a feature into `parts` (`n_features` long).
    pub fn explain(&self, x: &[f64], benign: usize, parts: &mut [f64]) -> (f64, f64) {
        let blank = Ballot { votes: [0.0; CLASSES_MAX], entropy: 0.0, accuracy: 0.0, abstains: true };
        let mut ballots = vec![blank; self.trees.len()];
        let mut weights = vec![0.0; self.trees.len()];
        let mut probabilities = vec![0.0; self.n_classes];
        let elected = self.elect(x, &mut ballots, &mut weights, &mut probabilities);
        let score = 1.0 - probabilities[benign];
        parts.fill(0.0);
        if !elected {
            return (score, score);
        }
        let total = weights.iter().fold(0.0, |sum, weight| sum + weight);
        let mut base = 0.0;
        for (tree, weight) in self.trees.iter().zip(&weights) {
            if *weight == 0.0 {
                continue;
            }
            let weight = weight / total;
            let attack = |node: usize| 1.0 - tree.shares[node * self.n_classes + benign];
            let mut node = 0;
            base += weight * attack(0);
            while tree.feature[node] != crate::flat::LEAF {
                let feature = usize::from(tree.feature[node]);
                let right = usize::from(x[feature] > tree.threshold[node]);
                let next = tree.child[node] as usize + right;
                parts[feature] += weight * (attack(next) - attack(node));
                node = next;
            }
            let view = tree.leaf_view(node, self.n_classes);
            if let Some(bayes) = view.bayes {
                let shares = leaf_parts(bayes.features.len(), attack(node), |mask| {
                    let mut votes = [0.0; CLASSES_MAX];
                    match bayes.votes(x, |place| mask >> place & 1 == 1, &mut votes) {
                        TreeOpinion::Votes => 1.0 - votes[benign],
                        TreeOpinion::Abstains => attack(node),
                    }
                });
                for (&feature, part) in bayes.features.iter().zip(&shares) {
                    parts[usize::from(feature)] += weight * part;
                }
            }
        }
        (base, score)
    }
}

/// Shares `value(all) - nothing` among `n` players. `value` of a subset given as bits; the empty one is worth
/// `nothing`.
fn leaf_parts(n: usize, nothing: f64, value: impl Fn(u32) -> f64) -> Vec<f64> {
    let mut parts = vec![0.0; n];
    if n == 0 {
        return parts;
    }
    if n > SHAPLEY_FEATURES_MAX {
        for forward in [true, false] {
            let (mut mask, mut before) = (0u32, nothing);
            for step in 0..n {
                let player = if forward { step } else { n - 1 - step };
                mask |= 1 << player;
                let now = value(mask);
                parts[player] += 0.5 * (now - before);
                before = now;
            }
        }
        return parts;
    }
    let values: Vec<f64> = (0..1u32 << n).map(|mask| if mask == 0 { nothing } else { value(mask) }).collect();
    // |S|! (n - |S| - 1)! / n! by the size of S.
    let weights: Vec<f64> = (0..n).map(|size| 1.0 / (n as f64 * binomial(n - 1, size))).collect();
    for (player, part) in parts.iter_mut().enumerate() {
        for mask in 0..1usize << n {
            if mask >> player & 1 == 0 {
                let gain = values[mask | 1 << player] - values[mask];
                *part += weights[mask.count_ones() as usize] * gain;
            }
        }
    }
    parts
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).fold(1.0, |product, i| product * (n - i) as f64 / (i + 1) as f64)
}
