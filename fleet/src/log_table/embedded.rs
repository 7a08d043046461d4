//! The table as one SQLite file, for a sensor and its centre on one machine: several programs of one group may use it at once.

mod together;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, TransactionBehavior};
use serde::{Deserialize, Serialize};

use super::limits::{self, PAGE_ROWS_MAX};
use super::{CENTRE, DayQuery, Key, LogItem, LogTable, StoredItem, TrueLabel, UNKNOWN, Written, day_shard};
use crate::{Cursor, DoorError, Page};

/// How long a program waits for another one's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Version of the tables, in the file's `user_version`.
const VERSION: i64 = 1;
const TABLES: &str = "
    CREATE TABLE items (
        flow_id       TEXT    NOT NULL,
        timestamp_ms  INTEGER NOT NULL,
        uid           TEXT    NOT NULL,
        rev           INTEGER NOT NULL,
        sensor_id     TEXT    NOT NULL,
        day_shard     TEXT    NOT NULL,
        expires_at_s  INTEGER,
        item          TEXT    NOT NULL,
        true_label    TEXT,
        labeled_at_ms INTEGER,
        truth         TEXT,
        PRIMARY KEY (flow_id, timestamp_ms)
    ) WITHOUT ROWID;
    CREATE INDEX by_day ON items (day_shard, timestamp_ms, flow_id);
    CREATE INDEX by_label ON items (sensor_id, labeled_at_ms, flow_id, timestamp_ms) WHERE truth IS NOT NULL;
    CREATE INDEX by_expiry ON items (expires_at_s) WHERE expires_at_s IS NOT NULL;
    PRAGMA user_version = 1;";

/// A table in a file.
pub struct EmbeddedTable {
    place: String,
    connection: Arc<Mutex<Connection>>,
    writes: Arc<together::Writes>,
}

/// Why a piece of work in the file ended without its answer.
enum Trouble {
    Sqlite(rusqlite::Error),
    Door(DoorError),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Trouble::Sqlite(error)
    }
}

impl EmbeddedTable {
    /// Opens the file, or makes it and its folder, for its owner and group.
    ///
    /// # Errors
    /// [`DoorError::Denied`], [`DoorError::Unavailable`]; [`DoorError::Damaged`] when the file is none of ours or of a later version.
    pub fn open(path: &Path) -> Result<Self, DoorError> {
        let place = format!("sqlite:{}", path.display());
        let io = |error: std::io::Error| DoorError::io(&place, "the file", &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            crate::folders::make_shared(folder).map_err(io)?;
        }
        if !path.exists() {
            // Made by us, so that the group may write; SQLite gives its side files the same mode.
            match std::fs::OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(file) => file.set_permissions(std::fs::Permissions::from_mode(0o660)).map_err(io)?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(io(error)),
            }
        }
        let mut connection = Connection::open(path).map_err(|error| sqlite(&place, &error))?;
        prepare(&mut connection, &place).map_err(|trouble| trouble.at(&place))?;
        Ok(Self { place, connection: Arc::new(Mutex::new(connection)), writes: Arc::default() })
    }

    /// Runs work that changes something, all of it or nothing, on a thread that may wait. It is on the disk when this returns.
    async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, DoorError> {
        let outcome = self.writes.add(work);
        let (connection, writes) = (Arc::clone(&self.connection), Arc::clone(&self.writes));
        crate::folders::blocking(move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            writes.carry_out(&mut connection);
            Ok(())
        })
        .await?;
        match outcome.await {
            Ok(outcome) => outcome.map_err(|trouble| trouble.at(&self.place)),
            Err(_) => {
                let detail = "a write ended without its answer".to_owned();
                Err(DoorError::Unavailable { place: self.place.clone(), detail, retry_after: None })
            }
        }
    }

    /// Runs a query on a thread that may wait; rows and where they go on.
    async fn select(
        &self,
        sql: String,
        values: Vec<Value>,
        limit: usize,
        position: fn(&StoredItem) -> Position,
    ) -> Result<Page<StoredItem>, DoorError> {
        let (connection, place) = (Arc::clone(&self.connection), self.place.clone());
        let limit = limit.clamp(1, PAGE_ROWS_MAX);
        crate::folders::blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let read = || -> Result<Vec<StoredItem>, Trouble> {
                let mut statement = connection.prepare_cached(&format!("{sql} LIMIT {}", limit + 1))?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(stored(row, &place)?);
                }
                Ok(found)
            };
            let mut rows = read().map_err(|trouble| trouble.at(&place))?;
            let more = rows.len() > limit;
            rows.truncate(limit);
            let next = rows.last().filter(|_| more).map(|last| position(last).cursor());
            Ok(Page { rows, next })
        })
        .await
    }
}

/// Where a page ended: time in the page's own order, then the key.
#[derive(Serialize, Deserialize)]
struct Position(u64, String, u64);

impl Position {
    fn cursor(&self) -> Cursor {
        Cursor(serde_json::to_string(self).unwrap_or_default())
    }

