//! Rows of the tables as plain types.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::record::cidr::address_of;
use crate::record::{
    AlertRow, DetectionRow, FlowId, FlowRow, IncidentRow, Judgement, Label, Severity, SnapshotRow, Source,
    unpack_features,
};

/// A flow of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredFlow {
    /// Grows with every flow.
    pub seq: u64,
    /// The flow. `alerted` is false once it is labelled: see [`crate::Filter::alerted`].
    #[serde(flatten)]
    pub row: FlowRow,
    /// What people here say of it.
    pub label: Option<Label>,
    /// What the centre says of it.
    pub true_label: Option<Label>,
}

/// A detection of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredDetection {
    /// Grows with every detection.
    pub seq: u64,
    /// The detection.
    #[serde(flatten)]
    pub row: DetectionRow,
    /// What people here say of it.
    pub label: Option<Label>,
}

/// An alert of the store, and its detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredAlert {
    /// Grows with every alert.
    pub seq: u64,
    /// When and how it was shown.
    pub alert: AlertRow,
    /// What it shows.
    pub detection: DetectionRow,
    /// What people here say of it.
    pub label: Option<Label>,
}

/// An incident of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredIncident {
    /// Grows with every incident.
    pub seq: u64,
    /// The incident.
    #[serde(flatten)]
    pub row: IncidentRow,
}

// Each select begins with the two columns of its order.

pub(super) const FLOW_SELECT: &str = "SELECT start_us, flows.seq, uid, segment, kept, source, end_us, src, src_port, dst,
    dst_port, protocol, vlan, community, (SELECT name FROM names WHERE id = end_reason), counters,
    (SELECT name FROM names WHERE id = schema), features, (SELECT name FROM names WHERE id = category), score, confidence,
    novelty, model_version, label, true_label, client_flow_id, (SELECT name FROM names WHERE id = context_kind), context
    FROM flows{hint}";

pub(super) fn flow(row: &Row<'_>) -> rusqlite::Result<StoredFlow> {
    let (forward, backward) =
        rmp_serde::from_slice(row.get_ref(15)?.as_blob()?).map_err(|e| damaged(15, e))?;
    let kind: Option<String> = row.get(26)?;
    let label = |index| row.get::<_, Option<i64>>(index).map(label_of);
    Ok(StoredFlow {
        seq: unsigned(row, 1)?,
        row: FlowRow {
            id: FlowId { uid: row.get(2)?, segment: row.get(3)? },
            source: if row.get::<_, i64>(5)? == 1 { Source::Api } else { Source::Capture },
            client_flow_id: row.get(25)?,
            src_ip: address(row, 7)?,
            src_port: row.get(8)?,
            dst_ip: address(row, 9)?,
            dst_port: row.get(10)?,
            protocol: row.get(11)?,
            vlan: row.get(12)?,
            community_id: row.get::<_, Option<Vec<u8>>>(13)?.map(community_text),
            start_us: unsigned(row, 0)?,
            end_us: unsigned(row, 6)?,
            end_reason: row.get::<_, Option<String>>(14)?.unwrap_or_default(),
            forward,
            backward,
            schema: row.get::<_, Option<String>>(16)?.unwrap_or_default(),
            features: features(row, 17)?,
            judgement: judgement(row, 18)?,
            alerted: row.get::<_, i64>(4)? == 1,
            context: kind.zip(row.get(27)?),
        },
        label: label(23)?,
        true_label: label(24)?,
    })
}

pub(super) const DETECTION_SELECT: &str = "SELECT first_us, detections.seq, id, opinion, category, score, confidence, novelty,
    src, src_port, dst, dst_port, protocol, last_us, provisional, revised, folded, incident, reasons, model_version,
    (SELECT label FROM labels WHERE subject = detections.id ORDER BY labels.seq DESC LIMIT 1) FROM detections{hint}";

pub(super) fn detection(row: &Row<'_>) -> rusqlite::Result<StoredDetection> {
    Ok(StoredDetection {
        seq: unsigned(row, 1)?,
        row: detection_from(row, 2, unsigned(row, 0)?)?,
        label: label_text(row, 20)?,
    })
}

pub(super) const ALERT_SELECT: &str = "SELECT shown_us, alerts.seq, detections.id, opinion, category, score, confidence,
    novelty, src, src_port, dst, dst_port, protocol, last_us, provisional, revised, folded, incident, reasons, model_version,
    (SELECT label FROM labels WHERE subject = alerts.id ORDER BY labels.seq DESC LIMIT 1), severity, suppression, first_us
    FROM alerts{hint} JOIN detections ON detections.id = alerts.id";

pub(super) fn alert(row: &Row<'_>) -> rusqlite::Result<StoredAlert> {
    Ok(StoredAlert {
        seq: unsigned(row, 1)?,
        alert: AlertRow {
            id: row.get(2)?,
            shown_us: unsigned(row, 0)?,
            severity: severity(row, 21)?,
            suppression: row.get::<_, Option<i64>>(22)?.map(i64::cast_unsigned),
        },
        detection: detection_from(row, 2, unsigned(row, 23)?)?,
        label: label_text(row, 20)?,
    })
}

pub(super) const INCIDENT_SELECT: &str =
    "SELECT first_us, seq, id, category, severity, source, target, port, last_us,
    detections, alerts, score, revised, reasons, witnesses FROM incidents{hint}";

