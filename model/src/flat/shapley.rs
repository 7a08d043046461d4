//! A sample's way down one tree as an explanation sees it: what each test on the way changed, and how the step that naive
//! Bayes takes at the leaf is shared among the features watched: by their Shapley values, over all subsets.

use super::FlatForest;
use super::election::Election;
use super::leaf::{Leaf, LeafKind, feature_number, log_term};
use crate::explain::TreeView;
use crate::numeric::lanes::exp_of_negative;
use crate::tree::CLASSES_MAX;

/// Subsets of more features than this are not enumerated; two opposite orders are averaged instead.
const FEATURES_MAX: usize = 10;
/// Subsets of as many features as leaves watch by default are kept on a small stack.
const FEATURES_FEW: usize = 5;
/// Below this a product of densities has lost its precision, and logarithms are added instead.
const PRODUCT_MIN: f64 = 1e-250;

/// |S|! (n - |S| - 1)! / n! by n and the size of S.
const WEIGHTS: [[f64; FEATURES_MAX]; FEATURES_MAX + 1] = {
    let mut weights = [[0.0; FEATURES_MAX]; FEATURES_MAX + 1];
    let mut n = 1;
    while n <= FEATURES_MAX {
        // n - 1 over the size of S.
        let (mut size, mut binomial) = (0, 1.0);
        while size < n {
            weights[n][size] = 1.0 / (n as f64 * binomial);
            binomial = binomial * (n - 1 - size) as f64 / (size + 1) as f64;
            size += 1;
        }
        n += 1;
    }
    weights
};

/// Members of a subset given as bits.
const SIZES: [u8; 1 << FEATURES_MAX] = {
    let mut sizes = [0; 1 << FEATURES_MAX];
    let mut mask = 1;
    while mask < sizes.len() {
        sizes[mask] = sizes[mask >> 1] + (mask & 1) as u8;
        mask += 1;
    }
    sizes
};

/// A sample's way down a tree.
pub(crate) struct Path<'a> {
    /// Attack share at the root.
    pub(crate) root: f64,
    /// Attack share at the leaf.
    pub(crate) leaf: f64,
    /// Who takes the last step, if not the shares.
    pub(crate) bayes: Option<BayesStep<'a>>,
}

/// The step from a leaf's shares to the verdict of its naive Bayes.
pub(crate) struct BayesStep<'a> {
    leaf: &'a Leaf,
    block: &'a [f64],
    /// Place of the benign class, if the leaf knows it.
    benign: Option<usize>,
}

impl FlatForest {
    /// Notes what every tree says; gives the score and whether any tree voted.
    pub(crate) fn view_trees(&self, x: &[f64], benign: usize, views: &mut [TreeView]) -> (f64, bool) {
        let mut election = Election::default();
        let mut each_view = views.iter_mut();
        self.each_leaf(x, |tree, leaf| {
            let mut own = Election::default();
            leaf.cast(x, self, 1.0, &mut own);
            election.add(&own, tree.weight);
            if let Some(view) = each_view.next() {
                view.attack = 1.0 - own.all[benign];
                view.weight = if own.n_voted > 0 { tree.weight } else { 0.0 };
                view.sure = own.n_sure > 0;
            }
        });
        if election.by_sure(self.vote) {
            views.iter_mut().filter(|view| !view.sure).for_each(|view| view.weight = 0.0);
        }
        let mut probabilities = [0.0; CLASSES_MAX];
        let elected = self.elect(&election, &mut probabilities[..self.n_classes]);
        (1.0 - probabilities[benign], elected)
    }

