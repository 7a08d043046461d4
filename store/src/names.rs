//! Words that rows repeat (categories, end reasons, schema ids) as small numbers.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

/// What the writer knows of the `names` table.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashMap<String, i64>,
}

impl Names {
    /// The number of a word, new words included.
    pub(crate) fn number(&mut self, connection: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(number) = self.known.get(name) {
            return Ok(*number);
        }
        let found = connection
            .prepare_cached("SELECT id FROM names WHERE name = ?1")?
            .query_row([name], |row| row.get(0));
        let number = match found.optional()? {
            Some(number) => number,
            None => {
                connection.prepare_cached("INSERT INTO names (name) VALUES (?1)")?.execute([name])?;
                connection.last_insert_rowid()
            }
        };
        self.known.insert(name.to_owned(), number);
        Ok(number)
    }

    /// After a transaction that was taken back: its new words are not in the table.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}
