//! The tables and how an older store becomes a current one.

use rusqlite::Connection;

use crate::{StoreError, sqlite};

/// Marks a SQLite file as ours (`PRAGMA application_id`): "TAPH".
const APPLICATION_ID: i64 = 0x5441_5048;

/// One step a version; never edited once released, only added to.
const MIGRATIONS: &[&str] = &["
CREATE TABLE detections (
    id TEXT PRIMARY KEY, opinion TEXT NOT NULL, category TEXT NOT NULL,
    score REAL NOT NULL, confidence REAL NOT NULL, novelty REAL,
    src_ip TEXT, src_port INTEGER, dst_ip TEXT, dst_port INTEGER, protocol INTEGER NOT NULL,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    provisional INTEGER NOT NULL, revised INTEGER NOT NULL, folded INTEGER NOT NULL,
    incident TEXT NOT NULL, reasons TEXT NOT NULL, model_version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX detections_by_incident ON detections (incident);
CREATE TABLE incidents (
    id TEXT PRIMARY KEY, category TEXT NOT NULL, severity TEXT NOT NULL,
    source TEXT, target TEXT, port INTEGER,
    first_us INTEGER NOT NULL, last_us INTEGER NOT NULL,
    detections INTEGER NOT NULL, alerts INTEGER NOT NULL,
    score REAL NOT NULL, revised INTEGER NOT NULL, reasons TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"];

pub(crate) const UPSERT_DETECTION: &str = "INSERT OR REPLACE INTO detections VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)";
pub(crate) const UPSERT_INCIDENT: &str =
    "INSERT OR REPLACE INTO incidents VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)";

pub(crate) const MOVE_DETECTIONS: &str = "UPDATE detections SET incident = ?2 WHERE incident = ?1";
pub(crate) const REMOVE_INCIDENT: &str = "DELETE FROM incidents WHERE id = ?1";
pub(crate) const SETTLE: &str = "UPDATE detections SET provisional = 0, last_us = max(last_us, ?2), \
     revised = ?3 IS NULL, score = coalesce(?3, score) WHERE id = ?1";

pub(crate) fn migrate(name: &str, connection: &mut Connection) -> Result<(), StoreError> {
    let failed = |source| sqlite(name, source);
    let pragma = |connection: &Connection, which: &str| -> Result<i64, StoreError> {
        connection.query_row(&format!("PRAGMA {which}"), [], |row| row.get(0)).map_err(failed)
    };
    let known = MIGRATIONS.len() as i64;
    let found = pragma(connection, "user_version")?;
    let application = pragma(connection, "application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        let reason = "it is another program's database".to_owned();
        return Err(StoreError::Foreign { name: name.to_owned(), reason });
    }
    if found > known {
        return Err(StoreError::Newer { name: name.to_owned(), found, known });
    }
    let transaction = connection.transaction().map_err(failed)?;
    for step in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction
        .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {known}"))
        .map_err(failed)?;
    transaction.commit().map_err(failed)
}