    /// Walks a tree; `changed` hears of each test's feature and how much it moved the attack share.
    pub(crate) fn path(
        &self,
        tree: usize,
        x: &[f64],
        benign: usize,
        mut changed: impl FnMut(usize, f64),
    ) -> Path<'_> {
        let attack = |node: u32| 1.0 - self.shares[node as usize * self.n_classes + benign];
        let mut node = self.trees[tree].root;
        let root = attack(node);
        let mut share = root;
        while let Some((feature, _, _)) = self.steps[node as usize].test() {
            node = self.steps[node as usize].next(x, 0);
            let next = attack(node);
            changed(usize::from(feature), next - share);
            share = next;
        }
        let leaf = self.leaf_at(node);
        let bayes = (leaf.kind != LeafKind::Shares).then(|| {
            let classes = &leaf.classes[..usize::from(leaf.count)];
            let benign = classes.iter().position(|class| usize::from(*class) == benign);
            BayesStep { leaf, block: leaf.block(&self.terms), benign }
        });
        Path { root, leaf: share, bayes }
    }
}

impl BayesStep<'_> {
    /// Shares `all - nothing` among the features watched: `part` hears of each feature's share. `nothing` is the attack
    /// share without naive Bayes, `all` the attack probability by all features.
    pub(crate) fn share(&self, x: &[f64], nothing: f64, all: f64, mut part: impl FnMut(usize, f64)) {
        let features = usize::from(self.leaf.features);
        let attacks_only = self.benign.is_none() || self.leaf.count == 1;
        if attacks_only && nothing == all {
            // Whatever the features say, a leaf of one kind says the same.
            return;
        }
        let known = Known { step: self, x, nothing, all };
        let mut parts = [0.0; FEATURES_MAX];
        if features > FEATURES_MAX {
            return known.two_orders(features, part);
        }
        if features <= FEATURES_FEW {
            known.shapley::<{ 1 << FEATURES_FEW }>(features, &mut parts);
        } else {
            known.shapley::<{ 1 << FEATURES_MAX }>(features, &mut parts);
        }
        for (place, share) in parts.iter().take(features).enumerate() {
            part(self.feature(place), *share);
        }
    }

    fn padded(&self) -> usize {
        usize::from(self.leaf.count).next_multiple_of(2)
    }

    /// The floats of a watched feature.
    fn watched(&self, place: usize) -> &[f64] {
        let (padded, width) = (self.padded(), 1 + 3 * self.padded());
        &self.block[padded + place * width..padded + (place + 1) * width]
    }

    fn feature(&self, place: usize) -> usize {
        feature_number(self.watched(place)[0])
    }

    /// The classes' densities by a watched feature, each divided by the greatest; all 0 when the feature vetoes every class.
    fn densities(&self, x: &[f64], place: usize, out: &mut [f64]) {
        let (padded, watched) = (self.padded(), self.watched(place));
        let value = x[feature_number(watched[0])];
        let (means, rest) = watched[1..].split_at(padded);
        let (scales, constants) = rest.split_at(padded);
        for (out, ((mean, scale), constant)) in out.iter_mut().zip(means.iter().zip(scales).zip(constants)) {
            *out = log_term(value, *mean, *scale, *constant);
        }
        if self.leaf.kind == LeafKind::SkippingBayes {
            out.iter_mut().filter(|term| **term == f64::NEG_INFINITY).for_each(|term| *term = 0.0);
        }
        let greatest =
            out.iter().fold(f64::NEG_INFINITY, |most, term| if *term > most { *term } else { most });
        // Nothing but vetoes: minus infinity less anything finite stays what it is.
        let greatest = if greatest == f64::NEG_INFINITY { 0.0 } else { greatest };
        out.iter_mut().for_each(|term| *term = exp_of_negative(*term - greatest));
    }

    /// The log density of class number `class` by a watched feature.
    fn term(&self, x: &[f64], place: usize, class: usize) -> f64 {
        let (padded, watched) = (self.padded(), self.watched(place));
        let value = x[feature_number(watched[0])];
        let term =
            log_term(value, watched[1 + class], watched[1 + padded + class], watched[1 + 2 * padded + class]);
        let skipped = self.leaf.kind == LeafKind::SkippingBayes && term == f64::NEG_INFINITY;
        if skipped { 0.0 } else { term }
    }
}

