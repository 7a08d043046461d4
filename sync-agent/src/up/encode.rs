//! From a row of the outbox to what the centre keeps of it: parsed, marked with its retention, under pseudonyms if asked.

use std::collections::BTreeMap;

use fleet::log_table::{Key, LogItem, TrueLabel};
use store::record::{self, Label, OutboxKind, OutboxRow};

use super::pseudonym::Pseudonyms;
use crate::config::Up;

/// What a row becomes.
#[derive(Debug, Clone, PartialEq)]
pub enum Parcel {
    /// A flow.
    Item(LogItem),
    /// A label, and the flow it is about when that has ended.
    Label {
        /// The item that it goes to.
        key: Key,
        /// The flow.
        uid: String,
        /// The sensor.
        sensor_id: String,
        /// What it says.
        truth: TrueLabel,
        /// The flow.
        item: Option<Box<LogItem>>,
    },
}

impl Parcel {
    /// The item it goes to.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Parcel::Item(item) => &item.key,
            Parcel::Label { key, .. } => key,
        }
    }

    /// About how many bytes it takes on its way.
    #[must_use]
    pub fn weight(&self) -> u64 {
        let item = |i: &LogItem| 400 + i.content.len() + i.key.flow_id.len() + i.features.len() * 40;
        let bytes = match self {
            Parcel::Item(i) => item(i),
            Parcel::Label { item: i, truth, .. } => {
                300 + truth.reason.as_ref().map_or(0, String::len) + i.as_deref().map_or(0, item)
            }
        };
        bytes as u64
    }
}

/// How rows are made ready.
pub struct Encoder {
    pseudonyms: Option<Pseudonyms>,
    alerts_days: u32,
    flows_days: u32,
}

impl Encoder {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &Up, pseudonyms: Option<Pseudonyms>) -> Self {
        Self { pseudonyms, alerts_days: settings.alerts_days, flows_days: settings.flows_days }
    }

    /// The parcel of a row.
    ///
    /// # Errors
    /// Why it can never be sent.
    pub fn encode(&self, row: &OutboxRow) -> Result<Parcel, String> {
        match row.kind {
            OutboxKind::Label => {
                let mut label = row.label_item().map_err(|e| format!("is no label of this release ({e})"))?;
                if let Some(pseudonyms) = &self.pseudonyms {
                    pseudonyms.label(&mut label);
                }
                let item = label.item.map(|item| self.item(item, self.alerts_days)).transpose()?;
                Ok(Parcel::Label {
                    key: key(label.flow_id, label.timestamp)?,
                    uid: label.uid,
                    sensor_id: label.sensor_id,
                    truth: TrueLabel {
                        label: match label.label {
                            Label::Withdrawn => "unknown".to_owned(),
                            said => said.as_str().to_owned(),
                        },
                        category: label.category,
                        source: label.label_source,
                        by: label.label_by,
                        at_ms: label.labeled_at,
                        reason: label.reason,
                    },
                    item: item.map(Box::new),
                })
            }
            OutboxKind::Alert | OutboxKind::Flow => {
                let mut item = row.item().map_err(|e| format!("is no log item of this release ({e})"))?;
                if let Some(pseudonyms) = &self.pseudonyms {
                    pseudonyms.item(&mut item);
                }
                let days = if row.kind == OutboxKind::Alert { self.alerts_days } else { self.flows_days };
                self.item(item, days).map(Parcel::Item)
            }
        }
    }

    fn item(&self, item: record::LogItem, days: u32) -> Result<LogItem, String> {
        let features: BTreeMap<String, f64> = serde_json::from_str(&item.features_json)
            .map_err(|e| format!("its features are no object of numbers ({e})"))?;
        if features.values().chain([&item.score, &item.confidence]).any(|value| !value.is_finite()) {
            return Err("it holds a number that is not finite".to_owned());
        }
        let kept_s = u64::from(days) * 86_400;
        Ok(LogItem {
            key: key(item.flow_id, item.timestamp)?,
            uid: item.uid,
            rev: item.rev,
            sensor_id: item.sensor_id,
            content: item.content,
            features,
            label: item.label,
            category: item.category,
            score: item.score,
            confidence: item.confidence,
            model_version: item.model_version,
            schema: item.schema,
            community_id: item.community_id,
            start_us: item.start_us,
            end_us: item.end_us,
            expires_at_s: (days > 0).then(|| (item.end_us / 1_000_000).saturating_add(kept_s)),
        })
    }
}

/// DynamoDB's limits of a key, which every table keeps to.
fn key(flow_id: String, timestamp_ms: u64) -> Result<Key, String> {
    if flow_id.is_empty() || flow_id.len() > 2_048 {
        return Err(format!("its flow_id has {} bytes; a key has 1 to 2048", flow_id.len()));
    }
    Ok(Key { flow_id, timestamp_ms })
}
