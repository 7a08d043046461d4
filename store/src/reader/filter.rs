//! What is looked for, and how SQL says it.

use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::record::{Cidr, FlowId, Label, Severity, Source};
use crate::write::{community_bytes, label_number};

/// What rows must have. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Not before this time, microseconds since the epoch. Time is a flow's or detection's first packet, and when an alert was
    /// shown.
    pub from_us: Option<u64>,
    /// Before this time.
    pub to_us: Option<u64>,
    /// One of these categories; empty for any.
    pub categories: Vec<String>,
    /// At least so severe. Alerts and incidents only.
    pub severity_min: Option<Severity>,
    /// Either side's address.
    pub address: Option<Cidr>,
    /// Either side's port.
    pub port: Option<u16>,
    /// Community ID. Flows only.
    pub community_id: Option<String>,
    /// What people said. Not for incidents.
    pub label: Option<LabelFilter>,
    /// At least this score.
    pub score_min: Option<f64>,
    /// At most this score.
    pub score_max: Option<f64>,
    /// Of this incident. Detections and alerts only.
    pub incident: Option<String>,
    /// The flow (all its segments), or one segment of it, or the detection of that id.
    pub id: Option<String>,
    /// Flows only.
    pub source: Option<Source>,
    /// Whether a detection was made. Flows only.
    pub alerted: Option<bool>,
    /// Whether a suppression hid it. Alerts only.
    pub suppressed: Option<bool>,
}

/// Which labels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelFilter {
    /// Nobody has said anything, or it was withdrawn.
    Unlabelled,
    /// Somebody has.
    Labelled,
    /// Somebody has said this.
    Is(Label),
}

/// The tables that filters apply to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listing {
    Flows,
    Detections,
    Alerts,
    Incidents,
}

impl Listing {
    pub(super) fn name(self) -> &'static str {
        match self {
            Listing::Flows => "flows",
            Listing::Detections => "detections",
            Listing::Alerts => "alerts",
            Listing::Incidents => "incidents",
        }
    }

    /// Columns that rows are ordered by.
    pub(super) fn order(self) -> (&'static str, &'static str) {
        match self {
            Listing::Flows => ("start_us", "flows.seq"),
            Listing::Detections => ("first_us", "detections.seq"),
            Listing::Alerts => ("shown_us", "alerts.seq"),
            Listing::Incidents => ("first_us", "incidents.seq"),
        }
    }
}

/// Conditions and their values, in the order of the question marks.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
    /// An index that finds few rows at once.
    pub(super) index: Option<&'static str>,
}

