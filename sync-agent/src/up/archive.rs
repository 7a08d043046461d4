//! What has gone up, as Parquet in the object store: files of thousands of rows, each row in exactly one of them.
//!
//! Rows wait in the sensor's outbox until their file is confirmed. A file's rows and key are written down before it is
//! uploaded, and it is only written where there is none: after a crash the same file is made again, or found. What is written down
//! is forgotten when the sensor has let go of the rows; until then they go to no other file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use fleet::log_table::{Key, LogItem, StoredItem, UNKNOWN, utc_day};
use fleet::objects::PutIf;
use fleet::{DoorError, ObjectStore, keys};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::record::{OutboxKind, OutboxRow};

use super::Trouble;
use super::encode::Parcel;
use crate::config;
use crate::cursors::{Cursors, kind_name};
use crate::fault::Fault;

/// Items as the bytes of one file.
pub type Encode = fn(&[StoredItem]) -> Result<Vec<u8>, DoorError>;

/// Rows on their way to Parquet.
pub struct Archiver {
    encode: Encode,
    objects: Arc<dyn ObjectStore>,
    settings: config::Archive,
    waiting: BTreeMap<OutboxKind, Vec<(u64, u64, Parcel)>>,
    held: BTreeSet<u64>,
}

/// Which rows go to which files, chosen before the first of them is uploaded, and kept until the sensor has let go of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plan {
    /// Tells its files apart from those of another store that counts from one too.
    tag: String,
    files: Vec<PlannedFile>,
}

/// One file of a plan. Where a row goes is settled here: a label goes to its flow's file, and whether its flow is known may differ the
/// next time that it is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PlannedFile {
    schema: String,
    sensor_id: String,
    day: String,
    rows: Vec<Row>,
}

/// A row's number in the outbox, and when it was queued (microseconds): a store that was made anew counts from one again.
type Row = (u64, u64);

/// Rows that the object store has confirmed.
#[derive(Debug)]
pub struct Shipped {
    kind: OutboxKind,
    tag: String,
    /// Their numbers in the outbox.
    pub sequences: Vec<u64>,
}

impl Archiver {
    /// Files that `encode` makes go to `objects`.
    #[must_use]
    pub fn new(objects: Arc<dyn ObjectStore>, settings: &config::Archive, encode: Encode) -> Self {
        Self { encode, objects, settings: settings.clone(), waiting: BTreeMap::new(), held: BTreeSet::new() }
    }

    /// Takes a row that has gone through the table.
    pub fn add(&mut self, row: OutboxRow, parcel: Parcel) {
        if self.held.insert(row.sequence) {
            self.waiting.entry(row.kind).or_default().push((row.sequence, row.created_us, parcel));
        }
    }

    /// The row waits here.
    #[must_use]
    pub fn holds(&self, sequence: u64) -> bool {
        self.held.contains(&sequence)
    }

    /// Forgets what waits: it will be fetched again.
    pub fn forget(&mut self) {
        self.waiting.clear();
        self.held.clear();
    }

