//! The answer's limits: too few labels, cooldown, and a drift that has been dealt with.

use super::*;
use crate::drift::tests::stream;

fn rise() -> Vec<Sample> {
    stream((0..1000).map(|i| i % 20 == 0).chain((0..600).map(|i| i % 2 == 0)))
}

#[test]
fn a_drift_asks_for_a_retrain_within_its_limits() {
    let config = Config::default();
    let samples = rise();
    let now = samples.last().unwrap().timestamp + 1;
    let of = |samples: &[Sample], before: Before| judge(samples, None, &before, &config, now);
    let found = of(&samples, Before::default());
    assert_eq!((found.outcome, found.retrain, found.drift), (Outcome::Done, true, true), "{found:?}");
    assert!(found.window_ts < found.first_drift_ts && found.second_drift_ts.is_none());

    let cooling = Before { last_retrain_ms: Some(now - HOUR_MS), ..Before::default() };
    let found = of(&samples, cooling);
    assert_eq!((found.outcome, found.retrain, found.drift), (Outcome::CoolingDown, false, true));

    assert_eq!(of(&samples[..199], Before::default()).outcome, Outcome::TooFewLabels);
    assert_eq!(of(&samples[..1000], Before::default()).outcome, Outcome::NoDrift);

    let first = of(&samples, Before::default()).first_drift_ts.unwrap();
    let handled = |labels| Before {
        handled: Some(Handled { first_drift_ts: first, labels, at_ms: 0, distribution: false }),
        ..Before::default()
    };
    assert_eq!(of(&samples, handled(650)).outcome, Outcome::NoDrift, "the same drift with the same labels");
    assert_eq!(of(&samples, handled(200)).outcome, Outcome::Done, "many more labels: it is tried again");
}

#[test]
fn the_window_is_cut_at_the_last_retrain() {
    let config = Config::default();
    let now = 1_700_000_000_000;
    assert_eq!(window_from(&Before::default(), &config, now), now - 24 * HOUR_MS);
    let before = Before { last_retrain_ms: Some(now - HOUR_MS), ..Before::default() };
    assert_eq!(window_from(&before, &config, now), now - HOUR_MS);
}

#[test]
fn traffic_that_moved_without_errors_counts_only_where_asked() {
    let mut config = Config::default();
    let samples = stream((0..1000).map(|i| i % 20 == 0));
    let shifts = vec![Shift { psi: 1.0, ks: 0.5 }; 5];
    let found = judge(&samples, Some(&shifts), &Before::default(), &config, u64::MAX);
    assert_eq!((found.drift_type, found.retrain), (DriftType::Distribution, false));
    config.drift.distribution = true;
    let found = judge(&samples, Some(&shifts), &Before::default(), &config, u64::MAX);
    assert_eq!((found.drift_type, found.outcome), (DriftType::Distribution, Outcome::Done));
}

#[test]
fn results_are_files_that_workflows_read() {
    let folder = tempfile::tempdir().unwrap();
    let found = judge(&rise(), None, &Before::default(), &Config::default(), u64::MAX);
    write_results(&found, folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(
        (read("DRIFT"), read("DRIFT_TYPE"), read("RETRAIN")),
        ("true".into(), "negative".into(), "true".into())
    );
    assert_eq!(read("FIRST_DRIFT_TS"), found.first_drift_ts.unwrap().to_string());
    assert_eq!(read("SECOND_DRIFT_TS"), "");
}
