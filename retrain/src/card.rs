//! The model card of a retrain: Markdown for people, PNG for the registry's page.

mod plot;

use crate::comparison::{self, Comparison};
use crate::failure::{Failure, write_file};
use plot::Plot;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;

/// Files that [`write`] leaves in its folder.
pub(crate) const FILES: [&str; 3] = ["model_card.md", "model_card.png", "comparison.json"];

/// Writes `model_card.md` and `model_card.png`.
pub(crate) fn write(folder: &Path, facts: &Value, comparison: &Comparison) -> Result<(), Failure> {
    write_file(&folder.join(FILES[0]), markdown(facts).as_bytes())?;
    write_file(&folder.join(FILES[1]), &picture(facts, comparison)?)
}

fn markdown(facts: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (model, training) = (&facts["model"], &facts["training"]);
    let classes: Vec<String> = model["classes"].as_array().into_iter().flatten().map(word).collect();
    let mut text = format!(
        "# {} · serial {}\n\nMade from serial {} by incremental retraining, created {} (epoch seconds). ",
        word(&model["name"]),
        model["serial"],
        model["parent"],
        model["created"]
    );
    let reasons: Vec<String> = facts["reasons"].as_array().into_iter().flatten().map(word).collect();
    if facts["promote"] == true {
        text.push_str("**The gate let it pass.**\n");
    } else {
        let _ = writeln!(text, "**Refused: new model does not outperform** ({}).", reasons.join("; "));
    }
    let _ = write!(
        text,
        "\n![champion and challenger](model_card.png)\n\n## Judged by {} rows that neither has learned\n\n```\n{}```\n",
        facts["holdout_rows"],
        comparison::table(facts)
    );
    text.push_str("\n| category | flows | F1 champion | F1 new | recall champion | recall new |\n|---|---|---|---|---|---|\n");
    for (category, new) in facts["new"]["by_category"].as_object().into_iter().flatten() {
        let prod = &facts["prod"]["by_category"][category];
        let cell =
            |value: &Value| if value.is_null() { "-".to_owned() } else { format!("{:.4}", number(value)) };
        let _ = writeln!(
            text,
            "| {category} | {} | {} | {} | {} | {} |",
            new["support"],
            cell(&prod["f1"]),
            cell(&new["f1"]),
            cell(&prod["recall"]),
            cell(&new["recall"])
        );
    }
    let error = |which: &str| number(&facts[which]["calibration"]["expected_error"]);
    let _ = writeln!(
        text,
        "\nExpected calibration error: champion {:.4}, new {:.4}. Operating threshold: {}.",
        error("prod"),
        error("new"),
        facts["threshold"]
    );
    text.push_str("\n## Disturbed\n\n| by | F1 champion | F1 new |\n|---|---|---|\n");
    let rows = |which: &str| facts["robustness"][which].as_array().cloned().unwrap_or_default();
    for (new, prod) in rows("new").iter().zip(rows("prod")) {
        let _ = writeln!(
            text,
            "| {} | {:.4} | {:.4} |",
            word(&new["what"]),
            number(&prod["f1"]),
            number(&new["f1"])
        );
    }
    let sources: Vec<String> = training["by_source"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(source, rows)| format!("{rows} {source}"))
        .collect();
    let _ = write!(
        text,
        "\n## Made of\n\n- {} training rows ({}), {} passes, seed {}\n- {} trees, {} planted, {} felled, {} left\n\
         - classes: {}\n- schema `{}`\n- training data sha256 `{}`\n- model digest `{}`, parent `{}`\n- signed by {}\n\
         \nFor deciding about flows metered by Taphound. Not for other meters' features: their names are alike, their \
         meaning is not.\n",
        training["rows"],
        sources.join(", "),
        training["passes"],
        training["seed"],
        training["trees_before"],
        training["trees_planted"],
        training["trees_felled"],
        training["trees"],
        classes.join(", "),
        word(&model["schema"]),
        word(&model["training_data"]),
        word(&model["digest"]),
        word(&model["parent_digest"]),
        model["signed_by"].as_str().unwrap_or("nobody"),
    );
    text
}

/// Bars of the headline figures, and both ROC curves.
fn picture(facts: &Value, comparison: &Comparison) -> Result<Vec<u8>, Failure> {
    let number = |name: &str| facts[name].as_f64().unwrap_or(0.0);
    let mut plot = Plot::new(900, 420);
    let title = format!(
        "{} serial {} beside serial {}: {}",
        facts["model"]["name"].as_str().unwrap_or_default(),
        facts["model"]["serial"],
        facts["model"]["parent"],
        if facts["promote"] == true { "passed" } else { "refused" }
    );
    plot.title(&title);
    let mut bars = vec![
        ("F1".to_owned(), number("F1_prod"), number("F1_new")),
        ("kappa".to_owned(), number("Kappa_prod"), number("Kappa_new")),
    ];
    for (source, of) in facts["by_source"].as_object().into_iter().flatten() {
        let value = |name: &str| of[name].as_f64().unwrap_or(0.0);
        bars.push((format!("F1 {source}"), value("F1_prod"), value("F1_new")));
    }
    plot.bars((60, 60, 460, 300), &bars);
    plot.roc((580, 60, 300, 300), [&comparison.prod.roc(), &comparison.new.roc()]);
    plot.legend((60, 400), ["champion", "new"]);
    plot.png().map_err(Failure::software)
}
