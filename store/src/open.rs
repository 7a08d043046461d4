//! Opening a store: whose it is, how it writes, and what it may grow to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::error::{StoreError, sqlite};
use crate::limits::{Limits, Tally};
use crate::names::Names;
use crate::{Store, schema};

impl Store {
    /// A store that lives as long as the value.
    ///
    /// # Errors
    /// SQLite cannot allocate it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let name = "store in memory".to_owned();
        let connection = Connection::open_in_memory().map_err(|source| sqlite(&name, source))?;
        Self::with(name, None, connection)
    }

    /// Opens or creates the store in `path`, and brings an older one up to date.
    ///
    /// # Errors
    /// The file cannot be opened, belongs to something else, is open for writing elsewhere, or was written by a later release.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let connection = Connection::open(path).map_err(|source| sqlite(&name, source))?;
        Self::with(name, Some(path.to_owned()), connection)
    }

    /// What is kept of each class of rows. Without it nothing is ever dropped.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Queues log items and labels for the centre, under this sensor's id. A replay's store has no outbox.
    #[must_use]
    pub fn with_outbox(mut self, sensor_id: &str) -> Self {
        self.outbox_of = Some(sensor_id.to_owned());
        self
    }

    /// The store's name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn with(name: String, path: Option<PathBuf>, mut connection: Connection) -> Result<Self, StoreError> {
        let failed = |source| sqlite(&name, source);
        let found = schema::version(&name, &connection)?;
        // A backup by somebody else's tool may hold a lock for a moment.
        connection.busy_timeout(Duration::from_secs(2)).map_err(failed)?;
        // Pages that rows leave can be given back to the file system. Takes effect in a new file, or by the VACUUM below.
        let batch = "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
             PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF";
        connection.execute_batch(batch).map_err(failed)?;
        schema::migrate(&name, &mut connection, found)?;
        if path.is_some() {
            Self::prepare_file(&connection).map_err(failed)?;
        }
        connection.set_prepared_statement_cache_capacity(64);
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        let tally = Tally::load(&connection).map_err(failed)?;
        Ok(Self {
            name,
            path,
            connection,
            limits: Limits::default(),
            outbox_of: None,
            names: Names::default(),
            tally,
            unsynced: false,
            synced_us: 0,
            packed: Vec::new(),
        })
    }

    fn prepare_file(connection: &Connection) -> rusqlite::Result<()> {
        let pragma = |which: &str| -> rusqlite::Result<i64> {
            connection.query_row(&format!("PRAGMA {which}"), [], |row| row.get(0))
        };
        if pragma("auto_vacuum")? != 2 {
            connection.execute_batch("VACUUM")?;
        }
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        if mode != "wal" {
            // A file system without shared memory: still correct, but readers and the writer wait for each other.
            connection.execute_batch("PRAGMA journal_mode = TRUNCATE")?;
        }
        // Checkpoints are the writer's, so that their work is bounded and seen.
        connection.execute_batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = {}",
            Self::WAL_KEPT_BYTES
        ))
    }
}