/// A step and what is known of it.
struct Known<'a> {
    step: &'a BayesStep<'a>,
    x: &'a [f64],
    nothing: f64,
    all: f64,
}

impl Known<'_> {
    /// Shapley values by the value of every subset; `SUBSETS` is at least two to the power of `features`.
    fn shapley<const SUBSETS: usize>(&self, features: usize, parts: &mut [f64; FEATURES_MAX]) {
        let mut values = [0.0; SUBSETS];
        let values = &mut values[..1 << features];
        self.values::<SUBSETS>(features, values);
        let weights = &WEIGHTS[features];
        for (player, part) in parts.iter_mut().enumerate().take(features) {
            let bit = 1 << player;
            for (mask, value) in values.iter().enumerate().filter(|(mask, _)| mask & bit == 0) {
                *part += weights[usize::from(SIZES[mask])] * (values[mask | bit] - value);
            }
        }
    }

    /// The attack probability by every subset of the features. Densities are multiplied, so that each is worked out once.
    fn values<const SUBSETS: usize>(&self, features: usize, values: &mut [f64]) {
        let count = usize::from(self.step.leaf.count);
        let subsets = values.len();
        let mut densities = [[0.0; CLASSES_MAX]; FEATURES_MAX];
        for (place, densities) in densities.iter_mut().enumerate().take(features) {
            self.step.densities(self.x, place, &mut densities[..count]);
        }
        let (mut sums, mut benign, mut products) = ([0.0; SUBSETS], [0.0; SUBSETS], [0.0; SUBSETS]);
        for class in 0..count {
            products[0] = exp_of_negative(self.step.block[class].min(0.0));
            for (place, densities) in densities.iter().enumerate().take(features) {
                // The subsets with the feature are those without it, times its density.
                let (without, with) = products.split_at_mut(1 << place);
                for (with, without) in with.iter_mut().zip(&*without) {
                    *with = without * densities[class];
                }
            }
            for (sum, product) in sums.iter_mut().zip(&products).take(subsets) {
                *sum += product;
            }
            if self.step.benign == Some(class) {
                benign[..subsets].copy_from_slice(&products[..subsets]);
            }
        }
        values[0] = self.nothing;
        for mask in 1..subsets - 1 {
            values[mask] = if sums[mask] > PRODUCT_MIN {
                1.0 - benign[mask] / sums[mask]
            } else {
                self.by_logarithms(|place| mask >> place & 1 == 1, features)
            };
        }
        values[subsets - 1] = self.all;
    }

    /// The attack probability by the features that `uses` admits.
    fn by_logarithms(&self, uses: impl Fn(usize) -> bool, features: usize) -> f64 {
        let count = usize::from(self.step.leaf.count);
        let mut votes = [f64::NEG_INFINITY; CLASSES_MAX];
        for (class, vote) in votes.iter_mut().enumerate().take(count) {
            *vote = self.step.block[class];
            for place in (0..features).filter(|place| uses(*place)) {
                *vote += self.step.term(self.x, place, class);
            }
        }
        if !crate::tree::bayes::normalise(&mut votes[..count]) {
            return self.nothing;
        }
        1.0 - self.step.benign.map_or(0.0, |class| votes[class])
    }

    /// For many features: the mean of two opposite orders.
    fn two_orders(&self, features: usize, mut part: impl FnMut(usize, f64)) {
        for forward in [true, false] {
            let mut before = self.nothing;
            for step in 0..features {
                let place = |step: usize| if forward { step } else { features - 1 - step };
                let admitted = |at: usize| if forward { at <= place(step) } else { at >= place(step) };
                let now =
                    if step + 1 == features { self.all } else { self.by_logarithms(admitted, features) };
                part(self.step.feature(place(step)), 0.5 * (now - before));
                before = now;
            }
        }
    }
}
