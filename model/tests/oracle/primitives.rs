//! Hoeffding bound, entropy, information gain, normal distribution, Gaussian observer and naive Bayes against river.

use super::{assert_close, float, float_or_minus_infinity, floats, index, json, list, summary};
use model::draws::NoDraws;
use model::numeric::normal_cdf;
use model::tree::criterion::{Branch, entropy_bits, hoeffding_bound};
use model::tree::{
    ClassStats, GaussianObserver, Leaf, LeafPrediction, NaiveBayesRule, SplitCriterion, TreeParams,
};
use serde_json::Value;

/// Probabilities and merits in the files.
const TOLERANCE: f64 = 1e-9;

fn branch(weights: &[f64]) -> Branch {
    let mut branch = Branch::EMPTY;
    for (class, weight) in weights.iter().enumerate() {
        branch.push(class as u8, *weight);
    }
    branch
}

#[test]
fn formulas() {
    let oracle = json("primitives.json");
    let mut comparisons = 0;
    for row in list(&oracle["hoeffding_bound"]) {
        let [range, delta, n, wanted] = floats(row)[..] else { panic!("{row}") };
        assert_close(hoeffding_bound(range, delta, n), wanted, TOLERANCE, "Hoeffding bound");
        comparisons += 1;
    }
    for row in list(&oracle["entropy_bits"]) {
        assert_close(entropy_bits(branch(&floats(&row[0])).entries()), float(&row[1]), TOLERANCE, "entropy");
        comparisons += 1;
    }
    for row in list(&oracle["info_gain_min_branch_fraction_0.01"]) {
        let (left, right) = (floats(&row[0]), floats(&row[1]));
        let before: ClassStats = left.iter().zip(&right).map(|(l, r)| l + r).enumerate().collect();
        let merit = SplitCriterion::InfoGain.merit(&before, &branch(&left), &branch(&right), 0.01);
        assert_close(merit, float_or_minus_infinity(&row[2]), TOLERANCE, "information gain");
        comparisons += 1;
    }
    for row in list(&oracle["range_of_merit"]) {
        assert_close(
            SplitCriterion::InfoGain.range(index(&row[0])),
            float(&row[1]),
            TOLERANCE,
            "range of merit",
        );
        comparisons += 1;
    }
    for row in list(&oracle["norm_cdf"]) {
        let (z, wanted) = (float(&row[0]), float(&row[1]));
        assert_close(normal_cdf(z), wanted, TOLERANCE, "normal distribution");
        assert_eq!(normal_cdf(z) == 0.0, wanted == 0.0, "far tails underflow to 0 ({z})");
        comparisons += 1;
    }
    summary("primitives: formulas", 5, comparisons);
}

#[test]
fn gaussian_observers() {
    let oracle = json("primitives.json");
    let mut comparisons = 0;
    for case in list(&oracle["gaussian_splitter"]) {
        let mut observer = GaussianObserver::new(8);
        let mut seen: Vec<u8> = Vec::new();
        let mut before = ClassStats::default();
        for observation in list(&case["obs"]) {
            let (x, class, w) = (float(&observation[0]), index(&observation[1]), float(&observation[2]));
            observer.update(x, class, w);
            before.add(class, w);
            if !seen.contains(&(class as u8)) {
                seen.push(class as u8);
            }
        }
        let mut close = |found: f64, wanted: f64, what: &str| {
            assert_close(found, wanted, TOLERANCE, &format!("{}: {what}", case["mode"]));
            comparisons += 1;
        };
        for (class, wanted) in case["gauss"].as_object().unwrap() {
            let gaussian = observer.class(class.parse().unwrap());
            close(gaussian.n, float(&wanted["n"]), "n");
            close(gaussian.mean, float(&wanted["mean"]), "mean");
            close(gaussian.variance(), float(&wanted["var"]), "variance");
            close(gaussian.min, float(&wanted["min"]), "min");
            close(gaussian.max, float(&wanted["max"]), "max");
        }
        for query in list(&case["queries"]) {
            for (class, wanted) in query[1].as_object().unwrap() {
                let gaussian = observer.class(class.parse().unwrap());
                let x = float(&query[0]);
                close(gaussian.log_density(x), float_or_minus_infinity(&wanted["log_pdf"]), "log density");
                close(gaussian.log_density(x).exp(), float(&wanted["pdf"]), "density");
                close(gaussian.cdf(x), float(&wanted["cdf"]), "distribution");
            }
        }
        let thresholds: Vec<f64> = observer.thresholds(10, &seen).collect();
        assert_eq!(thresholds.len(), list(&case["candidates"]).len(), "{}", case["mode"]);
        for (threshold, wanted) in thresholds.iter().zip(list(&case["candidates"])) {
            close(*threshold, float(&wanted[0]), "threshold");
            let branches = observer.branches(*threshold, &seen);
            for (branch, wanted) in branches.iter().zip(list(&wanted[1])) {
                for entry in list(wanted) {
                    let class = index(&entry[0]) as u8;
                    let found = branch.entries().iter().find(|(known, _)| *known == class).unwrap();
                    close(found.1, float(&entry[1]), "class weight of a branch");
                }
                assert_eq!(branch.entries().len(), list(wanted).len());
            }
            let merit = SplitCriterion::InfoGain.merit(&before, &branches[0], &branches[1], 0.01);
            close(merit, float_or_minus_infinity(&wanted[2]), "merit");
        }
        let best = observer.best_split(0, &before, &seen, SplitCriterion::InfoGain, 10, 0.01);
        close(best.merit, float_or_minus_infinity(&case["best"]["merit"]), "best merit");
        match (&best.split, &case["best"]["threshold"]) {
            (Some(split), wanted) => close(split.threshold, float(wanted), "best threshold"),
            (None, wanted) => assert!(wanted.is_null()),
        }
    }
    summary("primitives: Gaussian observers", list(&oracle["gaussian_splitter"]).len(), comparisons);
}

#[test]
fn naive_bayes_by_rivers_rule() {
    let oracle = json("primitives.json");
    let mut comparisons = 0;
    for case in list(&oracle["naive_bayes"]) {
        let n_features = list(&case["obs"][0][0]).len();
        let params = TreeParams {
            leaf_prediction: LeafPrediction::Nb,
            naive_bayes: NaiveBayesRule::River,
            ..TreeParams::new(n_features, 8)
        };
        let mut leaf = Leaf::new(ClassStats::default(), 0);
        for observation in list(&case["obs"]) {
            let (x, class, w) = (floats(&observation[0]), index(&observation[1]), float(&observation[2]));
            leaf.learn(&x, class, w, &params, &mut NoDraws);
        }
        if let Some(class) = case["zero_weight_class"].as_u64() {
            leaf.add_weight(class as usize, 0.0);
        }
        for query in list(&case["queries"]) {
            let found = leaf.naive_bayes(&floats(&query[0]), &params).unwrap();
            let wanted: Vec<(usize, f64)> =
                list(&query[1]).iter().map(|pair: &Value| (index(&pair[0]), float(&pair[1]))).collect();
            assert_eq!(found.len(), wanted.len());
            for ((found_class, found), (class, wanted)) in found.iter().zip(&wanted) {
                assert_eq!(found_class, class, "order of arrival");
                assert_close(*found, *wanted, TOLERANCE, "naive Bayes");
                comparisons += 1;
            }
        }
    }
    summary("primitives: naive Bayes", list(&oracle["naive_bayes"]).len(), comparisons);
}
