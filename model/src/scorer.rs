//! A model at work: twenty features in; category, score, confidence, novelty and explanation out.

use crate::category::Category;
use crate::explain::Explanation;
use crate::flat::FlatForest;
use crate::novelty::IsolationForest;
use crate::numeric::lanes::log1p_of_magnitude;
use crate::numeric::tame;
use crate::scaler::StandardScaler;
use crate::schema::N_FEATURES;
use crate::tree::CLASSES_MAX;
use serde::{Deserialize, Serialize};

/// Scores at or above which a verdict is "attack".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Thresholds {
    /// For final records.
    pub attack: f64,
    /// For records of flows that still live.
    pub provisional: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds { attack: 0.5, provisional: 0.5 }
    }
}

/// What a model says of one feature vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable attack category when `attack` holds, else benign.
    pub category: Category,
    /// Whether the score reaches the threshold.
    pub attack: bool,
    /// 1 - P(benign), in [0, 1].
    pub score: f64,
    /// Probability of `category`.
    pub confidence: f64,
    /// By [`Category::index`]; 0 for categories the model does not know.
    pub probabilities: [f64; Category::COUNT],
}

/// Which threshold a vector is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The flow still lives.
    Provisional,
    /// The flow has ended.
    Final,
}

/// Both opinions on one vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Opinion {
    /// The forest's.
    pub prediction: Prediction,
    /// How unlike benign training traffic the vector is, in [0, 1]; none for a model without a novelty forest.
    pub novelty: Option<f64>,
}

/// Vectors that are judged together.
const BATCH: usize = 64;

/// What is done to a vector before the forest sees it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// sign(x) ln(1 + |x|) first: flow features span nine orders of magnitude, and Gaussians do not.
    pub log: bool,
    /// Then standard scores.
    pub scaler: Option<StandardScaler>,
}

impl Transform {
    /// Applies the transform; the result is tamed.
    #[inline]
    pub fn apply(&self, x: &[f64], out: &mut [f64]) {
        for (value, slot) in x.iter().zip(out.iter_mut()) {
            *slot = tame(*value);
        }
        if self.log {
            for slot in out.iter_mut() {
                *slot = log1p_of_magnitude(slot.abs()).copysign(*slot);
            }
        }
        if let Some(scaler) = &self.scaler {
            scaler.transform_in_place(out);
            // A feature that hardly varied in training can be thrown far out.
            for value in out.iter_mut() {
                *value = tame(*value);
            }
        }
    }
}

/// The frozen model.
#[derive(Clone, Debug, PartialEq)]
pub struct Scorer {
    transform: Transform,
    forest: FlatForest,
    novelty: Option<IsolationForest>,
    classes: Vec<Category>,
    benign: usize,
    thresholds: Thresholds,
}