    fn read(cursor: &Cursor, place: &str) -> Result<Self, DoorError> {
        serde_json::from_str(&cursor.0)
            .map_err(|_| DoorError::invalid(place, "the cursor", "this table did not make it"))
    }

    fn values(self) -> [Value; 3] {
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        [number(self.0), Value::Text(self.1), number(self.2)]
    }
}

impl Trouble {
    fn at(self, place: &str) -> DoorError {
        match self {
            Trouble::Sqlite(error) => sqlite(place, &error),
            Trouble::Door(error) => error,
        }
    }
}

fn sqlite(place: &str, error: &rusqlite::Error) -> DoorError {
    let (place, detail) = (place.to_owned(), error.to_string());
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            DoorError::Damaged { place, thing: "the file".into(), detail }
        }
        Some(
            ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied,
        ) => DoorError::Denied { place, detail },
        _ => DoorError::Unavailable { place, detail, retry_after: None },
    }
}

fn prepare(connection: &mut Connection, place: &str) -> Result<(), Trouble> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What is answered as stored must outlast a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))? {
        0 => transaction.execute_batch(TABLES)?,
        VERSION => {}
        newer => {
            return Err(Trouble::Door(DoorError::Damaged {
                place: place.to_owned(),
                thing: "the file".into(),
                detail: format!(
                    "its version is {newer}, this program knows {VERSION}; use the newer program"
                ),
            }));
        }
    }
    transaction.commit()?;
    Ok(())
}

const COLUMNS: &str = "SELECT item, truth FROM items";

fn stored(row: &Row<'_>, place: &str) -> Result<StoredItem, Trouble> {
    let damaged = |error: serde_json::Error| {
        Trouble::Door(DoorError::Damaged {
            place: place.to_owned(),
            thing: "a row".into(),
            detail: error.to_string(),
        })
    };
    let item =
        serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?).map_err(damaged)?;
    let truth: Option<String> = row.get(1)?;
    let truth = truth.map(|text| serde_json::from_str(&text)).transpose().map_err(damaged)?;
    Ok(StoredItem { item, truth })
}

fn key_values(key: &Key) -> (&str, i64) {
    (&key.flow_id, i64::try_from(key.timestamp_ms).unwrap_or(i64::MAX))
}

fn json<T: Serialize>(value: &T) -> Result<String, Trouble> {
    serde_json::to_string(value)
        .map_err(|error| Trouble::Sqlite(rusqlite::Error::ToSqlConversionFailure(Box::new(error))))
}

/// Writes an item where there is none, or the same flow in an earlier revision.
fn write(transaction: &Transaction<'_>, item: &LogItem) -> Result<Written, Trouble> {
    if let Some(why) = limits::fault(item) {
        return Ok(Written::Rejected(why));
    }
    let held: Option<(String, u32)> = transaction
        .prepare_cached("SELECT uid, rev FROM items WHERE flow_id = ?1 AND timestamp_ms = ?2")?
        .query_row(key_values(&item.key), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match held {
        Some((uid, _)) if uid != item.uid => return Ok(Written::Kept),
        Some((_, rev)) if rev >= item.rev => return Ok(Written::Known),
        _ => {}
    }
    transaction
        .prepare_cached(
            "INSERT INTO items (flow_id, timestamp_ms, uid, rev, sensor_id, day_shard, expires_at_s, item)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET rev = ?4, expires_at_s = ?7, item = ?8",
        )?
        .execute((
            &item.key.flow_id,
            i64::try_from(item.key.timestamp_ms).unwrap_or(i64::MAX),
            &item.uid,
            item.rev,
            &item.sensor_id,
            day_shard(&item.key.flow_id, item.key.timestamp_ms),
            item.expires_at_s.map(|at| i64::try_from(at).unwrap_or(i64::MAX)),
            json(item)?,
        ))?;
    Ok(Written::Stored)
}

fn set_truth(transaction: &Transaction<'_>, key: &Key, truth: &TrueLabel) -> Result<(), Trouble> {
    let (flow_id, timestamp_ms) = key_values(key);
    let at = i64::try_from(truth.at_ms).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "UPDATE items SET truth = ?3, true_label = ?4, labeled_at_ms = ?5
             WHERE flow_id = ?1 AND timestamp_ms = ?2",
        )?
        .execute((flow_id, timestamp_ms, json(truth)?, &truth.label, at))?;
    Ok(())
}

fn read(transaction: &Connection, key: &Key, place: &str) -> Result<Option<StoredItem>, Trouble> {
    let sql = format!("{COLUMNS} WHERE flow_id = ?1 AND timestamp_ms = ?2");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(key_values(key))?;
    rows.next()?.map(|row| stored(row, place)).transpose()
}

#[async_trait]
impl LogTable for EmbeddedTable {
    async fn ensure(&self) -> Result<(), DoorError> {
        // The tables were made when the file was opened. What may be forgotten goes by the file's own clock, and, as in DynamoDB,
        // not when it should have gone more than five years ago: then the time is wrong, not the item old.
        let sql =
            "DELETE FROM items WHERE expires_at_s BETWEEN unixepoch('now', '-5 years') AND unixepoch('now')";
        self.transact(move |transaction| Ok(transaction.execute(sql, ()).map(|_| ())?)).await
    }

