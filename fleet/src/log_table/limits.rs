//! What an item may be: said once, before anything is sent, so that every table takes and refuses the same ones.

use super::{LogItem, TrueLabel};

/// DynamoDB takes 400 KiB an item, names included.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// Of those, what is kept free for a label that comes later.
pub const LABEL_BYTES_MAX: usize = 4 * 1024;
/// Items in one `put_fresh`: DynamoDB's batch.
pub const BATCH_ITEMS_MAX: usize = 25;
/// Rows a page, however many were asked for.
pub const PAGE_ROWS_MAX: usize = 1000;

/// DynamoDB's limit for a hash key, and for one of an index.
const KEY_BYTES_MAX: usize = 2048;
/// The last millisecond of the year 9999: days have four digits for their year.
const TIMESTAMP_MS_MAX: u64 = 253_402_300_799_999;
/// Names and numbers of an item: about 330 bytes of names, 21 bytes a number at most.
const FIXED_BYTES: usize = 600;
/// Integers of a table are signed.
const INTEGER_MAX: u64 = i64::MAX.unsigned_abs();

/// Why a table can never take this item; none when it can.
#[must_use]
pub fn fault(item: &LogItem) -> Option<String> {
    for (name, text) in [("flow_id", &item.key.flow_id), ("sensor_id", &item.sensor_id)] {
        if text.is_empty() || text.len() > KEY_BYTES_MAX {
            return Some(format!("{name} has {} bytes, a key has 1 to {KEY_BYTES_MAX}", text.len()));
        }
    }
    if item.key.timestamp_ms > TIMESTAMP_MS_MAX {
        return Some(format!("timestamp {} is after the year 9999", item.key.timestamp_ms));
    }
    for (name, number) in
        [("model_version", item.model_version), ("start_us", item.start_us), ("end_us", item.end_us)]
    {
        if number > INTEGER_MAX {
            return Some(format!("{name} {number} does not fit into 63 bits"));
        }
    }
    let numbers = [("score", item.score), ("confidence", item.confidence)];
    let features = item.features.iter().map(|(name, value)| (name.as_str(), *value));
    if let Some((name, value)) = numbers.into_iter().chain(features).find(|(_, value)| !value.is_finite()) {
        return Some(format!("{name} is {value}, not a finite number"));
    }
    let bytes = size(item);
    let most = ITEM_BYTES_MAX - LABEL_BYTES_MAX;
    (bytes > most).then(|| format!("it has {bytes} bytes, an item has at most {most} and a label"))
}

/// Why a table can never take this label; none when it can.
#[must_use]
pub fn label_fault(truth: &TrueLabel) -> Option<String> {
    if !["attack", "benign", "unsure", "unknown"].contains(&truth.label.as_str()) {
        return Some(format!("label '{}' is none of attack, benign, unsure, unknown", truth.label));
    }
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let bytes = truth.by.len() + truth.source.len() + optional(&truth.category) + optional(&truth.reason);
    if bytes > LABEL_BYTES_MAX - 256 {
        return Some(format!("the label has {bytes} bytes, at most {} are taken", LABEL_BYTES_MAX - 256));
    }
    (truth.at_ms > TIMESTAMP_MS_MAX).then(|| format!("label time {} is after the year 9999", truth.at_ms))
}

/// Bytes of an item in a table, a little too many rather than too few.
fn size(item: &LogItem) -> usize {
    let features: usize = item.features.keys().map(|name| 2 * name.len() + 32).sum();
    FIXED_BYTES
        + item.key.flow_id.len()
        + item.uid.len()
        // As itself and, once there is a label, as the key of its index.
        + 2 * item.sensor_id.len()
        + item.content.len()
        + item.label.len()
        + item.category.len()
        + item.schema.len()
        + item.community_id.as_ref().map_or(0, String::len)
        + features
}

#[cfg(test)]
mod tests;
