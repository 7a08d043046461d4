//! Answers of a running sensor as tables.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use crate::export::time_of;

/// Alerts, as they come.
pub(super) fn alerts(rows: &[Value]) -> String {
    table(
        &["shown", "severity", "category", "score", "from", "to", "port", "label", "why", "id"],
        rows.iter().map(|a| {
            let label =
                if a["suppressed_by"].is_null() { text(&a["label"]) } else { "suppressed".to_owned() };
            vec![
                time(&a["shown_us"]),
                text(&a["severity"]),
                text(&a["category"]),
                number(&a["score"]),
                many(&a["src_ip"]),
                many(&a["dst_ip"]),
                many(&a["dst_port"]),
                label,
                text(&a["reasons"][0]),
                text(&a["id"]),
            ]
        }),
    )
}

/// Incidents, as they come.
pub(super) fn incidents(rows: &[Value]) -> String {
    table(
        &[
            "began",
            "until",
            "severity",
            "category",
            "from",
            "to",
            "port",
            "alerts",
            "detections",
            "why",
            "id",
        ],
        rows.iter().map(|i| {
            vec![
                time(&i["first_us"]),
                time(&i["last_us"]),
                text(&i["severity"]),
                text(&i["category"]),
                many(&i["src_ip"]),
                many(&i["dst_ip"]),
                many(&i["dst_port"]),
                text(&i["alerts"]),
                text(&i["detections"]),
                why(i),
                text(&i["id"]),
            ]
        }),
    )
}

/// Flows, as they come.
pub(super) fn flows(rows: &[Value]) -> String {
    table(
        &[
            "began", "from", "to", "port", "proto", "packets", "bytes", "category", "score", "label", "name",
            "id",
        ],
        rows.iter().map(|f| {
            let sum = |field: &str| {
                let side = |way: &str| f[way][field].as_u64().unwrap_or(0);
                (side("forward") + side("backward")).to_string()
            };
            vec![
                time(&f["start_us"]),
                many(&f["src_ip"]),
                many(&f["dst_ip"]),
                many(&f["dst_port"]),
                text(&f["protocol"]),
                sum("packets"),
                sum("bytes"),
                text(&f["category"]),
                number(&f["score"]),
                text(&f["label"]),
                text(&f["context"]["name"]),
                text(&f["id"]),
            ]
        }),
    )
}

/// Suppressions and what they hid.
pub(super) fn suppressions(rows: &[Value]) -> String {
    table(
        &["number", "from", "to", "port", "category", "hid", "until", "owner", "reason"],
        rows.iter().map(|s| {
            let until = match (&s["lifted_us"], &s["expires_us"]) {
                (Value::Null, Value::Null) => "for ever".to_owned(),
                (Value::Null, expires) => time(expires),
                _ => "lifted".to_owned(),
            };
            vec![
                text(&s["id"]),
                any(&s["src"]),
                any(&s["dst"]),
                any(&s["port"]),
                any(&s["category"]),
                text(&s["hits"]),
                until,
                text(&s["owner"]),
                text(&s["reason"]),
            ]
        }),
    )
}

/// What is stopped.
pub(super) fn blocks(rows: &[Value]) -> String {
    table(
        &["number", "from", "to", "port", "category", "dropped", "until", "owner", "reason"],
        rows.iter().map(|b| {
            let until = match (&b["lifted_us"], b["unenforceable"] == true) {
                (Value::Null, false) => time(&b["expires_us"]),
                (Value::Null, true) => format!("{} (matches nothing)", time(&b["expires_us"])),
                _ => "lifted".to_owned(),
            };
            let source = match b["src_port"].as_u64() {
                Some(port) => format!("{} port {port}", text(&b["src"])),
                None => text(&b["src"]),
            };
            vec![
                text(&b["id"]),
                source,
                any(&b["dst"]),
                any(&b["port"]),
                any(&b["category"]),
                text(&b["dropped_packets"]),
                until,
                text(&b["owner"]),
                text(&b["reason"]),
            ]
        }),
    )
}

/// Who has which token.
pub(super) fn tokens(rows: &[Value]) -> String {
    table(
        &["id", "subject", "role", "expires", "revoked"],
        rows.iter().map(|t| {
            let expires = t["expires_s"].as_u64().map_or(String::new(), |s| time_of(s * 1_000_000));
            let revoked = t["revoked_s"].as_u64().map_or(String::new(), |s| time_of(s * 1_000_000));
            vec![text(&t["id"]), text(&t["subject"]), text(&t["role"]), expires, revoked]
        }),
    )
}

/// One thing, whole.
pub(super) fn whole(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().copied());
    let mut count = 0;
    for row in rows {
        table.add_row(row);
        count += 1;
    }
    if count == 0 { "nothing found".to_owned() } else { table.to_string() }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        // What came from the network must not steer the terminal.
        Value::String(text) => text.chars().map(|c| if c.is_control() { '?' } else { c }).collect(),
        other => other.to_string(),
    }
}

/// An end that is one of several has no value.
fn many(value: &Value) -> String {
    if value.is_null() { "many".to_owned() } else { text(value) }
}

/// A condition that is absent matches anything.
fn any(value: &Value) -> String {
    if value.is_null() { "any".to_owned() } else { text(value) }
}

fn number(value: &Value) -> String {
    value.as_f64().map_or(String::new(), |n| format!("{n:.2}"))
}

fn time(value: &Value) -> String {
    value.as_u64().map_or(String::new(), time_of)
}

/// The strongest reason, and who else saw it.
fn why(incident: &Value) -> String {
    let first = text(&incident["reasons"][0]);
    match incident["witnesses"][0]["engine"].as_str() {
        Some(engine) if !first.contains(engine) => format!("{first} [{engine}, too]"),
        _ => first,
    }
}
