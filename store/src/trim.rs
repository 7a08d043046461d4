//! Keeping to the limits: the oldest of the lowest class goes first, a bounded number of rows at a time.

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::error::{StoreError, sqlite};
use crate::limits::{Class, Tally};
use crate::wal::page_counts;
use crate::{Store, Writing};

/// What one round of trimming did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trimmed {
    /// Rows dropped, by class in the order of [`Class::ALL`].
    pub dropped: [u64; Class::ALL.len()],
    /// Pages given back to the file system.
    pub pages_freed: u64,
    /// A limit is still exceeded: call again.
    pub more: bool,
}

impl Store {
    /// How far apart the marks are that rows are aged by.
    const AGE_STEP_US: u64 = 600_000_000;
    /// Free pages that are kept for the rows to come: at least so many, and one in sixteen.
    const FREE_PAGES: u64 = 256;
    /// Free pages given back in one round.
    const FREE_STEP: u64 = 1_024;

    /// Drops up to `rows_max` rows that are beyond the limits, and gives free pages back to the file system.
    ///
    /// # Errors
    /// SQLite fails; then nothing was dropped.
    pub fn trim(&mut self, rows_max: u64, now_us: u64) -> Result<Trimmed, StoreError> {
        let (pages, free, page) =
            page_counts(&self.connection).map_err(|source| sqlite(&self.name, source))?;
        let limits = self.limits;
        let over =
            limits.bytes_max.map_or(0, |most| (pages.saturating_sub(free) * page).saturating_sub(most));
        self.mark_age(now_us)?;
        let mut trimmed = Trimmed::default();
        if limits != crate::Limits::default() {
            trimmed = self.transact(|transaction, writing| {
                let mut round = Round { transaction, writing, left: rows_max, trimmed: Trimmed::default() };
                for class in Class::ALL {
                    round.keep_to(class, limits.of(class), now_us)?;
                }
                round.make_room(over)?;
                round.trim_keys(&limits, now_us)?;
                Ok(round.trimmed)
            })?;
        }
        let surplus = free.saturating_sub(Self::FREE_PAGES.max(pages / 16));
        trimmed.pages_freed = self.give_back(surplus)?;
        trimmed.more |= surplus > trimmed.pages_freed;
        Ok(trimmed)
    }

    /// What each class holds and has lost, in the order of [`Class::ALL`].
    #[must_use]
    pub fn classes(&self) -> [crate::ClassCount; Class::ALL.len()] {
        self.tally.all()
    }

    fn give_back(&self, surplus: u64) -> Result<u64, StoreError> {
        let surplus = surplus.min(Self::FREE_STEP);
        if surplus > 0 {
            // A row a page: the statement must be run to its end.
            let freed = || -> rusqlite::Result<()> {
                let sql = format!("PRAGMA incremental_vacuum({surplus})");
                let mut vacuum = self.connection.prepare(&sql)?;
                let mut rows = vacuum.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            };
            freed().map_err(|source| sqlite(&self.name, source))?;
        }
        Ok(surplus)
    }

    fn mark_age(&mut self, now_us: u64) -> Result<(), StoreError> {
        let last: Option<i64> = self
            .connection
            .prepare_cached("SELECT max(at_us) FROM ages")
            .and_then(|mut select| select.query_row([], |row| row.get(0)))
            .map_err(|source| sqlite(&self.name, source))?;
        if last.is_some_and(|last| now_us < last.cast_unsigned() + Self::AGE_STEP_US) {
            return Ok(());
        }
        self.transact(|transaction, _| {
            transaction.execute(
                "INSERT OR REPLACE INTO ages SELECT ?1,
                 coalesce((SELECT max(seq) FROM flows), 0), coalesce((SELECT max(seq) FROM snapshots), 0),
                 coalesce((SELECT max(seq) FROM detections), 0), coalesce((SELECT max(seq) FROM incidents), 0),
                 coalesce((SELECT max(seq) FROM audit), 0), coalesce((SELECT max(sequence) FROM outbox), 0),
                 coalesce((SELECT max(seq) FROM labels), 0), coalesce((SELECT max(seq) FROM log_keys), 0)",
                [now_us.cast_signed()],
            )?;
            Ok(())
        })
    }
}

