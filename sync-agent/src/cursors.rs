//! What has to survive a crash: how far rows were attempted, what was set aside, which pointers were acted upon.
//!
//! One SQLite file in the agent's own folder, written before what it speaks of is done.

use std::path::Path;

use fleet::health::Pin;
use fleet::log_table::Key;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::record::{OutboxKind, OutboxRow};

use crate::fault::Fault;

const SCHEMA: i64 = 1;
/// Keys that labels went to: kept so long that the flow of a label has long gone up.
const LABELLED_MAX: i64 = 1_000_000;
/// Rows set aside that are kept with their payload; older ones are only counted.
const SET_ASIDE_MAX: i64 = 10_000;

/// The agent's database.
pub struct Cursors {
    connection: Connection,
    name: String,
    /// When the database was made: rows of before may have been sent by a predecessor whose memory is lost.
    born_us: u64,
}

/// A row that cannot be sent, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct SetAside {
    /// Its number in the outbox.
    pub sequence: u64,
    /// `label`, `alert` or `flow`.
    pub kind: String,
    /// The flow.
    pub uid: String,
    /// Why.
    pub reason: String,
}

/// How often labels bore a model's verdicts out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdicts {
    /// Labels.
    pub labels: u64,
    /// Those that say otherwise.
    pub errors: u64,
}

impl Cursors {
    /// Opens the database in `folder`, or makes it.
    ///
    /// # Errors
    /// The folder cannot be written, or the file is of a later release.
    pub fn open(folder: &Path, now_us: u64) -> Result<Self, Fault> {
        let path = folder.join("sync.db");
        std::fs::create_dir_all(folder).map_err(|e| cannot(&path, &e))?;
        let connection = Connection::open(&path).map_err(|e| cannot(&path, &e))?;
        Self::on(connection, path.display().to_string(), now_us)
    }

    fn on(connection: Connection, name: String, now_us: u64) -> Result<Self, Fault> {
        let mut cursors = Self { connection, name, born_us: 0 };
        let version: i64 = cursors.do_(|c| c.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        if version > SCHEMA {
            return Err(Fault::Config(format!(
                "{}: was written by a later release (version {version}, known here {SCHEMA}); update taphound-sync",
                cursors.name
            )));
        }
        cursors.do_(|c| {
            c.execute_batch(&format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000;
                 CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS labelled (flow_id TEXT, timestamp INTEGER, PRIMARY KEY (flow_id, timestamp));
                 CREATE TABLE IF NOT EXISTS set_aside (number INTEGER PRIMARY KEY, sequence INTEGER NOT NULL, kind TEXT NOT NULL,
                     uid TEXT NOT NULL, reason TEXT NOT NULL, payload BLOB NOT NULL, UNIQUE (sequence, kind, uid));
                 CREATE TABLE IF NOT EXISTS verdicts (version INTEGER, uid TEXT, wrong INTEGER NOT NULL, PRIMARY KEY (version, uid)) WITHOUT ROWID;
                 CREATE TABLE IF NOT EXISTS pins (digest TEXT PRIMARY KEY, version INTEGER NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL);
                 PRAGMA user_version = {SCHEMA};"
            ))
        })?;
        cursors.born_us = match cursors.fact("born_us")? {
            Some(born) => born,
            None => {
                cursors.keep("born_us", &now_us)?;
                now_us
            }
        };
        Ok(cursors)
    }

