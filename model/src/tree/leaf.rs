//! A learning leaf: class weights, a random subset of features under observation, and the record of which of its
//! two predictors (majority class, naive Bayes) has been right more often.

use super::bayes::{LogTerm, NaiveBayesRule, normalise};
use super::criterion::Branch;
use super::glance::{self, Glance};
use super::observer::{GaussianObserver, Split, SplitSuggestion};
use super::stats::{CLASSES_MAX, ClassStats};
use super::{LeafPrediction, TreeParams};
use crate::draws::Draws;
use crate::numeric::ln;
use serde::{Deserialize, Serialize};

/// Votes by class.
pub(crate) type ClassVotes = [f64; CLASSES_MAX];

/// A leaf that learns. Without observers (too deep, or out of memory) it is inactive: it only counts classes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaf {
    pub(crate) stats: ClassStats,
    pub(crate) depth: u32,
    pub(crate) last_split_attempt_at: f64,
    pub(crate) mc_correct: f64,
    pub(crate) nb_correct: f64,
    /// Features watched, in the order drawn; empty until the leaf first learns.
    pub(crate) subset: Vec<u16>,
    pub(crate) active: bool,
    /// Classes the observers have seen, in the order of their arrival.
    pub(crate) seen: Vec<u8>,
    /// One a watched feature; empty until the leaf first learns and after it was told not to split.
    pub(crate) observers: Vec<GaussianObserver>,
    /// What judging at a glance needs of the observers.
    #[serde(skip)]
    glance: Glance,
}

/// What naive Bayes says at a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BayesVerdict {
    /// The leaf has seen nothing.
    Unknown,
    /// Every class is vetoed.
    Vetoed,
    /// The votes are probabilities.
    Votes,
}

impl Leaf {
    /// A leaf at `depth` whose parent left it these class weights.
    pub fn new(stats: ClassStats, depth: u32) -> Self {
        Leaf {
            last_split_attempt_at: stats.total(),
            stats,
            depth,
            mc_correct: 0.0,
            nb_correct: 0.0,
            subset: Vec::new(),
            active: true,
            seen: Vec::new(),
            observers: Vec::new(),
            glance: Glance::default(),
        }
    }

    /// Whether naive Bayes speaks for this leaf.
    pub(crate) fn prefers_bayes(&self, prediction: LeafPrediction) -> bool {
        match prediction {
            LeafPrediction::Mc => false,
            LeafPrediction::Nb => self.active,
            LeafPrediction::Nba => self.active && self.nb_correct >= self.mc_correct,
        }
    }

    /// Naive-Bayes probabilities by class, in the order of the classes' arrival; `None` when nothing has been seen or
    /// every class is vetoed.
    pub fn naive_bayes(&self, x: &[f64], params: &TreeParams) -> Option<Vec<(usize, f64)>> {
        let mut votes = [0.0; CLASSES_MAX];
        let (verdict, _) = self.bayes_votes(x, params, &mut votes);
        let vote = |&(class, _): &(u8, f64)| (usize::from(class), votes[usize::from(class)]);
        (verdict == BayesVerdict::Votes).then(|| self.stats.entries().iter().map(vote).collect())
    }

    /// Counts a class without a sample.
    pub fn add_weight(&mut self, class: usize, w: f64) {
        self.stats.add(class, w);
        self.glance.forget();
    }

    /// Class weights.
    pub fn stats(&self) -> &ClassStats {
        &self.stats
    }

    /// Whether the leaf still observes features.
    pub fn is_active(&self) -> bool {
        self.active
    }

    /// Weight of samples that the majority class and naive Bayes would have got right.
    pub fn right(&self) -> (f64, f64) {
        (self.mc_correct, self.nb_correct)
    }

    /// Weight at the last attempt to split.
    pub fn last_split_attempt_at(&self) -> f64 {
        self.last_split_attempt_at
    }

    /// Class shares into `votes`; false when nothing has been seen.
    pub(crate) fn majority_votes(&self, votes: &mut ClassVotes) -> bool {
        votes.fill(0.0);
        let total = self.stats.total();
        if total <= 0.0 {
            return false;
        }
        for &(class, weight) in self.stats.entries() {
            votes[usize::from(class)] = weight / total;
        }
        true
    }

    /// Naive-Bayes probabilities into `votes`, and the class they favour (the earliest of equals).
    pub(crate) fn bayes_votes(
        &self,
        x: &[f64],
        params: &TreeParams,
        votes: &mut ClassVotes,
    ) -> (BayesVerdict, Option<usize>) {
        votes.fill(0.0);
        let total = self.stats.total();
        let entries = self.stats.entries();
        if entries.is_empty() || total == 0.0 {
            return (BayesVerdict::Unknown, None);
        }
        let mut log_votes = [f64::NEG_INFINITY; CLASSES_MAX];
        for (slot, &(class, weight)) in entries.iter().enumerate() {
            log_votes[slot] = self.log_vote(x, usize::from(class), weight, total, params);
        }
        let log_votes = &mut log_votes[..entries.len()];
        if !normalise(log_votes) {
            // With nothing but zeros to choose from, MOA and river favour the earliest class.
            return (BayesVerdict::Vetoed, Some(usize::from(entries[0].0)));
        }
        let best = crate::numeric::argmax(log_votes);
        for (&(class, _), &vote) in entries.iter().zip(log_votes.iter()) {
            votes[usize::from(class)] = vote;
        }
        (BayesVerdict::Votes, best.map(|slot| usize::from(entries[slot].0)))
    }

