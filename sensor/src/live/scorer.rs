//! A scoring thread: the active model judges every record, the shadow as many as there is time for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender};
use flowmeter::FlowRecord;

use super::parcel::Parcel;
use super::sums::{Health, ScorerSums, Shadow, Shared};
use crate::capture::Clock;
use crate::scoring::{Scored, ScoringDesk};
use crate::slot::{ModelSlot, Serving};

/// A scorer and its place between rings and recorder.
pub(super) struct Scorer {
    pub(super) number: usize,
    pub(super) slot: Arc<ModelSlot>,
    pub(super) from_rings: Receiver<Parcel>,
    pub(super) to_recorder: Sender<Parcel>,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    /// Records waiting from which the shadow is shed.
    pub(super) shadow_records_max: u64,
}

impl Scorer {
    /// Scores until the rings have ended, or nobody records any more.
    pub(super) fn run(self) {
        let mut sums = ScorerSums::default();
        let mut desk = ScoringDesk::default();
        for mut parcel in &self.from_rings {
            let serving = self.slot.load();
            if sums.health.generation != serving.generation || sums.health.model_version == 0 {
                sums.health = Health {
                    generation: serving.generation,
                    model_version: serving.active.version(),
                    ..Health::default()
                };
                let model_version = serving.shadow.as_ref().map(|shadow| shadow.version());
                sums.shadow = Shadow { model_version, ..Shadow::default() };
            }
            sums.parcels += 1;
            self.score(&serving, &mut parcel, &mut desk, &mut sums);
            let now_us = self.clock.monotonic_us();
            let records = parcel.events.records.len() as u64;
            sums.latency.add(now_us.saturating_sub(parcel.metered_us), records);
            sums.health.latency.add(now_us.saturating_sub(parcel.metered_us), records);
            parcel.serving = Some(serving);
            parcel.scored_us = now_us;
            self.shared.records_waiting.fetch_sub(records, Ordering::Relaxed);
            self.shared.scorers[self.number].store(Arc::new(sums));
            if self.to_recorder.send(parcel).is_err() {
                return;
            }
        }
    }

    fn score(&self, serving: &Serving, parcel: &mut Parcel, desk: &mut ScoringDesk, sums: &mut ScorerSums) {
        serving.score_batch(&parcel.events.records, desk, &mut parcel.scores);
        for (record, scored) in parcel.events.records.iter().zip(&parcel.scores) {
            if record.end_reason.is_some() {
                sums.scored += 1;
                note(&mut sums.health, scored);
            } else {
                sums.provisional += 1;
            }
        }
        let Some(shadow) = &serving.shadow else { return };
        let finals = |(record, _): &(&FlowRecord, &Scored)| record.end_reason.is_some();
        let scored = parcel.events.records.iter().zip(&parcel.scores).filter(finals);
        if self.shared.records_waiting.load(Ordering::Relaxed) > self.shadow_records_max {
            sums.shadow.shed += scored.count() as u64;
            return;
        }
        for (record, active) in scored {
            let other = serving.judge(shadow, record);
            let (row, column) = (active.prediction.category.index(), other.prediction.category.index());
            sums.shadow.agreement[row][column] += 1;
            sums.shadow.scored += 1;
        }
    }
}

/// Counts a final verdict of the active model.
fn note(health: &mut Health, scored: &Scored) {
    let score = scored.prediction.score;
    health.scored += 1;
    health.by_category[scored.prediction.category.index()] += 1;
    if (0.0..=1.0).contains(&score) {
        let bins = health.score_bins.len();
        health.score_bins[((score * bins as f64) as usize).min(bins - 1)] += 1;
        health.score_sum += score;
    } else {
        health.unsound += 1;
    }
}
