//! A watch over flows drawn like the embedded model's training data, then over others.

use std::sync::Arc;

use model::N_FEATURES;

use super::health::{Drift, DriftState, ModelHealth};
use super::{DriftConfig, DriftDesk, DriftNews, DriftWatch, ModelRole};
use crate::scoring::Model;
use crate::slot::{ModelSlot, Serving};
use crate::status::Status;

fn serving() -> Arc<Serving> {
    ModelSlot::new(Model::load(None).unwrap()).load()
}

/// The value at `u` of a stream with these quantiles. Where they repeat, so does the value.
fn at(probabilities: &[f64], quantiles: &[f64], u: f64) -> f64 {
    let above = probabilities.partition_point(|p| *p <= u).clamp(1, probabilities.len() - 1);
    let (low, high) = (quantiles[above - 1], quantiles[above]);
    let (p, q) = (probabilities[above - 1], probabilities[above]);
    low + (high - low) * (u - p) / (q - p)
}

/// Shows `flows` vectors whose features are those of the training data times `factor`.
fn show(watch: &mut DriftWatch, flows: usize, factor: f64, from: usize) {
    let serving = serving();
    let reference = &serving.active.artifact().manifest().quantiles;
    let p = &reference.probabilities;
    for n in from..from + flows {
        let u = |salt: usize| ((n * 7 + salt * 13) as f64 * 0.618_033_988_749_894_9).fract();
        let mut features = [0.0; N_FEATURES];
        for (f, feature) in features.iter_mut().enumerate() {
            *feature = at(p, &reference.features[f], u(f)) * factor;
        }
        let score = at(p, &reference.score, u(99));
        watch.observe(&features, score, score > 0.5, n as u64);
    }
    watch.look((from + flows) as u64 * 1_000_000);
}

fn health(desk: &DriftDesk) -> (ModelHealth, Drift) {
    let mut status = Status::default();
    desk.note(&mut status, &serving(), None);
    (status.model_health[0].clone(), status.drift)
}

#[test]
fn traffic_like_the_training_data_is_calm_and_other_traffic_has_moved_without_a_label() {
    let desk = DriftDesk::new(DriftConfig { window_flows: 2_000, ..DriftConfig::default() });
    let mut watch = desk.watch(serving());
    show(&mut watch, 400, 1.0, 0);
    assert_eq!(health(&desk).1.state, DriftState::Settling);
    show(&mut watch, 5_000, 1.0, 400);
    let (model, drift) = health(&desk);
    assert_eq!(drift.state, DriftState::Calm, "{drift:?}");
    assert_eq!((model.flows, model.role), (5_400, ModelRole::Active));
    let psi = model.psi.clone().unwrap();
    assert!(psi.max < 0.05 && psi.score < 0.05 && psi.shift_max.unwrap() < 0.05, "{psi:?}");
    show(&mut watch, 3_000, 4.0, 5_400);
    let (model, drift) = health(&desk);
    assert_eq!(drift.state, DriftState::Moved, "{drift:?}");
    assert!(model.psi.as_ref().unwrap().max > 0.25, "{model:?}");
    assert_eq!(model.labels, None, "no label has come");
}

#[test]
fn what_was_counted_shows_although_capture_time_stands_still() {
    let desk = DriftDesk::new(DriftConfig::default());
    let mut watch = desk.watch(serving());
    show(&mut watch, 600, 1.0, 0);
    assert_eq!(health(&desk).0.flows, 600);
    for _ in 0..40 {
        watch.observe(&[0.0; N_FEATURES], 0.9, true, 600_000_000);
    }
    watch.look(600_000_000);
    assert_eq!(health(&desk).0.flows, 600, "time has not gone on");
    watch.quiet();
    assert_eq!(health(&desk).0.flows, 640);
}

#[test]
fn another_model_begins_anew_and_the_one_before_is_remembered() {
    let desk = DriftDesk::new(DriftConfig::default());
    let slot = ModelSlot::new(Model::load(None).unwrap());
    let mut watch = desk.watch(slot.load());
    show(&mut watch, 600, 1.0, 0);
    // The same model again, as when a threshold is changed: what was counted stays.
    slot.set_thresholds(None).unwrap();
    watch.serving_changed(&slot.load());
    watch.look(u64::MAX);
    assert_eq!(health(&desk).0.flows, 600);
}

#[test]
fn a_change_is_told_once() {
    let status = |state: DriftState, version: u64| Status {
        drift: Drift { state, reason: "x".into() },
        model_health: vec![ModelHealth { version, role: ModelRole::Active, ..ModelHealth::default() }],
        ..Status::default()
    };
    use DriftState::{Calm, Failing, Moved, Settling};
    let told = [
        (Settling, 1, false),
        (Calm, 1, false),
        (Moved, 1, true),
        (Moved, 1, false),
        (Failing, 1, true),
        (Calm, 1, true),
        (Moved, 1, true),
        (Settling, 2, false),
        (Moved, 2, true),
    ];
    let mut news = DriftNews::default();
    for (step, (state, version, expected)) in told.into_iter().enumerate() {
        assert_eq!(news.of(&status(state, version)).is_some(), expected, "step {step}");
    }
}