struct Round<'a, 'w> {
    transaction: &'a Transaction<'a>,
    writing: &'a mut Writing<'w>,
    /// Rows this round may still drop.
    left: u64,
    trimmed: Trimmed,
}

impl Round<'_, '_> {
    fn keep_to(&mut self, class: Class, limit: crate::Limit, now_us: u64) -> rusqlite::Result<()> {
        let held = self.writing.tally.of(class);
        let too_many = limit.rows_max.map_or(0, |most| held.rows.saturating_sub(most));
        let too_big = limit
            .bytes_max
            .map_or(0, |most| rows_of(self.writing.tally, class, held.bytes.saturating_sub(most)));
        let excess = too_many.max(too_big);
        if excess > 0 {
            self.drop_rows(class, excess, i64::MAX)?;
        }
        if let Some(age_s) = limit.age_max_s {
            let before = now_us.saturating_sub(age_s.saturating_mul(1_000_000));
            for table in tables(class) {
                let last = written_before(self.transaction, table.age, before)?;
                if last > 0 {
                    self.drop_from(class, table, u64::MAX, last)?;
                }
            }
        }
        Ok(())
    }

    /// The file is too large: the lowest class that has rows gives way.
    fn make_room(&mut self, bytes: u64) -> rusqlite::Result<()> {
        let mut bytes = bytes;
        for class in Class::ALL {
            if bytes == 0 || class == Class::Labels {
                break;
            }
            let rows = rows_of(self.writing.tally, class, bytes).min(self.writing.tally.of(class).rows);
            let before = self.writing.tally.of(class).bytes;
            if rows > 0 {
                self.drop_rows(class, rows, i64::MAX)?;
            }
            if self.writing.tally.of(class).rows > 0 {
                break;
            }
            bytes = bytes.saturating_sub(before);
        }
        Ok(())
    }

    fn drop_rows(&mut self, class: Class, rows: u64, up_to: i64) -> rusqlite::Result<()> {
        let mut rows = rows;
        let tables = tables(class);
        // Detections and their flows lose rows by turns, so that they age alike; of the outbox all plain flows go before an alert.
        let share = if class == Class::Alerted { rows.div_ceil(2) } else { rows };
        for table in tables {
            rows -= self.drop_from(class, table, share.min(rows), up_to)?;
        }
        for table in tables.iter().take(tables.len() - 1) {
            rows -= self.drop_from(class, table, rows, up_to)?;
        }
        Ok(())
    }

    fn drop_from(&mut self, class: Class, table: &Table, rows: u64, up_to: i64) -> rusqlite::Result<u64> {
        let most = rows.min(self.left);
        let dropped = if most == 0 {
            0
        } else {
            let limit = i64::try_from(most).unwrap_or(i64::MAX);
            self.transaction.prepare_cached(table.delete)?.execute(params![up_to, limit])? as u64
        };
        if dropped > 0 && table.age == "detections" {
            // Alerts are rows of detections.
            self.transaction.execute(
                "DELETE FROM alerts WHERE id NOT IN (SELECT id FROM detections) AND seq <= (SELECT max(seq) FROM
                 (SELECT seq FROM alerts ORDER BY seq LIMIT ?1))",
                [(dropped * 2).cast_signed()],
            )?;
        }
        self.left -= dropped;
        self.writing.tally.drop_oldest(class, dropped);
        self.trimmed.dropped[class as usize] += dropped;
        self.trimmed.more |= self.left == 0;
        Ok(dropped)
    }

    /// Keys of items that were sent long ago: nothing will ask for them any more.
    fn trim_keys(&mut self, limits: &crate::Limits, now_us: u64) -> rusqlite::Result<()> {
        let limit = limits.of(Class::Outbox);
        let Some(age_s) = limit.age_max_s else { return Ok(()) };
        let before = now_us.saturating_sub(age_s.saturating_mul(1_000_000));
        let last = written_before(self.transaction, "log_keys", before)?;
        if last > 0 && self.left > 0 {
            let gone = self.transaction.execute(
                "DELETE FROM log_keys WHERE seq IN (SELECT seq FROM log_keys WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                params![last, self.left.cast_signed()],
            )?;
            self.left -= gone as u64;
        }
        Ok(())
    }
}

