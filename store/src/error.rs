//! Why the store says no, and whose fault that is.

use rusqlite::ErrorCode;

/// Why the store cannot be opened, read or written.
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
    /// A reader does not migrate.
    #[error(
        "{name}: is a store of version {found}, older than {known}; start the sensor once, it brings it up to date"
    )]
    Older {
        /// The file.
        name: String,
        /// `user_version` found in it.
        found: i64,
        /// The version this program reads.
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
    /// The disk, or the quota of the user, is full.
    #[error("{name}: no space left to write ({source}); free some space, or lower the store's quota")]
    Full {
        /// The file.
        name: String,
        /// SQLite's own error.
        source: rusqlite::Error,
    },
    /// SQLite failed.
    #[error("{name}: the store failed ({source}); check the disk's free space and the file's permissions")]
    Sqlite {
        /// The file.
        name: String,
        /// SQLite's own error.
        source: rusqlite::Error,
    },
    /// A read took longer than it may, and has given nothing yet.
    #[error("{name}: the search took longer than {seconds} s; narrow its time range")]
    TooSlow {
        /// The file.
        name: String,
        /// How long it may take, s.
        seconds: f64,
    },
    /// A request names something that is not there, or makes no sense.
    #[error("{0}")]
    Request(String),
    /// A row of the store cannot be read.
    #[error("{name}: {table} row {row} is damaged; run `PRAGMA integrity_check`, or restore a backup")]
    Damaged {
        /// The file.
        name: String,
        /// The table.
        table: &'static str,
        /// Its row id.
        row: i64,
    },
    /// Another file could not be written.
    #[error("{name}: {reason}")]
    Backup {
        /// The file.
        name: String,
        /// What happened, and what to do.
        reason: String,
    },
}

impl StoreError {
    /// The fault lies in what was to be written, not in the disk: trying again cannot help.
    #[must_use]
    pub fn is_about_the_row(&self) -> bool {
        let StoreError::Sqlite { source, .. } = self else {
            return matches!(self, StoreError::Request(_));
        };
        if matches!(source, rusqlite::Error::ToSqlConversionFailure(_)) {
            return true;
        }
        matches!(
            source.sqlite_error_code(),
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig)
        )
    }

    /// The file belongs to somebody else or to a later release: it must not be written to at all.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, StoreError::Newer { .. } | StoreError::Older { .. } | StoreError::Foreign { .. })
    }
}

pub(crate) fn sqlite(name: &str, source: rusqlite::Error) -> StoreError {
    let name = name.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            StoreError::Foreign { name, reason: "it is no SQLite database".to_owned() }
        }
        Some(ErrorCode::DiskFull) => StoreError::Full { name, source },
        _ => StoreError::Sqlite { name, source },
    }
}
