//! The isolation forest against scikit-learn's on the same data: as like its mean as another seed of its own would be,
//! and as good at finding odd points.

use super::{float, floats, index, list, summary};
use model::metrics::roc_auc;
use model::novelty::{IsolationForest, NoveltyParams};

/// Ranks, ties by position (scores hardly tie).
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for (rank, place) in order.into_iter().enumerate() {
        ranks[place] = rank as f64;
    }
    ranks
}

/// Spearman's rank correlation.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let n = a.len() as f64;
    let squares: f64 = a.iter().zip(&b).map(|(x, y)| (x - y) * (x - y)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}

#[test]
fn like_scikit_learns() {
    let oracle = super::own_json("novelty.json");
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let rows: Vec<Vec<f64>> = list(&case["X"]).iter().map(floats).collect();
        let forest =
            IsolationForest::fit(&rows, NoveltyParams { trees: 100, sample_size: 256, seed: 5 }).unwrap();
        let found: Vec<f64> = list(&case["test"]).iter().map(|x| forest.score(&floats(x))).collect();
        let wanted = floats(&case["scores"]);
        let likeness = spearman(&found, &wanted);
        let own = float(&case["spearman_of_one_seed"]);
        assert!(likeness > own - 0.02, "rank correlation {likeness}, one seed of scikit-learn's has {own}");
        let largest = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        let own = float(&case["largest_difference_of_one_seed"]);
        assert!(largest < 2.0 * own, "a score differs by {largest}, one seed of scikit-learn's by {own}");
        let odd = list(&case["odd"]).iter().map(|odd| index(odd) == 1);
        let mut scored: Vec<(f64, bool)> = found.iter().copied().zip(odd).collect();
        let auc = roc_auc(&mut scored).unwrap();
        assert!(auc > float(&case["roc_auc"]) - 0.01, "ROC-AUC {auc}, scikit-learn's {}", case["roc_auc"]);
        comparisons += found.len();
    }
    summary("novelty (scikit-learn)", list(&oracle["cases"]).len(), comparisons);
}
