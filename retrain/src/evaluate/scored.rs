//! Flows that somebody has scored: `true_category`, `category` and `score`, as `taphound replay --out --labels` writes them
//! and as the baselines do; columns `p_<category>` give probabilities where the judge tells them.

use super::judged::{Judged, Measured};
use crate::dataset::csv_fault;
use crate::failure::Failure;
use model::Category;
use std::path::PathBuf;

/// Reads the final rows of every file, or the provisional ones.
pub(super) fn read(paths: &[PathBuf], provisional: bool) -> Result<Measured, Failure> {
    let mut judged = Vec::new();
    for path in paths {
        let fault = |fault| csv_fault(path, &fault);
        let file = std::fs::File::open(path).map_err(|fault| Failure::no_input(path, fault))?;
        let mut reader = csv::Reader::from_reader(file);
        let header = reader.headers().map_err(fault)?.clone();
        let place = |name: &str| header.iter().position(|column| column == name);
        let needed = |name: &str| {
            place(name).ok_or_else(|| {
                let remedy = "write it with `taphound replay --out FILE --labels FILE`";
                Failure::data(format!("{}:1: column `{name}` is missing; {remedy}", path.display()))
            })
        };
        let (truth, category, score) = (needed("true_category")?, needed("category")?, needed("score")?);
        let stage = place("provisional");
        let shares = Category::ALL.map(|category| place(&format!("p_{category}")));
        for record in reader.records() {
            let record = record.map_err(fault)?;
            if stage.is_some_and(|stage| record[stage].is_empty() == provisional) {
                continue;
            }
            let wrong = |column: usize| {
                let line = record.position().map_or(0, csv::Position::line);
                let (file, name, text) = (path.display(), &header[column], &record[column]);
                Failure::data(format!("{file}:{line}: column `{name}`: `{text}` makes no sense; correct it"))
            };
            let number = |column: usize| record[column].parse::<f64>().map_err(|_| wrong(column));
            let mut probabilities = [0.0; Category::COUNT];
            for (probability, place) in probabilities.iter_mut().zip(shares) {
                *probability = place.map_or(Ok(0.0), number)?;
            }
            judged.push(Judged {
                truth: record[truth].parse().map_err(|_| wrong(truth))?,
                predicted: record[category].parse().map_err(|_| wrong(category))?,
                score: number(score)?,
                probabilities: shares.iter().any(Option::is_some).then_some(probabilities),
            });
        }
    }
    if judged.is_empty() {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::data(format!(
            "{}: no scored flow; give files that have rows",
            names.join(", ")
        )));
    }
    Ok(Measured::new(judged))
}
