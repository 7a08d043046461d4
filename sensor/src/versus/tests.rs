//! What two models say of the same flows, counted.

use model::N_FEATURES;

use super::Comparison;
use crate::scoring::Model;
use crate::slot::Serving;

fn vectors() -> impl Iterator<Item = [f64; N_FEATURES]> {
    let model = Model::load(None).unwrap();
    let quantiles = model.artifact().manifest().quantiles.features.clone();
    (0..300usize).map(move |n| std::array::from_fn(|f| quantiles[f][(n * 7 + f * n) % quantiles[f].len()]))
}

#[test]
fn a_model_against_itself_changes_nothing() {
    let (first, second) = (Model::load(None).unwrap(), Model::load(None).unwrap());
    let mut comparison = Comparison::new(&first, &second);
    for features in vectors() {
        comparison.add(&features, &first.score_vector(&features, true), None, || unreachable!());
    }
    let versus = comparison.summary();
    assert_eq!((versus.flows, versus.changed), (300, 0));
    assert!(versus.matrix.len() > 1, "the vectors are of one category only: {:?}", versus.matrix);
    assert!(versus.matrix.iter().all(|(from, row)| row.keys().eq([from])), "{:?}", versus.matrix);
    assert!(versus.moves.is_empty() && versus.examples.is_empty());
}

#[test]
fn what_changes_is_off_the_diagonal_and_is_explained() {
    let (first, second) = (Model::load(None).unwrap(), Model::load(None).unwrap());
    let mut comparison = Comparison::new(&first, &second);
    // The first one judges by a threshold so low that everything is an attack.
    let thresholds = model::Thresholds { attack: 0.0, ..model::Thresholds::default() };
    let serving = Serving {
        active: std::sync::Arc::new(Model::load(None).unwrap()),
        shadow: None,
        thresholds: Some(thresholds),
        generation: 0,
    };
    let mut expected = 0;
    for features in vectors() {
        let scored = serving.score_vector(&features);
        expected += u64::from(!first.score_vector(&features, true).prediction.attack);
        comparison.add(&features, &scored, Some(true), || ("id".into(), "flow".into()));
    }
    let versus = comparison.summary();
    assert_eq!((versus.changed, versus.to_benign, versus.to_attack), (expected, expected, 0));
    assert!(expected > 0);
    let off: u64 = versus
        .matrix
        .iter()
        .flat_map(|(a, row)| row.iter().filter(move |(b, _)| a != *b))
        .map(|(_, n)| n)
        .sum();
    assert_eq!(off, versus.changed);
    let first_move = &versus.moves[0];
    assert_eq!((first_move.to, first_move.known, first_move.second_right), ("benign", first_move.flows, 0));
    assert_eq!(first_move.first_right, first_move.flows);
    assert!(!versus.examples.is_empty());
    // The same forest explains both, so no feature has changed its share.
    assert!(versus.moves.iter().all(|m| m.contributions.is_empty()), "{:?}", versus.moves);
    assert!(versus.describe(1).contains("What changes"));
}
