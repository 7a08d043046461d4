//! The last stage: every event is judged, written where it belongs, and counted.

mod live;

pub use live::{BUDGET_STATE, EveOutlet, Found, LiveDesk, Outlets};

use flowmeter::{Context, EventKind, FlowEvent, FlowRecord};
use store::Store;
use store::record::{DetectionRow, IncidentRow, Settled};

use crate::detection::detector::{Change, Opinionated};
use crate::detection::witness::Heard;
use crate::detection::{Detection, Detector, Incident, Reason};
use crate::export::{Export, FlowRow};
use crate::fault::Fault;
use crate::pipeline::Recorder;
use crate::scoring::{Model, Scored};
use crate::truth::{Confusion, Truth};
use crate::versus::{Comparison, Versus};
use model::Category;

/// Where detections went. `made` is the detector's own count.
#[derive(Debug, Clone, Copy, Default)]
pub struct DetectionSums {
    /// In the store.
    pub stored: u64,
    /// The store refused them.
    pub store_failed: u64,
}

/// Judges and writes down a run.
pub struct Desk<'a> {
    model: &'a Model,
    detector: Detector,
    store: Store,
    export: Option<Export>,
    truth: Option<Truth>,
    confusion: Confusion,
    scored: u64,
    detections: DetectionSums,
    store_fault: Option<Fault>,
    /// The comparison with another model, and what goes into the uids of its examples.
    versus: Option<(Comparison<'a>, String)>,
}

/// What is left when a run is over.
pub struct Closed {
    /// The judgement of the run.
    pub detector: Detector,
    /// Truth against verdict, when there is ground truth.
    pub confusion: Option<Confusion>,
    /// Final records scored.
    pub scored: u64,
    /// Where detections went.
    pub detections: DetectionSums,
    /// The first thing that went wrong with the store. The run went on without it.
    pub store_fault: Option<Fault>,
    /// The same flows by another model.
    pub versus: Option<Versus>,
    /// The output file, to be finished when the run has been added up.
    pub export: Option<Export>,
}

impl<'a> Desk<'a> {
    /// A desk with everything a run writes to.
    #[must_use]
    pub fn new(
        model: &'a Model,
        detector: Detector,
        store: Store,
        export: Option<Export>,
        truth: Option<Truth>,
    ) -> Self {
        Self {
            model,
            detector,
            store,
            export,
            truth,
            confusion: Confusion::default(),
            scored: 0,
            detections: DetectionSums::default(),
            store_fault: None,
            versus: None,
        }
    }

    /// Holds every verdict against that of another model.
    #[must_use]
    pub fn versus(self, other: Option<&'a Model>, sensor_id: &str) -> Self {
        let versus = other.map(|other| (Comparison::new(self.model, other), sensor_id.to_owned()));
        Self { versus, ..self }
    }

    /// Another engine's alerts become witnesses of what was found: once everything was, so that nothing depends on how fast
    /// either came.
    pub fn corroborate(&mut self, heard: Vec<Heard>) {
        heard.into_iter().for_each(|alert| self.detector.incidents_mut().hear(alert));
    }

    /// Finishes the store.
    #[must_use]
    pub fn close(mut self) -> Closed {
        self.write_changes();
        Closed {
            detector: self.detector,
            confusion: self.truth.is_some().then_some(self.confusion),
            scored: self.scored,
            detections: self.detections,
            store_fault: self.store_fault,
            versus: self.versus.map(|(versus, _)| versus.summary()),
            export: self.export,
        }
    }

    /// Losing the store loses history, not the run: a failure is counted and told once.
    fn write_changes(&mut self) {
        let model_version = self.model.version();
        let (mut rows, mut settled) = (Vec::new(), Vec::new());
        for change in self.detector.take_changes() {
            match change {
                Change::Detected { detection, incident, folded } => {
                    rows.push(detection_row(detection, incident, folded, model_version));
                }
                Change::Settled { id, last_us, score } => settled.push(Settled { id, last_us, score }),
            }
        }
        let mut incidents = Vec::new();
        let moved =
            self.detector.incidents_mut().take_changes(|incident| incidents.push(incident_row(incident)));
        if rows.is_empty() && settled.is_empty() && incidents.is_empty() && moved.is_empty() {
            return;
        }
        let written = self.store.write(&rows, &incidents);
        let count = rows.len() as u64;
        *if written.is_ok() { &mut self.detections.stored } else { &mut self.detections.store_failed } +=
            count;
        let outcome = written
            .and_then(|()| self.store.settle(&settled))
            .and_then(|()| self.store.merge_incidents(&moved));
        if let (Err(e), None) = (outcome, &self.store_fault) {
            self.store_fault = Some(Fault::Io(e.to_string()));
        }
    }
}

impl Recorder for Desk<'_> {
    fn event(
        &mut self,
        event: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        context: Option<&Context>,
    ) -> Result<(), Fault> {
        let opinion = scored.map(|(record, scored)| Opinionated { record, scored, name: context });
        let verdict = self.detector.observe(event, opinion, &|record| {
            self.model.reasons(record).into_iter().map(Reason::Contribution).collect()
        });
        let Some((record, scored)) = scored else {
            return Ok(());
        };
        let truth = self.truth.as_ref().map(|truth| truth.category(record));
        if let EventKind::Ended(_) = event.kind {
            self.scored += 1;
            if let Some((versus, sensor_id)) = &mut self.versus {
                versus.add(&record.features(), scored, truth.map(Category::is_attack), || {
                    (record.uid(sensor_id).to_string(), record.flow_id().to_string())
                });
            }
            if let Some(truth) = truth {
                self.confusion.count(truth, verdict.category());
            }
        }
        if let Some(export) = &mut self.export {
            export.flow(&FlowRow { record, context, stage: event.kind, scored, verdict, truth })?;
        }
        Ok(())
    }

    fn batch_ended(&mut self) -> Result<(), Fault> {
        self.write_changes();
        Ok(())
    }
}

fn detection_row(detection: Detection, incident: String, folded: bool, model_version: u64) -> DetectionRow {
    DetectionRow {
        id: detection.id,
        opinion: detection.opinion.as_str().to_owned(),
        category: detection.category.as_str().to_owned(),
        score: detection.score,
        confidence: detection.confidence,
        novelty: detection.novelty,
        src_ip: detection.source.map(|ip| ip.to_string()),
        src_port: detection.source_port,
        dst_ip: detection.target.map(|ip| ip.to_string()),
        dst_port: detection.target_port,
        protocol: detection.protocol,
        first_us: detection.first_us,
        last_us: detection.last_us,
        provisional: detection.provisional,
        revised: detection.revised,
        folded,
        incident,
        reasons: detection.reasons.iter().map(ToString::to_string).collect(),
        model_version,
    }
}

fn incident_row(incident: &Incident) -> IncidentRow {
    IncidentRow {
        id: incident.id.clone(),
        category: incident.scope.category.as_str().to_owned(),
        severity: incident.severity().as_str().to_owned(),
        source: incident.source().map(|ip| ip.to_string()),
        target: incident.target().map(|ip| ip.to_string()),
        port: incident.port(),
        first_us: incident.first_us,
        last_us: incident.last_us,
        detections: incident.detections,
        alerts: incident.alerts.len() as u64,
        score: incident.score,
        revised: incident.is_revised(),
        reasons: incident.reasons().iter().map(ToString::to_string).collect(),
        witnesses: incident.witnesses.clone(),
    }
}
