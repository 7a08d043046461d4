//! What has gone up, as Parquet in the object store: files of thousands of rows, each row in exactly one of them.
//!
//! Rows wait in the sensor's outbox until their file is confirmed. A file's rows and key are written down before it is
//! uploaded, and it is only written where there is none: after a crash the same file is made again, or found.

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

/// The rows of one file, chosen before it is uploaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Plan {
    sequences: Vec<u64>,
    /// Tells its files apart from those of another store that counts from one too.
    tag: String,
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

    /// Uploads what is due, `all` of it if asked. Gives the rows that are confirmed, by kind, also when the object store did not
    /// answer for others; those go on waiting.
    pub async fn ship(
        &mut self,
        now_us: u64,
        all: bool,
        cursors: &Mutex<Cursors>,
    ) -> (Vec<(OutboxKind, Vec<u64>)>, Result<(), Trouble>) {
        let mut shipped = Vec::new();
        for kind in OutboxKind::ALL {
            loop {
                match self.ship_one(kind, now_us, all, cursors).await {
                    Ok(Some(sequences)) => shipped.push((kind, sequences)),
                    Ok(None) => break,
                    Err(trouble) => return (shipped, Err(trouble)),
                }
            }
        }
        (shipped, Ok(()))
    }

    async fn ship_one(
        &mut self,
        kind: OutboxKind,
        now_us: u64,
        all: bool,
        cursors: &Mutex<Cursors>,
    ) -> Result<Option<Vec<u64>>, Trouble> {
        let name = format!("archiving {}", kind_name(kind));
        let waiting = self.waiting.get(&kind).map_or(&[][..], Vec::as_slice);
        if waiting.is_empty() {
            return Ok(None);
        }
        let known: Option<Plan> = cursors.lock().unwrap_or_else(PoisonError::into_inner).fact(&name)?;
        // Rows of a plan are acknowledged together: all of them wait, or the file is long confirmed.
        let known = known.filter(|plan| plan.sequences.iter().any(|s| self.held.contains(s)));
        let plan = match known {
            Some(plan) if !plan.sequences.iter().all(|s| self.held.contains(s)) => {
                // A predecessor began this file; its other rows are still on their way through the table.
                let oldest = waiting.iter().map(|(_, created_us, _)| *created_us).min().unwrap_or(now_us);
                if !all && now_us.saturating_sub(oldest) < u64::from(self.settings.age_s) * 2_000_000 {
                    return Ok(None);
                }
                // They made room in the outbox; what is left of the plan is what there is.
                plan
            }
            Some(plan) => plan,
            None => {
                let oldest = waiting.iter().map(|(_, created_us, _)| *created_us).min().unwrap_or(now_us);
                let due = now_us.saturating_sub(oldest) >= u64::from(self.settings.age_s) * 1_000_000;
                if !all && !due && waiting.len() < self.settings.rows {
                    return Ok(None);
                }
                let plan = Plan::of(waiting.iter().take(self.settings.rows));
                cursors.lock().unwrap_or_else(PoisonError::into_inner).keep(&name, &plan)?;
                plan
            }
        };
        let chosen: BTreeSet<u64> = plan.sequences.iter().copied().collect();
        let rows: Vec<&(u64, u64, Parcel)> = waiting.iter().filter(|(s, _, _)| chosen.contains(s)).collect();
        for (key, items) in files(kind, &plan, &rows) {
            let bytes = (self.encode)(&items)?;
            match self.objects.write(&key, bytes, PutIf::Absent).await {
                // It is there from an attempt whose answer was lost.
                Ok(_) | Err(DoorError::Conflict { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let confirmed: Vec<u64> = rows.iter().map(|(s, _, _)| *s).collect();
        if let Some(waiting) = self.waiting.get_mut(&kind) {
            waiting.retain(|(s, _, _)| !chosen.contains(s));
        }
        self.held.retain(|s| !chosen.contains(s));
        Ok(Some(confirmed))
    }
}

impl Plan {
    fn of<'a>(rows: impl Iterator<Item = &'a (u64, u64, Parcel)>) -> Self {
        let (mut sequences, mut hash) = (Vec::new(), Sha256::new());
        for (sequence, created_us, parcel) in rows {
            sequences.push(*sequence);
            hash.update(sequence.to_be_bytes());
            hash.update(created_us.to_be_bytes());
            hash.update(parcel.key().flow_id.as_bytes());
        }
        let tag = hash.finalize().iter().take(6).map(|b| format!("{b:02x}")).collect();
        Self { sequences, tag }
    }
}

/// The files of a plan: one a schema, sensor and day. Their names follow from the plan alone.
fn files(kind: OutboxKind, plan: &Plan, rows: &[&(u64, u64, Parcel)]) -> Vec<(String, Vec<StoredItem>)> {
    let mut by_day: BTreeMap<(String, String, String), Vec<StoredItem>> = BTreeMap::new();
    for stored in rows.iter().map(|(_, _, parcel)| stored(parcel)) {
        let item = &stored.item;
        let day = utc_day(item.key.timestamp_ms);
        by_day.entry((item.schema.clone(), item.sensor_id.clone(), day)).or_default().push(stored);
    }
    let first = plan.sequences.first().copied().unwrap_or(0);
    let name = format!("{}-{first:012}-{}", kind_name(kind), plan.tag);
    let key = |(schema, sensor, day): &(String, String, String)| keys::log_file(schema, sensor, day, &name);
    by_day.into_iter().map(|(place, items)| (key(&place), items)).collect()
}

fn stored(parcel: &Parcel) -> StoredItem {
    match parcel {
        Parcel::Item(item) => StoredItem { item: item.clone(), truth: None },
        Parcel::Label { key, uid, sensor_id, truth, item } => {
            let item = item.as_deref().cloned().unwrap_or_else(|| no_flow(key, uid, sensor_id));
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