/// One table that holds rows of a class, and how its oldest go: up to and with row ?1, at most ?2 of them.
struct Table {
    /// Its column in `ages`.
    age: &'static str,
    delete: &'static str,
}

fn tables(class: Class) -> &'static [Table] {
    const fn table(age: &'static str, delete: &'static str) -> Table {
        Table { age, delete }
    }
    match class {
        Class::Snapshots => {
            const {
                &[table(
                    "snapshots",
                    "DELETE FROM snapshots WHERE seq IN (SELECT seq FROM snapshots WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                )]
            }
        }
        Class::PlainFlows => {
            const {
                &[table(
                "flows",
                "DELETE FROM flows WHERE seq IN
                 (SELECT seq FROM flows INDEXED BY flows_by_kept WHERE kept = 0 AND seq <= ?1 ORDER BY seq LIMIT ?2)",
            )]
            }
        }
        Class::Outbox => {
            const {
                &[
                table(
                    "outbox",
                    "DELETE FROM outbox WHERE sequence IN
                     (SELECT sequence FROM outbox WHERE kind = 2 AND sequence <= ?1 ORDER BY sequence LIMIT ?2)",
                ),
                table(
                    "outbox",
                    "DELETE FROM outbox WHERE sequence IN
                     (SELECT sequence FROM outbox WHERE kind = 1 AND sequence <= ?1 ORDER BY sequence LIMIT ?2)",
                ),
            ]
            }
        }
        Class::Alerted => {
            const {
                &[
                table(
                    "detections",
                    "DELETE FROM detections WHERE seq IN
                     (SELECT seq FROM detections WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                ),
                table(
                    "flows",
                    "DELETE FROM flows WHERE seq IN
                     (SELECT seq FROM flows INDEXED BY flows_by_kept WHERE kept = 1 AND seq <= ?1 ORDER BY seq LIMIT ?2)",
                ),
            ]
            }
        }
        Class::Incidents => {
            const {
                &[table(
                    "incidents",
                    "DELETE FROM incidents WHERE seq IN (SELECT seq FROM incidents WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                )]
            }
        }
        Class::Audit => {
            const {
                &[table(
                    "audit",
                    "DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                )]
            }
        }
        Class::LabelledFlows => {
            const {
                &[table(
                "flows",
                "DELETE FROM flows WHERE seq IN
                 (SELECT seq FROM flows INDEXED BY flows_by_kept WHERE kept = 2 AND seq <= ?1 ORDER BY seq LIMIT ?2)",
            )]
            }
        }
        Class::Labels => {
            const {
                &[table(
                    "labels",
                    "DELETE FROM labels WHERE seq IN (SELECT seq FROM labels WHERE seq <= ?1 ORDER BY seq LIMIT ?2)",
                )]
            }
        }
    }
}

/// The last row of a table that was written before a time; 0 when that is not known.
fn written_before(connection: &Connection, column: &str, before_us: u64) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(&format!("SELECT {column} FROM ages WHERE at_us < ?1 ORDER BY at_us DESC LIMIT 1"))?
        .query_row([before_us.cast_signed()], |row| row.get(0))
        .optional()
        .map(|last| last.unwrap_or(0))
}

/// How many rows of a class make so many bytes.
fn rows_of(tally: &Tally, class: Class, bytes: u64) -> u64 {
    let held = tally.of(class);
    (u128::from(bytes) * u128::from(held.rows)).div_ceil(u128::from(held.bytes.max(1))) as u64
}
