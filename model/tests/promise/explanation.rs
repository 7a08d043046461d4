//! Contributions sum to score minus base, whatever the leaf type, and say what is true of a model one can look through.

use super::{CLASSES, Row, grown, product_params, rows, small_scorer};
use model::draws::TreeRng;
use model::explain::MeanContributions;
use model::forest::{ForestParams, MaxFeatures, Vote};
use model::scorer::Transform;
use model::tree::{LeafPrediction, NaiveBayesRule, TreeParams};
use model::{Category, N_FEATURES, Scorer, Thresholds};

fn scorer(params: &ForestParams, seed: u64) -> Scorer {
    let forest = grown(params, &rows(2500, seed)).freeze();
    Scorer::new(Transform::default(), forest, None, CLASSES.to_vec(), Thresholds::default()).unwrap()
}

#[test]
fn parts_sum_to_the_whole() {
    let base = product_params();
    for leaf_prediction in [LeafPrediction::Mc, LeafPrediction::Nb, LeafPrediction::Nba] {
        for naive_bayes in NaiveBayesRule::ALL {
            // 4 features a leaf: all subsets; 14: two orders.
            for (max_features, vote) in
                [(MaxFeatures::Sqrt, Vote::CONFIDENT), (MaxFeatures::Count(14), Vote::Weighted)]
            {
                let tree = TreeParams { leaf_prediction, naive_bayes, ..base.tree.clone() };
                let scorer = scorer(&ForestParams { max_features, vote, tree, ..base.clone() }, 31);
                for (x, _) in rows(400, 32) {
                    let explanation = scorer.explain(&x);
                    let sum: f64 = explanation.base + explanation.contributions.iter().sum::<f64>();
                    assert!((sum - explanation.score).abs() < 1e-9, "{explanation:?}");
                    assert_eq!(explanation.score, scorer.predict(&x).score);
                    assert!((0.0..=1.0).contains(&explanation.base));
                    assert_eq!(explanation, scorer.explain(&x), "stable");
                }
            }
        }
    }
}

/// Of twenty features only one tells the classes apart: it must get the credit, with the right sign.
#[test]
fn credit_goes_where_it_is_due() {
    let informative = 7;
    let mut rng = TreeRng::for_tree(33, 1);
    let noisy: Vec<Row> = (0..4000)
        .map(|_| {
            let class = rng.below(CLASSES.len());
            let mut x = std::array::from_fn(|_| rng.uniform());
            x[informative] += if class == 0 { 1.0 } else { 9.0 };
            (x, class)
        })
        .collect();
    let params = ForestParams { max_features: MaxFeatures::Count(8), n_models: 10, ..product_params() };
    let forest = grown(&params, &noisy[..3500]).freeze();
    let scorer =
        Scorer::new(Transform::default(), forest, None, CLASSES.to_vec(), Thresholds::default()).unwrap();
    let (mut view, mut credited) = (MeanContributions::default(), 0);
    for (x, class) in &noisy[3500..] {
        let explanation = scorer.explain(x);
        let (strongest, part) = explanation.strongest(1)[0];
        credited += usize::from(strongest == informative && (part > 0.0) == (*class != 0));
        view.add(CLASSES[*class], &explanation);
    }
    assert!(credited >= 475, "{credited} of 500 flows credit the feature that decides");
    for (category, means) in view.by_category() {
        let most = (0..N_FEATURES).max_by(|a, b| means[*a].total_cmp(&means[*b]));
        assert_eq!(most, Some(informative), "{category}");
    }
}

#[test]
fn strongest_ranks_by_size_and_keeps_the_sign() {
    let (scorer, _) = small_scorer(&rows(1500, 34));
    let (x, _) =
        rows(50, 35).into_iter().find(|(x, _)| scorer.predict(x).category != Category::Benign).unwrap();
    let explanation = scorer.explain(&x);
    let strongest = explanation.strongest(3);
    assert!(strongest.len() <= 3 && !strongest.is_empty());
    for pair in strongest.windows(2) {
        assert!(pair[0].1.abs() >= pair[1].1.abs());
    }
    for (feature, part) in strongest {
        assert_eq!(part, explanation.contributions[feature]);
    }
}