/// Parts of a model that do not fit together.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScorerError {
    /// No benign class, a class twice, or another number of classes than the forest's.
    #[error(
        "the model's classes are unusable ({0}); a model lists benign and each attack category at most once"
    )]
    Classes(&'static str),
    /// The forest is malformed.
    #[error(transparent)]
    Forest(#[from] crate::flat::MalformedForest),
    /// The forest, scaler or novelty forest is for vectors of another length.
    #[error(
        "the model's {part} is for vectors of {found} features, not {N_FEATURES}; retrain it for this schema"
    )]
    Width {
        /// Which part.
        part: &'static str,
        /// Its width.
        found: usize,
    },
    /// The novelty forest is malformed.
    #[error("the model's novelty forest is malformed ({0}); take the model from its source again")]
    Novelty(&'static str),
    /// A threshold outside [0, 1], or a scaler with values that are not finite.
    #[error("the model's {0} is out of range; take the model from its source again")]
    Range(&'static str),
}

impl Scorer {
    /// Puts the parts together and checks that they fit. `classes[i]` is the category of the forest's class `i`.
    ///
    /// # Errors
    /// The first part that does not fit.
    pub fn new(
        transform: Transform,
        forest: FlatForest,
        novelty: Option<IsolationForest>,
        classes: Vec<Category>,
        thresholds: Thresholds,
    ) -> Result<Self, ScorerError> {
        if forest.n_features() != N_FEATURES {
            return Err(ScorerError::Width { part: "forest", found: forest.n_features() });
        }
        if classes.len() != forest.n_classes() {
            return Err(ScorerError::Classes("their number differs from the forest's"));
        }
        if classes.iter().enumerate().any(|(i, class)| classes[..i].contains(class)) {
            return Err(ScorerError::Classes("one comes twice"));
        }
        let benign = classes
            .iter()
            .position(|class| *class == Category::Benign)
            .ok_or(ScorerError::Classes("benign is missing"))?;
        if let Some(scaler) = &transform.scaler {
            scaler.check(N_FEATURES).map_err(|found| ScorerError::Width { part: "scaler", found })?;
        }
        if let Some(novelty) = &novelty {
            novelty.check(N_FEATURES).map_err(ScorerError::Novelty)?;
        }
        for threshold in [thresholds.attack, thresholds.provisional] {
            if !(0.0..=1.0).contains(&threshold) {
                return Err(ScorerError::Range("threshold"));
            }
        }
        Ok(Scorer { transform, forest, novelty, classes, benign, thresholds })
    }

    /// The frozen forest.
    pub fn forest(&self) -> &FlatForest {
        &self.forest
    }

    /// What is done to a vector first.
    pub fn transform(&self) -> &Transform {
        &self.transform
    }

    /// The novelty forest, if the model has one.
    pub fn novelty_forest(&self) -> Option<&IsolationForest> {
        self.novelty.as_ref()
    }

    /// Categories by the forest's class number.
    pub fn classes(&self) -> &[Category] {
        &self.classes
    }

    /// Scores that make a verdict "attack".
    pub fn thresholds(&self) -> &Thresholds {
        &self.thresholds
    }

    /// Judges a final record's features. Allocates nothing.
    pub fn predict(&self, features: &[f64; N_FEATURES]) -> Prediction {
        self.predict_at(features, self.thresholds.attack)
    }

    /// Judges the features of a flow that still lives.
    pub fn predict_provisional(&self, features: &[f64; N_FEATURES]) -> Prediction {
        self.predict_at(features, self.thresholds.provisional)
    }

    fn predict_at(&self, features: &[f64; N_FEATURES], threshold: f64) -> Prediction {
        let mut x = [0.0; N_FEATURES];
        self.transform.apply(features, &mut x);
        self.verdict(&self.votes(&x), threshold)
    }

    /// Judges a vector and says how new it is, at the cost of one transform.
    pub fn judge(&self, features: &[f64; N_FEATURES], stage: Stage) -> Opinion {
        let mut x = [0.0; N_FEATURES];
        self.transform.apply(features, &mut x);
        let prediction = self.verdict(&self.votes(&x), self.threshold(stage));
        Opinion { prediction, novelty: self.novelty.as_ref().map(|novelty| novelty.score(&x)) }
    }

    /// [`Scorer::predict`] of many vectors, the same bits at less cost. Allocates nothing.
    ///
    /// # Panics
    /// If `out` is shorter than `features`.
    pub fn predict_batch(&self, features: &[[f64; N_FEATURES]], out: &mut [Prediction]) {
        assert!(out.len() >= features.len(), "{} places for {} predictions", out.len(), features.len());
        for (rows, out) in features.chunks(BATCH).zip(out.chunks_mut(BATCH)) {
            let (mut xs, mut votes) = ([0.0; BATCH * N_FEATURES], [0.0; BATCH * CLASSES_MAX]);
            let (_, votes) = self.votes_of_batch(rows, &mut xs, &mut votes);
            for (votes, out) in votes.chunks_exact(self.classes.len()).zip(out) {
                *out = self.verdict(votes, self.thresholds.attack);
            }
        }
    }

    /// [`Scorer::judge`] of many vectors, appended to `out`; the same bits at less cost. Allocates nothing but room in `out`.
    ///
    /// # Panics
    /// If there are not as many stages as vectors.
    pub fn judge_batch(&self, features: &[[f64; N_FEATURES]], stages: &[Stage], out: &mut Vec<Opinion>) {
        assert_eq!(features.len(), stages.len(), "a stage for each vector");
        for (rows, stages) in features.chunks(BATCH).zip(stages.chunks(BATCH)) {
            let (mut xs, mut votes) = ([0.0; BATCH * N_FEATURES], [0.0; BATCH * CLASSES_MAX]);
            let mut novelties = [0.0; BATCH];
            let (xs, votes) = self.votes_of_batch(rows, &mut xs, &mut votes);
            if let Some(novelty) = &self.novelty {
                novelty.score_batch(xs, N_FEATURES, &mut novelties[..rows.len()]);
            }
            let votes = votes.chunks_exact(self.classes.len());
            for ((votes, stage), novelty) in votes.zip(stages).zip(novelties) {
                let prediction = self.verdict(votes, self.threshold(*stage));
                out.push(Opinion { prediction, novelty: self.novelty.as_ref().map(|_| novelty) });
            }
        }
    }

    /// The score at which a verdict is "attack".
    fn threshold(&self, stage: Stage) -> f64 {
        match stage {
            Stage::Final => self.thresholds.attack,
            Stage::Provisional => self.thresholds.provisional,
        }
    }

    /// The forest's probabilities for a transformed vector.
    fn votes(&self, x: &[f64; N_FEATURES]) -> [f64; CLASSES_MAX] {
        let mut votes = [0.0; CLASSES_MAX];
        self.forest.predict_proba(x, &mut votes[..self.classes.len()]);
        votes
    }

    /// Transforms up to [`BATCH`] vectors and has the forest judge them; gives what of the two buffers was filled.
    fn votes_of_batch<'a>(
        &self,
        rows: &[[f64; N_FEATURES]],
        xs: &'a mut [f64; BATCH * N_FEATURES],
        votes: &'a mut [f64; BATCH * CLASSES_MAX],
    ) -> (&'a [f64], &'a [f64]) {
        let xs = &mut xs[..rows.len() * N_FEATURES];
        for (row, x) in rows.iter().zip(xs.chunks_exact_mut(N_FEATURES)) {
            self.transform.apply(row, x);
        }
        let votes = &mut votes[..rows.len() * self.classes.len()];
        self.forest.predict_proba_batch(xs, votes);
        (xs, votes)
    }

    /// The verdict on probabilities by the forest's classes.
    fn verdict(&self, votes: &[f64], threshold: f64) -> Prediction {
        let mut probabilities = [0.0; Category::COUNT];
        let mut strongest: Option<(Category, f64)> = None;
        for (&category, &vote) in self.classes.iter().zip(votes) {
            probabilities[category.index()] = vote;
            if category.is_attack() && strongest.is_none_or(|(_, most)| vote > most) {
                strongest = Some((category, vote));
            }
        }
        let benign = votes[self.benign];
        let score = (1.0 - benign).clamp(0.0, 1.0);
        match strongest {
            Some((category, confidence)) if score >= threshold => {
                Prediction { category, attack: true, score, confidence, probabilities }
            }
            _ => Prediction {
                category: Category::Benign,
                attack: false,
                score,
                confidence: benign,
                probabilities,
            },
        }
    }

    /// Says what each feature added to the score.
    pub fn explain(&self, features: &[f64; N_FEATURES]) -> Explanation {
        let mut x = [0.0; N_FEATURES];
        self.transform.apply(features, &mut x);
        let mut contributions = [0.0; N_FEATURES];
        let (base, score) = self.forest.explain(&x, self.benign, &mut contributions);
        Explanation { base, score, contributions }
    }

    /// How unlike benign training traffic a vector is, in [0, 1]; 0 for a model without a novelty forest.
    pub fn novelty(&self, features: &[f64; N_FEATURES]) -> f64 {
        let mut x = [0.0; N_FEATURES];
        self.transform.apply(features, &mut x);
        self.novelty.as_ref().map_or(0.0, |novelty| novelty.score(&x))
    }
}
