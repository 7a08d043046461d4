//! What was predicted held against what was true: one measure for our forest, for other people's, and for counters.

use super::calibration::Calibration;
use super::curves::Curves;
use crate::dataset::Row;
use model::metrics::ConfusionMatrix;
use model::{Category, Prediction, Scorer};
use serde_json::{Map, Value, json};

/// One prediction and its truth.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) truth: Category,
    pub(crate) predicted: Category,
    /// How sure it is an attack, in [0, 1].
    pub(crate) score: f64,
    /// By [`Category::index`], where the judge tells them.
    pub(crate) probabilities: Option<[f64; Category::COUNT]>,
}

impl Judged {
    pub(crate) fn new(truth: Category, prediction: &Prediction) -> Judged {
        Judged {
            truth,
            predicted: prediction.category,
            score: prediction.score,
            probabilities: Some(prediction.probabilities),
        }
    }
}

/// Predictions held against the truth. Classes are numbered by [`Category::index`].
pub(crate) struct Measured {
    pub(crate) confusion: ConfusionMatrix,
    pub(crate) judged: Vec<Judged>,
    pub(crate) auc: Option<f64>,
}

impl Measured {
    pub(crate) fn new(judged: Vec<Judged>) -> Measured {
        let mut confusion = ConfusionMatrix::new(Category::COUNT);
        for one in &judged {
            confusion.update(one.truth.index(), one.predicted.index());
        }
        let auc = Curves::of(judged.iter().map(|one| (one.score, one.truth.is_attack()))).map(|c| c.roc_auc);
        Measured { confusion, judged, auc }
    }

    /// Judges the rows by the threshold for final or provisional records.
    pub(crate) fn of<'a>(
        scorer: &Scorer,
        rows: impl Iterator<Item = &'a Row>,
        provisional: bool,
    ) -> Measured {
        let predict = if provisional { Scorer::predict_provisional } else { Scorer::predict };
        Measured::new(rows.map(|row| Judged::new(row.truth, &predict(scorer, &row.features))).collect())
    }

    /// Points of the ROC curve; none when one of the sides is missing.
    pub(crate) fn roc(&self) -> Vec<[f64; 2]> {
        let scored = self.judged.iter().map(|one| (one.score, one.truth.is_attack()));
        Curves::of(scored).map_or_else(Vec::new, |curves| curves.roc)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.confusion.total()
    }

    /// Categories that occur as truth or prediction.
    pub(crate) fn occurring(&self) -> Vec<Category> {
        let occurs =
            |c: &Category| self.confusion.support(c.index()) + self.confusion.predicted(c.index()) > 0;
        Category::ALL.into_iter().filter(occurs).collect()
    }

    /// The figures kept in a manifest, each name led by `prefix`.
    pub(crate) fn figures(&self, prefix: &str) -> Vec<(String, f64)> {
        let binary = self.confusion.against(Category::Benign.index());
        let mut figures = vec![
            ("rows", self.rows() as f64),
            ("accuracy", self.confusion.accuracy()),
            ("kappa", self.confusion.kappa()),
            ("f1_macro", self.confusion.f1_macro()),
            ("binary.accuracy", binary.accuracy()),
            ("binary.precision", binary.precision(1)),
            ("binary.recall", binary.recall(1)),
            ("binary.f1", binary.f1(1)),
        ];
        figures.extend(self.auc.map(|auc| ("binary.roc_auc", auc)));
        figures.into_iter().map(|(name, value)| (format!("{prefix}.{name}"), value)).collect()
    }

    /// The JSON form; `curves` adds what plots are drawn from.
    pub(crate) fn to_json(&self, curves: bool) -> Value {
        let classes = self.occurring();
        let by_category: Map<String, Value> =
            classes.iter().map(|class| (class.to_string(), self.category(*class, curves))).collect();
        let cell =
            |truth: &Category, predicted: &Category| self.confusion.count(truth.index(), predicted.index());
        let matrix: Vec<Vec<u64>> = classes
            .iter()
            .map(|truth| classes.iter().map(|predicted| cell(truth, predicted)).collect())
            .collect();
        let binary = self.confusion.against(Category::Benign.index());
        let mut facts = json!({
            "rows": self.rows(), "accuracy": self.confusion.accuracy(), "kappa": self.confusion.kappa(),
            "f1_macro": self.confusion.f1_macro(), "f1_weighted": self.confusion.f1_weighted(),
            "binary": {
                "accuracy": binary.accuracy(), "precision": binary.precision(1), "recall": binary.recall(1),
                "f1": binary.f1(1), "kappa": binary.kappa(), "roc_auc": self.auc,
                "true_positives": binary.count(1, 1), "false_positives": binary.count(0, 1),
                "true_negatives": binary.count(0, 0), "false_negatives": binary.count(1, 0),
            },
            "by_category": by_category,
            "confusion": {"classes": classes, "rows_truth": matrix},
        });
        if let Some(found) = Curves::of(self.judged.iter().map(|one| (one.score, one.truth.is_attack()))) {
            facts["binary"]["average_precision"] = json!(found.average_precision);
            if curves {
                facts["binary"]["curves"] = found.to_json();
            }
        }
        let scores = Calibration::of(self.judged.iter().map(|one| (one.score, one.truth.is_attack())));
        facts["calibration"] = scores.to_json();
        let named = self.judged.iter().filter_map(|one| {
            let confidence = one.probabilities?[one.predicted.index()];
            Some((confidence, one.predicted == one.truth))
        });
        facts["calibration_of_category"] = Calibration::of(named).to_json();
        facts
    }

    fn category(&self, class: Category, curves: bool) -> Value {
        let i = class.index();
        let mut facts = json!({
            "support": self.confusion.support(i), "precision": self.confusion.precision(i),
            "recall": self.confusion.recall(i), "f1": self.confusion.f1(i),
            "kappa": one_against_rest(&self.confusion, i).kappa(),
        });
        let scored = self.judged.iter().filter_map(|one| Some((one.probabilities?[i], one.truth == class)));
        if let Some(found) = Curves::of(scored) {
            facts["roc_auc"] = json!(found.roc_auc);
            facts["average_precision"] = json!(found.average_precision);
            if curves {
                facts["curves"] = found.to_json();
            }
        }
        facts
    }
}

/// The two-class matrix of one class (as class 1) against all others.
fn one_against_rest(confusion: &ConfusionMatrix, class: usize) -> ConfusionMatrix {
    let mut binary = ConfusionMatrix::new(2);
    for truth in 0..confusion.n_classes() {
        for predicted in 0..confusion.n_classes() {
            for _ in 0..confusion.count(truth, predicted) {
                binary.update(usize::from(truth == class), usize::from(predicted == class));
            }
        }
    }
    binary
}
