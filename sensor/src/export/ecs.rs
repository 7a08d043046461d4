//! The Elastic Common Schema: flows, alerts and incidents under the field names that Elastic's own detections and dashboards
//! look for (`docs/ecs.md` has the table). What it has no field for is in the object `taphound`.

use flowmeter::{Context, ContextKind};
use model::Category;
use serde_json::{Map, Value, json};

use super::calendar::ecs_time;
use super::eve::has_ports;
use super::{FlowRow, RunColumns, binary, ip_bytes, protocol};
use crate::detection::{Detection, Incident, Opinion, Severity, Technique};

/// The version of the schema whose fields these are.
const VERSION: &str = "9.4.0";

/// Appends a flow.
pub(crate) fn flow(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let record = row.record;
    let (source, target, number) = (record.initiator(), record.responder(), record.key.protocol());
    let category = row.verdict.category();
    let (sent, answered) = (&record.forward, &record.backward);
    let mut event = common("flow", record.end_us, columns);
    let attack = category != Category::Benign;
    merge(
        &mut event,
        json!({
            "event": {
                "kind": if attack { "alert" } else { "event" },
                "category": if attack { json!(["network", "intrusion_detection"]) } else { json!(["network"]) },
                "type": if attack { json!(["connection", "end", "info"]) } else { json!(["connection", "end"]) },
                "action": "flow",
                "id": record.uid(&columns.sensor_id).to_string(),
                "start": ecs_time(record.start_us),
                "end": ecs_time(record.end_us),
                "duration": (record.end_us - record.start_us) * 1_000,
                "risk_score": 100.0 * row.scored.prediction.score,
            },
            "source": {"ip": source.address, "address": source.address, "packets": sent.packets, "bytes": ip_bytes(sent)},
            "destination": {
                "ip": target.address, "address": target.address, "packets": answered.packets, "bytes": ip_bytes(answered),
            },
            "network": {
                "community_id": record.community_id(),
                "packets": sent.packets + answered.packets,
                "bytes": ip_bytes(sent) + ip_bytes(answered),
            },
            "related": {"ip": addresses([Some(source.address), Some(target.address)])},
            "taphound": {
                "segment": record.segment,
                "end_reason": record.end_reason.map(|reason| reason.as_str()),
                "prediction": binary(category),
                "category": category.as_str(),
                "score": row.scored.prediction.score,
                "novelty": row.scored.novelty,
                "model_version": columns.model_version,
                "true_category": row.truth.map(Category::as_str),
            },
        }),
    );
    describe_network(&mut event, number, source.address.is_ipv4());
    if let Some(vlan) = record.vlan {
        event["network"]["vlan"] = json!({"id": vlan.to_string()});
    }
    if has_ports(number) {
        event["source"]["port"] = json!(source.port);
        event["destination"]["port"] = json!(target.port);
    }
    if let Some(context) = row.context {
        let (name, protocol, field) = named(context);
        event["network"]["protocol"] = json!(protocol);
        merge(&mut event, field);
        event["destination"]["domain"] =
            if context.kind() == ContextKind::DnsName { Value::Null } else { json!(name) };
    }
    push(line, event);
}

/// Appends an incident's alerts and the incident.
pub(super) fn incident(line: &mut Vec<u8>, incident: &Incident, columns: &RunColumns) {
    for alert in &incident.alerts {
        self::alert(line, alert, incident, columns);
    }
    whole_incident(line, incident, columns);
}

/// Appends one alert.
pub(crate) fn alert(line: &mut Vec<u8>, alert: &Detection, incident: &Incident, columns: &RunColumns) {
    let mut event = common("alert", alert.last_us, columns);
    let reasons: Vec<String> = alert.reasons.iter().map(ToString::to_string).collect();
    let by = match alert.opinion {
        Opinion::Forest => "flow classified".to_owned(),
        Opinion::Behaviour(kind) => kind.as_str().replace('_', " "),
    };
    merge(&mut event, warning(incident, alert.score, (alert.first_us, alert.last_us)));
    merge(
        &mut event,
        json!({
            "message": format!("{} ({by})", alert.category.as_str()),
            "event": {"action": "detection", "id": alert.id, "reason": text(&reasons)},
            "rule": {
                "id": alert.opinion.as_str(),
                "name": format!("{} ({by})", alert.category.as_str()),
                "category": alert.category.as_str(),
                "ruleset": "taphound",
                "version": columns.model_version.to_string(),
            },
            "source": {"ip": alert.source, "address": alert.source},
            "destination": {"ip": alert.target, "address": alert.target},
            "related": {"ip": addresses([alert.source, alert.target])},
            "taphound": {
                "incident": incident.id,
                "opinion": alert.opinion.as_str(),
                "category": alert.category.as_str(),
                "score": alert.score,
                "confidence": alert.confidence,
                "novelty": alert.novelty,
                "provisional": alert.provisional,
                "revised": alert.revised,
                "reasons": reasons,
                "model_version": columns.model_version,
            },
        }),
    );
    let address = alert.source.or(alert.target);
    describe_network(&mut event, alert.protocol, address.is_none_or(|ip| ip.is_ipv4()));
    if has_ports(alert.protocol) {
        event["source"]["port"] = json!(alert.source_port);
        event["destination"]["port"] = json!(alert.target_port);
    }
    describe_threat(&mut event, Technique::of_opinion(alert.opinion, alert.category));
    push(line, event);
}

