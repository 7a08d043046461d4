//! The sensor's SQLite: what was seen, decided and labelled, kept with a version and never guessed at.
//!
//! One [`Store`] writes: the sensor's writer thread owns it, a replay has one in memory or in the file it was given. Any number
//! of [`Reader`]s read beside it. Neither knows the time: it is an argument.
//!
//! - [`record`]: the rows as plain types.
//! - [`Store::commit`]: what the data plane has to tell, in groups. [`Store::label`] and its like: what people say, synced to
//!   the disk before it is answered.
//! - [`Limits`]: how much of each class of rows is kept.
//! - [`Reader`]: filters, pages, counts.

mod backup;
mod commands;
mod error;
mod limits;
mod log;
mod names;
mod open;
mod outbox;
mod reader;
pub mod record;
mod schema;
mod trim;
mod wal;
mod write;

use std::path::PathBuf;

use rusqlite::{Connection, Transaction};

pub use backup::BackupProgress;
pub use error::StoreError;
pub use limits::{Class, ClassCount, Limit, Limits};
pub use outbox::Acknowledged;
pub use reader::{
    Counts, Cursor, Filter, LabelFilter, Page, QueuedFlow, Reader, StoredAlert, StoredDetection, StoredFlow,
    StoredIncident, Ticks, WhyQueued,
};
pub use trim::Trimmed;
pub use wal::Sizes;

use error::sqlite;
use limits::Tally;
use names::Names;

/// An open store: the one that may write.
pub struct Store {
    name: String,
    /// None: it lives in memory.
    path: Option<PathBuf>,
    connection: Connection,
    limits: Limits,
    /// Rows enter the outbox, with this sensor's id in them.
    outbox_of: Option<String>,
    names: Names,
    tally: Tally,
    /// Commits since the disk was last told to keep everything.
    unsynced: bool,
    synced_us: u64,
    packed: Vec<u8>,
}

impl Store {
    /// All of `work`, or none of it. The tally changes with it.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Writing<'_>) -> Result<T, rusqlite::Error>,
    ) -> Result<T, StoreError> {
        let before = self.tally;
        let mut writing = Writing {
            names: &mut self.names,
            tally: &mut self.tally,
            packed: &mut self.packed,
            outbox_of: self.outbox_of.as_deref(),
        };
        let outcome = self.connection.transaction().and_then(|transaction| {
            let value = work(&transaction, &mut writing)?;
            if *writing.tally != before {
                writing.tally.save(&transaction, &before)?;
            }
            transaction.commit()?;
            Ok(value)
        });
        outcome.map_err(|source| {
            self.tally = before;
            self.names.forget();
            sqlite(&self.name, source)
        })
    }
}

/// What a transaction changes beside the tables.
struct Writing<'a> {
    names: &'a mut Names,
    tally: &'a mut Tally,
    packed: &'a mut Vec<u8>,
    outbox_of: Option<&'a str>,
}
