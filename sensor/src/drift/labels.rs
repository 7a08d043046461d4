//! How often a model is wrong, by what people said of its flows: error rate, ADWIN over it, and figures of merit from labels that
//! were not chosen by the model.
//!
//! Labels come where people look, so one accuracy over all of them flatters or slanders. Two groups are kept apart: flows that
//! the model called attacks (precision), and the random hundredth that the label queue asks about whatever the model said
//! (what is missed). Errors of every label feed ADWIN, which looks for change, not for level.

use std::collections::{BTreeMap, VecDeque};

use model::DriftPhase;
use model::adwin::AdwinParams;
use model::drift_phase::DriftPhaseParams;
use serde::{Deserialize, Serialize};
use store::record::Label;
use store::{Reader, StoreError, StoredFlow};
use utoipa::ToSchema;

/// What labels say of one model version. Unsure and withdrawn ones say nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct LabelHealth {
    /// Recent flows with a label.
    pub labelled: u64,
    /// Of them judged wrongly.
    pub errors: u64,
    /// Their share.
    pub error_rate: f64,
    /// Changes of the error rate that ADWIN found.
    pub changes: u64,
    /// Errors have risen and not fallen again.
    pub drift: bool,
    /// Error rate before the last change; none before the first.
    pub error_rate_before: Option<f64>,
    /// Error rate after it.
    pub error_rate_recent: Option<f64>,
    /// Over flows that the model called attacks.
    pub alerted: Merit,
    /// Over the random hundredth.
    pub random: Merit,
}

impl LabelHealth {
    /// The model is wrong more often than it was.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.drift
    }
}

/// Figures of merit over one group of labelled flows. "Attack" is the positive class.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Merit {
    /// Attacks called attacks.
    pub true_positives: u64,
    /// Benign flows called attacks.
    pub false_positives: u64,
    /// Attacks called benign.
    pub false_negatives: u64,
    /// Benign flows called benign.
    pub true_negatives: u64,
    /// Share of right verdicts; none without labels.
    pub accuracy: Option<f64>,
    /// Share of attacks among those called so.
    pub precision: Option<f64>,
    /// Share of those called so among attacks.
    pub recall: Option<f64>,
}

impl Merit {
    fn add(&mut self, called: bool, is: bool) {
        *match (called, is) {
            (true, true) => &mut self.true_positives,
            (true, false) => &mut self.false_positives,
            (false, true) => &mut self.false_negatives,
            (false, false) => &mut self.true_negatives,
        } += 1;
        let (tp, tn) = (self.true_positives, self.true_negatives);
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        self.accuracy = share(tp + tn, tp + tn + self.false_positives + self.false_negatives);
        self.precision = share(tp, tp + self.false_positives);
        self.recall = share(tp, tp + self.false_negatives);
    }
}

/// A labelled flow.
#[derive(Debug, Clone, PartialEq)]
struct Judged {
    subject: String,
    version: u64,
    /// The model called it an attack.
    called: bool,
    /// People say that it is one; none: they no longer say anything.
    is: Option<bool>,
    random: bool,
}

/// Follows the labels of a store.
pub struct LabelWatch {
    params: DriftPhaseParams,
    /// How far labels given here, and those of the centre, were read.
    seq: Option<u64>,
    central: (u64, String),
    recent: VecDeque<Judged>,
    phases: BTreeMap<u64, Phase>,
}

struct Phase {
    detector: DriftPhase,
    changes: u64,
    before: Option<f64>,
    after: Option<f64>,
}

impl LabelWatch {
    /// Labels that count as recent.
    pub const RECENT_MAX: usize = 2_000;
    /// Versions whose errors are followed.
    const VERSIONS_MAX: usize = 4;
    /// Labels on each side of a change whose means are compared.
    const TREND: usize = 50;
    /// Labels read at once.
    const AT_ONCE: usize = 500;

