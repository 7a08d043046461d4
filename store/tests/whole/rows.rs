//! Rows to write, each a function of its number.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store::record::{
    AlertRow, DetectionRow, FlowId, FlowRow, Judgement, Label, LogItem, LogRow, NewLabel, OutboxKind, Sent,
    Severity, SnapshotRow, Source,
};
use store::{Reader, Store};

/// 2026-01-01, in microseconds.
pub(crate) const T0: u64 = 1_767_225_600_000_000;
pub(crate) const SECOND: u64 = 1_000_000;
pub(crate) const NAMES: [&str; 20] = [
    "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15", "f16",
    "f17", "f18", "f19", "f20",
];

pub(crate) fn uid(n: u64) -> [u8; 16] {
    // Any mixing will do: ids are hashes.
    let mixed = (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (mixed ^ mixed >> 61).to_be_bytes()
}

pub(crate) fn flow_id(n: u64) -> FlowId {
    FlowId { uid: uid(n), segment: 0 }
}

/// Flow `n` begins `n` milliseconds after [`T0`].
pub(crate) fn flow(n: u64) -> FlowRow {
    let start_us = T0 + n * 1_000;
    let mut features = [0.0; 20];
    for (index, feature) in features.iter_mut().enumerate() {
        *feature = match index {
            0..8 => (n % 1_000 + index as u64) as f64,
            12..19 => (n as f64 + 1.0) / (index as f64),
            _ => 0.0,
        };
    }
    let sent = Sent {
        packets: 5,
        bytes: 700 + n % 100,
        header_bytes: 200,
        flags: [1, 1, 0, 2, 5, 0, 0, 0],
        ..Sent::default()
    };
    FlowRow {
        id: flow_id(n),
        source: Source::Capture,
        client_flow_id: None,
        src_ip: Some([10, 0, (n >> 8) as u8, n as u8].into()),
        src_port: 40_000 + (n % 20_000) as u16,
        dst_ip: Some([192, 0, 2, (n % 7) as u8].into()),
        dst_port: if n.is_multiple_of(2) { 443 } else { 53 },
        protocol: 6,
        vlan: None,
        community_id: Some(community(n)),
        start_us,
        end_us: start_us + SECOND,
        end_reason: "fin".into(),
        forward: sent,
        backward: Sent { packets: 4, bytes: 9_000, ..sent },
        schema: "cic20/1:00000000".into(),
        features,
        judgement: judgement(if n.is_multiple_of(10) { "scan" } else { "benign" }, (n % 100) as f64 / 100.0),
        alerted: false,
        context: n.is_multiple_of(3).then(|| ("tls_sni".into(), format!("host{}.example", n % 50))),
    }
}

pub(crate) fn community(n: u64) -> String {
    use base64::Engine;
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(&uid(n / 2));
    format!("1:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
}

pub(crate) fn judgement(category: &str, score: f64) -> Judgement {
    Judgement { category: category.into(), score, confidence: 0.9, novelty: Some(0.25), model_version: 7 }
}

pub(crate) fn snapshot(n: u64, packets: u32) -> SnapshotRow {
    let flow = flow(n);
    SnapshotRow {
        id: flow.id,
        packets,
        at_us: flow.start_us + u64::from(packets) * 1_000,
        features: flow.features,
        judgement: judgement("benign", 0.1),
    }
}

pub(crate) fn detection(n: u64) -> DetectionRow {
    let flow = flow(n);
    DetectionRow {
        id: flow.id.to_string(),
        opinion: "forest".into(),
        category: "scan".into(),
        score: 0.97,
        confidence: 0.9,
        novelty: Some(0.4),
        src_ip: flow.src_ip.map(|ip| ip.to_string()),
        src_port: Some(flow.src_port),
        dst_ip: flow.dst_ip.map(|ip| ip.to_string()),
        dst_port: Some(flow.dst_port),
        protocol: 6,
        first_us: flow.start_us,
        last_us: flow.end_us,
        provisional: false,
        revised: false,
        folded: false,
        incident: format!("incident-{}", n / 10),
        reasons: vec!["Flow IAT Max 12 us (+0.21)".into()],
        model_version: 7,
    }
}

pub(crate) fn alert(n: u64) -> AlertRow {
    let severity = Severity::ALL[(n % 4) as usize];
    AlertRow { id: flow_id(n).to_string(), shown_us: T0 + n * 1_000 + 50, severity, suppression: None }
}

pub(crate) fn label(n: u64, label: Label) -> NewLabel {
    NewLabel {
        subject: flow_id(n).to_string(),
        label,
        category: (label == Label::Attack).then(|| "scan".into()),
        reason: Some("seen in the proxy's log".into()),
        actor: "mia".into(),
        source: "api".into(),
        at_us: T0 + n,
    }
}

pub(crate) fn log(n: u64, kind: OutboxKind) -> LogRow {
    LogRow { kind, item: LogItem::of(&flow(n), "sensor-1", &NAMES) }
}

pub(crate) fn reader(path: &Path) -> Reader {
    Reader::open(path, Duration::from_secs(5), Arc::new(|| 0)).unwrap()
}

pub(crate) fn store(folder: &tempfile::TempDir) -> Store {
    Store::open(&folder.path().join("t.db")).unwrap()
}

pub(crate) fn reader_of(folder: &tempfile::TempDir) -> Reader {
    reader(&folder.path().join("t.db"))
}

pub(crate) fn integrity(path: &Path) -> String {
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap()
}
