//! What a step tells people: short tables, or one JSON object for programs.

use crate::evaluate::Measured;
use model::artifact::{Artifact, SecretKey};
use model::explain::MeanContributions;
use model::{Category, FEATURES};
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Prints the facts as JSON, or the text.
#[allow(clippy::print_stdout)]
pub(crate) fn print(json: bool, facts: &Value, text: &str) {
    if json {
        println!("{facts}");
    } else {
        println!("{}", text.trim_end());
    }
}

/// The tables of `evaluate`.
pub(crate) fn measured(measured: &Measured) -> String {
    let confusion = &measured.confusion;
    let classes = measured.occurring();
    let mut text = String::from("truth \\ predicted");
    for class in &classes {
        let _ = write!(text, "{:>14}", class.as_str());
    }
    text.push('\n');
    for truth in &classes {
        let _ = write!(text, "{:<17}", truth.as_str());
        for predicted in &classes {
            let _ = write!(text, "{:>14}", confusion.count(truth.index(), predicted.index()));
        }
        text.push('\n');
    }
    let _ =
        writeln!(text, "\n{:<17}{:>14}{:>14}{:>14}{:>14}", "category", "precision", "recall", "F1", "flows");
    for class in &classes {
        let i = class.index();
        let (precision, recall, f1) = (confusion.precision(i), confusion.recall(i), confusion.f1(i));
        let flows = confusion.support(i);
        let _ = writeln!(text, "{:<17}{precision:>14.4}{recall:>14.4}{f1:>14.4}{flows:>14}", class.as_str());
    }
    let binary = confusion.against(Category::Benign.index());
    let _ = writeln!(
        text,
        "\nflows {}  accuracy {:.4}  kappa {:.4}  macro F1 {:.4}",
        measured.rows(),
        confusion.accuracy(),
        confusion.kappa(),
        confusion.f1_macro()
    );
    let _ = write!(
        text,
        "attack or not: precision {:.4}  recall {:.4}  F1 {:.4}",
        binary.precision(1),
        binary.recall(1),
        binary.f1(1)
    );
    if let Some(auc) = measured.auc {
        let _ = write!(text, "  ROC-AUC {auc:.4}");
    }
    text
}

/// The table of `evaluate --explain`, the features that move most first.
pub(crate) fn contributions(view: &MeanContributions) -> String {
    let columns: Vec<_> = view.by_category().collect();
    let mut features: Vec<usize> = (0..FEATURES.len()).collect();
    let most = |feature: usize| columns.iter().map(|(_, means)| means[feature]).fold(0.0, f64::max);
    features.sort_by(|a, b| most(*b).total_cmp(&most(*a)));
    let mut text = format!("\n\n{:<30}", "mean |contribution|");
    for (category, _) in &columns {
        let _ = write!(text, "{:>14}", category.as_str());
    }
    for feature in features {
        let _ = write!(text, "\n{:<30}", FEATURES[feature]);
        for (_, means) in &columns {
            let _ = write!(text, "{:>14.4}", means[feature]);
        }
    }
    text
}

/// The lines of `train` and `join`.
pub(crate) fn trained(
    out: &Path,
    artifact: &Artifact,
    bytes: usize,
    rows: usize,
    key: Option<&SecretKey>,
) -> String {
    let manifest = artifact.manifest();
    let classes: Vec<&str> = manifest.classes.iter().map(|class| class.as_str()).collect();
    let signed = key.map_or("unsigned".to_owned(), |key| format!("signed by {}", key.public().id()));
    let mut text = format!(
        "{}: `{}` serial {}, {bytes} bytes, {signed}\ndigest {}\n{} trees, {} nodes, from {rows} rows of {}\n",
        out.display(),
        manifest.name,
        manifest.serial,
        artifact.digest(),
        artifact.forest().n_trees(),
        artifact.forest().n_nodes(),
        classes.join(", "),
    );
    for (name, value) in &manifest.metrics {
        let _ = writeln!(text, "{name:<36}{value:>14.4}");
    }
    text
}

/// The table of `evaluate --robustness`.
pub(crate) fn robustness(facts: &Value) -> String {
    let mut text = format!("\n\n{:<36}{:>10}{:>10}{:>10}", "disturbed by", "precision", "recall", "F1");
    for one in facts.as_array().into_iter().flatten() {
        let number = |name: &str| one[name].as_f64().unwrap_or(f64::NAN);
        let what = one["what"].as_str().unwrap_or_default();
        let (precision, recall, f1) = (number("precision"), number("recall"), number("f1"));
        let _ = write!(text, "\n{what:<36}{precision:>10.4}{recall:>10.4}{f1:>10.4}");
    }
    text
}

/// The lines of `evaluate --replays`: a group and variant each, then what was missed and what was false.
pub(crate) fn replays(facts: &Value) -> String {
    let mut text = String::new();
    for group in facts.as_array().into_iter().flatten() {
        let count = |value: &Value| value.as_array().map_or(0, Vec::len);
        let attacks = group["attacks"].as_array().map_or(&[][..], Vec::as_slice);
        let with = |what: &str| attacks.iter().filter(|attack| attack[what] == true).count();
        let _ = writeln!(
            text,
            "{} ({}): {} captures, {} of {} attacks found, {} called by their name, {} false incidents in {:.2} benign hours",
            group["group"].as_str().unwrap_or_default(),
            group["variant"].as_str().unwrap_or_default(),
            count(&group["cases"]),
            with("found"),
            attacks.len(),
            with("fitting"),
            count(&group["false_incidents"]),
            group["benign_active_hours"].as_f64().unwrap_or(0.0),
        );
        for missed in attacks.iter().filter(|attack| attack["found"] == false) {
            let _ = writeln!(text, "    missed: {} in {}", missed["category"], missed["case"]);
        }
        for wrong in group["false_incidents"].as_array().into_iter().flatten() {
            let _ =
                writeln!(text, "    false: {} in {}, {}", wrong["category"], wrong["case"], wrong["whom"]);
        }
    }
    text
}
