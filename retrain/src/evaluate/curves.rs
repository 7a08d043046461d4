//! ROC and precision-recall curves of a score, and the areas under them.

use model::metrics::roc_auc;
use serde_json::{Value, json};

/// Points that a plot needs; more would only make files larger.
const POINTS_MAX: usize = 120;

/// Both curves, from the strictest threshold to the laxest.
pub(crate) struct Curves {
    /// (false positive rate, true positive rate).
    pub(crate) roc: Vec<[f64; 2]>,
    /// (recall, precision).
    pr: Vec<[f64; 2]>,
    /// Area under the ROC curve, ties counted half.
    pub(crate) roc_auc: f64,
    /// Sum over thresholds of the gain in recall times the precision there (scikit-learn's average precision).
    pub(crate) average_precision: f64,
}

impl Curves {
    /// Of (score, is positive) pairs; none when one of the classes is missing.
    pub(crate) fn of(scored: impl Iterator<Item = (f64, bool)>) -> Option<Curves> {
        let mut scored: Vec<(f64, bool)> = scored.collect();
        let roc_auc = roc_auc(&mut scored)?;
        let positives = scored.iter().filter(|(_, positive)| *positive).count() as f64;
        let negatives = scored.len() as f64 - positives;
        let (mut right, mut wrong, mut average_precision) = (0.0, 0.0, 0.0);
        let (mut roc, mut pr) = (vec![[0.0, 0.0]], vec![[0.0, 1.0]]);
        let mut groups: Vec<&[(f64, bool)]> = scored.chunk_by(|a, b| a.0 == b.0).collect();
        groups.reverse();
        for tied in groups {
            let found = tied.iter().filter(|(_, positive)| *positive).count() as f64;
            right += found;
            wrong += tied.len() as f64 - found;
            let precision = right / (right + wrong);
            average_precision += found / positives * precision;
            roc.push([wrong / negatives, right / positives]);
            pr.push([right / positives, precision]);
        }
        Some(Curves { roc: thinned(roc), pr: thinned(pr), roc_auc, average_precision })
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({"roc": self.roc, "pr": self.pr})
    }
}

/// At most [`POINTS_MAX`] points: the first, the last, and those that lead furthest along the way.
fn thinned(points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    let way = |a: &[f64; 2], b: &[f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs();
    let whole: f64 = points.windows(2).map(|pair| way(&pair[0], &pair[1])).sum();
    let step = whole / (POINTS_MAX - 2) as f64;
    let mut kept = Vec::new();
    let mut gone = f64::INFINITY;
    for (number, point) in points.iter().enumerate() {
        if number > 0 {
            gone += way(&points[number - 1], point);
        }
        if gone >= step || number + 1 == points.len() {
            kept.push(point.map(|value| (value * 1e4).round() / 1e4));
            gone = 0.0;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_those_of_the_textbook() {
        // scikit-learn's documentation: y = 0 0 1 1, scores .1 .4 .35 .8: ROC-AUC 0.75, average precision 0.8333.
        let scored = [(0.1, false), (0.4, false), (0.35, true), (0.8, true)];
        let curves = Curves::of(scored.into_iter()).unwrap();
        assert!((curves.roc_auc - 0.75).abs() < 1e-12);
        assert!((curves.average_precision - 0.833_333_333).abs() < 1e-6);
        assert_eq!(curves.roc, [[0.0, 0.0], [0.0, 0.5], [0.5, 0.5], [0.5, 1.0], [1.0, 1.0]]);
        assert!(Curves::of([(0.5, true)].into_iter()).is_none(), "one class only");
    }

    #[test]
    fn long_curves_are_thinned_and_keep_their_ends() {
        let scored = (0..10_000).map(|n| (f64::from(n), n % 3 == 0));
        let curves = Curves::of(scored).unwrap();
        assert!(curves.roc.len() <= POINTS_MAX && curves.pr.len() <= POINTS_MAX, "{}", curves.pr.len());
        assert_eq!((curves.roc[0], curves.roc[curves.roc.len() - 1]), ([0.0, 0.0], [1.0, 1.0]));
    }
}
