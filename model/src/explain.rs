//! Why a flow got its score: what each feature added to or took from the base, so that the parts sum to the whole.
//!
//! Two steps, both exact. Down a tree the probability of attack changes from node to node; each change belongs to
//! the feature tested there (Saabas 2014; Palczewska et al. 2013). At a naive-Bayes leaf the change from the leaf's
//! class shares to its verdict is shared among the watched features by their Shapley values, over all subsets.
//! `docs/explanations.md` tells what this can and cannot say.

use crate::category::Category;
use crate::flat::FlatForest;
use crate::schema::N_FEATURES;
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

/// What the first pass over the trees notes of each; that many trees need no allocation.
const TREES_INLINE: usize = 32;

impl FlatForest {
    /// The parts of the score of a tamed sample, `benign` being the class that is no attack: base, score, and
    /// one contribution a feature into `parts` (`n_features` long). Allocates nothing for up to 32 trees.
    pub fn explain(&self, x: &[f64], benign: usize, parts: &mut [f64]) -> (f64, f64) {
        let blank = TreeView::default();
        if self.n_trees() <= TREES_INLINE {
            self.explain_with(x, benign, parts, &mut [blank; TREES_INLINE])
        } else {
            self.explain_with(x, benign, parts, &mut vec![blank; self.n_trees()])
        }
    }

    fn explain_with(
        &self,
        x: &[f64],
        benign: usize,
        parts: &mut [f64],
        views: &mut [TreeView],
    ) -> (f64, f64) {
        parts.fill(0.0);
        let (score, elected) = self.view_trees(x, benign, views);
        if !elected {
            return (score, score);
        }
        let total = views.iter().fold(0.0, |sum, view| sum + view.weight);
        let mut base = 0.0;
        for (tree, view) in views.iter().enumerate().filter(|(_, view)| view.weight > 0.0) {
            let weight = view.weight / total;
            let path = self.path(tree, x, benign, |feature, step| parts[feature] += weight * step);
            base += weight * path.root;
            if let Some(bayes) = path.bayes {
                bayes.share(x, path.leaf, view.attack, |feature, part| parts[feature] += weight * part);
            }
        }
        (base, score)
    }
}

/// What a tree said of the sample that is being explained.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TreeView {
    /// What its vote counted; 0 when it abstained or was not sure enough.
    pub(crate) weight: f64,
    /// Its probability of attack.
    pub(crate) attack: f64,
    /// Whether it was sure.
    pub(crate) sure: bool,
}
