//! The recorder of a running sensor: judges every event, offers rows to the writer and news to the feed, and never waits.

mod hearing;
mod outlets;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowmeter::{Context, EventKind, FlowEvent, FlowRecord};
use model::Category;
use serde_json::json;
use store::record::{AlertRow, Batch, FlowId, Judgement, LogItem, LogRow, OutboxKind, Settled};

pub use outlets::{EveOutlet, Outlets};

use super::{detection_row, incident_row};
use crate::detection::budget::BudgetState;
use crate::detection::detector::{Change, Opinionated};
use crate::detection::policy::Verdict;
use crate::detection::{Detection, Detector, Incident, Reason, Severity};
use crate::export::{self, FlowRow, RunColumns};
use crate::fault::Fault;
use crate::feed::{Notice, Topic};
use crate::pipeline::Recorder;
use crate::scoring::Scored;
use crate::slot::Serving;
use crate::suppression::Subject;
use crate::writer::{flow_row, judgement, snapshot_row};

/// What the recorder counts.
#[derive(Debug, Default)]
pub struct Found {
    /// Alerts shown.
    pub alerts: AtomicU64,
    /// The same by category, each at its [`Category::index`].
    pub alerts_by_category: [AtomicU64; Category::COUNT],
    /// Alerts that a suppression hid.
    pub suppressed: AtomicU64,
    /// Incidents.
    pub incidents: AtomicU64,
    /// Flows that were not kept, for there were more than are kept a second.
    pub flows_not_kept: AtomicU64,
}

/// Judges, and offers rows and news.
pub struct LiveDesk {
    outlets: Outlets,
    detector: Detector,
    serving: Arc<Serving>,
    found: Arc<Found>,
    batch: Batch,
    /// Flows that have not ended and that the forest called an attack at some point.
    alerted: HashSet<FlowId>,
    budget: Budget,
    alerted_budget: Budget,
    predictions: Budget,
    told: HashMap<String, Told>,
    now_us: u64,
    kept: (u64, BudgetState),
    has_memory: bool,
    eve_lines: Vec<u8>,
    columns: RunColumns,
}

/// What listeners know of an incident.
struct Told {
    at_us: u64,
    severity: Severity,
    /// Rules of another engine that speak of it.
    witnesses: usize,
}

/// Where the store keeps what the alert budget has to remember.
pub const BUDGET_STATE: &str = "detection.budget";
/// It is kept so often, in capture time.
const KEEP_EVERY_US: u64 = 10_000_000;
/// Predictions told a second of capture time; the rest is only counted.
const PREDICTIONS_PER_SECOND: u32 = 200;
/// An incident's changes are told no more often.
const INCIDENT_EVERY_US: u64 = 1_000_000;
/// A flood's flows are alike: so many times the plain ones are kept a second.
const ALERTED_TIMES: u32 = 4;
/// Flows at once whose early verdict is remembered.
const ALERTED_MAX: usize = 65_536;
/// Incidents whose telling is remembered.
const TOLD_MAX: usize = 8192;

impl LiveDesk {
    /// A desk with what it says goes to.
    #[must_use]
    pub fn new(outlets: Outlets, detector: Detector, serving: Arc<Serving>, found: Arc<Found>) -> Self {
        let columns = RunColumns {
            sensor_id: outlets.sensor_id.clone(),
            model_version: serving.active.version(),
            with_truth: false,
            with_provisional: false,
        };
        Self {
            budget: Budget::new(outlets.flows_per_second),
            alerted_budget: Budget::new(outlets.flows_per_second.saturating_mul(ALERTED_TIMES)),
            predictions: Budget::new(PREDICTIONS_PER_SECOND),
            kept: (0, detector.incidents().budget().state().clone()),
            outlets,
            detector,
            serving,
            found,
            batch: Batch::default(),
            alerted: HashSet::new(),
            told: HashMap::new(),
            has_memory: true,
            now_us: 0,
            eve_lines: Vec::new(),
            columns,
        }
    }

