//! One JSON object a line: `type` says which of flow, alert and incident it is.

use flowmeter::EventKind;
use model::schema::FEATURES;
use serde_json::{Map, Value, json};

use super::{FlowRow, RunColumns, binary};
use crate::detection::{Detection, Incident, Technique};

/// Appends a flow.
pub(super) fn flow(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let record = row.record;
    let (src, dst) = (record.initiator(), record.responder());
    let category = row.verdict.category();
    let features: Map<String, Value> = FEATURES
        .iter()
        .zip(record.features())
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    let mut object = json!({
        "type": "flow",
        "uid": record.uid(&columns.sensor_id).to_string(),
        "segment": record.segment,
        "flow_id": record.flow_id(),
        "community_id": record.community_id(),
        "src_ip": src.address,
        "src_port": src.port,
        "dst_ip": dst.address,
        "dst_port": dst.port,
        "protocol": record.key.protocol(),
        "vlan": record.vlan,
        "start_us": record.start_us,
        "end_us": record.end_us,
        "end_reason": record.end_reason.map(|reason| reason.as_str()),
        "fwd_packets": record.forward.packets,
        "bwd_packets": record.backward.packets,
        "fwd_bytes": record.forward.bytes,
        "bwd_bytes": record.backward.bytes,
        "features": features,
        "prediction": binary(category),
        "category": category.as_str(),
        "score": row.scored.prediction.score,
        "novelty": row.scored.novelty,
        "model_version": columns.model_version,
    });
    if let (true, Some(truth)) = (columns.with_truth, row.truth) {
        object["true_label"] = json!(binary(truth));
        object["true_category"] = json!(truth.as_str());
    }
    if columns.with_provisional {
        object["provisional"] = match row.stage {
            EventKind::Snapshot(n) => json!(format!("snapshot_{n}")),
            EventKind::Closed => json!("closed"),
            _ => Value::Null,
        };
    }
    push(line, &object);
}

/// Appends an incident's alerts and the incident.
pub(super) fn incident(line: &mut Vec<u8>, incident: &Incident, model_version: u64) {
    for alert in &incident.alerts {
        push(line, &alert_object(alert, &incident.id, model_version));
    }
    push(line, &incident_object(incident));
}

/// An alert as interfaces show it.
pub fn alert_object(alert: &Detection, incident: &str, model_version: u64) -> Value {
    json!({
        "type": "alert",
        "id": alert.id,
        "incident": incident,
        "opinion": alert.opinion.as_str(),
        "category": alert.category.as_str(),
        "technique": Technique::of_opinion(alert.opinion, alert.category).map(technique_object),
        "score": alert.score,
        "confidence": alert.confidence,
        "novelty": alert.novelty,
        "src_ip": alert.source,
        "src_port": alert.source_port,
        "dst_ip": alert.target,
        "dst_port": alert.target_port,
        "protocol": alert.protocol,
        "first_us": alert.first_us,
        "last_us": alert.last_us,
        "provisional": alert.provisional,
        "revised": alert.revised,
        "reasons": alert.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "model_version": model_version,
    })
}

/// An incident as interfaces show it.
pub fn incident_object(incident: &Incident) -> Value {
    let (sources, targets, ports) =
        (incident.sources.count(), incident.targets.count(), incident.ports.count());
    json!({
        "type": "incident",
        "id": incident.id,
        "category": incident.scope.category.as_str(),
        "severity": incident.severity().as_str(),
        "behaviour": incident.by_behaviour.map(|kind| kind.as_str()),
        "technique": incident.technique().map(technique_object),
        "src_ip": incident.source(),
        "dst_ip": incident.target(),
        "dst_port": incident.port(),
        "sources": sources.0,
        "targets": targets.0,
        "ports": ports.0,
        "first_us": incident.first_us,
        "last_us": incident.last_us,
        "shown_us": incident.shown_us,
        "detections": incident.detections,
        "flows": incident.flows,
        "alerts": incident.alerts.len(),
        "revised": incident.is_revised(),
        "score": incident.score,
        "witnesses": incident.witnesses,
        "reasons": incident.reasons().iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

/// A MITRE ATT&CK technique as interfaces show it.
fn technique_object(technique: Technique) -> Value {
    json!({
        "id": technique.id,
        "name": technique.name,
        "tactic_id": technique.tactic_id,
        "tactic": technique.tactic,
    })
}

fn push(line: &mut Vec<u8>, object: &Value) {
    line.extend_from_slice(object.to_string().as_bytes());
    line.push(b'\n');
}
