//! Pages: newest first, in windows of bounded work, each a read transaction of its own.

use std::fmt;
use std::str::FromStr;

use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params_from_iter};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::filter::{Conditions, Filter, Listing};
use super::{Reader, StoredAlert, StoredDetection, StoredFlow, StoredIncident, rows};
use crate::error::StoreError;
use crate::record::NotOne;

/// Where a search goes on: behind the last row that was looked at. Rows that were there when the search began are neither
/// given twice nor left out; rows that come later appear in a later search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    time: i64,
    seq: i64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.time, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let number = |hex: Option<&str>| hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let whole = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match (number(text.get(..16)), number(text.get(16..))) {
            (Some(time), Some(seq)) if whole => Ok(Self { time: time.cast_signed(), seq: seq.cast_signed() }),
            _ => Err(NotOne::of(text, "cursor: send the one that the page before gave, as it came")),
        }
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Some of what was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Newest first.
    pub rows: Vec<T>,
    /// Where to go on; none when everything has been looked at.
    pub next: Option<Cursor>,
    /// The page is short because time was up, not because there is no more.
    pub out_of_time: bool,
}

/// Rows looked at in one read transaction.
const WINDOW: i64 = 4_096;
/// Rows a page.
const PAGE_MAX: usize = 10_000;

impl Reader {
    /// Final flows, and vectors of clients, newest first.
    ///
    /// # Errors
    /// The filter makes no sense for flows, or SQLite fails.
    pub fn flows(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredFlow>, StoreError> {
        self.page(Listing::Flows, rows::FLOW_SELECT, filter, after, limit, rows::flow)
    }

    /// Detections, newest first.
    ///
    /// # Errors
    /// The filter makes no sense for detections, or SQLite fails.
    pub fn detections(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredDetection>, StoreError> {
        self.page(Listing::Detections, rows::DETECTION_SELECT, filter, after, limit, rows::detection)
    }

    /// Alerts, newest first.
    ///
    /// # Errors
    /// The filter makes no sense for alerts, or SQLite fails.
    pub fn alerts(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredAlert>, StoreError> {
        self.page(Listing::Alerts, rows::ALERT_SELECT, filter, after, limit, rows::alert)
    }

    /// Incidents, by their first packet, newest first.
    ///
    /// # Errors
    /// The filter makes no sense for incidents, or SQLite fails.
    pub fn incidents(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
    ) -> Result<Page<StoredIncident>, StoreError> {
        self.page(Listing::Incidents, rows::INCIDENT_SELECT, filter, after, limit, rows::incident)
    }

    fn page<T>(
        &self,
        listing: Listing,
        select: &str,
        filter: &Filter,
        after: Option<Cursor>,
        limit: usize,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Page<T>, StoreError> {
        let conditions = Conditions::of(filter, listing)?;
        let (time, seq) = listing.order();
        let hint = conditions.index.map_or(String::new(), |index| format!(" INDEXED BY {index}"));
        let sql = format!(
            "{} WHERE ({time}, {seq}) < (?, ?) AND ({time}, {seq}) >= (?, ?){} ORDER BY {time} DESC, {seq} DESC LIMIT ?",
            select.replace("{hint}", &hint),
            conditions.sql
        );
        let limit = limit.clamp(1, PAGE_MAX);
        let until = (self.ticks)().saturating_add(self.patience_us);
        let last = Cursor { time: signed(filter.from_us.unwrap_or(0)), seq: i64::MIN };
        let first = Cursor { time: filter.to_us.map_or(i64::MAX, signed), seq: i64::MIN };
        let mut at = after.filter(|after| *after < first).unwrap_or(first);
        let mut page = Page { rows: Vec::new(), next: None, out_of_time: false };
        loop {
            let room = limit - page.rows.len();
            let window = self.timed_until(until, |connection| {
                let edge = match conditions.index {
                    Some(_) => None,
                    None => edge(connection, listing, at, last)?,
                };
                let low = edge.unwrap_or(last);
                let mut values = vec![at.time.into(), at.seq.into(), low.time.into(), low.seq.into()];
                values.extend(conditions.values.iter().cloned());
                values.push(Value::Integer(room as i64));
                let mut statement = connection.prepare_cached(&sql)?;
                let found = statement
                    .query_map(params_from_iter(values), |row| {
                        Ok((read(row)?, Cursor { time: row.get(0)?, seq: row.get(1)? }))
                    })?
                    .collect::<rusqlite::Result<Vec<_>>>()?;
                Ok((found, edge))
            });
            match window {
                Ok((found, edge)) => {
                    let full = found.len() == room;
                    let reached = found.last().map(|(_, cursor)| *cursor);
                    page.rows.extend(found.into_iter().map(|(row, _)| row));
                    at = match (full, edge) {
                        (true, _) => reached.unwrap_or(at),
                        (false, Some(edge)) => edge,
                        (false, None) => return Ok(page),
                    };
                    if full {
                        page.next = Some(at);
                        return Ok(page);
                    }
                }
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                    // Even one window was too much: going on from here would be too much again.
                    if page.rows.is_empty() && after.unwrap_or(first) == at {
                        return Err(self.failed(e));
                    }
                    page.out_of_time = true;
                }
                Err(e) => return Err(self.failed(e)),
            }
            if page.out_of_time || (self.ticks)() >= until {
                page.next = Some(at);
                page.out_of_time = true;
                return Ok(page);
            }
        }
    }
}

impl PartialOrd for Cursor {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some((self.time, self.seq).cmp(&(other.time, other.seq)))
    }
}

/// The last row of the window that begins behind `at`; none when the window holds everything down to `last`.
fn edge(
    connection: &Connection,
    listing: Listing,
    at: Cursor,
    last: Cursor,
) -> rusqlite::Result<Option<Cursor>> {
    let (time, seq) = listing.order();
    let sql = format!(
        "SELECT {time}, {seq} FROM {} WHERE ({time}, {seq}) < (?1, ?2) AND {time} >= ?3
         ORDER BY {time} DESC, {seq} DESC LIMIT 1 OFFSET {}",
        listing.name(),
        WINDOW - 1
    );
    connection
        .prepare_cached(&sql)?
        .query_row((at.time, at.seq, last.time), |row| Ok(Cursor { time: row.get(0)?, seq: row.get(1)? }))
        .optional()
}

/// Times beyond what SQLite can hold are as good as the latest.
fn signed(time_us: u64) -> i64 {
    i64::try_from(time_us).unwrap_or(i64::MAX)
}
