//! The frozen forest judges as the learning one does; trees trained apart make the same forest.

use super::{CLASSES, grown, product_params, rows};
use model::forest::{ForestParams, TreeTrainer, Vote};
use model::tree::{LeafPrediction, NaiveBayesRule, SplitCriterion, TreeParams};
use model::{AdaptiveRandomForest, N_FEATURES};

#[test]
fn frozen_and_learning_forms_agree() {
    let rows = rows(3000, 11);
    let base = ForestParams::new(N_FEATURES, CLASSES.len());
    for leaf_prediction in [LeafPrediction::Mc, LeafPrediction::Nb, LeafPrediction::Nba] {
        for naive_bayes in NaiveBayesRule::ALL {
            for vote in [Vote::Weighted, Vote::Unweighted, Vote::CONFIDENT] {
                let tree = TreeParams { leaf_prediction, naive_bayes, ..base.tree.clone() };
                let params = ForestParams { vote, tree, n_models: 4, ..base.clone() };
                let forest = grown(&params, &rows[..2000]);
                let frozen = forest.freeze();
                let mut out = [0.0; CLASSES.len()];
                for (x, _) in &rows[2000..] {
                    frozen.predict_proba(x, &mut out);
                    let wanted = forest.predict_proba_one(x).unwrap_or_else(|| frozen.prior().to_vec());
                    for (found, wanted) in out.iter().zip(wanted) {
                        assert!((found - wanted).abs() < 1e-12, "{params:?}: {out:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn trees_trained_apart_make_the_same_forest() {
    let rows = rows(2500, 12);
    let params = product_params();
    let together = grown(&params, &rows);
    // Last tree first, each on its own.
    let apart: Vec<TreeTrainer> = (0..params.n_models as u64)
        .rev()
        .map(|id| {
            let mut trainer = TreeTrainer::new(&params, id);
            for (x, class) in &rows {
                trainer.learn_one(x, *class, 1.0);
            }
            trainer
        })
        .collect();
    assert_eq!(AdaptiveRandomForest::join(params.clone(), apart.clone()).unwrap(), together);
    let missing = AdaptiveRandomForest::join(params.clone(), apart[1..].to_vec());
    assert!(missing.unwrap_err().to_string().contains("join every slice exactly once"));
    let mut doubled = apart.clone();
    doubled[0] = doubled[1].clone();
    assert!(AdaptiveRandomForest::join(params.clone(), doubled).is_err());
    let other = ForestParams {
        tree: TreeParams { split_criterion: SplitCriterion::Gini, ..params.tree.clone() },
        ..params
    };
    assert!(AdaptiveRandomForest::join(other, apart).is_err());
}

#[test]
fn nonsense_parameters_are_refused() {
    let base = product_params();
    let wrong = [
        ForestParams { n_models: 0, ..base.clone() },
        ForestParams { n_models: 100_000, ..base.clone() },
        ForestParams { lambda: f64::NAN, ..base.clone() },
        ForestParams { tree: TreeParams { delta: 0.0, ..base.tree.clone() }, ..base.clone() },
        ForestParams { tree: TreeParams { n_classes: 17, ..base.tree.clone() }, ..base.clone() },
        ForestParams { tree: TreeParams { grace_period: 0.0, ..base.tree.clone() }, ..base.clone() },
    ];
    for params in wrong {
        assert!(AdaptiveRandomForest::new(params).is_err());
    }
}
