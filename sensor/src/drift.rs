//! Whether the traffic, or the model's success on it, is still what it was: watched at the edge, before a centre is asked.
//!
//! [`DriftWatch`] sits at the recorder and counts every flow that was judged into the cells of the model's own reference
//! quantiles; [`labels`] follows the model's errors over what people said. Both end in one [`ModelHealth`] a model version:
//! what `status`, the metrics and the health reports to the centre show.

mod desk;
pub mod health;
pub mod labels;
mod reference;
#[cfg(test)]
mod tests;
mod told;

use std::sync::Arc;

use arc_swap::ArcSwap;
use model::N_FEATURES;
use serde::{Deserialize, Serialize};

use crate::slot::Serving;
pub use desk::DriftDesk;
pub use health::{Drift, DriftState, ModelHealth, ModelRole, Psi};
use reference::{Cells, QUANTITIES, cells_of, name_of, psi_between};
pub use told::DriftNews;

/// `[drift]`
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DriftConfig {
    /// About so many of the newest flows are compared.
    pub window_flows: u32,
    /// A population stability index from which traffic counts as moved (0.1 is some, 0.25 is much by custom).
    pub psi_moved: f64,
    /// ADWIN's significance over the errors that labels show: smaller means fewer false alarms, later.
    pub adwin_delta: f64,
}

impl Default for DriftConfig {
    fn default() -> Self {
        Self { window_flows: 10_000, psi_moved: 0.25, adwin_delta: 0.002 }
    }
}

impl DriftConfig {
    /// What is wrong with it, a line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1_000..=10_000_000).contains(&self.window_flows) {
            faults.push(format!(
                "`drift.window_flows` is {}: use a value from 1000 to 10000000",
                self.window_flows
            ));
        }
        if !(self.psi_moved > 0.0 && self.psi_moved <= 10.0) {
            faults.push(format!("`drift.psi_moved` is {}: use a value above 0, up to 10", self.psi_moved));
        }
        if !(self.adwin_delta > 0.0 && self.adwin_delta < 1.0) {
            faults.push(format!("`drift.adwin_delta` is {}: use a value between 0 and 1", self.adwin_delta));
        }
        faults
    }
}

/// What the recorder has counted of each model version, newest first; read by whoever asks.
pub type DriftBoard = ArcSwap<Vec<Arc<VersionDrift>>>;

/// What was counted of one model's flows, and how far they lie from where.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VersionDrift {
    /// Serial.
    pub version: u64,
    /// Digest, hex.
    pub digest: String,
    /// Capture time of its first flow here, microseconds since the epoch.
    pub since_us: u64,
    /// Flows that it judged when they ended.
    pub flows: u64,
    /// Of them called attacks.
    pub alerts: u64,
    /// Sum of their scores.
    pub score_sum: f64,
    /// Population stability indices of the newest flows; none before there are enough.
    pub psi: Option<Psi>,
}

/// Counts into cells, at the recorder.
pub struct DriftWatch {
    config: DriftConfig,
    board: Arc<DriftBoard>,
    serving: Arc<Serving>,
    cells: Vec<Cells>,
    /// By quantity and cell: the newest flows, older ones fading; what was usual when the model began here; the open block.
    window: Vec<Vec<f64>>,
    usual: Option<Vec<Vec<f64>>>,
    block: Vec<Vec<f64>>,
    in_block: u32,
    in_window: f64,
    counted: VersionDrift,
    published_us: u64,
    published_flows: u64,
}

impl DriftWatch {
    /// Older flows fade when so many new ones have come.
    const BLOCK: u32 = 250;
    /// With fewer flows an index says little: its noise is about the number of cells over the number of flows.
    const FLOWS_MIN: f64 = 500.0;
    /// Versions that are remembered.
    const VERSIONS_MAX: usize = 4;
    /// The board is brought up to date so often, in capture time.
    const PUBLISH_US: u64 = 1_000_000;

