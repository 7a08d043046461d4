//! `evaluate`: how good a model is on labelled flows, how good anybody's scores are, and how good a sensor's incidents are.

mod calibration;
mod case;
mod curves;
mod judged;
mod replays;
pub(crate) mod robustness;
mod scored;
mod truth;

#[cfg(test)]
pub(crate) use judged::Judged;
pub(crate) use judged::Measured;

use crate::args::{EvaluateArgs, HeldOut};
use crate::dataset::{Dataset, Row, Split};
use crate::failure::{Failure, read_file};
use crate::report;
use model::FEATURES;
use model::artifact::{Artifact, Digest, PublicKey, Trust};
use model::explain::MeanContributions;
use serde_json::{Value, json};
use std::path::Path;

/// Of the benign flows a model was chosen with, this share is as novel as what counts as odd here, or more so.
const NOVEL_SHARE: f64 = 0.01;

/// `evaluate`.
pub(crate) fn run(args: &EvaluateArgs) -> Result<(), Failure> {
    if let Some(list) = &args.replays {
        let novel = match &args.model {
            Some(model) => novel_from(&artifact(model, args)?),
            None => 1.0,
        };
        let facts = replays::facts(&case::list(list)?, novel)?;
        report::print(args.json, &facts, &report::replays(&facts));
        return Ok(());
    }
    if !args.scored.is_empty() {
        let measured = scored::read(&args.scored, args.provisional)?;
        report::print(args.json, &measured.to_json(args.curves), &report::measured(&measured));
        return Ok(());
    }
    let Some(model) = &args.model else {
        return Err(Failure::usage("evaluate: give --model with --data, or --scored, or --replays"));
    };
    judge_rows(model, args)
}

/// The model on labelled rows.
fn judge_rows(model: &Path, args: &EvaluateArgs) -> Result<(), Failure> {
    let split = match args.split.as_deref() {
        None => None,
        Some(name) => Some(Split::ALL.into_iter().find(|split| split.as_str() == name).ok_or_else(|| {
            Failure::usage(format!("--split {name}: give train, validation, test or test-tool"))
        })?),
    };
    let artifact = artifact(model, args)?;
    if args.data.is_empty() {
        return Err(Failure::usage("evaluate --model: give the labelled flows with --data"));
    }
    let dataset = Dataset::read(&args.data)?;
    let rows: Vec<&Row> = dataset
        .rows
        .iter()
        .filter(|row| row.is_provisional() == args.provisional)
        .filter(|row| split.is_none_or(|split| row.split == split))
        .filter(|row| match args.held_out {
            None => true,
            Some(HeldOut::Runs) => row.split == Split::Test,
            Some(HeldOut::Tools) => {
                row.split == Split::TestTool || row.split == Split::Test && !row.truth.is_attack()
            }
        })
        .collect();
    let measured = Measured::of(artifact.scorer(), rows.iter().copied(), args.provisional);
    if measured.rows() == 0 {
        let what =
            "no row fits --split, --held-out and --provisional; leave them out to measure every final row";
        return Err(Failure::data(format!("{}: {what}", args.data[0].display())));
    }
    let mut facts = measured.to_json(args.curves);
    let manifest = artifact.manifest();
    facts["model"] = json!({
        "file": model, "name": manifest.name, "serial": manifest.serial,
        "digest": artifact.digest().to_string(), "threshold": artifact.scorer().thresholds().attack,
    });
    facts["by_tool"] = by_tool(&rows, &measured);
    let mut text = report::measured(&measured);
    if args.robustness {
        facts["robustness"] = robustness::facts(artifact.scorer(), &rows);
        text.push_str(&report::robustness(&facts["robustness"]));
    }
    if args.explain {
        let mut view = MeanContributions::default();
        for row in rows {
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

/// Rows of each category and tool, and how many of them were called attacks.
fn by_tool(rows: &[&Row], measured: &Measured) -> Value {
    let mut counts = std::collections::BTreeMap::<(&str, &str), [u64; 2]>::new();
    for (row, judged) in rows.iter().zip(&measured.judged) {
        let sums = counts.entry((row.truth.as_str(), &row.tool)).or_default();
        sums[0] += 1;
        sums[1] += u64::from(judged.predicted.is_attack());
    }
    let rows = counts.into_iter().map(|((category, tool), [rows, called])| {
        json!({"category": category, "tool": tool, "rows": rows, "called_attack": called})
    });
    Value::Array(rows.collect())
}

/// Novelty that [`NOVEL_SHARE`] of the reference flows reach.
fn novel_from(artifact: &Artifact) -> f64 {
    let quantiles = &artifact.manifest().quantiles;
    let place = quantiles.probabilities.iter().position(|p| (p - (1.0 - NOVEL_SHARE)).abs() < 1e-9);
    place.and_then(|place| quantiles.novelty_benign.get(place)).copied().unwrap_or(1.0)
}

fn artifact(path: &Path, args: &EvaluateArgs) -> Result<Artifact, Failure> {
    let bytes = read_file(path)?;
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
    Artifact::read(&bytes, &trust).map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))
}
