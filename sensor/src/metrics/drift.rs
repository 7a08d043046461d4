//! How each model version does, as metrics.

use prometheus::proto::MetricType;

use super::Sample;
use crate::drift::{DriftState, ModelHealth};
use crate::status::Status;

type Add<'a> = dyn FnMut(&str, &str, MetricType, Vec<Sample<'_>>) + 'a;

/// Adds the families of drift.
pub(super) fn add_drift(add: &mut Add<'_>, status: &Status) {
    use MetricType::{COUNTER, GAUGE};
    let state = match status.drift.state {
        DriftState::Settling | DriftState::Calm | DriftState::Unlike => 0.0,
        DriftState::Moved => 1.0,
        DriftState::Failing => 2.0,
    };
    add(
        "taphound_drift_state",
        "0 calm or settling, 1 traffic has moved, 2 labels show more errors.",
        GAUGE,
        vec![(Vec::new(), state)],
    );
    let each = |value: fn(&ModelHealth) -> Option<f64>| -> Vec<Sample<'_>> {
        let models = status.model_health.iter();
        models.filter_map(|model| Some((labels(model), value(model)?))).collect()
    };
    add("taphound_model_flows_total", "Flows that a model judged.", COUNTER, each(|m| Some(m.flows as f64)));
    add("taphound_model_alerts_total", "Of them called attacks.", COUNTER, each(|m| Some(m.alerts as f64)));
    add("taphound_model_score_mean", "Mean score.", GAUGE, each(|m| m.score_mean));
    let psi = status.model_health.iter().filter_map(|model| Some((model, model.psi.as_ref()?)));
    let features = psi.clone().flat_map(|(model, psi)| {
        let with = move |(feature, value): (&String, &f64)| {
            let mut pairs = labels(model);
            pairs.push(("feature", feature.clone()));
            (pairs, *value)
        };
        psi.features.iter().map(with)
    });
    add(
        "taphound_drift_psi",
        "Population stability index of a feature against the model's training data.",
        GAUGE,
        features.collect(),
    );
    add(
        "taphound_drift_score_psi",
        "Population stability index of the score against the model's training data.",
        GAUGE,
        psi.clone().map(|(model, psi)| (labels(model), psi.score)).collect(),
    );
    add(
        "taphound_drift_shift_psi_max",
        "Largest index of a feature against what was usual when the model began here.",
        GAUGE,
        psi.filter_map(|(model, psi)| Some((labels(model), psi.shift_max?))).collect(),
    );
    let judged = || status.model_health.iter().filter_map(|model| Some((model, model.labels.as_ref()?)));
    add(
        "taphound_label_error_ratio",
        "Share of recent labels that differ from the verdict.",
        GAUGE,
        judged().map(|(model, l)| (labels(model), l.error_rate)).collect(),
    );
    add(
        "taphound_label_drift_changes_total",
        "Changes of the error rate that ADWIN found.",
        COUNTER,
        judged().map(|(model, l)| (labels(model), l.changes as f64)).collect(),
    );
    let merits = judged().flat_map(|(model, l)| {
        [("alerted", l.alerted), ("random", l.random)].into_iter().flat_map(move |(group, merit)| {
            let figures =
                [("accuracy", merit.accuracy), ("precision", merit.precision), ("recall", merit.recall)];
            figures.into_iter().filter_map(move |(figure, value)| {
                let mut pairs = labels(model);
                pairs.extend([("group", group.to_owned()), ("figure", figure.to_owned())]);
                Some((pairs, value?))
            })
        })
    });
    add(
        "taphound_label_merit_ratio",
        "Accuracy, precision and recall over recent labels: of alerted flows, and of the random hundredth.",
        GAUGE,
        merits.collect(),
    );
}

fn labels(model: &ModelHealth) -> Vec<(&'static str, String)> {
    vec![("version", model.version.to_string()), ("role", model.role.as_str().to_owned())]
}
