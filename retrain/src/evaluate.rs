//! `evaluate`: how good a model is on labelled flows.

use crate::args::EvaluateArgs;
use crate::dataset::{Dataset, Row, Split};
use crate::failure::{Failure, read_file};
use crate::report;
use model::artifact::{Artifact, Digest, PublicKey, Trust};
use model::explain::MeanContributions;
use model::metrics::{ConfusionMatrix, roc_auc};
use model::{Category, FEATURES, Scorer};
use serde_json::{Value, json};

/// Predictions held against the truth. Classes are numbered by [`Category::index`].
pub(crate) struct Measured {
    pub(crate) confusion: ConfusionMatrix,
    pub(crate) auc: Option<f64>,
}

impl Measured {
    /// Judges the rows by the threshold for final or provisional records.
    pub(crate) fn of<'a>(
        scorer: &Scorer,
        rows: impl Iterator<Item = &'a Row>,
        provisional: bool,
    ) -> Measured {
        let mut confusion = ConfusionMatrix::new(Category::COUNT);
        let mut scored = Vec::new();
        for row in rows {
            let predict = if provisional { Scorer::predict_provisional } else { Scorer::predict };
            let prediction = predict(scorer, &row.features);
            confusion.update(row.truth.index(), prediction.category.index());
            scored.push((prediction.score, row.truth.is_attack()));
        }
        Measured { confusion, auc: roc_auc(&mut scored) }
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

    /// The JSON form.
    pub(crate) fn to_json(&self) -> Value {
        let classes = self.occurring();
        let by_category: serde_json::Map<String, Value> = classes
            .iter()
            .map(|class| {
                let i = class.index();
                let facts = json!({
                    "support": self.confusion.support(i), "precision": self.confusion.precision(i),
                    "recall": self.confusion.recall(i), "f1": self.confusion.f1(i),
                });
                (class.to_string(), facts)
            })
            .collect();
        let cell =
            |truth: &Category, predicted: &Category| self.confusion.count(truth.index(), predicted.index());
        let matrix: Vec<Vec<u64>> = classes
            .iter()
            .map(|truth| classes.iter().map(|predicted| cell(truth, predicted)).collect())
            .collect();
        let binary = self.confusion.against(Category::Benign.index());
        json!({
            "rows": self.rows(), "accuracy": self.confusion.accuracy(), "kappa": self.confusion.kappa(),
            "f1_macro": self.confusion.f1_macro(), "f1_weighted": self.confusion.f1_weighted(),
            "binary": {
                "accuracy": binary.accuracy(), "precision": binary.precision(1), "recall": binary.recall(1),
                "f1": binary.f1(1), "roc_auc": self.auc,
                "true_positives": binary.count(1, 1), "false_positives": binary.count(0, 1),
                "true_negatives": binary.count(0, 0), "false_negatives": binary.count(1, 0),
            },
            "by_category": by_category,
            "confusion": {"classes": classes, "rows_truth": matrix},
        })
    }
}

/// `evaluate`.
pub(crate) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    let split = match args.split.as_deref() {
        None => None,
        Some(name) => Some(
            Split::ALL
                .into_iter()
                .find(|split| split.as_str() == name)
                .ok_or_else(|| Failure::usage(format!("--split {name}: give train, validation or test")))?,
        ),
    };
    let bytes = read_file(&args.model)?;
    let mut trust = Trust::none();
    for path in &args.trust {
        let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
        let key: PublicKey =
            text.parse().map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))?;
        trust = trust.with_key(key);
    }
    if args.trust.is_empty() {
        // Whoever names a file on the command line vouches for it.
        trust = trust.with_digest(Digest::of(&bytes));
    }
    let artifact = Artifact::read(&bytes, &trust)
        .map_err(|fault| Failure::data(format!("{}: {fault}", args.model.display())))?;
    let dataset = Dataset::read(&args.data)?;
    let wanted =
        |row: &&Row| split.is_none_or(|split| row.split == split) && row.provisional == args.provisional;
    let measured = Measured::of(artifact.scorer(), dataset.rows.iter().filter(wanted), args.provisional);
    if measured.rows() == 0 {
        let what = "no row fits --split and --provisional; leave them out to measure every final row";
        return Err(Failure::data(format!("{}: {what}", args.data[0].display())));
    }
    let mut facts = measured.to_json();
    let manifest = artifact.manifest();
    facts["model"] = json!({
        "file": args.model, "name": manifest.name, "serial": manifest.serial,
        "digest": artifact.digest().to_string(), "threshold": artifact.scorer().thresholds().attack,
    });
    let mut text = report::measured(&measured);
    if args.explain {
        let mut view = MeanContributions::default();
        for row in dataset.rows.iter().filter(wanted) {
            view.add(row.truth, &artifact.explain(&row.features));
        }
        let by_category = view.by_category().map(|(category, means)| {
            let by_name = FEATURES.iter().zip(means).map(|(name, mean)| ((*name).to_owned(), json!(mean)));
            (category.to_string(), Value::Object(by_name.collect()))
        });
        facts["mean_contributions"] = Value::Object(by_category.collect());
        text.push_str(&report::contributions(&view));
    }
    report::print(args.json, &facts, &text);
    Ok(())
}
