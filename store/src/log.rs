//! Items for the centre: each gets a key that no other flow has, and waits in the outbox.

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use crate::Writing;
use crate::limits::Class;
use crate::record::{LogRow, OutboxKind};

/// What an outbox row takes beside its payload.
const OUTBOX_BYTES: usize = 70;

/// Queues an item, its timestamp moved to where its flow's is.
pub(crate) fn enqueue(
    connection: &Connection,
    writing: &mut Writing<'_>,
    row: &LogRow,
    now_us: u64,
) -> rusqlite::Result<()> {
    if writing.outbox_of.is_none() {
        return Ok(());
    }
    let mut item = row.item.clone();
    item.timestamp = timestamp(connection, &item.uid, &item.flow_id, item.timestamp, now_us)?;
    put(connection, writing, row.kind, &item.uid, item.rev, &item, now_us)
}

/// The timestamp of `subject`'s item: the one it has, or from `wish` on the first that no other flow of this name has.
pub(crate) fn timestamp(
    connection: &Connection,
    subject: &str,
    flow_id: &str,
    wish: u64,
    now_us: u64,
) -> rusqlite::Result<u64> {
    let known: Option<i64> = connection
        .prepare_cached("SELECT timestamp FROM log_keys WHERE subject = ?1")?
        .query_row([subject], |row| row.get(0))
        .optional()?;
    if let Some(known) = known {
        return Ok(known.cast_unsigned());
    }
    let mut insert = connection.prepare_cached(
        "INSERT INTO log_keys (subject, flow_id, timestamp, created_us) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (flow_id, timestamp) DO NOTHING",
    )?;
    let mut free = wish;
    while insert.execute(params![subject, flow_id, free.cast_signed(), now_us.cast_signed()])? == 0 {
        free += 1;
    }
    Ok(free)
}

pub(crate) fn put(
    connection: &Connection,
    writing: &mut Writing<'_>,
    kind: OutboxKind,
    uid: &str,
    rev: u32,
    item: &impl Serialize,
    now_us: u64,
) -> rusqlite::Result<()> {
    let payload =
        rmp_serde::to_vec_named(item).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    connection
        .prepare_cached(
            "INSERT INTO outbox (kind, uid, rev, payload, created_us) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![kind as i64, uid, rev, payload, now_us.cast_signed()])?;
    writing.tally.add(class_of(kind), OUTBOX_BYTES + uid.len() + payload.len());
    Ok(())
}

/// A label that waits is worth as much as the label.
pub(crate) fn class_of(kind: OutboxKind) -> Class {
    match kind {
        OutboxKind::Label => Class::Labels,
        OutboxKind::Alert | OutboxKind::Flow => Class::Outbox,
    }
}