    /// Uploads the next files of a kind that are due, `all` of what waits if asked. The rows of the outbox up to `reached` have been
    /// fetched; of those, what is not here is there no more. Gives the rows to be acknowledged; [`Archiver::acknowledged`] has to
    /// follow, or they are uploaded again, to the same files.
    ///
    /// # Errors
    /// The object store does not answer, or this machine's disk fails; the rows go on waiting.
    pub async fn ship_next(
        &mut self,
        kind: OutboxKind,
        reached: u64,
        now_us: u64,
        all: bool,
        cursors: &Mutex<Cursors>,
    ) -> Result<Option<Shipped>, Trouble> {
        let waiting = self.waiting.get(&kind).map_or(&[][..], Vec::as_slice);
        if waiting.is_empty() {
            return Ok(None);
        }
        let parcels: BTreeMap<Row, &Parcel> = waiting.iter().map(|(s, at, p)| ((*s, *at), p)).collect();
        let mut plans = known(kind, cursors)?;
        // Of whom nothing waits and nothing can come, the sensor has let go.
        plans.retain(|plan| plan.newest() > reached || plan.rows().any(|row| parcels.contains_key(&row)));
        let is_whole = |plan: &Plan| plan.rows().all(|row| parcels.contains_key(&row));
        let plan = match plans.iter().find(|plan| plan.newest() <= reached || is_whole(plan)) {
            Some(plan) => plan.clone(),
            None => {
                let planned: BTreeSet<Row> = plans.iter().flat_map(Plan::rows).collect();
                let free: Vec<_> =
                    waiting.iter().filter(|(s, at, _)| !planned.contains(&(*s, *at))).collect();
                let Some(oldest) = free.iter().map(|(_, created_us, _)| *created_us).min() else {
                    return Ok(None);
                };
                let due = now_us.saturating_sub(oldest) >= u64::from(self.settings.age_s) * 1_000_000;
                if !all && !due && free.len() < self.settings.rows {
                    return Ok(None);
                }
                let plan = Plan::of(free.into_iter().take(self.settings.rows));
                plans.push(plan.clone());
                keep(kind, &plans, cursors)?;
                plan
            }
        };
        let name = plan.name(kind);
        for file in &plan.files {
            let parcels = file.rows.iter().filter_map(|row| parcels.get(row));
            let items: Vec<StoredItem> = parcels.map(|parcel| stored(parcel, Some(&file.schema))).collect();
            if items.is_empty() {
                continue;
            }
            let key = keys::log_file(&file.schema, &file.sensor_id, &file.day, &name);
            match self.objects.write(&key, (self.encode)(&items)?, PutIf::Absent).await {
                // It is there from an attempt whose answer was lost.
                Ok(_) | Err(DoorError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let sequences = plan.rows().filter(|row| parcels.contains_key(row)).map(|(s, _)| s).collect();
        Ok(Some(Shipped { kind, tag: plan.tag, sequences }))
    }

    /// The sensor has let go of these rows.
    ///
    /// # Errors
    /// This machine's disk fails.
    pub fn acknowledged(&mut self, shipped: &Shipped, cursors: &Mutex<Cursors>) -> Result<(), Fault> {
        let gone: BTreeSet<u64> = shipped.sequences.iter().copied().collect();
        if let Some(waiting) = self.waiting.get_mut(&shipped.kind) {
            waiting.retain(|(s, _, _)| !gone.contains(s));
        }
        self.held.retain(|s| !gone.contains(s));
        let mut plans = known(shipped.kind, cursors)?;
        plans.retain(|plan| plan.tag != shipped.tag);
        keep(shipped.kind, &plans, cursors)
    }
}

/// Plans of a kind whose rows the sensor may still have.
fn known(kind: OutboxKind, cursors: &Mutex<Cursors>) -> Result<Vec<Plan>, Fault> {
    let cursors = cursors.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(cursors.fact(&fact(kind))?.unwrap_or_default())
}

fn keep(kind: OutboxKind, plans: &[Plan], cursors: &Mutex<Cursors>) -> Result<(), Fault> {
    cursors.lock().unwrap_or_else(PoisonError::into_inner).keep(&fact(kind), &plans)
}

fn fact(kind: OutboxKind) -> String {
    format!("archiving {}", kind_name(kind))
}

impl Plan {
    /// One file a schema, sensor and day.
    fn of<'a>(rows: impl Iterator<Item = &'a (u64, u64, Parcel)>) -> Self {
        let (mut places, mut hash) = (BTreeMap::<_, Vec<Row>>::new(), Sha256::new());
        for (sequence, created_us, parcel) in rows {
            hash.update(sequence.to_be_bytes());
            hash.update(created_us.to_be_bytes());
            hash.update(parcel.key().flow_id.as_bytes());
            let item = stored(parcel, None).item;
            let day = utc_day(item.key.timestamp_ms);
            places.entry((item.schema, item.sensor_id, day)).or_default().push((*sequence, *created_us));
        }
        let tag = hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
        let file = |((schema, sensor_id, day), rows)| PlannedFile { schema, sensor_id, day, rows };
        Self { tag, files: places.into_iter().map(file).collect() }
    }

    fn rows(&self) -> impl Iterator<Item = Row> {
        self.files.iter().flat_map(|file| file.rows.iter().copied())
    }

    fn newest(&self) -> u64 {
        self.rows().map(|(sequence, _)| sequence).max().unwrap_or(0)
    }

    fn name(&self, kind: OutboxKind) -> String {
        format!(
            "{}-{:012}-{}",
            kind_name(kind),
            self.rows().map(|(sequence, _)| sequence).min().unwrap_or(0),
            self.tag
        )
    }
}

/// A parcel as a row of a file, of the file with this schema if that is settled.
fn stored(parcel: &Parcel, schema: Option<&str>) -> StoredItem {
    match parcel {
        Parcel::Item(item) => StoredItem { item: item.clone(), truth: None },
        Parcel::Label { key, uid, sensor_id, truth, item } => {
            let fits = |item: &&LogItem| schema.is_none_or(|schema| item.schema == schema);
            let item = item.as_deref().filter(fits).cloned().unwrap_or_else(|| {
                let schema = schema.unwrap_or(keys::NO_FLOW).to_owned();
                LogItem { schema, ..no_flow(key, uid, sensor_id) }
            });
            StoredItem { item, truth: Some(truth.clone()) }
        }
    }
}

/// What stands in a file for a flow that still ran when its label was given.
fn no_flow(key: &Key, uid: &str, sensor_id: &str) -> LogItem {
    LogItem {
        key: key.clone(),
        uid: uid.to_owned(),
        rev: 0,
        sensor_id: sensor_id.to_owned(),
        content: String::new(),
        features: BTreeMap::new(),
        label: UNKNOWN.to_owned(),
        category: UNKNOWN.to_owned(),
        score: 0.0,
        confidence: 0.0,
        model_version: 0,
        schema: keys::NO_FLOW.to_owned(),
        community_id: None,
        start_us: key.timestamp_ms.saturating_mul(1_000),
        end_us: key.timestamp_ms.saturating_mul(1_000),
        expires_at_s: None,
    }
}

#[cfg(test)]
mod tests;
