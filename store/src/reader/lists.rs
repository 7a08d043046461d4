//! Short lists: one flow and its life, labels, suppressions, blocks, audit, outbox, the queue of flows worth a label, counts.

use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::rows::{self, FLOW_SELECT, SNAPSHOT_SELECT, damaged, unsigned};
use super::{Reader, StoredDetection, StoredFlow};
use crate::commands::label_named;
use crate::error::StoreError;
use crate::limits::{Class, ClassCount, Tally};
use crate::record::{
    AuditRow, BlockRow, Cidr, FlowId, LabelRow, NewAudit, NewBlock, NewLabel, NewSuppression, OutboxKind,
    OutboxRow, SnapshotRow, SuppressionRow, TrueLabel,
};

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// What each class holds and has lost, in the order of [`Class::ALL`].
    pub classes: [ClassCount; Class::ALL.len()],
    /// Rows of the outbox, in the order of [`OutboxKind::ALL`].
    pub outbox: [u64; OutboxKind::ALL.len()],
    /// When the oldest of them was queued, microseconds since the epoch.
    pub outbox_oldest_us: Option<u64>,
}

/// A flow that is worth a label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueuedFlow {
    /// The flow.
    #[serde(flatten)]
    pub flow: StoredFlow,
    /// Why it is asked about.
    pub why: WhyQueued,
}

/// Why a flow is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyQueued {
    /// The model is least sure of it.
    Uncertain,
    /// It is in the random hundredth, which tells without bias what is missed.
    Random,
}

