//! Reading beside the writer: filters, pages that resume where they stopped, and a time after which a search gives up.

mod filter;
mod lists;
mod page;
mod rows;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{StoreError, sqlite};
use crate::schema;

pub use filter::{Filter, LabelFilter};
pub use lists::{Counts, QueuedFlow, WhyQueued};
pub use page::{Cursor, Page};
pub use rows::{StoredAlert, StoredDetection, StoredFlow, StoredIncident};
pub(crate) use rows::{detection_named, flow_named, setting};

/// Gives monotonic microseconds from any beginning. A reader measures with it how long a search takes.
pub type Ticks = Arc<dyn Fn() -> u64 + Send + Sync>;

/// A connection that cannot write.
pub struct Reader {
    name: String,
    connection: Connection,
    ticks: Ticks,
    patience_us: u64,
    /// When the statement under way is interrupted, in ticks.
    until: Arc<AtomicU64>,
}

impl Reader {
    /// Machine instructions of SQLite between two looks at the clock.
    const LOOK_EVERY: i32 = 20_000;

    /// Opens the store in `path`, which a [`crate::Store`] has brought up to date. A search takes at most `patience`: while it
    /// runs, the writer cannot shorten its log.
    ///
    /// # Errors
    /// There is no store, it belongs to something else, or it is of another version.
    pub fn open(path: &Path, patience: Duration, ticks: Ticks) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source| sqlite(&name, source);
        let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(Duration::from_millis(500)).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -4096; PRAGMA trusted_schema = OFF",
            )
            .map_err(failed)?;
        let found = schema::version(&name, &connection)?;
        if found < schema::VERSION {
            return Err(StoreError::Older { name, found, known: schema::VERSION });
        }
        connection.set_prepared_statement_cache_capacity(64);
        let until = Arc::new(AtomicU64::new(u64::MAX));
        let (seen, clock) = (Arc::clone(&until), Arc::clone(&ticks));
        let overdue = move || clock() >= seen.load(Ordering::Relaxed);
        connection
            .progress_handler(Self::LOOK_EVERY, Some(overdue))
            .map_err(|source| sqlite(&name, source))?;
        let patience_us = u64::try_from(patience.as_micros()).unwrap_or(u64::MAX);
        Ok(Self { name, connection, ticks, patience_us, until })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` with the time it may take.
    fn timed<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let until = (self.ticks)().saturating_add(self.patience_us);
        self.timed_until(until, work).map_err(|source| self.failed(source))
    }

    fn timed_until<T>(
        &self,
        until: u64,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.until.store(until, Ordering::Relaxed);
        let outcome = work(&self.connection);
        // A backup is no search.
        self.until.store(u64::MAX, Ordering::Relaxed);
        outcome
    }

    fn failed(&self, source: rusqlite::Error) -> StoreError {
        if source.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) {
            return StoreError::TooSlow { name: self.name.clone(), seconds: self.patience_us as f64 / 1e6 };
        }
        sqlite(&self.name, source)
    }
}
