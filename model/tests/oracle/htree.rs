//! Hoeffding trees against river: every attempt to split, every prediction, trees node by node and probabilities at
//! checkpoints.

use super::{assert_close, float, float_or_minus_infinity, index, json, list, summary, table};
use model::draws::NoDraws;
use model::tree::{
    HoeffdingTree, LeafPrediction, NaiveBayesRule, Node, SplitCriterion, SplitOutcome, TreeParams,
};
use serde_json::Value;

/// Thresholds, weights and merits.
const EXACT: f64 = 1e-9;
/// Probabilities.
const PROBABLE: f64 = 1e-7;

pub(super) fn tree_params(params: &Value, n_features: usize, n_classes: usize) -> TreeParams {
    let number = |key: &str, default: f64| params.get(key).map_or(default, float);
    let word = |key: &str, default: &'static str| params.get(key).and_then(Value::as_str).unwrap_or(default);
    TreeParams {
        grace_period: number("grace_period", 50.0),
        max_depth: params.get("max_depth").map(|depth| index(depth) as u32),
        split_criterion: word("split_criterion", "info_gain").parse::<SplitCriterion>().unwrap(),
        delta: number("delta", 0.01),
        tau: number("tau", 0.05),
        leaf_prediction: word("leaf_prediction", "nba").parse::<LeafPrediction>().unwrap(),
        naive_bayes: NaiveBayesRule::River,
        min_branch_fraction: number("min_branch_fraction", 0.01),
        max_share_to_split: number("max_share_to_split", 0.99),
        merit_preprune: params.get("merit_preprune").is_none_or(|value| value == true),
        n_splits: number("n_splits", 10.0) as u32,
        ..TreeParams::new(n_features, n_classes)
    }
}

/// Compares two trees and returns how many nodes.
pub(super) fn compare_tree(tree: &HoeffdingTree, node: usize, wanted: &Value, name: &str) -> usize {
    match &tree.nodes()[node] {
        Node::Branch { feature, threshold, left, right, stats, .. } => {
            assert!(wanted["leaf"].is_null(), "{name}: node {node} should be a leaf");
            assert_eq!(usize::from(*feature), index(&wanted["f"]), "{name}: node {node}");
            assert_close(
                *threshold,
                float(&wanted["thr"]),
                EXACT,
                &format!("{name}: threshold of node {node}"),
            );
            compare_stats(stats.entries(), &wanted["stats"], name);
            1 + compare_tree(tree, *left as usize, &wanted["l"], name)
                + compare_tree(tree, *right as usize, &wanted["r"], name)
        }
        Node::Leaf(leaf) => {
            assert!(!wanted["leaf"].is_null(), "{name}: node {node} should be a branch");
            compare_stats(leaf.stats().entries(), &wanted["stats"], name);
            assert_eq!(leaf.is_active(), wanted["active"] == true, "{name}: node {node}");
            let what = |part: &str| format!("{name}: {part} of leaf {node}");
            let last = float(&wanted["last_split_attempt_at"]);
            assert_close(leaf.last_split_attempt_at(), last, EXACT, &what("last attempt"));
            if let (Some(mc), Some(nb)) = (wanted["mc"].as_f64(), wanted["nb"].as_f64()) {
                assert_close(leaf.right().0, mc, EXACT, &what("majority's right answers"));
                assert_close(leaf.right().1, nb, EXACT, &what("naive Bayes' right answers"));
            }
            1
        }
    }
}

fn compare_stats(found: &[(u8, f64)], wanted: &Value, name: &str) {
    let mut found: Vec<(usize, f64)> =
        found.iter().map(|(class, weight)| (usize::from(*class), *weight)).collect();
    found.sort_by_key(|(class, _)| *class);
    let mut wanted: Vec<(usize, f64)> =
        list(wanted).iter().map(|pair| (index(&pair[0]), float(&pair[1]))).collect();
    wanted.sort_by_key(|(class, _)| *class);
    assert_eq!(found.len(), wanted.len(), "{name}: {found:?} is not {wanted:?}");
    for ((class, weight), (wanted_class, wanted_weight)) in found.iter().zip(&wanted) {
        assert_eq!(class, wanted_class, "{name}");
        assert_close(*weight, *wanted_weight, EXACT, &format!("{name}: weight of class {class}"));
    }
}

