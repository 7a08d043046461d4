//! Novelty lies in [0, 1], odd flows have more of it, and no input breaks it. (`oracle::novelty` compares it with
//! scikit-learn's.)

use super::{rows, small_scorer};
use model::N_FEATURES;
use model::draws::TreeRng;
use model::novelty::{IsolationForest, NoveltyParams};

#[test]
fn odd_flows_score_higher() {
    // Sums of uniform numbers: most of them near 6, none below 0 or above 12.
    let ordinary = |n, seed| {
        let mut rng = TreeRng::for_tree(seed, 0);
        let mut value = move || (0..12).map(|_| rng.uniform()).sum::<f64>();
        (0..n).map(|_| (0..N_FEATURES).map(|_| value()).collect()).collect::<Vec<Vec<f64>>>()
    };
    let forest = IsolationForest::fit(&ordinary(3000, 41), NoveltyParams::default()).unwrap();
    let scores: Vec<f64> = ordinary(500, 42).iter().map(|x| forest.score(x)).collect();
    let highest = scores.iter().copied().fold(0.0, f64::max);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    let odd = forest.score(&[1e12; N_FEATURES]);
    assert!(odd > highest, "odd {odd}, the oddest of the ordinary {highest}");
    let (scorer, _) = small_scorer(&rows(3000, 41));
    for x in [[f64::NAN; N_FEATURES], [f64::INFINITY; N_FEATURES], [f64::NEG_INFINITY; N_FEATURES]] {
        assert!((0.0..=1.0).contains(&scorer.novelty(&x)));
    }
}

#[test]
fn degenerate_data_do_not_break_it() {
    assert!(IsolationForest::fit(&[], NoveltyParams::default()).is_none());
    assert!(IsolationForest::fit(&[vec![1.0; 3]], NoveltyParams::default()).is_none());
    let constant = IsolationForest::fit(&vec![vec![4.0; 3]; 50], NoveltyParams::default()).unwrap();
    assert!((0.0..=1.0).contains(&constant.score(&[9.0, 9.0, 9.0])));
    let nearly: Vec<Vec<f64>> =
        (0..50).map(|i| vec![1e15, 1.0 + f64::EPSILON * f64::from(i % 2), 0.0]).collect();
    let nearly = IsolationForest::fit(&nearly, NoveltyParams::default()).unwrap();
    assert!(nearly.score(&[0.0, 1.0, 0.0]).is_finite());
}
