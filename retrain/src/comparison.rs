//! Challenger and champion on the same rows, and the gate: better by F1 and by kappa, and no attack of the canon forgotten.

use crate::dataset::{Dataset, Row};
use crate::evaluate::{Measured, robustness};
use model::draws::TreeRng;
use model::metrics::ConfusionMatrix;
use model::{Category, Scorer};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Resamples of the paired bootstrap.
const RESAMPLES: usize = 1000;
const BOOTSTRAP_STREAM: u64 = u64::MAX - 3;
/// Rows that robustness is measured on, evenly spaced.
const ROBUSTNESS_ROWS_MAX: usize = 2000;

/// How strict the gate is.
pub(crate) struct Limits {
    /// F1 and kappa must grow by more.
    pub(crate) margin: f64,
    /// Recall of a canon category, and its share of false alarms, may get worse by this much; by more only where so few
    /// flows differ that it may be chance.
    pub(crate) canon: f64,
}

/// Both models' opinions on the hold-out.
pub(crate) struct Comparison {
    pub(crate) new: Measured,
    pub(crate) prod: Measured,
    f1: Gain,
    kappa: Gain,
    canon: Vec<CanonLine>,
    by_source: BTreeMap<String, [f64; 2]>,
    robustness: Value,
    thresholds: f64,
    reasons: Vec<String>,
}

/// A figure of both, and what the bootstrap makes of their difference.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Gain {
    new: f64,
    prod: f64,
    /// 2.5th and 97.5th percentile of the difference.
    low: f64,
    high: f64,
}

/// A category of the canon: shares called attacks (for benign rows: falsely).
#[derive(Clone, Debug, PartialEq)]
struct CanonLine {
    category: Category,
    rows: u64,
    new: f64,
    prod: f64,
    holds: bool,
}

impl Comparison {
    pub(crate) fn of(
        prod: &Scorer,
        new: &Scorer,
        holdout: &Dataset,
        canon: Option<&Dataset>,
        limits: &Limits,
    ) -> Comparison {
        let of = |scorer: &Scorer| Measured::of(scorer, holdout.rows.iter(), false);
        let (measured_new, measured_prod) = (of(new), of(prod));
        let [f1, kappa] = gains(&measured_new, &measured_prod);
        let canon = canon.map_or_else(Vec::new, |canon| canon_lines(prod, new, canon, limits.canon));
        let mut by_source = BTreeMap::<String, [ConfusionMatrix; 2]>::new();
        for ((row, new), prod) in holdout.rows.iter().zip(&measured_new.judged).zip(&measured_prod.judged) {
            let matrices = by_source
                .entry(row.source.to_string())
                .or_insert_with(|| [ConfusionMatrix::new(2), ConfusionMatrix::new(2)]);
            for (matrix, judged) in matrices.iter_mut().zip([new, prod]) {
                matrix.update(side(judged.truth), side(judged.predicted));
            }
        }
        let step = holdout.rows.len().div_ceil(ROBUSTNESS_ROWS_MAX).max(1);
        let rows: Vec<&Row> = holdout.rows.iter().step_by(step).collect();
        let robustness =
            json!({"new": robustness::facts(new, &rows), "prod": robustness::facts(prod, &rows)});
        let mut comparison = Comparison {
            new: measured_new,
            prod: measured_prod,
            f1,
            kappa,
            canon,
            by_source: by_source.into_iter().map(|(source, m)| (source, m.map(|m| m.f1(1)))).collect(),
            robustness,
            thresholds: new.thresholds().attack,
            reasons: Vec::new(),
        };
        comparison.reasons = comparison.against(limits);
        comparison
    }

    /// Whether the challenger may go on.
    pub(crate) fn promote(&self) -> bool {
        self.reasons.is_empty()
    }

    fn against(&self, limits: &Limits) -> Vec<String> {
        let mut reasons = Vec::new();
        for (name, gain) in [("F1", self.f1), ("kappa", self.kappa)] {
            if gain.new - gain.prod <= limits.margin {
                reasons.push(format!(
                    "{name} {:.4} against {:.4}: it must be better by more than {}",
                    gain.new, gain.prod, limits.margin
                ));
            }
        }
        for line in self.canon.iter().filter(|line| !line.holds) {
            let what = if line.category.is_attack() { "found" } else { "false alarms" };
            reasons.push(format!(
                "canon {}: {:.1} % {what} against {:.1} %",
                line.category,
                line.new * 100.0,
                line.prod * 100.0
            ));
        }
        reasons
    }

    /// Figures for the manifest and the registry.
    pub(crate) fn manifest_metrics(&self) -> BTreeMap<String, f64> {
        let mut metrics: BTreeMap<String, f64> = self.new.figures("test").into_iter().collect();
        metrics.extend(self.headline().into_iter().map(|(name, value)| (name.to_owned(), value)));
        metrics
    }

