//! Drift without labels: how far the traffic of a window is from what was normal when the model was made, feature by
//! feature, by the population stability index and Kolmogorov and Smirnov's distance.

use model::quantiles::ReferenceQuantiles;
use model::{FEATURES, N_FEATURES};
use serde_json::{Value, json};

/// Bins of the index: deciles of the reference.
const BINS: usize = 10;
/// A bin that is empty on one side counts as this share; without it the index is infinite.
const SHARE_MIN: f64 = 1e-4;

/// How far one quantity has moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shift {
    pub(crate) psi: f64,
    pub(crate) ks: f64,
}

/// Values against a reference's quantiles at `probabilities`. Bins whose edges coincide are one bin.
pub(crate) fn shift(reference: &[f64], probabilities: &[f64], values: &mut [f64]) -> Shift {
    if values.is_empty() || reference.len() != probabilities.len() || reference.is_empty() {
        return Shift { psi: 0.0, ks: 0.0 };
    }
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let up_to = |x: f64| values.partition_point(|value| *value <= x) as f64 / n;
    // The reference's own share at or below one of its quantiles: the last probability that reaches it. Where several are
    // one value, that value's share ends somewhere before the next probability: within that nothing is known to have moved.
    let expected_up_to = |x: f64| {
        let place = reference.partition_point(|quantile| *quantile <= x);
        let Some(last) = place.checked_sub(1) else { return 0.0 };
        let low = probabilities[last];
        let shared = last > 0 && reference[last - 1] == reference[last];
        let high = if shared { probabilities.get(place).copied().unwrap_or(low) } else { low };
        up_to(x).max(low).min(high)
    };
    let mut edges: Vec<f64> = Vec::new();
    for decile in 1..BINS {
        let p = decile as f64 / BINS as f64;
        let at = probabilities.iter().position(|known| *known >= p - 1e-9).unwrap_or(reference.len() - 1);
        if edges.last().is_none_or(|last| reference[at] > *last) {
            edges.push(reference[at]);
        }
    }
    let mut psi = 0.0;
    let (mut expected_before, mut found_before) = (0.0, 0.0);
    for edge in edges.iter().map(|edge| Some(*edge)).chain([None]) {
        let (expected, found) = edge.map_or((1.0, 1.0), |edge| (expected_up_to(edge), up_to(edge)));
        let e = (expected - expected_before).max(SHARE_MIN);
        let f = (found - found_before).max(SHARE_MIN);
        psi += (f - e) * model::numeric::ln(f / e);
        (expected_before, found_before) = (expected, found);
    }
    let ks = reference.iter().map(|x| (up_to(*x) - expected_up_to(*x)).abs()).fold(0.0, f64::max);
    Shift { psi, ks }
}

/// Every feature against the reference of a model.
pub(crate) fn of_features(reference: &ReferenceQuantiles, flows: &[[f64; N_FEATURES]]) -> Vec<Shift> {
    let column =
        |feature: usize| flows.iter().map(|x| model::numeric::tame(x[feature])).collect::<Vec<f64>>();
    (0..N_FEATURES)
        .map(|feature| shift(&reference.features[feature], &reference.probabilities, &mut column(feature)))
        .collect()
}

/// Whether at least `features_min` features have moved by more than both limits.
pub(crate) fn has_moved(shifts: &[Shift], psi_max: f64, ks_max: f64, features_min: usize) -> bool {
    shifts.iter().filter(|shift| shift.psi > psi_max && shift.ks > ks_max).count() >= features_min.max(1)
}

/// The features that moved most, for people.
pub(crate) fn facts(shifts: &[Shift]) -> Value {
    let mut rows: Vec<(usize, &Shift)> = shifts.iter().enumerate().collect();
    rows.sort_by(|a, b| b.1.psi.total_cmp(&a.1.psi).then(a.0.cmp(&b.0)));
    rows.iter()
        .map(|(at, shift)| json!({"feature": FEATURES[*at], "psi": shift.psi, "ks": shift.ks}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::quantiles::quantiles;

    fn uniform(n: usize, from: f64, to: f64) -> Vec<f64> {
        (0..n).map(|i| from + (to - from) * (i as f64 + 0.5) / n as f64).collect()
    }

    #[test]
    fn the_same_traffic_has_not_moved_and_another_has() {
        let reference = quantiles(&mut uniform(5000, 0.0, 100.0));
        let probabilities = model::quantiles::PROBABILITIES;
        let same = shift(&reference, &probabilities, &mut uniform(700, 0.0, 100.0));
        assert!(same.psi < 0.02 && same.ks < 0.03, "{same:?}");
        // A quarter of the range further: the distance is a quarter; the index by hand: bins 1, 2 lose all, half of 3.
        let moved = shift(&reference, &probabilities, &mut uniform(700, 25.0, 125.0));
        assert!((moved.ks - 0.25).abs() < 0.03 && moved.psi > 0.25, "{moved:?}");
        assert_eq!(shift(&reference, &probabilities, &mut []), Shift { psi: 0.0, ks: 0.0 });
    }

    #[test]
    fn a_value_that_most_flows_share_is_one_bin() {
        let mut values = vec![0.0; 900];
        values.extend(uniform(100, 1.0, 2.0));
        let reference = quantiles(&mut values.clone());
        let probabilities = model::quantiles::PROBABILITIES;
        let same = shift(&reference, &probabilities, &mut values);
        assert!(same.psi < 0.02 && same.ks < 0.02, "{same:?}");
        let moved = shift(&reference, &probabilities, &mut vec![1.5; 100]);
        assert!(moved.psi > 1.0 && moved.ks > 0.8, "{moved:?}");
        // The shared value became rarer by far more than the quantiles leave open.
        let mut rarer = vec![0.0; 500];
        rarer.extend(uniform(500, 1.0, 2.0));
        let rarer = shift(&reference, &probabilities, &mut rarer);
        assert!(rarer.psi > 0.25 && (rarer.ks - 0.4).abs() < 0.02, "{rarer:?}");
    }
}
