//! What the model promises of itself, whatever other implementations do.

mod artifact;
mod ensemble;
mod explanation;
mod forest;
mod frozen;
mod novelty;
mod pointer;
mod robustness;
mod tamper;

use model::artifact::{Digest, Draft, SecretKey};
use model::draws::TreeRng;
use model::forest::ForestParams;
use model::novelty::{IsolationForest, NoveltyParams};
use model::quantiles::{PROBABILITIES, ReferenceQuantiles, quantiles};
use model::scorer::Transform;
use model::{AdaptiveRandomForest, Category, N_FEATURES, Scorer, StandardScaler, Thresholds};
use std::collections::BTreeMap;

pub(crate) type Row = ([f64; N_FEATURES], usize);

pub(crate) const CLASSES: [Category; 3] = [Category::Benign, Category::Scan, Category::Dos];

/// Flows of three kinds that overlap a little, with constants and heavy tails.
pub(crate) fn rows(n: usize, seed: u64) -> Vec<Row> {
    let mut rng = TreeRng::for_tree(seed, 0);
    (0..n)
        .map(|_| {
            let class = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2][rng.below(10)];
            let mut x = [0.0; N_FEATURES];
            for (feature, value) in x.iter_mut().enumerate() {
                let u = rng.uniform();
                *value = match (feature % 4, class) {
                    (0, 1) => 3.0 + (u * 4.0).floor(),
                    (0, _) => (u * 12.0 + class as f64).exp(),
                    (1, 2) => 1000.0 * u,
                    (1, _) => 200.0 * u + 50.0 * class as f64,
                    (2, _) => (u * 9.0).floor(),
                    _ if class == 0 => u * u * 1e6,
                    _ => 0.0,
                };
            }
            (x, class)
        })
        .collect()
}

pub(crate) fn grown(params: &ForestParams, rows: &[Row]) -> AdaptiveRandomForest {
    let mut forest = AdaptiveRandomForest::new(params.clone()).unwrap();
    for (x, class) in rows {
        forest.learn_one(x, *class);
    }
    forest
}

pub(crate) fn product_params() -> ForestParams {
    ForestParams { n_models: 5, seed: 3, ..ForestParams::product(N_FEATURES, CLASSES.len()) }
}

/// A small model with every part, and the forest it was frozen from.
pub(crate) fn small_scorer(rows: &[Row]) -> (Scorer, AdaptiveRandomForest) {
    let mut scaler = StandardScaler::new(N_FEATURES);
    let log = Transform { log: true, scaler: None };
    let mut logs = Vec::new();
    for (x, class) in rows {
        let mut out = [0.0; N_FEATURES];
        log.apply(x, &mut out);
        scaler.learn_one(&out);
        logs.push((out, *class));
    }
    let transform = Transform { log: true, scaler: Some(scaler) };
    let lesson: Vec<Row> = rows
        .iter()
        .map(|(x, class)| {
            let mut out = [0.0; N_FEATURES];
            transform.apply(x, &mut out);
            (out, *class)
        })
        .collect();
    let forest = grown(&product_params(), &lesson);
    let benign: Vec<Vec<f64>> =
        lesson.iter().filter(|(_, class)| *class == 0).map(|(x, _)| x.to_vec()).collect();
    let novelty = IsolationForest::fit(&benign, NoveltyParams { trees: 3, sample_size: 16, seed: 1 });
    let scorer =
        Scorer::new(transform, forest.freeze(), novelty, CLASSES.to_vec(), Thresholds::default()).unwrap();
    (scorer, forest)
}

pub(crate) fn key(seed: u8) -> SecretKey {
    SecretKey::from_entropy([seed; 32])
}

pub(crate) fn draft<'a>(scorer: &'a Scorer, rows: &[Row]) -> Draft<'a> {
    let mut columns = vec![Vec::new(); N_FEATURES];
    for (x, _) in rows {
        for (column, value) in columns.iter_mut().zip(x) {
            column.push(*value);
        }
    }
    let mut scores: Vec<f64> = rows.iter().map(|(x, _)| scorer.predict(x).score).collect();
    Draft {
        name: "small".to_owned(),
        serial: 7,
        parent: Some(6),
        training_data: Digest::of(b"rows"),
        metrics: BTreeMap::from([("test.f1".to_owned(), 0.5)]),
        quantiles: ReferenceQuantiles {
            probabilities: PROBABILITIES.to_vec(),
            features: columns.iter_mut().map(|column| quantiles(column)).collect(),
            score: quantiles(&mut scores),
            score_benign: quantiles(&mut []),
            novelty_benign: quantiles(&mut []),
        },
        created: 1_700_000_000,
        expires: Some(1_800_000_000),
        scorer,
        learner: None,
        self_test: rows.iter().step_by(rows.len() / 4).map(|(x, _)| *x).collect(),
    }
}