/// Appends an incident as it stands.
pub(crate) fn whole_incident(line: &mut Vec<u8>, incident: &Incident, columns: &RunColumns) {
    let mut event = common("incident", incident.last_us, columns);
    let category = incident.scope.category;
    let reasons: Vec<String> = incident.reasons().iter().map(ToString::to_string).collect();
    merge(&mut event, warning(incident, incident.score, (incident.first_us, incident.last_us)));
    merge(
        &mut event,
        json!({
            "message": format!("{} incident", category.as_str()),
            "event": {"action": "incident", "id": incident.id, "reason": text(&reasons)},
            "source": {"ip": incident.source(), "address": incident.source()},
            "destination": {"ip": incident.target(), "address": incident.target(), "port": incident.port()},
            "related": {"ip": addresses([incident.source(), incident.target()])},
            "taphound": {
                "incident": incident.id,
                "category": category.as_str(),
                "score": incident.score,
                "detections": incident.detections,
                "flows": incident.flows,
                "revised": incident.is_revised(),
                "reasons": reasons,
                "witnesses": incident.witnesses,
                "model_version": columns.model_version,
            },
        }),
    );
    describe_threat(&mut event, incident.technique());
    push(line, event);
}

/// What every event has.
fn common(dataset: &str, at_us: u64, columns: &RunColumns) -> Value {
    json!({
        "@timestamp": ecs_time(at_us),
        "ecs": {"version": VERSION},
        "event": {"module": "taphound", "dataset": format!("taphound.{dataset}"), "provider": "taphound"},
        "observer": {
            "vendor": "Taphound",
            "product": "taphound",
            "type": "ids",
            "name": columns.sensor_id,
            "version": env!("CARGO_PKG_VERSION"),
        },
    })
}

/// What an alert and an incident have alike. Severities are Elastic's own: 21 low, 47 medium, 73 high.
fn warning(incident: &Incident, score: f64, (first_us, last_us): (u64, u64)) -> Value {
    let severity = match incident.severity() {
        Severity::Low => 21,
        Severity::Medium => 47,
        Severity::High => 73,
    };
    json!({
        "event": {
            "kind": "alert",
            "category": ["network", "intrusion_detection"],
            "type": ["info"],
            "start": ecs_time(first_us),
            "end": ecs_time(last_us),
            "duration": last_us.saturating_sub(first_us) * 1_000,
            "severity": severity,
            "risk_score": 100.0 * score,
        },
    })
}

fn describe_network(event: &mut Value, number: u8, v4: bool) {
    let transport = match number {
        protocol::ICMP => "icmp",
        protocol::TCP => "tcp",
        protocol::UDP => "udp",
        protocol::ICMPV6 => "ipv6-icmp",
        protocol::SCTP => "sctp",
        2 => "igmp",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        _ => "",
    };
    let transport = (!transport.is_empty()).then_some(transport);
    let network = json!({"network": {
        "transport": transport,
        "iana_number": number.to_string(),
        "type": if v4 { "ipv4" } else { "ipv6" },
    }});
    merge(event, network);
}

fn describe_threat(event: &mut Value, technique: Option<Technique>) {
    if let Some(technique) = technique {
        event["threat"] = json!({
            "framework": "MITRE ATT&CK",
            "tactic": {"id": [technique.tactic_id], "name": [technique.tactic]},
            "technique": {"id": [technique.id], "name": [technique.name]},
        });
    }
}

/// A name of the first payload, the protocol that it came in, and the field of that protocol.
fn named(context: &Context) -> (&str, &'static str, Value) {
    let name = context.name();
    match context.kind() {
        ContextKind::TlsServerName => (name, "tls", json!({"tls": {"client": {"server_name": name}}})),
        ContextKind::DnsName => (name, "dns", json!({"dns": {"question": {"name": name}}})),
        ContextKind::HttpHost => (name, "http", json!({"url": {"domain": name}})),
    }
}

fn addresses<const N: usize>(ends: [Option<std::net::IpAddr>; N]) -> Vec<std::net::IpAddr> {
    let mut found: Vec<_> = ends.into_iter().flatten().collect();
    found.dedup();
    found
}

fn text(reasons: &[String]) -> Option<String> {
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Adds fields to an object, object by object.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (name, value) in more {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// A field without a value is not there.
fn without_nothing(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Object(fields) => {
            let fields: Map<String, Value> = fields
                .into_iter()
                .filter_map(|(name, value)| Some((name, without_nothing(value)?)))
                .collect();
            (!fields.is_empty()).then_some(Value::Object(fields))
        }
        Value::Array(items) if items.is_empty() => None,
        other => Some(other),
    }
}

fn push(line: &mut Vec<u8>, event: Value) {
    // Writing into memory cannot fail, and no map has a key that is not text.
    let _ = serde_json::to_writer(&mut *line, &without_nothing(event));
    line.push(b'\n');
}
