//! What happens to a model when features are noisy, missing or far off: the same rows, disturbed, judged again.

use super::judged::{Judged, Measured};
use crate::dataset::Row;
use model::draws::TreeRng;
use model::tree::CLASSES_MAX;
use model::{Category, FEATURES, N_FEATURES, Scorer};
use serde_json::{Value, json};

const SEED: u64 = 20_170_707;
/// Standard deviations of the noise, in the units the forest sees.
const SIGMAS: [f64; 3] = [0.01, 0.05, 0.1];

/// How rows are disturbed.
enum Disturbance {
    /// Gaussian noise of this standard deviation on every feature, after the model's own transform.
    Noise(f64),
    /// This feature is unknown: the mean of the training rows stands in.
    Missing(usize),
    /// One feature of every row, drawn at random, is ten times what it was.
    Outliers,
}

impl Disturbance {
    fn name(&self) -> String {
        match self {
            Disturbance::Noise(sigma) => format!("noise {sigma}"),
            Disturbance::Missing(feature) => format!("without {}", FEATURES[*feature]),
            Disturbance::Outliers => "10x outliers".to_owned(),
        }
    }

    fn apply(&self, scorer: &Scorer, features: &[f64; N_FEATURES], rng: &mut TreeRng) -> [f64; N_FEATURES] {
        let mut x = [0.0; N_FEATURES];
        let mut raw = *features;
        if let Disturbance::Outliers = self {
            raw[rng.below(N_FEATURES)] *= 10.0;
        }
        scorer.transform().apply(&raw, &mut x);
        match self {
            Disturbance::Noise(sigma) => x.iter_mut().for_each(|value| *value += sigma * gaussian(rng)),
            // Standard scores have mean 0; without a scaler 0 is all that is known.
            Disturbance::Missing(feature) => x[*feature] = 0.0,
            Disturbance::Outliers => {}
        }
        x
    }
}

/// Box and Muller's transform.
fn gaussian(rng: &mut TreeRng) -> f64 {
    let (u, v) = (1.0 - rng.uniform(), rng.uniform());
    (-2.0 * model::numeric::ln(u)).sqrt() * (std::f64::consts::TAU * v).cos()
}

/// F1, precision, recall and ROC-AUC of attack or not, under each disturbance.
pub(crate) fn facts(scorer: &Scorer, rows: &[&Row]) -> Value {
    let disturbances = SIGMAS
        .map(Disturbance::Noise)
        .into_iter()
        .chain([Disturbance::Outliers])
        .chain((0..N_FEATURES).map(Disturbance::Missing));
    let facts = disturbances.map(|disturbance| {
        let mut rng = TreeRng::for_tree(SEED, 0);
        let judge = |row: &&Row| {
            let x = disturbance.apply(scorer, &row.features, &mut rng);
            judge(scorer, row.truth, &x)
        };
        let measured = Measured::new(rows.iter().map(judge).collect());
        let binary = measured.confusion.against(Category::Benign.index());
        json!({
            "what": disturbance.name(), "f1": binary.f1(1), "precision": binary.precision(1),
            "recall": binary.recall(1), "roc_auc": measured.auc,
        })
    });
    Value::Array(facts.collect())
}

/// The scorer's verdict on a vector that is already transformed.
fn judge(scorer: &Scorer, truth: Category, x: &[f64; N_FEATURES]) -> Judged {
    let mut votes = [0.0; CLASSES_MAX];
    let votes = &mut votes[..scorer.classes().len()];
    scorer.forest().predict_proba(x, votes);
    let mut probabilities = [0.0; Category::COUNT];
    for (class, vote) in scorer.classes().iter().zip(votes.iter()) {
        probabilities[class.index()] = *vote;
    }
    let score = (1.0 - probabilities[Category::Benign.index()]).clamp(0.0, 1.0);
    let attacks = scorer.classes().iter().filter(|class| class.is_attack());
    let strongest =
        attacks.copied().max_by(|a, b| probabilities[a.index()].total_cmp(&probabilities[b.index()]));
    let predicted = strongest.filter(|_| score >= scorer.thresholds().attack).unwrap_or(Category::Benign);
    Judged { truth, predicted, score, probabilities: Some(probabilities) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaussian_draws_are_standard() {
        let mut rng = TreeRng::for_tree(1, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| gaussian(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
    }
}
