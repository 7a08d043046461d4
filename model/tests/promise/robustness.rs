//! Not-a-number, infinities, constants, huge values, missing classes: judged and learned without a panic, with finite
//! results; and memory is kept within its limit.

use super::{CLASSES, product_params, rows};
use model::draws::TreeRng;
use model::forest::{DriftParams, ForestParams};
use model::scorer::Transform;
use model::tree::{HoeffdingTree, NaiveBayesRule, TreeParams};
use model::{AdaptiveRandomForest, N_FEATURES, Scorer, Thresholds};
use proptest::prelude::*;

fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e12),
        Just(0.0),
        Just(f64::MIN_POSITIVE),
        (0..3i32).prop_map(f64::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn wild_values_are_learned_and_judged(
        samples in proptest::collection::vec((proptest::array::uniform20(wild()), 0..2usize), 1..300),
        rule in 0..NaiveBayesRule::ALL.len(),
    ) {
        let base = product_params();
        let tree = TreeParams { naive_bayes: NaiveBayesRule::ALL[rule], grace_period: 10.0, ..base.tree.clone() };
        let mut forest = AdaptiveRandomForest::new(ForestParams { tree, n_models: 3, ..base }).unwrap();
        for (x, class) in &samples {
            forest.learn_one(x, *class);
        }
        for transform in [Transform::default(), Transform { log: true, scaler: None }] {
            let scorer =
                Scorer::new(transform, forest.freeze(), None, CLASSES.to_vec(), Thresholds::default()).unwrap();
            for (x, _) in &samples {
                let prediction = scorer.predict(x);
                prop_assert!((0.0..=1.0).contains(&prediction.score), "{prediction:?}");
                prop_assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{prediction:?}");
                let explanation = scorer.explain(x);
                let sum = explanation.base + explanation.contributions.iter().sum::<f64>();
                prop_assert!((sum - explanation.score).abs() < 1e-6, "{explanation:?}");
            }
        }
    }
}

/// One class of three never comes: the model still knows it, with probability 0.
#[test]
fn a_missing_class_is_never_predicted() {
    let mut forest = AdaptiveRandomForest::new(product_params()).unwrap();
    for (x, class) in rows(2000, 51) {
        if class != 2 {
            forest.learn_one(&x, class);
        }
    }
    for (x, _) in rows(500, 52) {
        assert_eq!(forest.predict_proba_one(&x).map_or(0.0, |votes| votes[2]), 0.0);
    }
}

#[test]
fn a_forest_that_has_seen_nothing_answers() {
    let forest = AdaptiveRandomForest::new(product_params()).unwrap();
    assert_eq!(forest.predict_one(&[0.0; N_FEATURES]), None);
    let scorer =
        Scorer::new(Transform::default(), forest.freeze(), None, CLASSES.to_vec(), Thresholds::default())
            .unwrap();
    let prediction = scorer.predict(&[0.0; N_FEATURES]);
    assert!(!prediction.score.is_nan());
}

/// A stream of noise makes every tree split as often as it can. Depth is unlimited; memory is not.
#[test]
fn memory_stays_within_its_limit() {
    let limit = 200_000;
    let base = ForestParams::new(N_FEATURES, CLASSES.len());
    let tree = TreeParams { max_bytes: limit, grace_period: 20.0, tau: 0.5, ..base.tree.clone() };
    let params = ForestParams {
        tree,
        n_models: 3,
        drift: Some(DriftParams { drift_delta: 1e-9, warning_delta: 0.2, one_sided: false }),
        ..base
    };
    let mut forest = AdaptiveRandomForest::new(params).unwrap();
    let mut rng = TreeRng::for_tree(1, 1);
    let mut largest = 0;
    for i in 0..40_000 {
        let x: [f64; N_FEATURES] = std::array::from_fn(|_| rng.uniform());
        forest.learn_one(&x, if rng.below(20) == 0 { 1 } else { (x[0] * 3.0) as usize });
        if i % 100 == 0 {
            for trainer in forest.trainers() {
                let size = trainer.tree().size_bytes(trainer.params());
                largest = largest.max(size);
                assert!(size <= limit, "sample {i}: {size} bytes");
            }
        }
    }
    assert!(largest > limit / 2, "the test must reach the limit: {largest}");
    let right = (0..2000).filter(|_| {
        let x: [f64; N_FEATURES] = std::array::from_fn(|_| rng.uniform());
        forest.predict_one(&x) == Some((x[0] * 3.0) as usize)
    });
    let right = right.count();
    assert!(right > 1200, "{right} of 2000 right with little memory");
}

/// A tree too small for one leaf's observers still counts classes.
#[test]
fn a_tree_without_memory_counts_classes() {
    let params = TreeParams { max_bytes: 0, ..TreeParams::new(N_FEATURES, CLASSES.len()) };
    let mut tree = HoeffdingTree::new();
    for (x, class) in rows(1000, 53) {
        tree.learn_one(&x, class, 1.0, &params, &mut model::draws::NoDraws);
    }
    assert_eq!(tree.nodes().len(), 1);
    assert_eq!(tree.judge(&[0.0; N_FEATURES], &params).predicted, Some(0));
}
