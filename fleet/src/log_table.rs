//! The door to the table of logs: one item a flow, whose label may be set here or at the centre.

mod days;
pub mod dynamodb;
pub mod embedded;
pub mod limits;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Cursor, DoorError, Page};

pub use days::{DAY_SHARDS, day_shard, day_shards, utc_day};

/// [`TrueLabel::source`] of a label set at the centre.
pub const CENTRE: &str = "centre";
/// [`TrueLabel::label`] of a withdrawn label; what a table shows of an item that never had one.
pub const UNKNOWN: &str = "unknown";

/// Which item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// `sensor_id|src-dst-sport-dport-proto`.
    pub flow_id: String,
    /// Start of the flow in ms since the epoch, made unique by the sensor.
    pub timestamp_ms: u64,
}

/// One flow, as its sensor saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogItem {
    /// Its key.
    pub key: Key,
    /// The flow's id at the sensor: a second writer of the same key is told apart by it.
    pub uid: String,
    /// 0 provisional, 1 final.
    pub rev: u32,
    /// The sensor.
    pub sensor_id: String,
    /// One readable line.
    pub content: String,
    /// The features by name.
    pub features: BTreeMap<String, f64>,
    /// Predicted: `attack` or `benign`.
    pub label: String,
    /// Predicted category, or `benign`.
    pub category: String,
    /// 1 - P(benign), in \[0, 1\].
    pub score: f64,
    /// Probability of the category, in \[0, 1\].
    pub confidence: f64,
    /// Serial of the model.
    pub model_version: u64,
    /// Schema id of the features.
    pub schema: String,
    /// Community ID v1.
    pub community_id: Option<String>,
    /// Start in microseconds since the epoch, exactly.
    pub start_us: u64,
    /// End in microseconds since the epoch.
    pub end_us: u64,
    /// When the table may forget it, epoch seconds.
    pub expires_at_s: Option<u64>,
}

/// What somebody says a flow was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueLabel {
    /// `attack`, `benign`, `unsure`, or `unknown` for a withdrawn one.
    pub label: String,
    /// Attack category.
    pub category: Option<String>,
    /// By what way it was given: `centre` when it was set at the centre.
    pub source: String,
    /// Who.
    pub by: String,
    /// When, ms since the epoch.
    pub at_ms: u64,
    /// Why.
    pub reason: Option<String>,
}

/// An item as the table holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredItem {
    /// The flow.
    pub item: LogItem,
    /// Its label, once there is one.
    pub truth: Option<TrueLabel>,
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It is there now.
    Stored,
    /// It was there before, in this revision or a later one: nothing to do.
    Known,
    /// The key belongs to another flow, or (for a label) a label set at the centre stands: nothing was changed.
    Kept,
    /// The table did not take it this time; send it again, alone.
    Unprocessed,
    /// It can never be written; why.
    Rejected(String),
}

/// A span of one day's shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayQuery {
    /// `2026-11-21#07`: UTC day, crc32(flow_id) mod 16.
    pub day_shard: String,
    /// From this ms since the epoch on.
    pub from_ms: u64,
    /// To this one, not included.
    pub to_ms: u64,
    /// Only items with a label other than `unknown`.
    pub labelled_only: bool,
    /// Where the last page ended.
    pub after: Option<Cursor>,
    /// Items a page at most.
    pub limit: usize,
}

/// The table.
#[async_trait]
pub trait LogTable: Send + Sync {
    /// Makes the table and its indexes where they are missing, and waits until they can be used.
    async fn ensure(&self) -> Result<(), DoorError>;

    /// Writes items that were never sent before, at most 25, no two with one key. An outcome an item, in their order.
    async fn put_fresh(&self, items: &[LogItem]) -> Result<Vec<Written>, DoorError>;

    /// Writes an item that may have been sent before: only where there is none, or the same flow in an earlier revision.
    async fn update(&self, item: &LogItem) -> Result<Written, DoorError>;

    /// Sets a sensor's label, the item too where the table has none (`item`); without it [`DoorError::Absent`] is the answer then. A
    /// label set at the centre stays ([`Written::Kept`]), and so does one of the same time or a later one ([`Written::Known`]).
    async fn label(
        &self,
        key: &Key,
        uid: &str,
        truth: &TrueLabel,
        item: Option<&LogItem>,
    ) -> Result<Written, DoorError>;

    /// Sets a label at the centre, over any other; its `source` is `centre` whatever was given. [`DoorError::Absent`] without an item.
    async fn label_at_centre(&self, key: &Key, truth: &TrueLabel) -> Result<Written, DoorError>;

    /// One item.
    async fn item(&self, key: &Key) -> Result<Option<StoredItem>, DoorError>;

    /// Items of a day's shard by time; a table without the index answers by scan, page by page in no order. A page may be shorter
    /// than its limit, even empty, while another one follows.
    async fn by_day(&self, query: &DayQuery) -> Result<Page<StoredItem>, DoorError>;

    /// Items of a sensor labelled since `since_ms`, withdrawn labels among them, by time of their label. Pages as in `by_day`.
    async fn labelled(
        &self,
        sensor_id: &str,
        since_ms: u64,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<StoredItem>, DoorError>;
}

fn check_batch(place: &str, items: &[LogItem]) -> Result<(), DoorError> {
    let keys: BTreeSet<&Key> = items.iter().map(|item| &item.key).collect();
    if items.len() > limits::BATCH_ITEMS_MAX || keys.len() < items.len() {
        let detail = format!("at most {} items go at once, no two with one key", limits::BATCH_ITEMS_MAX);
        return Err(DoorError::invalid(place, "the batch", detail));
    }
    Ok(())
}

fn check_label(place: &str, key: &Key, uid: &str, item: Option<&LogItem>) -> Result<(), DoorError> {
    if item.is_some_and(|item| item.key != *key || item.uid != uid) {
        return Err(DoorError::invalid(place, "the label", "its item is another flow's"));
    }
    Ok(())
}

fn no_item(place: &str, key: &Key) -> DoorError {
    let thing = format!("item {} at {}", key.flow_id, key.timestamp_ms);
    DoorError::Absent { place: place.to_owned(), thing }
}