    /// The same, and what the alert budget learns here is forgotten: what it judges is no traffic.
    #[must_use]
    pub fn without_memory(mut self) -> Self {
        self.has_memory = false;
        self
    }

    fn flow_id(&self, record: &FlowRecord) -> FlowId {
        FlowId { uid: *record.uid(&self.outlets.sensor_id).as_bytes(), segment: record.segment }
    }

    fn judgement(&self, scored: &Scored, verdict: Verdict) -> Judgement {
        judgement(scored, verdict.category().as_str(), self.serving.active.version())
    }

    /// A final record becomes a row, unless there are too many and nobody will ask for it.
    fn keep_flow(
        &mut self,
        record: &FlowRecord,
        context: Option<&Context>,
        scored: &Scored,
        verdict: Verdict,
    ) {
        let attack = verdict != Verdict::Benign;
        let id = self.flow_id(record);
        let alerted = self.alerted.remove(&id) || attack;
        let budget = if alerted { &mut self.alerted_budget } else { &mut self.budget };
        if !budget.allows(self.now_us) {
            self.found.flows_not_kept.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let row =
            flow_row(&self.outlets.sensor_id, record, context, self.judgement(scored, verdict), alerted);
        if let Some(share) = self.outlets.outbox_share
            && (alerted || fraction(&id) < share)
        {
            let kind = if alerted { OutboxKind::Alert } else { OutboxKind::Flow };
            let item = LogItem::of(&row, &self.outlets.sensor_id, &model::schema::FEATURES);
            self.batch.log.push(LogRow { kind, item });
        }
        self.batch.flows.push(row);
    }

    fn tell_prediction(&mut self, record: &FlowRecord, scored: &Scored, verdict: Verdict) {
        if verdict == Verdict::Benign && !self.predictions.allows(self.now_us) {
            return;
        }
        let category = verdict.category();
        self.outlets.telling.tell(Notice {
            topic: Topic::Prediction,
            severity: None,
            body: json!({
                "flow_id": record.flow_id(),
                "uid": record.uid(&self.outlets.sensor_id).to_string(),
                "prediction": export::binary(category),
                "category": category.as_str(),
                "confidence": scored.prediction.confidence,
                "score": scored.prediction.score,
                "sampled": 1.0 / self.predictions.thinning(),
            }),
        });
    }

    /// Takes what the detector has changed to the store and to listeners.
    fn pass_on(&mut self) {
        self.hear();
        let version = self.serving.active.version();
        for change in self.detector.take_changes() {
            match change {
                Change::Detected { detection, incident, folded } => {
                    self.batch.detections.push(detection_row(detection, incident, folded, version));
                }
                Change::Settled { id, last_us, score } => {
                    if let Some(watch) = self.outlets.watch.as_mut().filter(|_| score.is_none()) {
                        watch.clear(&id);
                    }
                    self.batch.settled.push(Settled { id, last_us, score });
                }
            }
        }
        let mut changed = Vec::new();
        let merged = self.detector.incidents_mut().take_changes(|incident| changed.push(incident.clone()));
        for incident in &changed {
            self.batch.incidents.push(incident_row(incident));
            self.tell_incident(incident);
            self.watch_incident(incident);
        }
        if let Some(watch) = &mut self.outlets.watch {
            watch.pass_on();
        }
        for (from, _) in &merged {
            self.told.remove(from);
        }
        self.batch.merged.extend(merged);
        self.outlets.writer.offer(std::mem::take(&mut self.batch));
        if let Some(eve) = &self.outlets.eve
            && !self.eve_lines.is_empty()
        {
            eve.file.write(std::mem::take(&mut self.eve_lines));
        }
    }

    /// What the burn-in learns outlives the process.
    fn keep_budget(&mut self) {
        let state = self.detector.incidents().budget().state();
        if !self.has_memory || *state == self.kept.1 {
            return;
        }
        self.kept = (self.now_us, state.clone());
        let bytes = serde_json::to_vec(state).unwrap_or_default();
        self.outlets
            .writer
            .ask(move |store, now_us| store.note_setting(BUDGET_STATE, &bytes, now_us), |_| {});
    }

    /// New alerts at once; the incident itself when it is new, graver, or was not told of for a while.
    fn tell_incident(&mut self, incident: &Incident) {
        let severity = incident.severity();
        let known = self.told.get(&incident.id);
        let witnesses = incident.witnesses.len();
        let another = witnesses > known.map_or(0, |told| told.witnesses);
        let due = known.is_none_or(|told| {
            another || severity > told.severity || self.now_us.saturating_sub(told.at_us) >= INCIDENT_EVERY_US
        });
        if known.is_none() {
            self.found.incidents.fetch_add(1, Ordering::Relaxed);
            if self.told.len() >= TOLD_MAX {
                // The oldest half is over, or nearly.
                let mut times: Vec<u64> = self.told.values().map(|told| told.at_us).collect();
                times.sort_unstable();
                let median = times[times.len() / 2];
                self.told.retain(|_, told| told.at_us > median);
            }
        }
        for alert in incident.untold() {
            self.tell_alert(alert, incident, severity);
        }
        let at_us = if due { self.now_us } else { known_at(&self.told, &incident.id) };
        self.told.insert(incident.id.clone(), Told { at_us, severity, witnesses });
        if let Some(eve) = self.outlets.eve.as_ref().filter(|_| another) {
            eve.witnesses(&mut self.eve_lines, incident, &self.columns);
        }
        if due {
            let body = export::incident_object(incident);
            self.outlets.telling.tell(Notice { topic: Topic::Incident, severity: Some(severity), body });
        }
    }

    /// What people are shown may be stopped; what a suppression hides may not, and what was taken back is let through.
    fn watch_incident(&mut self, incident: &Incident) {
        let Some(watch) = &mut self.outlets.watch else { return };
        if incident.is_revised() {
            watch.clear(&incident.id);
            return;
        }
        let hidden = self.outlets.suppressions.hides(&Subject {
            src: incident.source(),
            dst: incident.target(),
            port: incident.port(),
            category: incident.scope.category.as_str(),
            at_us: self.now_us,
        });
        if incident.is_shown() && hidden.is_none() {
            watch.suspect(incident, self.now_us);
        }
    }

    fn tell_alert(&mut self, alert: &Detection, incident: &Incident, severity: Severity) {
        let suppression = self.outlets.suppressions.hides(&Subject {
            src: alert.source,
            dst: alert.target,
            port: alert.target_port,
            category: alert.category.as_str(),
            at_us: self.now_us,
        });
        self.batch.alerts.push(AlertRow {
            id: alert.id.clone(),
            shown_us: self.now_us,
            severity: severity_of(severity),
            suppression,
        });
        if let Some(id) = suppression {
            self.found.suppressed.fetch_add(1, Ordering::Relaxed);
            match self.batch.hits.iter_mut().find(|(hit, _)| *hit == id) {
                Some((_, hits)) => *hits += 1,
                None => self.batch.hits.push((id, 1)),
            }
            return;
        }
        self.found.alerts.fetch_add(1, Ordering::Relaxed);
        self.found.alerts_by_category[alert.category.index()].fetch_add(1, Ordering::Relaxed);
        let version = self.columns.model_version;
        let mut body = export::alert_object(alert, &incident.id, version);
        body["severity"] = severity.as_str().into();
        self.outlets.telling.tell(Notice { topic: Topic::Alert, severity: Some(severity), body });
        if let Some(eve) = &self.outlets.eve {
            eve.alert(&mut self.eve_lines, alert, incident, &self.columns);
        }
    }
}

impl Recorder for LiveDesk {
    fn event(
        &mut self,
        event: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        context: Option<&Context>,
    ) -> Result<(), Fault> {
        self.now_us = self.now_us.max(event.time_us);
        let serving = &self.serving;
        let opinion = scored.map(|(record, scored)| Opinionated { record, scored, name: context });
        let verdict = self.detector.observe(event, opinion, &|record| {
            serving.active.reasons(record).into_iter().map(Reason::Contribution).collect()
        });
        if let Some(watch) = &mut self.outlets.watch {
            let record = scored.map(|(record, _)| record);
            let suspect = record.filter(|record| verdict != Verdict::Benign && record.segment == 0);
            watch.observe(event, record, suspect.map(|r| r.uid(&self.outlets.sensor_id).to_string()));
            if let Some((_, scored)) = scored {
                let attack = (verdict != Verdict::Benign).then(|| verdict.category());
                watch.judged(event, attack, scored.prediction.score);
            }
        }
        let Some((record, scored)) = scored else {
            return Ok(());
        };
        let ended = matches!(event.kind, EventKind::Ended(_));
        if verdict != Verdict::Benign && !ended && self.alerted.len() < ALERTED_MAX {
            self.alerted.insert(self.flow_id(record));
        }
        match event.kind {
            EventKind::Ended(_) => {
                let forest = &scored.prediction;
                self.outlets.drift.observe(&record.features(), forest.score, forest.attack, self.now_us);
                self.keep_flow(record, context, scored, verdict);
                self.tell_prediction(record, scored, verdict);
                if let Some(eve) = self.outlets.eve.as_ref().filter(|eve| eve.flows) {
                    let row = FlowRow { record, context, stage: event.kind, scored, verdict, truth: None };
                    eve.flow(&mut self.eve_lines, &row, &self.columns);
                }
            }
            EventKind::Snapshot(packets) if self.budget.allows(self.now_us) => {
                let judgement = self.judgement(scored, verdict);
                self.batch.snapshots.push(snapshot_row(&self.outlets.sensor_id, record, packets, judgement));
            }
            _ => {}
        }
        Ok(())
    }