    async fn put_fresh(&self, items: &[LogItem]) -> Result<Vec<Written>, DoorError> {
        super::check_batch(&self.place, items)?;
        let items = items.to_vec();
        self.transact(move |transaction| items.iter().map(|item| write(transaction, item)).collect()).await
    }

    async fn update(&self, item: &LogItem) -> Result<Written, DoorError> {
        let item = item.clone();
        self.transact(move |transaction| write(transaction, &item)).await
    }

    async fn label(
        &self,
        key: &Key,
        uid: &str,
        truth: &TrueLabel,
        item: Option<&LogItem>,
    ) -> Result<Written, DoorError> {
        super::check_label(&self.place, key, uid, item)?;
        if let Some(why) = limits::label_fault(truth) {
            return Ok(Written::Rejected(why));
        }
        let (key, uid, truth, item) = (key.clone(), uid.to_owned(), truth.clone(), item.cloned());
        let place = self.place.clone();
        self.transact(move |transaction| {
            match (read(transaction, &key, &place)?, item) {
                (None, None) => return Err(Trouble::Door(super::no_item(&place, &key))),
                (None, Some(item)) => match write(transaction, &item)? {
                    Written::Stored => {}
                    refused => return Ok(refused),
                },
                (Some(held), _) if held.item.uid != uid => return Ok(Written::Kept),
                (Some(held), _) => match held.truth {
                    Some(held) if held == truth => return Ok(Written::Known),
                    Some(held) if held.source == CENTRE => return Ok(Written::Kept),
                    Some(held) if held.at_ms >= truth.at_ms => return Ok(Written::Known),
                    _ => {}
                },
            }
            set_truth(transaction, &key, &truth)?;
            Ok(Written::Stored)
        })
        .await
    }

    async fn label_at_centre(&self, key: &Key, truth: &TrueLabel) -> Result<Written, DoorError> {
        if let Some(why) = limits::label_fault(truth) {
            return Ok(Written::Rejected(why));
        }
        let (key, place) = (key.clone(), self.place.clone());
        let truth = TrueLabel { source: CENTRE.to_owned(), ..truth.clone() };
        self.transact(move |transaction| {
            match read(transaction, &key, &place)? {
                None => return Err(Trouble::Door(super::no_item(&place, &key))),
                Some(held) if held.truth.as_ref() == Some(&truth) => return Ok(Written::Known),
                Some(_) => set_truth(transaction, &key, &truth)?,
            }
            Ok(Written::Stored)
        })
        .await
    }

    async fn item(&self, key: &Key) -> Result<Option<StoredItem>, DoorError> {
        let (key, place, connection) = (key.clone(), self.place.clone(), Arc::clone(&self.connection));
        crate::folders::blocking(move || {
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            read(&connection, &key, &place).map_err(|trouble| trouble.at(&place))
        })
        .await
    }

    async fn by_day(&self, query: &DayQuery) -> Result<Page<StoredItem>, DoorError> {
        let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
        let mut sql = format!("{COLUMNS} WHERE day_shard = ? AND timestamp_ms >= ? AND timestamp_ms < ?");
        let mut values =
            vec![Value::Text(query.day_shard.clone()), number(query.from_ms), number(query.to_ms)];
        if query.labelled_only {
            sql += " AND true_label <> ?";
            values.push(Value::Text(UNKNOWN.into()));
        }
        if let Some(after) = &query.after {
            sql += " AND (timestamp_ms, flow_id, timestamp_ms) > (?, ?, ?)";
            values.extend(Position::read(after, &self.place)?.values());
        }
        sql += " ORDER BY timestamp_ms, flow_id";
        let position = |row: &StoredItem| {
            let key = &row.item.key;
            Position(key.timestamp_ms, key.flow_id.clone(), key.timestamp_ms)
        };
        self.select(sql, values, query.limit, position).await
    }

    async fn labelled(
        &self,
        sensor_id: &str,
        since_ms: u64,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<StoredItem>, DoorError> {
        let since = Value::Integer(i64::try_from(since_ms).unwrap_or(i64::MAX));
        let mut sql = format!("{COLUMNS} WHERE truth IS NOT NULL AND sensor_id = ? AND labeled_at_ms >= ?");
        let mut values = vec![Value::Text(sensor_id.to_owned()), since];
        if let Some(after) = after {
            sql += " AND (labeled_at_ms, flow_id, timestamp_ms) > (?, ?, ?)";
            values.extend(Position::read(after, &self.place)?.values());
        }
        sql += " ORDER BY labeled_at_ms, flow_id, timestamp_ms";
        let position = |row: &StoredItem| {
            let at = row.truth.as_ref().map_or(0, |truth| truth.at_ms);
            Position(at, row.item.key.flow_id.clone(), row.item.key.timestamp_ms)
        };
        self.select(sql, values, limit, position).await
    }
}
