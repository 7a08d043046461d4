//! When the disk is told to keep what was written, and how the write-ahead log is kept small.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::{StoreError, sqlite};

/// What the store takes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sizes {
    /// The database file, bytes.
    pub database_bytes: u64,
    /// Pages of it in use, bytes.
    pub used_bytes: u64,
    /// The write-ahead log, bytes.
    pub wal_bytes: u64,
}

impl Store {
    /// The disk is told to keep everything so often. Half of what is promised: the row that has just missed one must not wait
    /// for longer than a second.
    pub(crate) const SYNC_EVERY_US: u64 = 500_000;
    /// The log's file keeps this size when it is empty, so that it need not grow anew.
    pub(crate) const WAL_KEPT_BYTES: u64 = 4 << 20;
    /// From here on what readers allow is copied into the database.
    const WAL_COPIED_BYTES: u64 = 4 << 20;
    /// From here on the log is also cut, if no reader is in the way for so long.
    const WAL_CUT_BYTES: u64 = 32 << 20;
    const WAL_CUT_WAIT_MS: u64 = 20;

    /// Does `work` and has the disk keep it, and everything before it, before it returns.
    pub(crate) fn durably<T>(
        &mut self,
        now_us: u64,
        work: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.synchronous("FULL")?;
        let outcome = work(self);
        self.synchronous("NORMAL")?;
        if outcome.is_ok() {
            self.unsynced = false;
            self.synced_us = now_us;
        }
        outcome
    }

    /// Has the disk keep everything that was committed, if that is not so and half a second has passed.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn sync(&mut self, now_us: u64) -> Result<(), StoreError> {
        if !self.unsynced || now_us.abs_diff(self.synced_us) < Self::SYNC_EVERY_US {
            return Ok(());
        }
        // SQLite syncs the log when a transaction that wrote something ends.
        self.durably(now_us, |store| store.note_setting("store.synced", &now_us.to_le_bytes(), now_us))
    }

    /// Copies the log into the database when it has grown, and cuts it when readers allow. Gives the sizes.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn checkpoint(&mut self) -> Result<Sizes, StoreError> {
        let sizes = self.sizes()?;
        if sizes.wal_bytes < Self::WAL_COPIED_BYTES {
            return Ok(sizes);
        }
        let cut = sizes.wal_bytes >= Self::WAL_CUT_BYTES;
        let failed = |source| sqlite(&self.name, source);
        let patience = |ms: u64| self.connection.busy_timeout(std::time::Duration::from_millis(ms));
        patience(Self::WAL_CUT_WAIT_MS).map_err(failed)?;
        let outcome = checkpoint(&self.connection, if cut { "TRUNCATE" } else { "PASSIVE" });
        patience(2_000).map_err(failed)?;
        outcome.map_err(failed)?;
        self.sizes()
    }

    /// Copies everything and cuts the log: for an orderly end.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn close(self) -> Result<(), StoreError> {
        if self.path.is_some() {
            checkpoint(&self.connection, "TRUNCATE").map_err(|source| sqlite(&self.name, source))?;
        }
        self.connection.close().map_err(|(_, source)| sqlite(&self.name, source))
    }

    /// What the store takes on the disk.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn sizes(&self) -> Result<Sizes, StoreError> {
        let (pages, free, page) =
            page_counts(&self.connection).map_err(|source| sqlite(&self.name, source))?;
        let wal = self.path.as_ref().map(|path| {
            let mut wal = path.clone().into_os_string();
            wal.push("-wal");
            std::fs::metadata(wal).map_or(0, |file| file.len())
        });
        Ok(Sizes {
            database_bytes: pages * page,
            used_bytes: pages.saturating_sub(free) * page,
            wal_bytes: wal.unwrap_or(0),
        })
    }

    fn synchronous(&self, level: &str) -> Result<(), StoreError> {
        self.connection
            .execute_batch(if level == "FULL" {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            })
            .map_err(|source| sqlite(&self.name, source))
    }
}

/// Pages, free pages, bytes a page.
pub(crate) fn page_counts(connection: &Connection) -> rusqlite::Result<(u64, u64, u64)> {
    let pragma = |sql: &str| -> rusqlite::Result<u64> {
        connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    };
    Ok((pragma("PRAGMA page_count")?, pragma("PRAGMA freelist_count")?, pragma("PRAGMA page_size")?))
}

/// A checkpoint that readers are in the way of does what it can.
fn checkpoint(connection: &Connection, mode: &str) -> rusqlite::Result<()> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
}
