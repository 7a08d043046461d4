//! The tables, and how an older store becomes a current one.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, Transaction};

use crate::error::{StoreError, sqlite};
use crate::record::{Severity, cidr};

/// Marks a SQLite file as ours (`PRAGMA application_id`): "TAPH".
const APPLICATION_ID: i64 = 0x5441_5048;

/// One step a version; never edited once released, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("schema/version_1.sql"),
    include_str!("schema/version_2.sql"),
    include_str!("schema/version_3.sql"),
];

/// The version this program writes.
pub(crate) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Checks whose store it is, without writing to it. Gives its version; 0 for an empty file.
pub(crate) fn version(name: &str, connection: &Connection) -> Result<i64, StoreError> {
    let number = |sql: &str| -> Result<i64, StoreError> {
        connection.query_row(sql, [], |row| row.get(0)).map_err(|source| sqlite(name, source))
    };
    let application = number("PRAGMA application_id")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != APPLICATION_ID && (application != 0 || tables > 0) {
        let reason = "it is another program's database".to_owned();
        return Err(StoreError::Foreign { name: name.to_owned(), reason });
    }
    let found = number("PRAGMA user_version")?;
    if found > VERSION {
        return Err(StoreError::Newer { name: name.to_owned(), found, known: VERSION });
    }
    Ok(found)
}

/// Brings the store to [`VERSION`], all of the way or not at all.
pub(crate) fn migrate(name: &str, connection: &mut Connection, found: i64) -> Result<(), StoreError> {
    if found == VERSION {
        return Ok(());
    }
    let failed = |source| sqlite(name, source);
    offer_functions(connection).map_err(failed)?;
    let transaction = connection.transaction().map_err(failed)?;
    steps(&transaction, found).and_then(|()| transaction.commit()).map_err(failed)
}

fn steps(transaction: &Transaction<'_>, found: i64) -> rusqlite::Result<()> {
    for step in &MIGRATIONS[usize::try_from(found).unwrap_or(0)..] {
        transaction.execute_batch(step)?;
    }
    transaction
        .execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}"))
}

/// What migrations compute that SQL cannot.
fn offer_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("address", 1, flags, |context| {
        let text: Option<String> = context.get(0)?;
        Ok(text.and_then(|text| text.parse().ok()).map(cidr::address_bytes))
    })?;
    connection.create_scalar_function("rank", 1, flags, |context| {
        let name: String = context.get(0)?;
        Ok(Severity::named(&name).unwrap_or(Severity::Low) as i64)
    })
}
