//! What the API counts, under the earlier service's names where it had one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry, TextEncoder,
};

use crate::service::Service;

/// Milliseconds; the earlier service's 50 and 100 among finer ones.
const LATENCY_BUCKETS_MS: [f64; 14] =
    [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

pub(super) struct Counts {
    registry: Registry,
    pub(super) predictions: IntCounterVec,
    pub(super) prediction_latency_ms: Histogram,
    pub(super) refusals: IntCounter,
    pub(super) slow_listeners: IntCounter,
    answers: IntCounterVec,
    model_version: IntGauge,
    model_reload_count: IntGauge,
    model_reloads: [IntCounter; 2],
    listening: IntGauge,
    api_predictions: IntCounterVec,
    /// Listeners to the feed now.
    pub(super) listeners: Arc<AtomicU64>,
}

impl Default for Counts {
    fn default() -> Self {
        let registry = Registry::new();
        let latency = HistogramOpts::new("prediction_latency_ms", "Time of a /predict in milliseconds")
            .buckets(LATENCY_BUCKETS_MS.to_vec());
        Self {
            predictions: kept(
                &registry,
                IntCounterVec::new(
                    Opts::new("prediction_requests_total", "Requests to /predict"),
                    &["endpoint"],
                ),
            ),
            prediction_latency_ms: kept(&registry, Histogram::with_opts(latency)),
            refusals: kept(
                &registry,
                IntCounter::new(
                    "taphound_api_refusals_total",
                    "Requests without the token or role they need",
                ),
            ),
            slow_listeners: kept(
                &registry,
                IntCounter::new(
                    "taphound_api_slow_listeners_total",
                    "Listeners to the feed let go because they fell behind",
                ),
            ),
            answers: kept(
                &registry,
                IntCounterVec::new(
                    Opts::new("taphound_api_answers_total", "Answers by class of status"),
                    &["status"],
                ),
            ),
            model_version: kept(&registry, IntGauge::new("model_version", "Serial of the model at work")),
            model_reload_count: kept(
                &registry,
                IntGauge::new("model_reload_count", "Changes of the model since the start"),
            ),
            model_reloads: ["model_reloads_total", "model_reload_total"]
                .map(|name| kept(&registry, IntCounter::new(name, "Changes of the model since the start"))),
            listening: kept(
                &registry,
                IntGauge::new("active_websocket_connections", "Listeners to the feed now"),
            ),
            api_predictions: kept(
                &registry,
                IntCounterVec::new(
                    Opts::new(
                        "taphound_api_predictions_total",
                        "Predictions asked for; made = the sum of the others",
                    ),
                    &["where"],
                ),
            ),
            listeners: Arc::default(),
            registry,
        }
    }
}

/// Registers what was made. Names are constants: they are valid and each is there once.
fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let collector = made.unwrap_or_else(|e| unreachable!("a metric with a constant name: {e}"));
    if let Err(e) = registry.register(Box::new(collector.clone())) {
        unreachable!("a metric that is there once: {e}");
    }
    collector
}

impl Counts {
    pub(super) fn answered(&self, status: StatusCode) {
        let class = ["1xx", "2xx", "3xx", "4xx", "5xx"];
        let index = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.answers.with_label_values(&[class[index]]).inc();
    }

    /// Everything in Prometheus' text format.
    pub(super) fn text(&self, service: &Service) -> String {
        let serving = service.slot().load();
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.model_version.set(signed(serving.active.version()));
        self.model_reload_count.set(signed(serving.generation));
        for total in &self.model_reloads {
            total.inc_by(serving.generation.saturating_sub(total.get()));
        }
        self.listening.set(signed(self.listeners.load(Ordering::Relaxed)));
        for (term, count) in service.predictions.terms() {
            let counter = self.api_predictions.with_label_values(&[term]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }
}