impl Conditions {
    fn and(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND (");
        self.sql.push_str(sql);
        self.sql.push(')');
        self.values.extend(values);
    }

    pub(super) fn of(filter: &Filter, listing: Listing) -> Result<Self, StoreError> {
        use Listing::{Alerts, Detections, Flows, Incidents};
        let mut made = Self::default();
        let only = |set: bool, what: &str, known: &[Listing]| {
            if set && !known.contains(&listing) {
                return Err(StoreError::Request(format!("{} have no {what}; leave it out", listing.name())));
            }
            Ok(set)
        };
        if !filter.categories.is_empty() {
            let marks = vec!["?"; filter.categories.len()].join(",");
            let values = filter.categories.iter().cloned().map(Value::Text);
            match listing {
                Flows => {
                    made.and(&format!("category IN (SELECT id FROM names WHERE name IN ({marks}))"), values)
                }
                _ => made.and(&format!("category IN ({marks})"), values),
            }
        }
        if only(filter.severity_min.is_some(), "severity", &[Alerts, Incidents])? {
            made.and("severity >= ?", filter.severity_min.map(|s| Value::Integer(s as i64)));
        }
        if let Some(cidr) = filter.address {
            let (low, high) = cidr.bounds();
            let length = Value::Integer(low.len() as i64);
            let (one, other) = if listing == Incidents { ("source", "target") } else { ("src", "dst") };
            let side = |column| format!("length({column}) = ? AND {column} BETWEEN ? AND ?");
            let bounds = [length, Value::Blob(low), Value::Blob(high)];
            made.and(&format!("{} OR {}", side(one), side(other)), bounds.clone().into_iter().chain(bounds));
        }
        if let Some(port) = filter.port {
            let value = Value::Integer(port.into());
            match listing {
                Incidents => made.and("port = ?", [value]),
                _ => made.and("src_port = ? OR dst_port = ?", [value.clone(), value]),
            }
        }
        if only(filter.label.is_some(), "label", &[Flows, Detections, Alerts])? {
            made.label(filter.label, listing);
        }
        if let Some(score) = filter.score_min {
            made.and("score >= ?", [Value::Real(score)]);
        }
        if let Some(score) = filter.score_max {
            made.and("score <= ?", [Value::Real(score)]);
        }
        if only(filter.incident.is_some(), "incident", &[Detections, Alerts])? {
            made.and("incident = ?", filter.incident.clone().map(Value::Text));
            // Alerts are few enough to be walked.
            made.index = (listing == Detections).then_some("detections_by_incident");
        }
        if only(filter.community_id.is_some(), "community_id", &[Flows])? {
            made.and(
                "community = ?",
                filter.community_id.as_deref().map(|id| Value::Blob(community_bytes(id))),
            );
            made.index = Some("flows_by_community");
        }
        if only(filter.source.is_some(), "source", &[Flows])? {
            made.and("source = ?", filter.source.map(|s| Value::Integer(s as i64)));
        }
        if only(filter.alerted.is_some(), "alerted", &[Flows])? {
            let not = if filter.alerted == Some(true) { "" } else { "NOT " };
            made.and(
                &format!(
                    "{not}EXISTS (SELECT 1 FROM detections d WHERE d.id =
                     lower(hex(uid)) || iif(segment > 0, '.' || segment, ''))"
                ),
                [],
            );
        }
        if only(filter.suppressed.is_some(), "suppressed", &[Alerts])? {
            let not = if filter.suppressed == Some(true) { "NOT " } else { "" };
            made.and(&format!("suppression IS {not}NULL"), []);
        }
        if let Some(id) = &filter.id {
            made.id(id, listing)?;
        }
        Ok(made)
    }

    fn label(&mut self, wanted: Option<LabelFilter>, listing: Listing) {
        let in_flows = listing == Listing::Flows;
        let column = if in_flows {
            "label".to_owned()
        } else {
            format!(
                "(SELECT nullif(label, 'withdrawn') FROM labels WHERE subject = {}.id ORDER BY seq DESC LIMIT 1)",
                listing.name()
            )
        };
        match wanted {
            None => {}
            Some(LabelFilter::Unlabelled) => self.and(&format!("{column} IS NULL"), []),
            Some(LabelFilter::Labelled) => self.and(&format!("{column} IS NOT NULL"), []),
            Some(LabelFilter::Is(label)) if in_flows => {
                self.and("label IS ?", [label_number(label).map_or(Value::Null, Value::Integer)]);
            }
            Some(LabelFilter::Is(label)) => {
                self.and(&format!("{column} = ?"), [Value::Text(label.as_str().into())])
            }
        }
    }

    fn id(&mut self, id: &str, listing: Listing) -> Result<(), StoreError> {
        if listing == Listing::Flows {
            let flow: FlowId = id.parse().map_err(|e| StoreError::Request(format!("id: {e}")))?;
            self.and("uid = ?", [Value::Blob(flow.uid.to_vec())]);
            if id.contains('.') {
                self.and("segment = ?", [Value::Integer(flow.segment.into())]);
            }
            self.index = Some("flows_by_uid");
        } else {
            self.and(&format!("{}.id = ?", listing.name()), [Value::Text(id.to_owned())]);
        }
        Ok(())
    }
}
