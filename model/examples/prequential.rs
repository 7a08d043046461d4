//! Prequential accuracy, kappa and macro F1 of the forest on streams: each row is predicted, then learned. One side of
//! `bench/parity`.
//!
//!     prequential [--rule river|moa] [--one-sided true|false] [--max-features SHARE] [--max-share SHARE]
//!                 [--vote weighted|unweighted|confident] SEED FILE [SEED FILE ...]
//!
//! A file is CSV: a header, numeric columns, the class number in the last one. One JSON object a run on stdout.

use model::AdaptiveRandomForest;
use model::forest::{DriftParams, ForestParams, MaxFeatures, Vote};
use model::metrics::ConfusionMatrix;
use std::error::Error;

type Row = (Vec<f64>, usize);

fn read(file: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file)?;
    text.lines()
        .skip(1)
        .map(|line| {
            let mut values = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
            let class = values.pop().ok_or("an empty line")?;
            Ok((values, class as usize))
        })
        .collect()
}

/// The settings that all three programs of the comparison share, with what the command line changes.
struct Settings {
    rule: String,
    max_features: Option<f64>,
    one_sided: bool,
    max_share: f64,
    vote: Vote,
}

fn run(rows: &[Row], seed: u64, settings: &Settings) -> Result<ConfusionMatrix, Box<dyn Error>> {
    let n_features = rows[0].0.len();
    let n_classes = rows.iter().map(|(_, class)| class + 1).max().unwrap_or(1);
    let mut params = ForestParams { seed, vote: settings.vote, ..ForestParams::new(n_features, n_classes) };
    params.tree.naive_bayes = settings.rule.parse()?;
    params.tree.max_share_to_split = settings.max_share;
    params.drift = params.drift.map(|drift| DriftParams { one_sided: settings.one_sided, ..drift });
    if let Some(share) = settings.max_features {
        params.max_features = MaxFeatures::Fraction(share);
    }
    let mut forest = AdaptiveRandomForest::new(params)?;
    let mut matrix = ConfusionMatrix::new(n_classes);
    for (x, class) in rows {
        matrix.update(*class, forest.predict_one(x).unwrap_or(0));
        forest.learn_one(x, *class);
    }
    Ok(matrix)
}

#[allow(clippy::print_stdout)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut settings = Settings {
        rule: "moa".to_owned(),
        max_features: None,
        one_sided: true,
        max_share: 1.0,
        vote: Vote::Weighted,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or(format!("{arg} needs a value"));
        match arg.as_str() {
            "--rule" => settings.rule = value()?,
            "--max-features" => settings.max_features = Some(value()?.parse()?),
            "--one-sided" => settings.one_sided = value()? == "true",
            "--max-share" => settings.max_share = value()?.parse()?,
            "--vote" => {
                settings.vote = match value()?.as_str() {
                    "confident" => Vote::CONFIDENT,
                    "unweighted" => Vote::Unweighted,
                    _ => Vote::Weighted,
                }
            }
            seed => {
                let seed: u64 = seed.parse()?;
                let file = value()?;
                let matrix = run(&read(&file)?, seed, &settings)?;
                println!(
                    "{{\"file\":{file:?},\"seed\":{seed},\"accuracy\":{},\"kappa\":{},\"f1\":{}}}",
                    matrix.accuracy(),
                    matrix.kappa(),
                    matrix.f1_macro()
                );
            }
        }
    }
    Ok(())
}