pub(super) fn incident(row: &Row<'_>) -> rusqlite::Result<StoredIncident> {
    let text = |index| address(row, index).map(|ip| ip.map(|ip| ip.to_string()));
    Ok(StoredIncident {
        seq: unsigned(row, 1)?,
        row: IncidentRow {
            id: row.get(2)?,
            category: row.get(3)?,
            severity: severity(row, 4)?.as_str().to_owned(),
            source: text(5)?,
            target: text(6)?,
            port: row.get(7)?,
            first_us: unsigned(row, 0)?,
            last_us: unsigned(row, 8)?,
            detections: unsigned(row, 9)?,
            alerts: unsigned(row, 10)?,
            score: row.get(11)?,
            revised: row.get(12)?,
            reasons: list(row, 13)?,
            witnesses: list(row, 14)?,
        },
    })
}

pub(super) const SNAPSHOT_SELECT: &str = "SELECT uid, segment, packets, at_us, features,
    (SELECT name FROM names WHERE id = category), score, confidence, novelty, model_version FROM snapshots
    WHERE uid = ?1 AND segment = ?2 ORDER BY at_us, seq";

pub(super) fn snapshot(row: &Row<'_>) -> rusqlite::Result<SnapshotRow> {
    Ok(SnapshotRow {
        id: FlowId { uid: row.get(0)?, segment: row.get(1)? },
        packets: row.get(2)?,
        at_us: unsigned(row, 3)?,
        features: features(row, 4)?,
        judgement: judgement(row, 5)?,
    })
}

/// The flow of that id.
pub(crate) fn flow_named(connection: &Connection, id: &str) -> rusqlite::Result<Option<StoredFlow>> {
    let Ok(FlowId { uid, segment }) = id.parse() else { return Ok(None) };
    let sql = format!("{} WHERE uid = ?1 AND segment = ?2", FLOW_SELECT.replace("{hint}", ""));
    connection.prepare_cached(&sql)?.query_row(params![uid, segment], flow).optional()
}

/// The detection of that id.
pub(crate) fn detection_named(
    connection: &Connection,
    id: &str,
) -> rusqlite::Result<Option<StoredDetection>> {
    let sql = format!("{} WHERE id = ?1", DETECTION_SELECT.replace("{hint}", ""));
    connection.prepare_cached(&sql)?.query_row([id], detection).optional()
}

pub(crate) fn setting(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM settings WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

/// A detection whose columns from `id` to `model_version` begin at `from`.
fn detection_from(row: &Row<'_>, from: usize, first_us: u64) -> rusqlite::Result<DetectionRow> {
    let text = |index| address(row, index).map(|ip| ip.map(|ip| ip.to_string()));
    Ok(DetectionRow {
        id: row.get(from)?,
        opinion: row.get(from + 1)?,
        category: row.get(from + 2)?,
        score: row.get(from + 3)?,
        confidence: row.get(from + 4)?,
        novelty: row.get(from + 5)?,
        src_ip: text(from + 6)?,
        src_port: row.get(from + 7)?,
        dst_ip: text(from + 8)?,
        dst_port: row.get(from + 9)?,
        protocol: row.get(from + 10)?,
        first_us,
        last_us: unsigned(row, from + 11)?,
        provisional: row.get(from + 12)?,
        revised: row.get(from + 13)?,
        folded: row.get(from + 14)?,
        incident: row.get(from + 15)?,
        reasons: list(row, from + 16)?,
        model_version: unsigned(row, from + 17)?,
    })
}

fn judgement(row: &Row<'_>, from: usize) -> rusqlite::Result<Judgement> {
    Ok(Judgement {
        category: row.get::<_, Option<String>>(from)?.unwrap_or_default(),
        score: row.get(from + 1)?,
        confidence: row.get(from + 2)?,
        novelty: row.get(from + 3)?,
        model_version: unsigned(row, from + 4)?,
    })
}

fn features(row: &Row<'_>, index: usize) -> rusqlite::Result<[f64; crate::record::FEATURES]> {
    let packed = row.get_ref(index)?.as_blob()?;
    unpack_features(packed).ok_or_else(|| damaged(index, "no feature vector"))
}

fn list<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<Vec<T>> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|e| damaged(index, e))
}

fn address(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<std::net::IpAddr>> {
    let bytes = row.get_ref(index)?.as_blob_or_null()?;
    bytes.map(|bytes| address_of(bytes).ok_or_else(|| damaged(index, "no address"))).transpose()
}

fn severity(row: &Row<'_>, index: usize) -> rusqlite::Result<Severity> {
    let rank = usize::try_from(row.get::<_, i64>(index)?).unwrap_or(0);
    Severity::ALL.get(rank).copied().ok_or_else(|| damaged(index, "no severity"))
}

fn label_text(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Label>> {
    let name: Option<String> = row.get(index)?;
    Ok(name.and_then(|name| Label::named(&name)).filter(|label| *label != Label::Withdrawn))
}

fn label_of(number: Option<i64>) -> Option<Label> {
    [Label::Attack, Label::Benign, Label::Unsure].get(usize::try_from(number? - 1).ok()?).copied()
}

fn community_text(bytes: Vec<u8>) -> String {
    use base64::Engine;
    if bytes.len() == 20 {
        format!("1:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(index).map(i64::cast_unsigned)
}

pub(super) fn damaged(
    index: usize,
    what: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, what.into())
}