    /// The value kept under a name.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Fault> {
        let text: Option<String> = self.do_(|c| {
            c.prepare_cached("SELECT value FROM facts WHERE name = ?1")?
                .query_row([name], |row| row.get(0))
                .optional()
        })?;
        // A value of another release is as good as none.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Keeps a value under a name; on the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn keep(&self, name: &str, value: &impl Serialize) -> Result<(), Fault> {
        let text = serde_json::to_string(value)
            .map_err(|e| Fault::Software(format!("{name} cannot be kept: {e}")))?;
        self.do_(|c| {
            c.prepare_cached("INSERT OR REPLACE INTO facts VALUES (?1, ?2)")?
                .execute([name, &text])
                .map(|_| ())
        })
    }

    /// Forgets what is kept under a name.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn drop_fact(&self, name: &str) -> Result<(), Fault> {
        self.do_(|c| c.execute("DELETE FROM facts WHERE name = ?1", [name]).map(|_| ()))
    }

    /// Marks rows as about to be sent, and says of each whether it was surely never sent before. On the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails; then nothing may be sent.
    pub fn attempt(&self, kind: OutboxKind, rows: &[(&OutboxRow, Key)]) -> Result<Vec<bool>, Fault> {
        let name = format!("attempted {kind:?}");
        let before: u64 = self.fact(&name)?.unwrap_or(0);
        let mut fresh = Vec::with_capacity(rows.len());
        for (row, key) in rows {
            let unsent = row.sequence > before && row.created_us >= self.born_us;
            fresh.push(unsent && !self.is_labelled(key)?);
        }
        let newest = rows.iter().map(|(row, _)| row.sequence).max().unwrap_or(0);
        if newest > before {
            self.keep(&name, &newest)?;
        }
        Ok(fresh)
    }

    /// Marks the items that labels are about to go to: their flows must not be written as if there were nothing.
    ///
    /// # Errors
    /// SQLite fails; then nothing may be sent.
    pub fn note_labelled<'a>(&mut self, keys: impl Iterator<Item = &'a Key>) -> Result<(), Fault> {
        self.transact(|t| {
            let mut insert = t.prepare_cached("INSERT OR IGNORE INTO labelled VALUES (?1, ?2)")?;
            for key in keys {
                insert.execute(params![key.flow_id, key.timestamp_ms.cast_signed()])?;
            }
            t.execute(
                "DELETE FROM labelled WHERE rowid <= (SELECT max(rowid) FROM labelled) - ?1",
                [LABELLED_MAX],
            )?;
            Ok(())
        })
    }

    fn is_labelled(&self, key: &Key) -> Result<bool, Fault> {
        self.do_(|c| {
            c.prepare_cached("SELECT 1 FROM labelled WHERE flow_id = ?1 AND timestamp = ?2")?
                .exists(params![key.flow_id, key.timestamp_ms.cast_signed()])
        })
    }

    /// Keeps rows that cannot be sent; on the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails; then the rows must not be acknowledged.
    pub fn set_aside(&mut self, rows: &[(&OutboxRow, String)]) -> Result<(), Fault> {
        self.transact(|t| {
            let mut insert = t.prepare_cached(
                "INSERT OR IGNORE INTO set_aside (sequence, kind, uid, reason, payload) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for (row, reason) in rows {
                let kind = kind_name(row.kind);
                insert.execute(params![row.sequence.cast_signed(), kind, row.uid, reason, row.payload])?;
            }
            let most = "DELETE FROM set_aside WHERE number <= (SELECT max(number) FROM set_aside) - ?1";
            t.execute(most, [SET_ASIDE_MAX])?;
            Ok(())
        })
    }

    /// How many rows were set aside, ever.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn set_aside_count(&self) -> Result<u64, Fault> {
        self.do_(|c| {
            c.query_row("SELECT coalesce(max(number), 0) FROM set_aside", [], |row| row.get::<_, i64>(0))
        })
        .map(i64::cast_unsigned)
    }

    /// The newest rows that were set aside.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn newest_set_aside(&self, limit: u32) -> Result<Vec<SetAside>, Fault> {
        self.do_(|c| {
            c.prepare("SELECT sequence, kind, uid, reason FROM set_aside ORDER BY number DESC LIMIT ?1")?
                .query_map([limit], |row| {
                    Ok(SetAside {
                        sequence: row.get::<_, i64>(0)?.cast_unsigned(),
                        kind: row.get(1)?,
                        uid: row.get(2)?,
                        reason: row.get(3)?,
                    })
                })?
                .collect()
        })
    }

    /// Notes that a label bears a verdict out, or does not; the last word on a flow counts.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn judge(&mut self, judged: &[(u64, String, Option<bool>)]) -> Result<(), Fault> {
        self.transact(|t| {
            for (version, uid, right) in judged {
                let version = version.cast_signed();
                match right {
                    Some(right) => t
                        .prepare_cached("INSERT OR REPLACE INTO verdicts VALUES (?1, ?2, ?3)")?
                        .execute(params![version, uid, !right])?,
                    None => t
                        .prepare_cached("DELETE FROM verdicts WHERE version = ?1 AND uid = ?2")?
                        .execute(params![version, uid])?,
                };
            }
            // The models of long ago are nobody's concern.
            t.execute(
                "DELETE FROM verdicts WHERE version NOT IN (SELECT DISTINCT version FROM verdicts ORDER BY version DESC LIMIT 16)",
                [],
            )?;
            Ok(())
        })
    }

    /// How often labels bore out the verdicts of a model.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn verdicts(&self, version: u64) -> Result<Verdicts, Fault> {
        self.do_(|c| {
            c.query_row(
                "SELECT count(*), coalesce(sum(wrong), 0) FROM verdicts WHERE version = ?1",
                [version.cast_signed()],
                |row| {
                    let count = |n| row.get::<_, i64>(n).map(i64::cast_unsigned);
                    Ok(Verdicts { labels: count(0)?, errors: count(1)? })
                },
            )
        })
    }

    /// Never lets a model come back; on the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn pin(&self, pin: &Pin) -> Result<(), Fault> {
        self.do_(|c| {
            c.execute(
                "INSERT OR REPLACE INTO pins VALUES (?1, ?2, ?3, ?4)",
                params![pin.digest, pin.version.cast_signed(), pin.reason, pin.at_ms.cast_signed()],
            )
            .map(|_| ())
        })
    }

    /// Models that must not come back, newest first.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn pins(&self) -> Result<Vec<Pin>, Fault> {
        self.do_(|c| {
            c.prepare("SELECT digest, version, reason, at_ms FROM pins ORDER BY at_ms DESC LIMIT 64")?
                .query_map([], |row| {
                    Ok(Pin {
                        digest: row.get(0)?,
                        version: row.get::<_, i64>(1)?.cast_unsigned(),
                        reason: row.get(2)?,
                        at_ms: row.get::<_, i64>(3)?.cast_unsigned(),
                    })
                })?
                .collect()
        })
    }

    fn do_<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Fault> {
        work(&self.connection).map_err(|e| failed(&self.name, &e))
    }

    fn transact(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), Fault> {
        let done = self.connection.transaction().and_then(|transaction| {
            work(&transaction)?;
            transaction.commit()
        });
        done.map_err(|e| failed(&self.name, &e))
    }
}

/// A kind's name in files and interfaces.
#[must_use]
pub fn kind_name(kind: OutboxKind) -> &'static str {
    match kind {
        OutboxKind::Label => "label",
        OutboxKind::Alert => "alert",
        OutboxKind::Flow => "flow",
    }
}

fn cannot(path: &Path, e: &dyn std::fmt::Display) -> Fault {
    Fault::CannotCreate(format!(
        "{}: cannot be opened ({e}); check that `agent.state_dir` exists and that this user may write it",
        path.display()
    ))
}

fn failed(name: &str, e: &rusqlite::Error) -> Fault {
    Fault::TryAgain(format!("{name}: {e}; check the free space and the rights of its folder"))
}

#[cfg(test)]
mod tests;
