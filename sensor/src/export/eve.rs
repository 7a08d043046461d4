//! EVE JSON, one object a line, with the fields of Suricata 7, so that its users' tools read it: `flow` for every final
//! record, then `alert`s (as they stand at the end, revised ones included), then one `stats`.
//!
//! Where ours is not what Suricata would have written:
//! - `bytes_toserver`, `bytes_toclient` are bytes of IP packets by their headers' lengths (IP header, layer-4 header,
//!   payload). Suricata counts captured frames: link header, padding and trailer too, and less of what was cut short.
//! - `flow_id` is taken from the uid: its first 51 bits, since Suricata keeps its own within 51 bits for JavaScript's sake.
//!   All segments of a flow have the same one.
//! - A flow that lasts longer than 120 s is written in segments (`taphound.segment`); one that was cut has the reason `forced`.
//! - `alerted` says that the flow's own final verdict is an attack.
//! - `app_proto` is there if a name was read from the first payload: `tls`, `dns`, `http`. Suricata knows many more.
//! - `icmp_code` is there for types that have no answer: elsewhere the key has the other side's type in its place.
//! - IPv6 addresses are written in their short form (RFC 5952).
//! - `tcp.state` is what flags and the reason of the end tell; there are no `ts_max_regions` and `tc_max_regions`.
//! - `alert.gid` is [`GENERATOR`], so that no `signature_id` is mistaken for a rule's. An alert about many sources, targets or
//!   ports has no such field.
//! - `event_type` `corroboration`: what other engines said of an incident (`docs/corroboration.md`).
//! - Everything that Suricata has no field for is in the object `taphound`.

use std::net::IpAddr;

use flowmeter::{Context, ContextKind, EndReason, FlowRecord, OneWay, TcpFlags, Uid};
use model::Category;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::calendar::eve_time;
use super::{FlowRow, RunColumns, binary, ip_bytes, protocol};
use crate::detection::{Detection, Incident, Opinion, Severity, Technique};
use crate::summary::Summary;

/// Generator id of our alerts. Suricata's rules have 1, its decoders and preprocessors numbers below 200.
pub(crate) const GENERATOR: u32 = 8_200;

#[derive(Serialize)]
struct FlowEvent<'a> {
    timestamp: String,
    flow_id: u64,
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    vlan: Option<[u16; 1]>,
    src_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    proto: String,
    #[serde(flatten)]
    icmp: Icmp,
    #[serde(skip_serializing_if = "Option::is_none")]
    app_proto: Option<&'a str>,
    flow: Flow<'a>,
    community_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<Tcp>,
    taphound: Verdict<'a>,
}

#[derive(Serialize, Default)]
struct Icmp {
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_icmp_type: Option<u16>,
}

#[derive(Serialize)]
struct Flow<'a> {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    start: String,
    end: String,
    age: u64,
    state: &'a str,
    reason: &'a str,
    alerted: bool,
}

#[derive(Serialize)]
struct Tcp {
    tcp_flags: String,
    tcp_flags_ts: String,
    tcp_flags_tc: String,
    #[serde(flatten)]
    flags: Map<String, Value>,
    state: &'static str,
}

#[derive(Serialize)]
struct Verdict<'a> {
    uid: String,
    segment: u32,
    end_reason: &'a str,
    prediction: &'a str,
    category: &'a str,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    novelty: Option<f64>,
    model_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    true_category: Option<&'a str>,
}

/// Appends a flow.
pub(crate) fn flow(line: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
    let record = row.record;
    let (src, dst, number) = (record.initiator(), record.responder(), record.key.protocol());
    let uid = record.uid(&columns.sensor_id);
    let is_icmp = matches!(number, protocol::ICMP | protocol::ICMPV6);
    let category = row.verdict.category();
    let event = FlowEvent {
        timestamp: eve_time(record.end_us),
        flow_id: flow_id(&uid),
        event_type: "flow",
        vlan: record.vlan.map(|vlan| [vlan]),
        src_ip: src.address,
        src_port: has_ports(number).then_some(src.port),
        dest_ip: dst.address,
        dest_port: has_ports(number).then_some(dst.port),
        proto: proto(number),
        icmp: if is_icmp { icmp(record) } else { Icmp::default() },
        app_proto: row.context.map(app_proto),
        flow: Flow {
            pkts_toserver: record.forward.packets,
            pkts_toclient: record.backward.packets,
            bytes_toserver: ip_bytes(&record.forward),
            bytes_toclient: ip_bytes(&record.backward),
            start: eve_time(record.start_us),
            end: eve_time(record.end_us),
            age: record.end_us / 1_000_000 - record.start_us / 1_000_000,
            state: state(record),
            reason: record.end_reason.map_or("unknown", reason),
            alerted: category != Category::Benign,
        },
        community_id: record.community_id(),
        tcp: (number == protocol::TCP).then(|| tcp(record)),
        taphound: Verdict {
            uid: uid.to_string(),
            segment: record.segment,
            end_reason: record.end_reason.map_or("", EndReason::as_str),
            prediction: binary(category),
            category: category.as_str(),
            score: row.scored.prediction.score,
            novelty: row.scored.novelty,
            model_version: columns.model_version,
            name: row.context.map(Context::name),
            true_category: row.truth.map(Category::as_str),
        },
    };
    push(line, &event);
}