    /// A watch that has read nothing. `delta` is ADWIN's.
    #[must_use]
    pub fn new(delta: f64) -> Self {
        Self {
            params: DriftPhaseParams { adwin: AdwinParams::with_delta(delta), trend_length: Self::TREND },
            seq: None,
            central: (0, String::new()),
            recent: VecDeque::new(),
            phases: BTreeMap::new(),
        }
    }

    /// Reads the labels that have come since the last time; at the first, the newest ones. What is known after it does not depend
    /// on how often it was called.
    ///
    /// # Errors
    /// The store does not answer; what was read so far counts.
    pub fn read(&mut self, reader: &Reader) -> Result<(), StoreError> {
        let mut seq = match self.seq {
            Some(seq) => seq,
            None => reader.newest_label()?.saturating_sub(Self::RECENT_MAX as u64),
        };
        loop {
            let rows = reader.labels(seq, Self::AT_ONCE)?;
            for row in &rows {
                self.note(reader.flow(&row.label.subject)?.as_ref(), row.label.label);
                seq = row.seq;
                self.seq = Some(seq);
            }
            if rows.len() < Self::AT_ONCE {
                break;
            }
        }
        self.seq = Some(seq);
        loop {
            let rows = reader.true_labels((self.central.0, &self.central.1), Self::AT_ONCE)?;
            for row in &rows {
                self.note(reader.flow(&row.subject)?.as_ref(), row.label);
                self.central = (row.at_us, row.subject.clone());
            }
            if rows.len() < Self::AT_ONCE {
                return Ok(());
            }
        }
    }

    /// A label of a flow that is still there.
    fn note(&mut self, flow: Option<&StoredFlow>, label: Label) {
        let Some(flow) = flow else { return };
        let is = match label {
            Label::Attack => Some(true),
            Label::Benign => Some(false),
            Label::Unsure | Label::Withdrawn => None,
        };
        let judgement = &flow.row.judgement;
        self.judge(Judged {
            subject: flow.row.id.to_string(),
            version: judgement.model_version,
            called: judgement.prediction() == "attack",
            is,
            random: Reader::is_random(&flow.row.id),
        });
    }

    fn judge(&mut self, judged: Judged) {
        if let Some(known) = self.recent.iter_mut().find(|known| known.subject == judged.subject) {
            // The same said again is no second error; something else said puts the first right in the figures.
            let same = known.is == judged.is;
            known.is = judged.is;
            if same {
                return;
            }
        } else {
            if self.recent.len() == Self::RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(judged.clone());
        }
        let Some(is) = judged.is else { return };
        let params = self.params;
        let phase = self.phases.entry(judged.version).or_insert_with(|| Phase {
            detector: DriftPhase::new(params),
            changes: 0,
            before: None,
            after: None,
        });
        if let Some(change) = phase.detector.update(judged.called != is) {
            phase.changes += 1;
            (phase.before, phase.after) = (Some(change.past), Some(change.recent));
        }
        while self.phases.len() > Self::VERSIONS_MAX {
            self.phases.pop_first();
        }
    }

    /// What labels say of a version; none when they say nothing of it.
    #[must_use]
    pub fn health(&self, version: u64) -> Option<LabelHealth> {
        let mut health = LabelHealth::default();
        for judged in self.recent.iter().filter(|judged| judged.version == version) {
            let Some(is) = judged.is else { continue };
            health.labelled += 1;
            health.errors += u64::from(judged.called != is);
            if judged.called {
                health.alerted.add(judged.called, is);
            }
            if judged.random {
                health.random.add(judged.called, is);
            }
        }
        if health.labelled == 0 {
            return None;
        }
        health.error_rate = health.errors as f64 / health.labelled as f64;
        if let Some(phase) = self.phases.get(&version) {
            health.changes = phase.changes;
            health.drift = phase.detector.in_drift();
            (health.error_rate_before, health.error_rate_recent) = (phase.before, phase.after);
        }
        Some(health)
    }
}

#[cfg(test)]
mod tests;
