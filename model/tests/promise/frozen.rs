//! The frozen form at work: a batch gets the bits that single vectors get, and judging allocates nothing.

use super::{CLASSES, grown, product_params, rows, small_scorer};
use allocation_counter::measure;
use model::forest::{ForestParams, Vote};
use model::scorer::Stage;
use model::tree::{LeafPrediction, NaiveBayesRule, TreeParams};
use model::{AdaptiveRandomForest, N_FEATURES, Opinion};

/// Every length of a batch up to beyond one block of 64, every rule and vote.
#[test]
fn batches_have_the_bits_of_single_vectors() {
    let rows = rows(2200, 31);
    let base = ForestParams::new(N_FEATURES, CLASSES.len());
    for leaf_prediction in [LeafPrediction::Mc, LeafPrediction::Nb, LeafPrediction::Nba] {
        for naive_bayes in NaiveBayesRule::ALL {
            for vote in [Vote::Weighted, Vote::Unweighted, Vote::CONFIDENT] {
                let tree = TreeParams { leaf_prediction, naive_bayes, ..base.tree.clone() };
                let params = ForestParams { vote, tree, n_models: 11, ..base.clone() };
                let forest = grown(&params, &rows[..1500]).freeze();
                let xs: Vec<f64> = rows[1500..].iter().flat_map(|(x, _)| *x).collect();
                for count in [0, 1, 7, 8, 9, 63, 64, 65, 130, 700] {
                    let xs = &xs[..count * N_FEATURES];
                    let mut many = vec![f64::NAN; count * CLASSES.len()];
                    forest.predict_proba_batch(xs, &mut many);
                    for (x, many) in xs.chunks(N_FEATURES).zip(many.chunks(CLASSES.len())) {
                        let mut one = [f64::NAN; CLASSES.len()];
                        forest.predict_proba(x, &mut one);
                        assert_eq!(
                            one.map(f64::to_bits).as_slice(),
                            many.iter().map(|p| p.to_bits()).collect::<Vec<_>>()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn opinions_have_the_same_bits_however_they_are_asked_for() {
    let rows = rows(2000, 32);
    let (scorer, _) = small_scorer(&rows);
    let features: Vec<[f64; N_FEATURES]> = rows[..300].iter().map(|(x, _)| *x).collect();
    let stages: Vec<Stage> =
        (0..300).map(|i| if i % 3 == 0 { Stage::Provisional } else { Stage::Final }).collect();
    let mut opinions = Vec::new();
    scorer.judge_batch(&features, &stages, &mut opinions);
    let mut predictions: Vec<_> = features.iter().map(|x| scorer.predict_provisional(x)).collect();
    for ((x, stage), opinion) in features.iter().zip(&stages).zip(&opinions) {
        let prediction = match stage {
            Stage::Final => scorer.predict(x),
            Stage::Provisional => scorer.predict_provisional(x),
        };
        let alone = Opinion { prediction, novelty: Some(scorer.novelty(x)) };
        assert_eq!(*opinion, alone);
        assert_eq!(scorer.judge(x, *stage), alone);
    }
    scorer.predict_batch(&features, &mut predictions);
    assert!(predictions.iter().zip(&features).all(|(found, x)| *found == scorer.predict(x)));
}

#[test]
fn judging_allocates_nothing() {
    let rows = rows(2000, 33);
    let (scorer, _) = small_scorer(&rows);
    let features: Vec<[f64; N_FEATURES]> = rows[..200].iter().map(|(x, _)| *x).collect();
    let stages = vec![Stage::Final; features.len()];
    let mut predictions: Vec<_> = features.iter().map(|x| scorer.predict(x)).collect();
    let mut opinions = Vec::with_capacity(features.len());
    let judging = measure(|| {
        for x in &features {
            std::hint::black_box(scorer.predict(x));
            std::hint::black_box(scorer.novelty(x));
            std::hint::black_box(scorer.explain(x));
        }
        scorer.predict_batch(&features, &mut predictions);
        scorer.judge_batch(&features, &stages, &mut opinions);
    });
    assert_eq!((judging.count_total, opinions.len()), (0, features.len()));
    // The counter counts.
    assert!(measure(|| drop(std::hint::black_box(vec![1u8; 10]))).count_total > 0);
}

/// Learning allocates while leaves are made, and a little a sample: nothing grows but the trees.
#[test]
fn learning_allocates_little() {
    let rows = rows(6000, 34);
    let mut forest = AdaptiveRandomForest::new(product_params()).unwrap();
    let mut peak = 0;
    for (x, class) in &rows {
        let learned = measure(|| drop(forest.learn_one(x, *class)));
        peak = peak.max(learned.bytes_total);
    }
    assert!(peak < 200_000, "{peak} bytes for one sample");
    let before = forest.size_bytes() as i64;
    let lasting = measure(|| rows.iter().for_each(|(x, class)| drop(forest.learn_one(x, *class))));
    let grown = forest.size_bytes() as i64 - before;
    assert!(
        lasting.bytes_current <= 2 * grown.abs() + 200_000,
        "{} kept, {grown} grown",
        lasting.bytes_current
    );
}