    /// The log density of a class by a watched feature.
    pub(crate) fn term(&self, slot: usize, class: usize, params: &TreeParams) -> LogTerm {
        LogTerm::of(self.observers[slot].class(class), params.naive_bayes)
    }

    /// The favourites of the majority and of naive Bayes; `None` when that takes a closer look ([`Leaf::bayes_votes`]).
    #[inline]
    pub(crate) fn favourites(&self, x: &[f64], params: &TreeParams) -> Option<(usize, Option<usize>)> {
        let majority = glance::majority(self.stats.entries())?;
        if !self.active || params.leaf_prediction == LeafPrediction::Mc {
            return Some((majority, None));
        }
        self.glance.favourite(x, &self.subset, self.stats.entries()).map(|bayes| (majority, Some(bayes)))
    }

    fn log_vote(&self, x: &[f64], class: usize, weight: f64, total: f64, params: &TreeParams) -> f64 {
        if weight <= 0.0 {
            // river gives a class whose weight is 0 the log vote 0.
            return if params.naive_bayes == NaiveBayesRule::River { 0.0 } else { f64::NEG_INFINITY };
        }
        let mut vote = ln(weight / total);
        for (slot, &feature) in self.subset.iter().take(self.observers.len()).enumerate() {
            let term = self.term(slot, class, params).at(x[usize::from(feature)]);
            // river skips a density of 0, which only overflow can make there.
            if params.naive_bayes != NaiveBayesRule::River || term > f64::NEG_INFINITY {
                vote += term;
            }
        }
        vote
    }

    /// Counts a sample; draws the feature subset when the leaf first learns.
    pub fn learn(&mut self, x: &[f64], class: usize, w: f64, params: &TreeParams, draws: &mut impl Draws) {
        self.stats.add(class, w);
        if !self.active {
            return;
        }
        if self.subset.is_empty() {
            draws.subset(params.n_features, params.max_features, &mut self.subset);
        }
        if self.observers.is_empty() {
            self.observers = vec![GaussianObserver::new(params.n_classes); self.subset.len()];
            self.refresh_glance(params);
        }
        if !self.seen.contains(&(class as u8)) {
            self.seen.push(class as u8);
        }
        for (slot, &feature) in self.subset.iter().enumerate() {
            self.observers[slot].update(x[usize::from(feature)], class, w);
        }
        self.glance.refresh(class, self.stats.weight(class), &self.observers, params.naive_bayes);
    }

    /// Checks a leaf that was read from a file and works out what is not saved with it.
    pub(crate) fn restore(&mut self, params: &TreeParams) -> Result<(), &'static str> {
        let known = |class: u8| usize::from(class) < params.n_classes;
        let classes_fit = self.stats.entries().iter().all(|(class, _)| known(*class));
        let seen_fit = self.seen.len() <= params.n_classes && self.seen.iter().all(|class| known(*class));
        let features_fit = self.subset.iter().all(|feature| usize::from(*feature) < params.n_features);
        let observers_fit = self.observers.is_empty()
            || self.observers.len() == self.subset.len()
                && self.observers.iter().all(|observer| observer.n_classes() == params.n_classes);
        if !(classes_fit && seen_fit && features_fit && observers_fit && self.stats.len() <= CLASSES_MAX) {
            return Err("a leaf is malformed");
        }
        self.refresh_glance(params);
        Ok(())
    }

    /// Makes room for classes that come after those known so far.
    pub(crate) fn widen(&mut self, params: &TreeParams) {
        self.observers.iter_mut().for_each(|observer| observer.widen(params.n_classes));
        self.refresh_glance(params);
    }

    fn refresh_glance(&mut self, params: &TreeParams) {
        self.glance = Glance::new(self.observers.len(), params.n_classes);
        for class in 0..if self.observers.is_empty() { 0 } else { params.n_classes } {
            self.glance.refresh(class, self.stats.weight(class), &self.observers, params.naive_bayes);
        }
    }

    /// Forgets the observers; the feature subset stays.
    pub(crate) fn drop_observers(&mut self) {
        self.observers = Vec::new();
        self.glance = Glance::default();
        self.seen = Vec::new();
    }

    /// How much there is to gain from splitting: the weight outside the majority class.
    pub(crate) fn promise(&self) -> f64 {
        self.stats.total() - self.stats.majority_weight()
    }

    /// Estimated class weights on both sides of a split.
    pub(crate) fn children(&self, split: Split) -> [Branch; 2] {
        let slot = self.subset.iter().position(|feature| *feature == split.feature);
        let observer = slot.and_then(|slot| self.observers.get(slot));
        observer.map_or([Branch::EMPTY; 2], |observer| observer.branches(split.threshold, &self.seen))
    }

    /// The split candidates in ascending order of merit, the last of equals last; "do not split" comes first.
    pub(crate) fn suggestions(&self, params: &TreeParams) -> Vec<SplitSuggestion> {
        let mut suggestions = Vec::with_capacity(self.observers.len() + 1);
        let total = self.stats.total();
        if self.stats.majority_weight() / total > params.max_share_to_split {
            suggestions.push(SplitSuggestion::NONE);
            return suggestions;
        }
        if params.merit_preprune {
            suggestions.push(SplitSuggestion::NONE);
        }
        for (&feature, observer) in self.subset.iter().zip(&self.observers) {
            suggestions.push(observer.best_split(
                feature,
                &self.stats,
                &self.seen,
                params.split_criterion,
                params.n_splits,
                params.min_branch_fraction,
            ));
        }
        suggestions.sort_by(|a, b| a.merit.total_cmp(&b.merit));
        suggestions
    }
}