#[test]
fn trees_node_by_node() {
    let oracle = json("htree.json");
    let (mut comparisons, mut nodes) = (0, 0);
    for case in list(&oracle["cases"]) {
        let name = format!("{} {}", case["dataset"], case["cfg"]);
        let rows = table(&format!("htree_{}.csv", case["dataset"].as_str().unwrap()));
        let n = index(&case["n"]);
        let n_classes = rows.iter().map(|(_, class)| class + 1).max().unwrap();
        let params = tree_params(&case["params"], rows[0].0.len(), n_classes);
        let weighted = case["weight"] != "1";
        assert!(!weighted || case["weight"] == "1+(i*7)%9", "{name}: unknown weights {}", case["weight"]);
        let mut tree = HoeffdingTree::new();
        let mut attempts = list(&case["split_attempts"]).iter();
        let mut checkpoints = list(&case["checkpoints"]).iter().peekable();
        let predictions = case["preds"].as_str().unwrap().as_bytes();
        for (i, (x, class)) in rows[..n].iter().enumerate() {
            let name = format!("{name} at {i}");
            let predicted = tree.judge(x, &params).predicted.map_or(b'?', |class| b'0' + class as u8);
            assert_eq!(predicted, predictions[i], "{name}: prediction");
            let w = if weighted { (1 + (i * 7) % 9) as f64 } else { 1.0 };
            if let Some(attempt) = tree.learn_one(x, *class, w, &params, &mut NoDraws) {
                let wanted = attempts.next().unwrap_or_else(|| panic!("{name}: an attempt too many"));
                assert_eq!((i, attempt.depth as usize), (index(&wanted[0]), index(&wanted[1])), "{name}");
                assert_close(attempt.weight, float(&wanted[2]), EXACT, &name);
                let outcome = match attempt.outcome {
                    SplitOutcome::Pure => "pure",
                    SplitOutcome::Kept => "no",
                    SplitOutcome::Split => "split",
                };
                assert_eq!(outcome, wanted[3], "{name}: {attempt:?}");
                if attempt.outcome != SplitOutcome::Pure {
                    assert_eq!(
                        attempt.best.map(|best| usize::from(best.0)),
                        wanted[4].as_u64().map(|f| f as usize)
                    );
                    if let Some((_, threshold)) = attempt.best {
                        assert_close(threshold, float(&wanted[5]), EXACT, &name);
                    }
                    assert_close(attempt.merit, float_or_minus_infinity(&wanted[6]), EXACT, &name);
                    assert_close(attempt.second_merit, float_or_minus_infinity(&wanted[7]), EXACT, &name);
                    // Without a second candidate there is nothing to hold against the bound.
                    if attempt.bound.is_finite() {
                        assert_close(attempt.bound, float(&wanted[8]), EXACT, &name);
                    }
                }
                comparisons += 1;
            }
            if checkpoints.peek().is_some_and(|checkpoint| index(&checkpoint["after"]) == i + 1) {
                let checkpoint = checkpoints.next().unwrap();
                assert_eq!(tree.nodes().len(), index(&checkpoint["n_nodes"]), "{name}");
                assert_eq!(tree.height() as usize, index(&checkpoint["height"]), "{name}");
                nodes += compare_tree(&tree, 0, &checkpoint["tree"], &name);
                for ((x, _), wanted) in rows[rows.len() - 20..].iter().zip(list(&checkpoint["proba"])) {
                    let votes = tree.judge(x, &params).votes;
                    for pair in list(wanted) {
                        assert_close(votes[index(&pair[0])], float(&pair[1]), PROBABLE, &name);
                        comparisons += 1;
                    }
                }
            }
            comparisons += 1;
        }
        assert_eq!(attempts.count() + checkpoints.count(), 0, "{name}");
    }
    summary("htree", list(&oracle["cases"]).len(), comparisons + nodes);
}
