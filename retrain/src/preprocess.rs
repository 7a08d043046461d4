//! `preprocess`: merged data is checked, split, and its rarer side raised by synthetic rows, in three passes over the file.
//! What is in memory does not grow with it but for a bit a row; the hashes by which duplicates are known lie on disk.

pub(crate) mod checks;
mod oversample;
mod split;
mod vectors;

use crate::args::PreprocessArgs;
use crate::config::{self, Preprocess};
use crate::dataset::{self, Row, RowWriter, Split};
use crate::failure::{Failure, write_file};
use crate::outcome::Outcome;
use crate::report;
use checks::{Checks, vector_hash};
use oversample::Oversampler;
use serde_json::{Value, json};
use split::{Side, Splitter};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use vectors::{Entry, Rows, Vectors};

/// Files read and written.
pub(crate) struct Paths<'a> {
    pub(crate) data: &'a Path,
    pub(crate) train: &'a Path,
    pub(crate) holdout: &'a Path,
    pub(crate) report: &'a Path,
}

/// `preprocess`.
pub(crate) fn run(args: &PreprocessArgs) -> Result<Outcome, Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let now = args.common.now_ms.unwrap_or_else(crate::clock::now_ms);
    let paths = Paths { data: &args.data, train: &args.train, holdout: &args.holdout, report: &args.report };
    let facts = preprocess(&paths, &config.preprocess, now)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(Outcome::Done)
}

/// Checks, splits, raises; tells how many rows went where.
pub(crate) fn preprocess(paths: &Paths<'_>, settings: &Preprocess, now: u64) -> Result<Value, Failure> {
    let data = [paths.data.to_owned()];
    let mut checks = Checks::new(settings);
    let mut splitter = Splitter::new(settings);
    let mut seen = Vectors::beside(paths.train, "seen")?;
    let mut rows = 0;
    let digest = dataset::stream(&data, &mut |row| {
        rows += 1;
        if checks.admits(&row) {
            splitter.count(&row);
            let hash = vector_hash(&row.features);
            seen.note(Entry { hash, row: rows, mark: row.truth.is_attack() })?;
        }
        Ok(())
    })?;
    seen.each(|occurrences| checks.vector(occurrences))?;
    splitter.decide();
    let leaking = leaking(&data, &splitter, paths.train)?;
    let mut train = RowWriter::create(paths.train)?;
    let mut holdout = RowWriter::create(paths.holdout)?;
    let mut oversampler = Oversampler::new(settings);
    let mut counts = BTreeMap::<(&str, String), [u64; 2]>::new();
    let (mut leaked, mut rows) = (0u64, 0);
    let mut deciding = splitter.deciding();
    dataset::stream(&data, &mut |mut row: Row| {
        rows += 1;
        if checks::fault_of(&row.features).is_some() {
            return Ok(());
        }
        let side = deciding.side(&row);
        if leaking.contains(rows) {
            leaked += 1;
            return Ok(());
        }
        let kind = if row.truth.is_attack() { "attack" } else { "benign" };
        let count = counts.entry((kind, row.source.to_string())).or_default();
        if side == Side::Train {
            count[0] += 1;
            row.split = Split::Train;
            oversampler.count(&row);
            train.write(row)
        } else {
            count[1] += 1;
            row.split = Split::Test;
            holdout.write(row)
        }
    })?;
    let made = oversampler.rows(&mut |row| train.write(row))?;
    checks.held_out(&counts, leaked);
    let report = checks.report(now, &digest.to_string());
    write_file(paths.report, format!("{report:#}\n").as_bytes())?;
    if let Some(faults) = checks.faults(now) {
        let see = paths.report.display();
        return Err(Failure::data(format!("{}: {faults}; the report is in {see}", paths.data.display())));
    }
    let (train_rows, holdout_rows) = (train.finish()?, holdout.finish()?);
    let by_source: Vec<Value> = counts
        .iter()
        .map(|((kind, source), [train, holdout])| {
            json!({"kind": kind, "source": source, "train": train, "holdout": holdout})
        })
        .collect();
    Ok(json!({
        "train": paths.train, "train_rows": train_rows, "synthetic_rows": made, "holdout": paths.holdout,
        "holdout_rows": holdout_rows, "leaked": leaked, "split": splitter.facts(), "by_source": by_source,
        "checks": report["checks"],
    }))
}

/// Rows of the hold-out whose vector training has too: known before the first row is written, so that they stay out of it.
fn leaking(data: &[PathBuf], splitter: &Splitter, beside: &Path) -> Result<Rows, Failure> {
    let mut sides = Vectors::beside(beside, "sides")?;
    let mut deciding = splitter.deciding();
    let mut rows = 0;
    dataset::stream(data, &mut |row| {
        rows += 1;
        if checks::fault_of(&row.features).is_some() {
            return Ok(());
        }
        let mark = deciding.side(&row) == Side::Train;
        sides.note(Entry { hash: vector_hash(&row.features), row: rows, mark })
    })?;
    let mut leaking = Rows::default();
    sides.each(|occurrences| {
        if occurrences.iter().any(|entry| entry.mark) {
            occurrences.iter().filter(|entry| !entry.mark).for_each(|entry| leaking.insert(entry.row));
        }
    })?;
    Ok(leaking)
}

pub(crate) fn text(facts: &Value) -> String {
    let mut text = format!(
        "{}: {} rows, {} of them synthetic\n{}: {} rows ({} left out that training has too)\n",
        facts["train"].as_str().unwrap_or_default(),
        facts["train_rows"],
        facts["synthetic_rows"],
        facts["holdout"].as_str().unwrap_or_default(),
        facts["holdout_rows"],
        facts["leaked"]
    );
    for check in facts["checks"].as_array().into_iter().flatten() {
        let word = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("{:<12}{:<8}{}\n", word("check"), word("result"), word("what")));
    }
    text
}

#[cfg(test)]
mod tests;
