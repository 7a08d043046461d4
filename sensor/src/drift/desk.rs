//! Where the recorder's counts, the labels' verdicts and the data plane's figures become one list of model versions.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Category;
use store::{Reader, StoreError};

use super::health::{Drift, ModelHealth, ModelRole};
use super::labels::LabelWatch;
use super::{DriftBoard, DriftConfig, DriftWatch, VersionDrift};
use crate::live::Reports;
use crate::slot::Serving;
use crate::status::{Health, Status};

/// What is known of drift, for whoever asks.
pub struct DriftDesk {
    config: DriftConfig,
    board: Arc<DriftBoard>,
    labels: Mutex<LabelWatch>,
}

impl DriftDesk {
    /// A desk that knows nothing yet.
    #[must_use]
    pub fn new(config: DriftConfig) -> Self {
        let labels = Mutex::new(LabelWatch::new(config.adwin_delta));
        Self { config, board: Arc::default(), labels }
    }

    /// What counts flows for this desk, at the recorder.
    #[must_use]
    pub fn watch(&self, serving: Arc<Serving>) -> DriftWatch {
        DriftWatch::new(self.config, Arc::clone(&self.board), serving)
    }

    /// Reads the labels that have come since the last time from the store in `path`. `ticks` gives monotonic microseconds.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn read_labels(&self, path: &Path, ticks: store::Ticks) -> Result<(), StoreError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let reader = Reader::open(path, PATIENCE, ticks)?;
        self.labels.lock().unwrap_or_else(PoisonError::into_inner).read(&reader)
    }

    /// Writes into `status` how each model does, and whether the active one still fits.
    pub fn note(&self, status: &mut Status, serving: &Serving, reports: Option<&Reports>) {
        let counted = self.board.load();
        let digest = serving.active.artifact().digest().to_string();
        let known = |digest: &str| counted.iter().find(|model| model.digest == digest);
        let mut active = match known(&digest) {
            Some(counted) => self.health(counted, ModelRole::Active),
            None => ModelHealth {
                version: serving.active.version(),
                digest: digest.clone(),
                ..none(ModelRole::Active)
            },
        };
        if let Some(of) = reports.map(|r| r.health).filter(|of| of.model_version == active.version) {
            active.unsound = of.unsound;
            if of.latency.count() > 0 {
                active.latency_p50_us = Some(of.latency.quantile_us(0.5) as f64);
                active.latency_p99_us = Some(of.latency.quantile_us(0.99) as f64);
            }
        }
        status.drift = Drift::of(&active, self.config.psi_moved);
        if status.drift.state == super::DriftState::Failing {
            status.complain(Health::Degraded, format!("drift: {}", status.drift.reason));
        }
        let mut all = vec![active];
        if let (Some(shadow), Some(reports)) = (&serving.shadow, reports) {
            let shadow_digest = shadow.artifact().digest().to_string();
            let benign = Category::Benign.index();
            let called = reports.shadow.agreement.iter().flat_map(|row| row.iter().enumerate());
            let alerts = called.filter(|(column, _)| *column != benign).map(|(_, n)| n).sum();
            let (version, flows) = (shadow.version(), reports.shadow.scored);
            let alert_rate = share(alerts, flows);
            let shadow = ModelHealth {
                version,
                digest: shadow_digest,
                flows,
                alerts,
                alert_rate,
                ..none(ModelRole::Shadow)
            };
            all.push(shadow);
        }
        let seen: Vec<String> = all.iter().map(|model| model.digest.clone()).collect();
        let others = counted.iter().filter(|model| !seen.contains(&model.digest));
        all.extend(others.map(|model| self.health(model, ModelRole::Previous)));
        status.model_health = all;
    }

    fn health(&self, counted: &VersionDrift, role: ModelRole) -> ModelHealth {
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        ModelHealth {
            version: counted.version,
            digest: counted.digest.clone(),
            since_us: counted.since_us,
            flows: counted.flows,
            alerts: counted.alerts,
            alert_rate: share(counted.alerts, counted.flows),
            score_mean: (counted.flows > 0).then(|| counted.score_sum / counted.flows as f64),
            psi: counted.psi.clone(),
            labels: labels.health(counted.version),
            ..none(role)
        }
    }
}

fn none(role: ModelRole) -> ModelHealth {
    ModelHealth { role, ..ModelHealth::default() }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
