//! One flow with everything that explains it: features beside what is normal, contributions, its life, what people said.

use model::schema::{FEATURES, N_FEATURES};
use serde::Serialize;
use store::record::{FlowId, Judgement};
use utoipa::ToSchema;

use super::Service;
use super::answers::{Alert, Flow, Incident};
use super::labels::LabelEntry;
use crate::control::Refusal;

/// One feature of one vector.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it added to the score (positive: speaks for attack); none when the model that scored is not at work any more.
    pub contribution: Option<f64>,
    /// Where the value lies in the model's training data, from 0 (least) to 1 (greatest).
    pub rank: f64,
    /// Quantiles of the training data, at `probabilities`.
    pub quantiles: Vec<f64>,
}

/// A vector of a flow while it ran.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Snapshot {
    /// Packets it had; 0 when it had closed and lingered.
    pub packets: u32,
    /// Its last packet then, microseconds since the epoch.
    pub at_us: u64,
    /// `benign`, or the category of attack.
    pub category: String,
    /// 1 - P(benign).
    pub score: f64,
    /// Probability of the category.
    pub confidence: f64,
    /// How unlike benign traffic it was.
    pub novelty: Option<f64>,
    /// Serial of the model.
    pub model_version: u64,
    /// The features then, in the order of the schema.
    pub features: [f64; N_FEATURES],
}

/// A flow and why it was judged so.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FlowDetail {
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
    /// Schema id of the features.
    pub schema: String,
    /// The features, in the order of the schema.
    pub features: Vec<Feature>,
    /// Probabilities of the quantiles.
    pub probabilities: Vec<f64>,
    /// `base` + the contributions = `score`, within 1e-6.
    pub base: Option<f64>,
    /// The vectors of its life, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// What was said of it, oldest first; the last one counts.
    pub labels: Vec<LabelEntry>,
}

/// An alert, and the flow it is about when that has ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// Its flow; none while it runs, and for the alert of a behaviour counter.
    pub flow: Option<FlowDetail>,
    /// The vectors of the flow so far, oldest first.
    pub snapshots: Vec<Snapshot>,
    /// What was said of it, oldest first; the last one counts.
    pub labels: Vec<LabelEntry>,
}

/// An incident and its alerts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct IncidentDetail {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Its alerts, newest first, at most 100; `/api/v1/alerts?incident=` pages through all.
    pub shown: Vec<Alert>,
}

impl Service {
    /// The flow of that id.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub fn flow(&self, id: &str) -> Result<FlowDetail, Refusal> {
        let name = id.parse::<FlowId>().map_err(|e| Refusal::not_found(format!("{e}")))?;
        let found = self.readers.read(|reader| {
            let Some(flow) = reader.flow(&name.to_string())? else { return Ok(None) };
            let (snapshots, labels) = (reader.snapshots(name)?, reader.labels_of(&name.to_string())?);
            Ok(Some((flow, snapshots, labels)))
        })?;
        let (stored, snapshots, labels) = found.ok_or_else(|| {
            Refusal::not_found(format!(
                "there is no flow {name} in the store; it may have made room, or not have ended yet"
            ))
        })?;
        let row = &stored.row;
        let serving = self.slot().load();
        let manifest = serving.active.artifact().manifest();
        let same_model = manifest.serial == row.judgement.model_version;
        let explanation = same_model.then(|| serving.active.artifact().explain(&row.features));
        let reference = &manifest.quantiles;
        let features = FEATURES
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let quantiles = reference.features.get(index).cloned().unwrap_or_default();
                Feature {
                    name,
                    value: row.features[index],
                    contribution: explanation.as_ref().map(|e| e.contributions[index]),
                    rank: reference.rank(&quantiles, row.features[index]),
                    quantiles,
                }
            })
            .collect();
        Ok(FlowDetail {
            flow: Flow::of(&stored),
            schema: row.schema.clone(),
            features,
            probabilities: reference.probabilities.clone(),
            base: explanation.map(|e| e.base),
            snapshots: snapshots.into_iter().map(snapshot).collect(),
            labels: labels.into_iter().map(LabelEntry::from).collect(),
        })
    }

    /// The alert of that id.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub fn alert(&self, id: &str) -> Result<AlertDetail, Refusal> {
        let filter = store::Filter { id: Some(id.to_owned()), ..store::Filter::default() };
        let found = self.readers.read(|reader| {
            let alert = reader.alerts(&filter, None, 1)?.rows.into_iter().next();
            let snapshots = match id.parse() {
                Ok(name) if alert.is_some() => reader.snapshots(name)?,
                _ => Vec::new(),
            };
            Ok(alert.map(|alert| (alert, snapshots)))
        })?;
        let (stored, snapshots) =
            found.ok_or_else(|| Refusal::not_found(format!("there is no alert {}", short(id))))?;
        let labels = self.readers.read(|reader| reader.labels_of(id))?;
        Ok(AlertDetail {
            alert: stored.into(),
            flow: self.flow(id).ok(),
            snapshots: snapshots.into_iter().map(snapshot).collect(),
            labels: labels.into_iter().map(LabelEntry::from).collect(),
        })
    }

    /// The incident of that id.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub fn incident(&self, id: &str) -> Result<IncidentDetail, Refusal> {
        let filter = store::Filter { id: Some(id.to_owned()), ..store::Filter::default() };
        let of_it = store::Filter { incident: Some(id.to_owned()), ..store::Filter::default() };
        let found = self.readers.read(|reader| {
            let incident = reader.incidents(&filter, None, 1)?.rows.into_iter().next();
            let alerts = if incident.is_some() { reader.alerts(&of_it, None, 100)?.rows } else { Vec::new() };
            Ok(incident.map(|incident| (incident, alerts)))
        })?;
        let (stored, alerts) =
            found.ok_or_else(|| Refusal::not_found(format!("there is no incident {}", short(id))))?;
        Ok(IncidentDetail { incident: stored.into(), shown: alerts.into_iter().map(Alert::from).collect() })
    }
}

fn snapshot(row: store::record::SnapshotRow) -> Snapshot {
    let Judgement { category, score, confidence, novelty, model_version } = row.judgement;
    Snapshot {
        packets: row.packets,
        at_us: row.at_us,
        category,
        score,
        confidence,
        novelty,
        model_version,
        features: row.features,
    }
}

pub(super) fn short(text: &str) -> String {
    text.chars().take(64).collect()
}