    fn batch_ended(&mut self) -> Result<(), Fault> {
        self.pass_on();
        self.outlets.drift.look(self.now_us);
        if self.now_us.saturating_sub(self.kept.0) >= KEEP_EVERY_US {
            self.keep_budget();
        }
        Ok(())
    }

    fn quiet(&mut self) -> Result<(), Fault> {
        self.outlets.drift.quiet();
        self.hear_in_quiet();
        Ok(())
    }

    fn serving_changed(&mut self, serving: &Arc<Serving>) {
        self.serving = Arc::clone(serving);
        self.columns.model_version = serving.active.version();
        self.outlets.drift.serving_changed(serving);
        self.tell_watch_of(serving);
    }
}

impl Drop for LiveDesk {
    fn drop(&mut self) {
        self.keep_budget();
    }
}

fn known_at(told: &HashMap<String, Told>, id: &str) -> u64 {
    told.get(id).map_or(0, |told| told.at_us)
}

fn severity_of(severity: Severity) -> store::record::Severity {
    match severity {
        Severity::Low => store::record::Severity::Low,
        Severity::Medium => store::record::Severity::Medium,
        Severity::High => store::record::Severity::High,
    }
}

/// Where a flow lies in a sample: spread evenly, the same for the same flow.
fn fraction(id: &FlowId) -> f64 {
    let head = u64::from_be_bytes(id.uid[..8].try_into().expect("eight bytes"));
    head as f64 / u64::MAX as f64
}

/// So many a second of capture time.
struct Budget {
    per_second: u32,
    second: u64,
    used: u32,
    asked: u32,
    thinning: f64,
}

impl Budget {
    fn new(per_second: u32) -> Self {
        Self { per_second, second: 0, used: 0, asked: 0, thinning: 1.0 }
    }

    fn allows(&mut self, now_us: u64) -> bool {
        let second = now_us / 1_000_000;
        if second != self.second {
            self.thinning = f64::from(self.asked.max(1)) / f64::from(self.used.max(1));
            (self.second, self.used, self.asked) = (second, 0, 0);
        }
        self.asked += 1;
        let allowed = self.used < self.per_second;
        self.used += u32::from(allowed);
        allowed
    }

    /// How many were asked for, for one that was allowed, in the second before.
    fn thinning(&self) -> f64 {
        self.thinning
    }
}

#[cfg(test)]
mod tests;