    /// A watch over what `serving` judges.
    #[must_use]
    pub fn new(config: DriftConfig, board: Arc<DriftBoard>, serving: Arc<Serving>) -> Self {
        let mut watch = Self {
            config,
            board,
            serving,
            cells: Vec::new(),
            window: Vec::new(),
            usual: None,
            block: Vec::new(),
            in_block: 0,
            in_window: 0.0,
            counted: VersionDrift::default(),
            published_us: 0,
            published_flows: 0,
        };
        watch.begin();
        watch
    }

    /// The slot has changed. Another model has another reference, and begins anew.
    pub fn serving_changed(&mut self, serving: &Arc<Serving>) {
        let same = serving.active.artifact().digest() == self.serving.active.artifact().digest();
        if !same {
            self.publish();
        }
        self.serving = Arc::clone(serving);
        if !same {
            self.begin();
            self.publish();
        }
    }

    fn begin(&mut self) {
        let artifact = self.serving.active.artifact();
        self.cells = cells_of(&artifact.manifest().quantiles);
        let empty: Vec<Vec<f64>> = self.cells.iter().map(|cells| vec![0.0; cells.len()]).collect();
        (self.window, self.block) = (empty.clone(), empty);
        (self.usual, self.in_block, self.in_window) = (None, 0, 0.0);
        self.published_flows = 0;
        self.counted = VersionDrift {
            version: artifact.manifest().serial,
            digest: artifact.digest().to_string(),
            ..VersionDrift::default()
        };
    }

    /// Counts a flow that has ended. Takes no lock and no memory.
    pub fn observe(&mut self, features: &[f64; N_FEATURES], score: f64, attack: bool, now_us: u64) {
        let c = &mut self.counted;
        if c.flows == 0 {
            c.since_us = now_us;
        }
        c.flows += 1;
        c.alerts += u64::from(attack);
        c.score_sum += if score.is_finite() { score } else { 0.0 };
        let values = features.iter().chain(std::iter::once(&score));
        for ((value, cells), block) in values.zip(&self.cells).zip(&mut self.block) {
            block[cells.of(*value)] += 1.0;
        }
        self.in_block += 1;
        if self.in_block == Self::BLOCK {
            self.close_block();
        }
    }

    fn close_block(&mut self) {
        let keep = 1.0 - f64::from(Self::BLOCK) / f64::from(self.config.window_flows);
        self.in_window = self.in_window * keep + f64::from(self.in_block);
        self.in_block = 0;
        for (window, block) in self.window.iter_mut().flatten().zip(self.block.iter_mut().flatten()) {
            *window = *window * keep + *block;
            *block = 0.0;
        }
        if self.usual.is_none() && self.counted.flows >= u64::from(self.config.window_flows) {
            self.usual = Some(self.window.clone());
        }
    }

    /// Brings the board up to date when it is time.
    pub fn look(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.published_us) >= Self::PUBLISH_US {
            self.published_us = now_us;
            self.publish();
        }
    }

    /// Nothing comes just now, and capture time may stand still: what was counted since the last time is shown all the same.
    pub fn quiet(&mut self) {
        if self.counted.flows != self.published_flows {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.published_flows = self.counted.flows;
        self.counted.psi = self.psi();
        let digest = &self.counted.digest;
        let known = self.board.load();
        let others = known.iter().filter(|other| other.digest != *digest).cloned();
        let mut all = vec![Arc::new(self.counted.clone())];
        all.extend(others.take(Self::VERSIONS_MAX - 1));
        self.board.store(Arc::new(all));
    }

    fn psi(&self) -> Option<Psi> {
        let flows = self.in_window + f64::from(self.in_block);
        if flows < Self::FLOWS_MIN {
            return None;
        }
        let now = |quantity: usize| -> Vec<f64> {
            self.window[quantity].iter().zip(&self.block[quantity]).map(|(a, b)| a + b).collect()
        };
        let mut psi = Psi { flows: flows.round(), ..Psi::default() };
        for quantity in 0..QUANTITIES {
            let counts = now(quantity);
            let value = self.cells[quantity].psi(&counts);
            let shift = self.usual.as_ref().map(|usual| psi_between(&counts, &usual[quantity]));
            if quantity < N_FEATURES {
                psi.note(name_of(quantity), value, shift);
            } else {
                psi.score = value;
                psi.shift_score = shift;
            }
        }
        Some(psi)
    }
}