    /// The figures by which the earlier system's people know a retrain.
    pub(crate) fn headline(&self) -> [(&'static str, f64); 6] {
        let Comparison { f1, kappa, .. } = self;
        [
            ("F1_new", f1.new),
            ("F1_prod", f1.prod),
            ("F1_gain", f1.new - f1.prod),
            ("Kappa_new", kappa.new),
            ("Kappa_prod", kappa.prod),
            ("Kappa_gain", kappa.new - kappa.prod),
        ]
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut facts = Map::new();
        for (name, value) in self.headline() {
            facts.insert(name.to_owned(), json!(value));
        }
        let interval = |gain: &Gain| json!([gain.low, gain.high]);
        let fpr = |measured: &Measured| false_positive_rate(&measured.confusion);
        let canon: Vec<Value> = self
            .canon
            .iter()
            .map(|line| {
                json!({"category": line.category, "rows": line.rows, "new": line.new, "prod": line.prod, "holds": line.holds})
            })
            .collect();
        let sources: Map<String, Value> = self
            .by_source
            .iter()
            .map(|(source, [new, prod])| (source.clone(), json!({"F1_new": new, "F1_prod": prod})))
            .collect();
        facts.extend([
            ("F1_gain_95".to_owned(), interval(&self.f1)),
            ("Kappa_gain_95".to_owned(), interval(&self.kappa)),
            ("promote".to_owned(), json!(self.promote())),
            ("reasons".to_owned(), json!(self.reasons)),
            ("holdout_rows".to_owned(), json!(self.new.rows())),
            ("threshold".to_owned(), json!(self.thresholds)),
            ("FPR_new".to_owned(), json!(fpr(&self.new))),
            ("FPR_prod".to_owned(), json!(fpr(&self.prod))),
            ("by_source".to_owned(), Value::Object(sources)),
            ("canon".to_owned(), Value::Array(canon)),
            ("new".to_owned(), self.new.to_json(false)),
            ("prod".to_owned(), self.prod.to_json(false)),
            ("robustness".to_owned(), self.robustness.clone()),
        ]);
        Value::Object(facts)
    }
}

fn side(category: Category) -> usize {
    usize::from(category.is_attack())
}

/// Share of benign rows that were called attacks.
fn false_positive_rate(confusion: &ConfusionMatrix) -> f64 {
    let binary = confusion.against(Category::Benign.index());
    let benign = binary.support(0);
    if benign == 0 { 0.0 } else { binary.count(0, 1) as f64 / benign as f64 }
}

/// F1 of "attack" and kappa of attack or not, with 95 % intervals of their gains over resampled rows, the same for both.
fn gains(new: &Measured, prod: &Measured) -> [Gain; 2] {
    // What matters of a row: its truth and both verdicts.
    let outcomes: Vec<usize> = new
        .judged
        .iter()
        .zip(&prod.judged)
        .map(|(n, p)| side(n.truth) * 4 + side(n.predicted) * 2 + side(p.predicted))
        .collect();
    let figures = |counts: &[u64; 8]| {
        let mut matrices = [ConfusionMatrix::new(2), ConfusionMatrix::new(2)];
        for (outcome, count) in counts.iter().enumerate() {
            matrices[0].update_many(outcome / 4, outcome / 2 % 2, *count);
            matrices[1].update_many(outcome / 4, outcome % 2, *count);
        }
        matrices.map(|matrix| [matrix.f1(1), matrix.kappa()])
    };
    let mut counts = [0u64; 8];
    outcomes.iter().for_each(|outcome| counts[*outcome] += 1);
    let [of_new, of_prod] = figures(&counts);
    let mut rng = TreeRng::for_tree(0, BOOTSTRAP_STREAM);
    let mut differences = [Vec::with_capacity(RESAMPLES), Vec::with_capacity(RESAMPLES)];
    // Larger hold-outs are sure enough with fewer resamples.
    let resamples = (50_000_000 / outcomes.len().max(1)).clamp(50, RESAMPLES);
    for _ in 0..resamples {
        let mut counts = [0u64; 8];
        for _ in 0..outcomes.len() {
            counts[outcomes[rng.below(outcomes.len())]] += 1;
        }
        let [of_new, of_prod] = figures(&counts);
        for (which, differences) in differences.iter_mut().enumerate() {
            differences.push(of_new[which] - of_prod[which]);
        }
    }
    [0, 1].map(|which| {
        differences[which].sort_by(f64::total_cmp);
        let at = |p: f64| model::quantiles::quantile_sorted(&differences[which], p);
        Gain { new: of_new[which], prod: of_prod[which], low: at(0.025), high: at(0.975) }
    })
}

fn canon_lines(prod: &Scorer, new: &Scorer, canon: &Dataset, tolerance: f64) -> Vec<CanonLine> {
    let mut lines = Vec::new();
    for category in Category::ALL {
        let rows = canon.rows.iter().filter(|row| row.truth == category && !row.is_provisional());
        let right = |scorer: &Scorer, features| scorer.predict(features).attack == category.is_attack();
        let pairs: Vec<[bool; 2]> =
            rows.map(|row| [new, prod].map(|scorer| right(scorer, &row.features))).collect();
        let count = |which: fn(&[bool; 2]) -> bool| pairs.iter().filter(|pair| which(pair)).count() as u64;
        let (lost, gained) = (count(|[new, prod]| !new && *prod), count(|[new, prod]| *new && !prod));
        let rows = pairs.len() as u64;
        if rows > 0 {
            let called = |right: u64| if category.is_attack() { right } else { rows - right };
            let share = |right| called(right) as f64 / rows as f64;
            let falls = lost as f64 - gained as f64 > tolerance * rows as f64;
            lines.push(CanonLine {
                category,
                rows,
                new: share(count(|[new, _]| *new)),
                prod: share(count(|[_, prod]| *prod)),
                holds: !(falls && sign_test(lost, gained) < CHANCE),
            });
        }
    }
    lines
}

/// Odds below which a fall is not put down to chance.
const CHANCE: f64 = 0.05;

/// How likely at least `lost` of `lost + gained` differences would be losses if each were as likely a gain (one-sided sign
/// test, exact; what McNemar's test approximates).
fn sign_test(lost: u64, gained: u64) -> f64 {
    let n = lost + gained;
    // Logarithm of the odds of exactly k losses, from k = 0 on.
    let mut odds = n as f64 * 0.5f64.ln();
    let mut tail = 0.0;
    for k in 0..=n {
        if k >= lost {
            tail += odds.exp();
        }
        odds += ((n - k) as f64 / (k + 1) as f64).ln();
    }
    tail.min(1.0)
}

/// The comparison as people read it.
pub(crate) fn table(facts: &Value) -> String {
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let mut text = format!("{:<26}{:>10}{:>10}{:>10}   95 %\n", "", "champion", "new", "gain");
    for name in ["F1", "Kappa"] {
        let of = |end: &str| number(&facts[format!("{name}_{end}")]);
        let interval = &facts[format!("{name}_gain_95")];
        let _ = writeln!(
            text,
            "{name:<26}{:>10.4}{:>10.4}{:>+10.4}   {:+.4} to {:+.4}",
            of("prod"),
            of("new"),
            of("gain"),
            number(&interval[0]),
            number(&interval[1])
        );
    }
    let (fpr_prod, fpr_new) = (number(&facts["FPR_prod"]), number(&facts["FPR_new"]));
    let _ = writeln!(
        text,
        "{:<26}{fpr_prod:>10.4}{fpr_new:>10.4}{:>+10.4}",
        "false positive rate",
        fpr_new - fpr_prod
    );
    for (source, of) in facts["by_source"].as_object().into_iter().flatten() {
        let (prod, new) = (number(&of["F1_prod"]), number(&of["F1_new"]));
        let name = format!("F1 on {source}");
        let _ = writeln!(text, "{name:<26}{prod:>10.4}{new:>10.4}{:>+10.4}", new - prod);
    }
    for line in facts["canon"].as_array().into_iter().flatten() {
        let (prod, new) = (number(&line["prod"]), number(&line["new"]));
        let name = format!("canon {} ({})", line["category"].as_str().unwrap_or_default(), line["rows"]);
        let mark = if line["holds"] == true { "" } else { "   REGRESSION" };
        let _ = writeln!(text, "{name:<26}{prod:>10.4}{new:>10.4}{:>+10.4}{mark}", new - prod);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Judged;

    fn measured(verdicts: &[(bool, bool)]) -> Measured {
        let of = |attack: bool| if attack { Category::Dos } else { Category::Benign };
        let judged = verdicts.iter().map(|(truth, said)| Judged {
            truth: of(*truth),
            predicted: of(*said),
            score: if *said { 0.9 } else { 0.1 },
            probabilities: None,
        });
        Measured::new(judged.collect())
    }

    #[test]
    fn three_flows_may_be_chance_and_fifteen_are_not() {
        assert!((sign_test(3, 0) - 0.125).abs() < 1e-12);
        assert!((sign_test(0, 0) - 1.0).abs() < 1e-12);
        assert!((sign_test(4, 2) - 22.0 / 64.0).abs() < 1e-12);
        assert!(sign_test(20, 5) < 0.003 && sign_test(400, 200) < 1e-12);
    }

    #[test]
    fn gains_are_paired_and_their_intervals_hold_the_gain() {
        let truth = |i: usize| i.is_multiple_of(2);
        let prod: Vec<(bool, bool)> = (0..400).map(|i| (truth(i), truth(i) != (i % 10 < 3))).collect();
        let new: Vec<(bool, bool)> = (0..400).map(|i| (truth(i), truth(i) != (i % 10 < 1))).collect();
        let [f1, kappa] = gains(&measured(&new), &measured(&prod));
        assert!((kappa.new - 0.8).abs() < 1e-9 && (kappa.prod - 0.4).abs() < 1e-9, "{kappa:?}");
        for gain in [f1, kappa] {
            assert!(
                gain.low > 0.0 && gain.low < gain.new - gain.prod && gain.new - gain.prod < gain.high,
                "{gain:?}"
            );
        }
        let [same, _] = gains(&measured(&new), &measured(&new));
        assert_eq!((same.low, same.high), (0.0, 0.0), "paired: no noise between equals");
    }
}