/// Appends an incident's alerts.
pub(super) fn alerts(line: &mut Vec<u8>, incident: &Incident, model_version: u64) {
    for alert in &incident.alerts {
        self::alert(line, alert, incident, model_version);
    }
    if !incident.witnesses.is_empty() {
        witnesses(line, incident);
    }
}

/// Appends one alert.
pub(crate) fn alert(line: &mut Vec<u8>, alert: &Detection, incident: &Incident, model_version: u64) {
    push(line, &alert_event(alert, incident, model_version));
}

fn alert_event(alert: &Detection, incident: &Incident, model_version: u64) -> Value {
    let (id, words) = (alert.category.index(), class(alert.category));
    let (signature_id, by) = match alert.opinion {
        Opinion::Forest => (id, "flow classified".to_owned()),
        Opinion::Behaviour(kind) => (100 + id, kind.as_str().replace('_', " ")),
    };
    let mut event = json!({
        "timestamp": eve_time(alert.last_us),
        "event_type": "alert",
        "proto": proto(alert.protocol),
        "alert": {
            "action": "allowed",
            "gid": GENERATOR,
            "signature_id": signature_id,
            "rev": 1,
            "signature": format!("TAPHOUND {} ({by})", alert.category.as_str()),
            "category": words,
            "severity": match incident.severity() {
                Severity::High => 1,
                Severity::Medium => 2,
                Severity::Low => 3,
            },
        },
        "flow": {"start": eve_time(alert.first_us)},
        "taphound": {
            "id": alert.id,
            "opinion": alert.opinion.as_str(),
            "category": alert.category.as_str(),
            "score": alert.score,
            "confidence": alert.confidence,
            "novelty": alert.novelty,
            "reasons": alert.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "incident": incident.id,
            "revised": alert.revised,
            "provisional": alert.provisional,
            "model_version": model_version,
        },
    });
    if let Some(technique) = Technique::of_opinion(alert.opinion, alert.category) {
        event["alert"]["metadata"] = metadata(technique);
    }
    // A flow's detection is named by its uid, from the second segment on with the segment behind a dot.
    if let (Opinion::Forest, Ok(uid)) = (alert.opinion, alert.id.split('.').next().unwrap_or("").parse()) {
        event["flow_id"] = json!(flow_id(&uid));
    }
    let ports = has_ports(alert.protocol);
    let fields = [
        ("src_ip", alert.source.map(|ip| json!(ip))),
        ("src_port", alert.source_port.filter(|_| ports).map(|port| json!(port))),
        ("dest_ip", alert.target.map(|ip| json!(ip))),
        ("dest_port", alert.target_port.filter(|_| ports).map(|port| json!(port))),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            event[name] = value;
        }
    }
    event
}

/// Appends what other engines say of an incident: its own `event_type`, which tools that do not know it pass over.
pub(crate) fn witnesses(line: &mut Vec<u8>, incident: &Incident) {
    let mut event = json!({
        "timestamp": eve_time(incident.last_us),
        "event_type": "corroboration",
        "taphound": {
            "incident": incident.id,
            "category": incident.scope.category.as_str(),
            "severity": incident.severity().as_str(),
            "witnesses": incident.witnesses,
        },
    });
    let ends = [("src_ip", incident.source()), ("dest_ip", incident.target())];
    for (name, address) in ends {
        if let Some(address) = address {
            event[name] = json!(address);
        }
    }
    push(line, &event);
}

/// ATT&CK as rules carry it: lists of values without blanks.
fn metadata(technique: Technique) -> Value {
    let word = |text: &str| [text.replace([' ', '-'], "_")];
    json!({
        "mitre_tactic_id": [technique.tactic_id],
        "mitre_tactic_name": word(technique.tactic),
        "mitre_technique_id": [technique.id],
        "mitre_technique_name": word(technique.name),
    })
}

/// Appends the counts of the run, `at_us` being the last packet's time; how long the run took is left out, so that the same
/// capture gives the same file.
pub(super) fn stats(line: &mut Vec<u8>, summary: &Summary, at_us: u64) {
    let accounting = serde_json::to_value(&summary.accounting).unwrap_or_default();
    let event = json!({
        "timestamp": eve_time(at_us),
        "event_type": "stats",
        "stats": {
            "decoder": {
                "pkts": summary.packets,
                "bytes": summary.bytes,
                "invalid": accounting["packets"]["malformed"],
            },
            "flow": {"total": summary.flows},
            "detect": {"alert": summary.alerts},
        },
        "taphound": {
            "accounting": accounting,
            "detections": summary.detections,
            "incidents": summary.incidents,
            "by_category": summary.by_category,
            "model_version": summary.model_version,
        },
    });
    push(line, &event);
}

