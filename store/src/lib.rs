//! The sensor's SQLite: what was seen and decided, kept with a version and never guessed at.
//!
//! One owner at a time opens a database; the sensor opens its own, a replay one in memory or the file it was given.

pub mod record;
mod schema;

use std::path::Path;

use rusqlite::{Connection, Transaction, params};

use record::{DetectionRow, IncidentRow, Settled};

/// Why the store cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Written by a later release.
    #[error(
        "{name}: is a store of version {found}, this program knows up to {known}; open it with the release that wrote it"
    )]
    Newer {
        /// The file.
        name: String,
        /// `user_version` found in it.
        found: i64,
        /// The version this program writes.
        known: i64,
    },
    /// Not a database, or one of another program.
    #[error("{name}: is not a store of this program ({reason}); name another file")]
    Foreign {
        /// The file.
        name: String,
        /// What was found instead.
        reason: String,
    },
    /// SQLite failed.
    #[error("{name}: the store failed ({source}); check the disk's free space and the file's permissions")]
    Sqlite {
        /// The file.
        name: String,
        /// SQLite's own error.
        source: rusqlite::Error,
    },
}

/// An open store.
pub struct Store {
    name: String,
    connection: Connection,
}

impl Store {
    /// A store that lives as long as the value.
    ///
    /// # Errors
    /// SQLite cannot allocate it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let name = "store in memory".to_owned();
        let connection = Connection::open_in_memory().map_err(|source| sqlite(&name, source))?;
        Self::with(name, connection)
    }

    /// Opens or creates the store in `path`.
    ///
    /// # Errors
    /// The file cannot be opened, belongs to something else, or was written by a later release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let connection = Connection::open(path).map_err(|source| sqlite(&name, source))?;
        Self::with(name, connection)
    }

    fn with(name: String, mut connection: Connection) -> Result<Self, StoreError> {
        schema::migrate(&name, &mut connection)?;
        Ok(Self { name, connection })
    }

    /// Writes detections and incidents in one transaction; a row whose id is known replaces the older one.
    ///
    /// # Errors
    /// Nothing is written when one row fails.
    pub fn write(
        &mut self,
        detections: &[DetectionRow],
        incidents: &[IncidentRow],
    ) -> Result<(), StoreError> {
        self.transact(|transaction| {
            let mut insert = transaction.prepare_cached(schema::UPSERT_DETECTION)?;
            for d in detections {
                insert.execute(params![
                    d.id,
                    d.opinion,
                    d.category,
                    d.score,
                    d.confidence,
                    d.novelty,
                    d.src_ip,
                    d.src_port,
                    d.dst_ip,
                    d.dst_port,
                    d.protocol,
                    d.first_us.cast_signed(),
                    d.last_us.cast_signed(),
                    d.provisional,
                    d.revised,
                    d.folded,
                    d.incident,
                    json(&d.reasons),
                    d.model_version.cast_signed(),
                ])?;
            }
            let mut insert = transaction.prepare_cached(schema::UPSERT_INCIDENT)?;
            for i in incidents {
                insert.execute(params![
                    i.id,
                    i.category,
                    i.severity,
                    i.source,
                    i.target,
                    i.port,
                    i.first_us.cast_signed(),
                    i.last_us.cast_signed(),
                    i.detections.cast_signed(),
                    i.alerts.cast_signed(),
                    i.score,
                    i.revised,
                    json(&i.reasons),
                ])?;
            }
            Ok(())
        })
    }

    /// Notes how provisional detections ended: a final score, or none when they are taken back.
    ///
    /// # Errors
    /// SQLite fails; then none is noted.
    pub fn settle(&mut self, settled: &[Settled]) -> Result<(), StoreError> {
        self.transact(|transaction| {
            let mut update = transaction.prepare_cached(schema::SETTLE)?;
            for s in settled {
                update.execute(params![s.id, s.last_us.cast_signed(), s.score])?;
            }
            Ok(())
        })
    }

    /// Moves the detections of incidents that were merged into others, and takes those incidents out.
    ///
    /// # Errors
    /// SQLite fails; then nothing is moved.
    pub fn merge_incidents(&mut self, moved: &[(String, String)]) -> Result<(), StoreError> {
        self.transact(|transaction| {
            for (from, into) in moved {
                transaction.execute(schema::MOVE_DETECTIONS, [from, into])?;
                transaction.execute(schema::REMOVE_INCIDENT, [from])?;
            }
            Ok(())
        })
    }

    /// All of `work`, or none of it.
    fn transact(
        &mut self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction().map_err(|source| sqlite(&self.name, source))?;
        work(&transaction).and_then(|()| transaction.commit()).map_err(|source| sqlite(&self.name, source))
    }

    /// How many detections and incidents the store holds.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn counts(&self) -> Result<(u64, u64), StoreError> {
        self.connection
            .query_row(
                "SELECT (SELECT count(*) FROM detections), (SELECT count(*) FROM incidents)",
                [],
                |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned())),
            )
            .map_err(|source| sqlite(&self.name, source))
    }
}

fn sqlite(name: &str, source: rusqlite::Error) -> StoreError {
    if let rusqlite::Error::SqliteFailure(e, _) = &source
        && e.code == rusqlite::ErrorCode::NotADatabase
    {
        return StoreError::Foreign { name: name.to_owned(), reason: "it is no SQLite database".to_owned() };
    }
    StoreError::Sqlite { name: name.to_owned(), source }
}

fn json(reasons: &[String]) -> String {
    serde_json::to_string(reasons).unwrap_or_default()
}

#[cfg(test)]
mod tests;
