//! Whole forests replayed against river with its random draws recorded: predictions, warnings, drifts, sizes,
//! detectors, probabilities and final trees; once with river's leaf rule, once with MOA's.

use super::htree::{compare_tree, tree_params};
use super::{assert_close, float, index, json, list, read_if_there, summary, table};
use model::AdaptiveRandomForest;
use model::draws::Draws;
use model::forest::{DriftParams, ForestParams, MaxFeatures, Vote};
use model::tree::NaiveBayesRule;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// Draws in the order in which river made them; all trees share the tape.
struct Tape {
    poisson: VecDeque<u32>,
    subsets: VecDeque<Vec<u16>>,
}

#[derive(Clone)]
struct Recorded(Rc<RefCell<Tape>>);

impl Draws for Recorded {
    fn poisson(&mut self, _lambda: f64) -> u32 {
        self.0.borrow_mut().poisson.pop_front().expect("a Poisson draw too many")
    }

    fn subset(&mut self, _n: usize, k: usize, out: &mut Vec<u16>) {
        *out = self.0.borrow_mut().subsets.pop_front().expect("a subset too many");
        assert_eq!(out.len(), k);
    }
}

fn forest_params(case: &Value, n_features: usize, n_classes: usize, rule: NaiveBayesRule) -> ForestParams {
    let params = &case["params"];
    let drift_delta = params.get("drift_detector").map_or(0.001, |detector| float(&detector["ADWIN_delta"]));
    let warning_delta =
        params.get("warning_detector").map_or(0.01, |detector| float(&detector["ADWIN_delta"]));
    let unweighted = params.get("disable_weighted_vote").is_some_and(|value| value == true);
    let mut tree = tree_params(params, n_features, n_classes);
    tree.naive_bayes = rule;
    ForestParams {
        n_models: index(&params["n_models"]),
        max_features: MaxFeatures::Count(index(&case["max_features"])),
        lambda: params.get("lambda_value").map_or(6.0, float),
        drift: Some(DriftParams { drift_delta, warning_delta, one_sided: false }),
        vote: if unweighted { Vote::Unweighted } else { Vote::Weighted },
        tree,
        ..ForestParams::new(n_features, n_classes)
    }
}

fn replay(file: &str, rule: NaiveBayesRule) {
    let oracle = json(file);
    let mut comparisons = 0;
    for case in list(&oracle["cases"]) {
        let name = case["name"].as_str().unwrap();
        let rows = table(&format!("arf_{name}.csv"));
        let rows = &rows[..index(&case["n"])];
        let n_classes = rows.iter().map(|(_, class)| class + 1).max().unwrap();
        let params = forest_params(case, rows[0].0.len(), n_classes, rule);
        let poisson = case["poisson"].as_str().unwrap().split(',').map(|k| k.parse().unwrap()).collect();
        let subsets = list(&case["feature_draws"])
            .iter()
            .map(|draw| list(draw)[1..].iter().map(|feature| index(feature) as u16).collect())
            .collect();
        let tape = Recorded(Rc::new(RefCell::new(Tape { poisson, subsets })));
        let draws = vec![tape.clone(); params.n_models];
        let mut forest = AdaptiveRandomForest::with_draws(params, draws).unwrap();
        assert_eq!(forest.params().max_features.of(rows[0].0.len()), MaxFeatures::Sqrt.of(rows[0].0.len()));
        let predictions = case["preds"].as_str().unwrap().as_bytes();
        let mut checkpoints = list(&case["checkpoints"]).iter().peekable();
        let mut events = Vec::new();
        for (i, (x, class)) in rows.iter().enumerate() {
            // When every tree abstains, river names the lowest class that its first tree has learned.
            let lowest = forest.trainers()[0].tree().classes_seen().next();
            let predicted = forest.predict_one(x).or(lowest).map_or(b'?', |class| b'0' + class as u8);
            assert_eq!(char::from(predicted), char::from(predictions[i]), "{name}: prediction {i}");
            let learned = forest.learn_one(x, *class);
            for (kind, happened) in [("warning", 0), ("drift", 1)] {
                for (tree, learned) in learned.iter().enumerate() {
                    if [learned.warning, learned.drift][happened] {
                        events.push((i, tree, kind));
                    }
                }
            }
            if checkpoints.peek().is_some_and(|checkpoint| index(&checkpoint["after"]) == i + 1) {
                let checkpoint = checkpoints.next().unwrap();
                comparisons +=
                    compare_checkpoint(&forest, checkpoint, &rows[i - 9..=i], &format!("{name} at {i}"));
            }
            comparisons += 1;
        }
        let wanted: Vec<(usize, usize, &str)> = list(&case["events"])
            .iter()
            .map(|event| (index(&event[0]), index(&event[1]), event[2].as_str().unwrap()))
            .collect();
        // Within a sample river lists by tree, then warning before drift.
        events.sort_by_key(|(i, tree, kind)| (*i, *tree, *kind == "drift"));
        let mut sorted = wanted.clone();
        sorted.sort_by_key(|(i, tree, kind)| (*i, *tree, *kind == "drift"));
        assert_eq!(events, sorted, "{name}");
        for (number, (trainer, wanted)) in forest.trainers().iter().zip(list(&case["trees"])).enumerate() {
            comparisons += compare_tree(trainer.tree(), 0, wanted, &format!("{name}: tree {number}"));
        }
        assert_eq!(checkpoints.count(), 0);
        let tape = tape.0.borrow();
        assert!(tape.poisson.is_empty() && tape.subsets.is_empty(), "{name}: draws left over");
        comparisons += events.len();
    }
    summary(file, list(&oracle["cases"]).len(), comparisons);
}

fn compare_checkpoint(
    forest: &AdaptiveRandomForest<Recorded>,
    wanted: &Value,
    rows: &[(Vec<f64>, usize)],
    name: &str,
) -> usize {
    let mut comparisons = 0;
    for (t, trainer) in forest.trainers().iter().enumerate() {
        assert_eq!(trainer.tree().nodes().len(), index(&wanted["n_nodes"][t]), "{name}: nodes of tree {t}");
        assert_eq!(
            trainer.tree().height() as usize,
            index(&wanted["height"][t]),
            "{name}: height of tree {t}"
        );
        assert_close(
            trainer.accuracy(),
            float(&wanted["acc"][t]),
            1e-9,
            &format!("{name}: accuracy of tree {t}"),
        );
        let (warning, drift) = trainer.detectors().unwrap();
        let widths = &wanted["adwin_width"][t];
        assert_eq!(warning.width() as usize, index(&widths[0]), "{name}: warning window of tree {t}");
        assert_eq!(drift.width() as usize, index(&widths[1]), "{name}: drift window of tree {t}");
        assert_eq!(
            trainer.background().is_some(),
            wanted["background"][t] == true,
            "{name}: background of tree {t}"
        );
        comparisons += 6;
    }
    for ((x, _), wanted) in rows.iter().zip(list(&wanted["proba"])) {
        let found = forest.predict_proba_one(x).unwrap();
        for pair in list(wanted) {
            assert_close(found[index(&pair[0])], float(&pair[1]), 1e-7, &format!("{name}: probability"));
            comparisons += 1;
        }
    }
    comparisons
}

#[test]
fn rivers_leaf_rule() {
    replay("arf_replay.json", NaiveBayesRule::River);
}

#[test]
fn moas_leaf_rule() {
    assert!(read_if_there("arf_replay_moanb.json").is_some(), "arf_replay_moanb.json is missing");
    replay("arf_replay_moanb.json", NaiveBayesRule::Moa);
}