/// 51 bits of the uid.
fn flow_id(uid: &Uid) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&uid.as_bytes()[..8]);
    u64::from_be_bytes(first) >> 13
}

pub(super) fn has_ports(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP | protocol::SCTP)
}

/// Names as Suricata writes them; other protocols by number, in three digits as it does.
fn proto(number: u8) -> String {
    match number {
        protocol::ICMP => "ICMP".to_owned(),
        protocol::TCP => "TCP".to_owned(),
        protocol::UDP => "UDP".to_owned(),
        protocol::ICMPV6 => "IPv6-ICMP".to_owned(),
        protocol::SCTP => "SCTP".to_owned(),
        2 => "IGMP".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        51 => "AH".to_owned(),
        other => format!("{other:03}"),
    }
}

/// Type and code out of the ports, where Community ID's mapping has put them.
fn icmp(record: &FlowRecord) -> Icmp {
    let (kind, other) = (record.initiator().port, record.responder().port);
    let has_answer = match record.key.protocol() {
        protocol::ICMP => matches!(kind, 0 | 8..=10 | 13..=18),
        _ => matches!(kind, 128..=131 | 133..=136 | 139 | 140 | 144 | 145),
    };
    Icmp {
        icmp_type: Some(kind),
        icmp_code: (!has_answer).then_some(other),
        response_icmp_type: (has_answer && record.backward.packets > 0).then_some(other),
    }
}

fn app_proto(context: &Context) -> &'static str {
    match context.kind() {
        ContextKind::TlsServerName => "tls",
        ContextKind::DnsName => "dns",
        ContextKind::HttpHost => "http",
    }
}

fn state(record: &FlowRecord) -> &'static str {
    match record.end_reason {
        Some(EndReason::Fin | EndReason::Rst) => "closed",
        _ if record.backward.packets > 0 && record.forward.packets > 0 => "established",
        _ => "new",
    }
}

fn reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Fin | EndReason::Rst | EndReason::Idle => "timeout",
        EndReason::Active | EndReason::Evicted | EndReason::ClockStep => "forced",
        EndReason::EndOfInput => "shutdown",
    }
}

fn tcp(record: &FlowRecord) -> Tcp {
    let (ts, tc) = (record.forward.flags_seen(), record.backward.flags_seen());
    let both = TcpFlags(ts.0 | tc.0);
    let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    let seen = names.iter().enumerate().filter(|(bit, _)| both.0 & (1 << bit) != 0);
    Tcp {
        tcp_flags: format!("{:02x}", both.0),
        tcp_flags_ts: format!("{:02x}", ts.0),
        tcp_flags_tc: format!("{:02x}", tc.0),
        flags: seen.map(|(_, name)| ((*name).to_owned(), Value::Bool(true))).collect(),
        state: tcp_state(record, ts, tc),
    }
}

/// The client's state at the end, by what was seen of both sides.
fn tcp_state(record: &FlowRecord, ts: TcpFlags, tc: TcpFlags) -> &'static str {
    let acknowledged_only = |way: &OneWay| way.flags[4] > way.flags[1];
    match record.end_reason {
        Some(EndReason::Fin | EndReason::Rst) => "closed",
        _ => match (ts.contains(TcpFlags::FIN), tc.contains(TcpFlags::FIN)) {
            (true, true) => "time_wait",
            (true, false) => "fin_wait1",
            (false, true) => "close_wait",
            (false, false) if !record.began_with_syn || record.segment > 0 => "established",
            (false, false) if acknowledged_only(&record.forward) => "established",
            (false, false) if tc.contains(TcpFlags::SYN) => "syn_recv",
            (false, false) => "syn_sent",
        },
    }
}

/// The words of Suricata's `classification.config` that come nearest.
fn class(category: Category) -> &'static str {
    match category {
        Category::Benign => "Not Suspicious Traffic",
        Category::Scan => "Detection of a Network Scan",
        Category::Dos | Category::Amplification => "Detection of a Denial of Service Attack",
        Category::Bruteforce => "Attempted User Privilege Gain",
        Category::Web => "Web Application Attack",
        Category::C2 => "Malware Command and Control Activity Detected",
        Category::Exfiltration => "Information Leak",
        Category::Tunnel => "Potentially Bad Traffic",
        Category::Spread => "A Network Trojan was detected",
    }
}

fn push(line: &mut Vec<u8>, event: &impl Serialize) {
    // Writing into memory cannot fail, and no map has a key that is not text.
    let _ = serde_json::to_writer(&mut *line, event);
    line.push(b'\n');
}
