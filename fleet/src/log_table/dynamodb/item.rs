//! An item as DynamoDB holds it: attributes under the names that the earlier system's readers know, and ours beside them.
//!
//! | attribute | type | what it is |
//! |---|---|---|
//! | `flow_id` | S, hash key | `sensor_id\|src-dst-sport-dport-proto` |
//! | `timestamp` | N, range key | start of the flow, ms since the epoch |
//! | `content` | S | one readable line |
//! | `features_json` | S | the features, an object by name |
//! | `label`, `category`, `score`, `confidence` | S, S, N, N | what the model says |
//! | `true_label` | S | what somebody says; `unknown` until then |
//! | `label_source`, `label_by`, `labeled_at`, `label_category`, `label_reason` | S, S, N (ms), S, S | whose label it is |
//! | `labeled_sensor` | S, hash of `by_label` | `sensor_id`, written only together with a label |
//! | `day_shard` | S, hash of `by_day` | `2026-11-21#07` |
//! | `uid`, `sensor_id`, `community_id`, `schema`, `model_version`, `rev` | S, S, S, S, N, N | |
//! | `start_us`, `end_us` | N | microseconds since the epoch |
//! | `expires_at` | N | epoch seconds, the table's time to live |

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Attributes;
use crate::log_table::{Key, LogItem, StoredItem, TrueLabel, UNKNOWN, day_shard};

pub(super) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A float, written so that it comes back as it was; the table knows nothing smaller than 1e-130.
fn float(number: f64) -> AttributeValue {
    n(if number.abs() < 1e-130 { 0.0 } else { number })
}

pub(super) fn key(key: &Key) -> Attributes {
    HashMap::from([("flow_id".to_owned(), s(&key.flow_id)), ("timestamp".to_owned(), n(key.timestamp_ms))])
}

pub(super) fn key_of(attributes: &Attributes) -> Option<Key> {
    let timestamp_ms = attributes.get("timestamp")?.as_n().ok()?.parse().ok()?;
    Some(Key { flow_id: attributes.get("flow_id")?.as_s().ok()?.clone(), timestamp_ms })
}

/// What of an item is not its key.
pub(super) fn fields(item: &LogItem) -> Vec<(&'static str, AttributeValue)> {
    let features = serde_json::to_string(&item.features).unwrap_or_default();
    let mut fields = vec![
        ("uid", s(&item.uid)),
        ("rev", n(item.rev)),
        ("sensor_id", s(&item.sensor_id)),
        ("day_shard", s(&day_shard(&item.key.flow_id, item.key.timestamp_ms))),
        ("content", s(&item.content)),
        ("features_json", AttributeValue::S(features)),
        ("label", s(&item.label)),
        ("category", s(&item.category)),
        ("score", float(item.score)),
        ("confidence", float(item.confidence)),
        ("model_version", n(item.model_version)),
        ("schema", s(&item.schema)),
        ("start_us", n(item.start_us)),
        ("end_us", n(item.end_us)),
    ];
    fields.extend(item.community_id.as_ref().map(|id| ("community_id", s(id))));
    fields.extend(item.expires_at_s.map(|at| ("expires_at", n(at))));
    fields
}

/// Fields that an item may lack; a later revision that lacks them removes them.
pub(super) const OPTIONAL: [&str; 2] = ["community_id", "expires_at"];

/// A whole item that has no label yet.
pub(super) fn attributes(item: &LogItem) -> Attributes {
    let mut attributes = key(&item.key);
    attributes.extend(fields(item).into_iter().map(|(name, value)| (name.to_owned(), value)));
    attributes.insert("true_label".to_owned(), s(UNKNOWN));
    attributes
}

/// A label's own fields, and the names of those that this one lacks.
pub(super) fn truth_fields(truth: &TrueLabel) -> (Vec<(&'static str, AttributeValue)>, Vec<&'static str>) {
    let mut fields = vec![
        ("true_label", s(&truth.label)),
        ("label_source", s(&truth.source)),
        ("label_by", s(&truth.by)),
        ("labeled_at", n(truth.at_ms)),
    ];
    let mut lacking = Vec::new();
    for (name, value) in [("label_category", &truth.category), ("label_reason", &truth.reason)] {
        match value {
            Some(text) => fields.push((name, s(text))),
            None => lacking.push(name),
        }
    }
    (fields, lacking)
}

/// A text, empty where there is none.
pub(super) fn text<'a>(attributes: &'a Attributes, name: &str) -> &'a str {
    attributes.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str)
}

/// A whole number, 0 where there is none.
pub(super) fn number(attributes: &Attributes, name: &str) -> u64 {
    parsed(attributes, name).unwrap_or(0)
}

fn parsed<T: std::str::FromStr>(attributes: &Attributes, name: &str) -> Option<T> {
    attributes.get(name)?.as_n().ok()?.parse().ok()
}

/// Reads an item, one of the earlier system too: what it lacks is empty or 0.
///
/// # Errors
/// What cannot be read, and why.
pub(super) fn read(attributes: &Attributes) -> Result<StoredItem, (String, String)> {
    let key = key_of(attributes).ok_or_else(|| ("an item".to_owned(), "it has no key".to_owned()))?;
    let own = |name: &str| text(attributes, name).to_owned();
    let optional = |name: &str| attributes.get(name).and_then(|value| value.as_s().ok()).cloned();
    let features: BTreeMap<String, f64> = match text(attributes, "features_json") {
        "" => BTreeMap::new(),
        text => serde_json::from_str(text)
            .map_err(|error| (format!("features_json of {}", key.flow_id), error.to_string()))?,
    };
    let true_label = text(attributes, "true_label");
    let source = text(attributes, "label_source");
    // The earlier system's labels carry no source.
    let labelled = !source.is_empty() || !matches!(true_label, "" | UNKNOWN);
    let truth = labelled.then(|| TrueLabel {
        label: true_label.to_owned(),
        category: optional("label_category"),
        source: source.to_owned(),
        by: own("label_by"),
        at_ms: number(attributes, "labeled_at"),
        reason: optional("label_reason"),
    });
    let item = LogItem {
        uid: own("uid"),
        rev: u32::try_from(number(attributes, "rev")).unwrap_or(u32::MAX),
        sensor_id: own("sensor_id"),
        content: own("content"),
        features,
        label: own("label"),
        category: own("category"),
        score: parsed(attributes, "score").unwrap_or(0.0),
        confidence: parsed(attributes, "confidence").unwrap_or(0.0),
        model_version: number(attributes, "model_version"),
        schema: own("schema"),
        community_id: optional("community_id"),
        start_us: parsed(attributes, "start_us").unwrap_or(key.timestamp_ms.saturating_mul(1000)),
        end_us: number(attributes, "end_us"),
        expires_at_s: parsed(attributes, "expires_at"),
        key,
    };
    Ok(StoredItem { item, truth })
}

#[cfg(test)]
mod tests;
