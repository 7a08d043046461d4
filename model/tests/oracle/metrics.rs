//! Confusion matrix, accuracy, F1, precision, recall and kappa against scikit-learn and river.

use super::{assert_close, digits, float, floats, index, json, list, summary};
use model::metrics::{ConfusionMatrix, roc_auc};

#[test]
fn every_figure() {
    let oracle = json("metrics.json");
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let name = case["name"].as_str().unwrap();
        let rows = list(&case["confusion_rows_true"]);
        let n = rows.len();
        let mut matrix = ConfusionMatrix::new(n);
        for (truth, predicted) in digits(&case["y_true"]).into_iter().zip(digits(&case["y_pred"])) {
            matrix.update(truth, predicted);
        }
        for (truth, row) in rows.iter().enumerate() {
            for (predicted, count) in list(row).iter().enumerate() {
                assert_eq!(matrix.count(truth, predicted) as usize, index(count), "{name}");
            }
        }
        let mut close = |found: f64, wanted: f64, what: &str| {
            assert_close(found, wanted, 1e-9, &format!("{name}: {what}"));
            comparisons += 1;
        };
        close(matrix.accuracy(), float(&case["accuracy"]), "accuracy");
        close(matrix.f1_weighted(), float(&case["f1_weighted"]), "weighted F1");
        // In single-label problems micro F1 is accuracy.
        close(matrix.accuracy(), float(&case["f1_micro"]), "micro F1");
        close(matrix.f1_macro(), float(&case["river"]["macro"]), "macro F1 of the classes that occur");
        close(matrix.kappa(), float(&case["kappa_river"]), "kappa");
        if let Some(kappa) = case["kappa_sklearn"].as_f64() {
            close(matrix.kappa(), kappa, "kappa");
        }
        for class in 0..n {
            close(matrix.f1(class), floats(&case["f1_per_class"])[class], "F1");
            close(matrix.precision(class), floats(&case["precision_per_class"])[class], "precision");
            close(matrix.recall(class), floats(&case["recall_per_class"])[class], "recall");
        }
        if let Some(f1) = case["f1_binary_pos1"].as_f64() {
            close(matrix.against(0).f1(1), f1, "binary F1");
        }
        comparisons += n * n;
    }
    summary("metrics", list(&oracle["cases"]).len(), comparisons);
}

/// By counting pairs, which is the definition.
#[test]
fn roc_auc_counts_pairs() {
    let mut scored: Vec<(f64, bool)> =
        (0..200u32).map(|i| (f64::from(i * 7919 % 23) / 23.0, i * 31 % 5 < 2)).collect();
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (positive, _) in scored.iter().filter(|(_, is)| *is) {
        for (negative, _) in scored.iter().filter(|(_, is)| !*is) {
            pairs += 1.0;
            wins += if positive > negative {
                1.0
            } else if positive == negative {
                0.5
            } else {
                0.0
            };
        }
    }
    assert_close(roc_auc(&mut scored).unwrap(), wins / pairs, 1e-12, "ROC-AUC");
    assert_eq!(roc_auc(&mut [(0.3, true)]), None);
}