impl Reader {
    /// The flow of that id, final.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn flow(&self, id: &str) -> Result<Option<StoredFlow>, StoreError> {
        self.timed(|connection| rows::flow_named(connection, id))
    }

    /// The detection of that id.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn detection(&self, id: &str) -> Result<Option<StoredDetection>, StoreError> {
        self.timed(|connection| rows::detection_named(connection, id))
    }

    /// The vectors of a flow while it ran, oldest first.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn snapshots(&self, id: FlowId) -> Result<Vec<SnapshotRow>, StoreError> {
        self.timed(|connection| {
            list(connection, SNAPSHOT_SELECT, params![id.uid, id.segment], rows::snapshot)
        })
    }

    /// What was said of a subject, oldest first. The last one counts.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn labels_of(&self, subject: &str) -> Result<Vec<LabelRow>, StoreError> {
        let sql = format!("{LABEL_SELECT} WHERE subject = ?1 ORDER BY seq");
        self.timed(|connection| list(connection, &sql, [subject], label))
    }

    /// Labels after a sequence number, oldest first.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn labels(&self, after: u64, limit: usize) -> Result<Vec<LabelRow>, StoreError> {
        let sql = format!("{LABEL_SELECT} WHERE seq > ?1 ORDER BY seq LIMIT ?2");
        self.timed(|connection| list(connection, &sql, params![after.cast_signed(), count(limit)], label))
    }

    /// The number of the newest label; 0 when there is none.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn newest_label(&self) -> Result<u64, StoreError> {
        self.timed(|connection| {
            let sql = "SELECT coalesce(max(seq), 0) FROM labels";
            connection.prepare_cached(sql)?.query_row([], |row| unsigned(row, 0))
        })
    }

    /// What the centre says, from after (time given, subject) on, in that order.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn true_labels(&self, after: (u64, &str), limit: usize) -> Result<Vec<TrueLabel>, StoreError> {
        let sql =
            "SELECT subject, label, category, actor, at_us FROM true_labels WHERE (at_us, subject) > (?1, ?2)
            ORDER BY at_us, subject LIMIT ?3";
        let after = params![after.0.cast_signed(), after.1, count(limit)];
        self.timed(|connection| list(connection, sql, after, true_label))
    }

    /// Whether a flow is in the random hundredth that the label queue asks about whatever the model said of it.
    #[must_use]
    pub fn is_random(id: &FlowId) -> bool {
        // A uid is a hash: 655 of 65,536 first pairs of bytes are a hundredth.
        id.uid[..2] < [0x02, 0x8f][..]
    }

    /// What the centre says of a flow.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn true_label_of(&self, subject: &str) -> Result<Option<TrueLabel>, StoreError> {
        let sql = "SELECT subject, label, category, actor, at_us FROM true_labels WHERE subject = ?1";
        let found = self.timed(|connection| list(connection, sql, [subject], true_label))?;
        Ok(found.into_iter().next())
    }

    /// Suppressions, newest first; those that have ended too.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn suppressions(&self) -> Result<Vec<SuppressionRow>, StoreError> {
        let sql = "SELECT id, src, dst, port, category, owner, reason, created_us, expires_us, lifted_us, hits, last_hit_us
            FROM suppressions ORDER BY id DESC";
        self.timed(|connection| {
            list(connection, sql, [], |row| {
                Ok(SuppressionRow {
                    id: unsigned(row, 0)?,
                    rule: NewSuppression {
                        src: cidr(row, 1)?,
                        dst: cidr(row, 2)?,
                        port: row.get(3)?,
                        category: row.get(4)?,
                        owner: row.get(5)?,
                        reason: row.get(6)?,
                        created_us: unsigned(row, 7)?,
                        expires_us: maybe(row, 8)?,
                    },
                    lifted_us: maybe(row, 9)?,
                    hits: unsigned(row, 10)?,
                    last_hit_us: maybe(row, 11)?,
                })
            })
        })
    }

    /// Blocks, newest first; those that have ended too.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn blocks(&self) -> Result<Vec<BlockRow>, StoreError> {
        let sql =
            "SELECT id, address, port, subject, owner, reason, created_us, expires_us, lifted_us FROM blocks
            ORDER BY id DESC";
        self.timed(|connection| {
            list(connection, sql, [], |row| {
                Ok(BlockRow {
                    id: unsigned(row, 0)?,
                    rule: NewBlock {
                        address: cidr(row, 1)?.ok_or_else(|| damaged(1, "no address"))?,
                        port: row.get(2)?,
                        subject: row.get(3)?,
                        owner: row.get(4)?,
                        reason: row.get(5)?,
                        created_us: unsigned(row, 6)?,
                        expires_us: unsigned(row, 7)?,
                    },
                    lifted_us: maybe(row, 8)?,
                })
            })
        })
    }

    /// The audit log before a line (none: from its end), newest first.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn audit(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditRow>, StoreError> {
        let sql = "SELECT seq, at_us, actor, role, action, subject, allowed, detail FROM audit WHERE seq < ?1
            ORDER BY seq DESC LIMIT ?2";
        let before = before.map_or(i64::MAX, u64::cast_signed);
        self.timed(|connection| {
            list(connection, sql, params![before, count(limit)], |row| {
                Ok(AuditRow {
                    seq: unsigned(row, 0)?,
                    entry: NewAudit {
                        at_us: unsigned(row, 1)?,
                        actor: row.get(2)?,
                        role: row.get(3)?,
                        action: row.get(4)?,
                        subject: row.get(5)?,
                        allowed: row.get(6)?,
                        detail: row.get(7)?,
                    },
                })
            })
        })
    }

    /// Rows of one kind that wait for the centre, from the oldest after `after` on: at most `limit`, and no more once they
    /// make `bytes_max` bytes (one row is always given).
    ///
    /// # Errors
    /// SQLite fails.
    pub fn outbox(
        &self,
        kind: OutboxKind,
        after: u64,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = "SELECT sequence, uid, rev, payload, created_us FROM outbox INDEXED BY outbox_by_kind
            WHERE kind = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3";
        self.timed(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let mut found = statement.query(params![kind as i64, after.cast_signed(), count(limit)])?;
            let (mut rows, mut bytes) = (Vec::new(), 0);
            while let Some(row) = found.next()? {
                let payload: Vec<u8> = row.get(3)?;
                bytes += payload.len();
                if bytes > bytes_max && !rows.is_empty() {
                    break;
                }
                let (uid, rev) = (row.get(1)?, row.get(2)?);
                let created_us = unsigned(row, 4)?;
                rows.push(OutboxRow { sequence: unsigned(row, 0)?, kind, uid, rev, payload, created_us });
            }
            Ok(rows)
        })
    }

    /// Flows of a time range that nobody has labelled and that are worth it: those whose score is nearest to `threshold`, and
    /// those of a random hundredth (chosen by their uid: the same on every call), newest first.
    ///
    /// # Errors
    /// It takes too long, or SQLite fails.
    pub fn label_queue(
        &self,
        from_us: u64,
        to_us: u64,
        threshold: f64,
        limit: usize,
    ) -> Result<Vec<QueuedFlow>, StoreError> {
        let random = format!(
            "{} WHERE start_us >= ?1 AND start_us < ?2 AND label IS NULL AND true_label IS NULL
             AND substr(uid, 1, 2) < x'028f' ORDER BY start_us DESC, seq DESC LIMIT ?3",
            FLOW_SELECT.replace("{hint}", " INDEXED BY flows_by_start")
        );
        let uncertain = format!(
            "{} WHERE seq IN (SELECT seq FROM flows INDEXED BY flows_by_start WHERE start_us >= ?1 AND start_us < ?2
             AND label IS NULL AND true_label IS NULL AND substr(uid, 1, 2) >= x'028f'
             ORDER BY abs(score - ?4) LIMIT ?3) ORDER BY abs(score - ?4), seq",
            FLOW_SELECT.replace("{hint}", "")
        );
        let (from, to) = (from_us.cast_signed(), i64::try_from(to_us).unwrap_or(i64::MAX));
        self.timed(|connection| {
            let mut queue = Vec::new();
            let flows = list(connection, &uncertain, params![from, to, count(limit), threshold], rows::flow)?;
            queue.extend(flows.into_iter().map(|flow| QueuedFlow { flow, why: WhyQueued::Uncertain }));
            let flows = list(connection, &random, params![from, to, count(limit)], rows::flow)?;
            queue.extend(flows.into_iter().map(|flow| QueuedFlow { flow, why: WhyQueued::Random }));
            Ok(queue)
        })
    }

    /// The value kept under a name.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.timed(|connection| rows::setting(connection, key))
    }

    /// How much there is.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        self.timed(|connection| {
            let mut outbox = [0; OutboxKind::ALL.len()];
            for (kind, count) in OutboxKind::ALL.into_iter().zip(&mut outbox) {
                let sql = "SELECT count(*) FROM outbox INDEXED BY outbox_by_kind WHERE kind = ?1";
                *count = connection.prepare_cached(sql)?.query_row([kind as i64], |row| unsigned(row, 0))?;
            }
            let oldest =
                "SELECT min(created_us) FROM (SELECT created_us FROM outbox ORDER BY sequence LIMIT 1)";
            let outbox_oldest_us = connection.prepare_cached(oldest)?.query_row([], |row| maybe(row, 0))?;
            Ok(Counts { classes: Tally::load(connection)?.all(), outbox, outbox_oldest_us })
        })
    }
}

