//! When a drift begins and when it ends: ADWIN on a stream of errors finds changes, and two short means around each
//! change say whether things got worse or better.

use crate::adwin::{Adwin, AdwinParams};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Settings of [`DriftPhase`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftPhaseParams {
    /// The detector of changes.
    pub adwin: AdwinParams,
    /// Errors in each of the two means that are compared at a change: the `trend_length` newest and as many before
    /// them. It must outlast ADWIN's delay: with 30 the end of a drift is mostly missed, with 100 hardly ever.
    pub trend_length: usize,
}

impl Default for DriftPhaseParams {
    fn default() -> Self {
        DriftPhaseParams { adwin: AdwinParams::default(), trend_length: 100 }
    }
}

/// A change of phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// Errors have risen: a drift has begun.
    Start,
    /// Errors have fallen: the drift is over.
    End,
}

/// What one change of the error rate was judged by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Mean error of the older half of the trend buffer.
    pub past: f64,
    /// Mean error of the newer half.
    pub recent: f64,
    /// ADWIN's mean after its cut.
    pub estimation: f64,
    /// ADWIN's window after its cut.
    pub width: u64,
    /// The phase it begins or ends, if any.
    pub turn: Option<Turn>,
}

/// The two-phase drift check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DriftPhase {
    adwin: Adwin,
    errors: VecDeque<bool>,
    trend_length: usize,
    in_drift: bool,
}

impl DriftPhase {
    /// A check that has seen nothing. A `trend_length` of 0 is taken as 1.
    pub fn new(params: DriftPhaseParams) -> Self {
        let trend_length = params.trend_length.max(1);
        let errors = VecDeque::with_capacity(2 * trend_length);
        DriftPhase { adwin: Adwin::new(params.adwin), errors, trend_length, in_drift: false }
    }

    /// Whether a drift has begun and not ended.
    pub fn in_drift(&self) -> bool {
        self.in_drift
    }

    /// Counts one labelled prediction. A change is reported when ADWIN finds one and the trend buffer is full.
    pub fn update(&mut self, wrong: bool) -> Option<Change> {
        let changed = self.adwin.update(if wrong { 1.0 } else { 0.0 });
        if self.errors.len() == 2 * self.trend_length {
            self.errors.pop_front();
        }
        self.errors.push_back(wrong);
        if !changed || self.errors.len() < 2 * self.trend_length {
            return None;
        }
        let errors_in =
            |range: std::ops::Range<usize>| self.errors.range(range).filter(|wrong| **wrong).count();
        let past = errors_in(0..self.trend_length) as f64 / self.trend_length as f64;
        let recent = errors_in(self.trend_length..2 * self.trend_length) as f64 / self.trend_length as f64;
        let estimation = self.adwin.estimation();
        let turn = if !self.in_drift && recent > past && recent > estimation {
            Some(Turn::Start)
        } else if self.in_drift && recent < past && recent < estimation {
            Some(Turn::End)
        } else {
            None
        };
        match turn {
            Some(Turn::Start) => self.in_drift = true,
            Some(Turn::End) => self.in_drift = false,
            None => {}
        }
        Some(Change { past, recent, estimation, width: self.adwin.width(), turn })
    }
}