const LABEL_SELECT: &str = "SELECT seq, subject, label, category, reason, actor, source, at_us FROM labels";

fn true_label(row: &Row<'_>) -> rusqlite::Result<TrueLabel> {
    Ok(TrueLabel {
        subject: row.get(0)?,
        label: label_named(row.get_ref(1)?.as_str()?),
        category: row.get(2)?,
        actor: row.get(3)?,
        at_us: unsigned(row, 4)?,
    })
}

fn label(row: &Row<'_>) -> rusqlite::Result<LabelRow> {
    Ok(LabelRow {
        seq: unsigned(row, 0)?,
        label: NewLabel {
            subject: row.get(1)?,
            label: label_named(row.get_ref(2)?.as_str()?),
            category: row.get(3)?,
            reason: row.get(4)?,
            actor: row.get(5)?,
            source: row.get(6)?,
            at_us: unsigned(row, 7)?,
        },
    })
}

fn list<T>(
    connection: &Connection,
    sql: &str,
    values: impl rusqlite::Params,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(values, |row| read(row))?.collect()
}

fn cidr(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Cidr>> {
    let text: Option<String> = row.get(index)?;
    text.map(|text| text.parse().map_err(|e: crate::record::NotOne| damaged(index, e))).transpose()
}

fn maybe(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    row.get::<_, Option<i64>>(index).map(|n| n.map(i64::cast_unsigned))
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
