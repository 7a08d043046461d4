//! What people and the centre say: on the disk before it is answered.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::error::{StoreError, sqlite};
use crate::limits::Class;
use crate::record::{
    FlowId, Label, LabelItem, LogItem, NewAudit, NewBlock, NewLabel, NewSuppression, OutboxKind, TrueLabel,
};
use crate::write::label_number;
use crate::{Store, Writing, log, reader};

const LABEL_BYTES: usize = 120;
const AUDIT_BYTES: usize = 60;

impl Store {
    /// Labels given in one call: they are written in one transaction.
    pub const LABELS_MAX: usize = 10_000;

    /// Gives labels. The newest of a subject counts, older ones stay as its history. With an outbox, labels of flows are
    /// queued for the centre; `feature_names` name the features of flows that the centre has not seen. Gives the sequence
    /// numbers of the labels. Synced to the disk when it returns.
    ///
    /// # Errors
    /// A subject is neither a flow nor a detection of this store, or SQLite fails; then none is kept.
    pub fn label(
        &mut self,
        labels: &[NewLabel],
        feature_names: &[&str],
        now_us: u64,
    ) -> Result<Vec<u64>, StoreError> {
        if labels.len() > Self::LABELS_MAX {
            return Err(StoreError::Request(format!(
                "{} labels at once: send at most {} a request",
                labels.len(),
                Self::LABELS_MAX
            )));
        }
        for label in labels {
            if !self.knows(&label.subject)? {
                return Err(StoreError::Request(format!(
                    "{}: no such flow or detection in the store; look ids up with `taphound flows` or `taphound alerts`",
                    label.subject.chars().take(64).collect::<String>()
                )));
            }
        }
        self.durably(now_us, |store| {
            store.transact(|transaction, writing| {
                labels.iter().map(|label| writing.label(transaction, label, feature_names, now_us)).collect()
            })
        })
    }

    /// Takes labels of the centre in; of two for one flow the newer stands. Gives how many changed something.
    ///
    /// # Errors
    /// SQLite fails; then none is kept.
    pub fn label_centrally(&mut self, labels: &[TrueLabel], now_us: u64) -> Result<u64, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, writing| {
                let mut changed = 0;
                for label in labels {
                    changed += u64::from(writing.true_label(transaction, label)?);
                }
                Ok(changed)
            })
        })
    }

    /// Adds a suppression. Gives its number. Synced to the disk when it returns.
    ///
    /// # Errors
    /// It would hide everything, or SQLite fails.
    pub fn suppress(&mut self, rule: &NewSuppression, now_us: u64) -> Result<u64, StoreError> {
        if rule.src.is_none() && rule.dst.is_none() && rule.port.is_none() && rule.category.is_none() {
            return Err(StoreError::Request(
                "a suppression without any condition would hide every alert; name src, dst, port or category"
                    .into(),
            ));
        }
        self.durable_insert(now_us, |transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO suppressions (src, dst, port, category, owner, reason, created_us, expires_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    rule.src.map(|cidr| cidr.to_string()),
                    rule.dst.map(|cidr| cidr.to_string()),
                    rule.port,
                    rule.category,
                    rule.owner,
                    rule.reason,
                    rule.created_us.cast_signed(),
                    rule.expires_us.map(u64::cast_signed),
                ])
        })
    }

    /// Ends a suppression; what it hid stays on record. False when there is none of this number in force.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn lift_suppression(&mut self, id: u64, now_us: u64) -> Result<bool, StoreError> {
        self.lift("UPDATE suppressions SET lifted_us = ?2 WHERE id = ?1 AND lifted_us IS NULL", id, now_us)
    }

    /// Blocks that are remembered when they have ended.
    pub const BLOCKS_MAX: u64 = 10_000;

    /// Adds a block under a number that its owner has given it: blocks are in force before they are written. Synced to the disk
    /// when it returns.
    ///
    /// # Errors
    /// The number is taken, or SQLite fails.
    pub fn block(&mut self, id: u64, rule: &NewBlock, now_us: u64) -> Result<u64, StoreError> {
        let over = id.saturating_sub(Self::BLOCKS_MAX).cast_signed();
        self.durable_insert(now_us, |transaction| {
            let sql = "DELETE FROM blocks WHERE id <= ?1 AND (lifted_us IS NOT NULL OR expires_us <= ?2)";
            transaction.prepare_cached(sql)?.execute(params![over, now_us.cast_signed()])?;
            transaction
                .prepare_cached(
                    "INSERT INTO blocks (id, address, port, subject, owner, reason, created_us, expires_us)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute(params![
                    id.cast_signed(),
                    rule.address.to_string(),
                    rule.port,
                    rule.subject,
                    rule.owner,
                    rule.reason,
                    rule.created_us.cast_signed(),
                    rule.expires_us.cast_signed(),
                ])
        })
    }

    /// The highest number of a block so far; 0 when there was none.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn last_block(&self) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(id), 0) FROM blocks";
        let last = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        last.map(i64::cast_unsigned).map_err(|source| sqlite(&self.name, source))
    }

    /// Has a block last until another time. False when there is none of this number in force.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn prolong_block(&mut self, id: u64, expires_us: u64, now_us: u64) -> Result<bool, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, _| {
                let sql = "UPDATE blocks SET expires_us = ?2 WHERE id = ?1 AND lifted_us IS NULL";
                let changed = transaction
                    .prepare_cached(sql)?
                    .execute(params![id.cast_signed(), expires_us.cast_signed()])?;
                Ok(changed > 0)
            })
        })
    }

    /// Ends a block before its time. False when there is none of this number in force.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn lift_block(&mut self, id: u64, now_us: u64) -> Result<bool, StoreError> {
        self.lift("UPDATE blocks SET lifted_us = ?2 WHERE id = ?1 AND lifted_us IS NULL", id, now_us)
    }

    /// Writes a line of the audit log. Gives its number. Synced to the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn audit(&mut self, entry: &NewAudit, now_us: u64) -> Result<u64, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, writing| {
                transaction
                    .prepare_cached(
                        "INSERT INTO audit (at_us, actor, role, action, subject, allowed, detail)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    )?
                    .execute(params![
                        entry.at_us.cast_signed(),
                        entry.actor,
                        entry.role,
                        entry.action,
                        entry.subject,
                        entry.allowed,
                        entry.detail,
                    ])?;
                writing.tally.add(Class::Audit, AUDIT_BYTES + entry.subject.len() + entry.detail.len());
                Ok(transaction.last_insert_rowid().cast_unsigned())
            })
        })
    }

    /// Keeps a small value under a name. Synced with the next group; [`Store::keep_setting`] does not wait.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn note_setting(&mut self, key: &str, value: &[u8], now_us: u64) -> Result<(), StoreError> {
        self.unsynced = true;
        self.transact(|transaction, _| {
            transaction
                .prepare_cached(
                    "INSERT INTO settings VALUES (?1, ?2, ?3)
                     ON CONFLICT (key) DO UPDATE SET value = excluded.value, at_us = excluded.at_us",
                )?
                .execute(params![key, value, now_us.cast_signed()])
                .map(|_| ())
        })
    }

    /// Keeps a small value under a name. Synced to the disk when it returns.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn keep_setting(&mut self, key: &str, value: &[u8], now_us: u64) -> Result<(), StoreError> {
        self.durably(now_us, |store| store.note_setting(key, value, now_us))
    }

    /// The value kept under a name.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn setting(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        reader::setting(&self.connection, key).map_err(|source| sqlite(&self.name, source))
    }

    fn lift(&mut self, sql: &str, id: u64, now_us: u64) -> Result<bool, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, _| {
                let numbers = params![id.cast_signed(), now_us.cast_signed()];
                Ok(transaction.prepare_cached(sql)?.execute(numbers)? > 0)
            })
        })
    }

    fn durable_insert(
        &mut self,
        now_us: u64,
        insert: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<usize>,
    ) -> Result<u64, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, _| {
                insert(transaction)?;
                Ok(transaction.last_insert_rowid().cast_unsigned())
            })
        })
    }

    fn knows(&self, subject: &str) -> Result<bool, StoreError> {
        let known = || -> rusqlite::Result<bool> {
            let detection: Option<i64> = self
                .connection
                .prepare_cached("SELECT 1 FROM detections WHERE id = ?1")?
                .query_row([subject], |row| row.get(0))
                .optional()?;
            Ok(detection.is_some() || flow_seq(&self.connection, subject)?.is_some())
        };
        known().map_err(|source| sqlite(&self.name, source))
    }
}

impl Writing<'_> {
    fn label(
        &mut self,
        transaction: &Transaction<'_>,
        new: &NewLabel,
        feature_names: &[&str],
        now_us: u64,
    ) -> rusqlite::Result<u64> {
        let new = &after_the_last(transaction, new)?;
        transaction
            .prepare_cached(
                "INSERT INTO labels (subject, label, category, reason, actor, source, at_us)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                new.subject,
                new.label.as_str(),
                new.category,
                new.reason,
                new.actor,
                new.source,
                new.at_us.cast_signed(),
            ])?;
        let seq = transaction.last_insert_rowid().cast_unsigned();
        self.tally.add(Class::Labels, LABEL_BYTES + new.reason.as_ref().map_or(0, String::len));
        if let Some(flow) = flow_seq(transaction, &new.subject)? {
            transaction
                .prepare_cached("UPDATE flows SET label = ?2 WHERE seq = ?1")?
                .execute(params![flow, label_number(new.label)])?;
            self.keep_flow(transaction, flow)?;
        }
        if let Some(sensor_id) = self.outbox_of.map(str::to_owned) {
            self.send_label(transaction, new, &sensor_id, feature_names, now_us)?;
        }
        Ok(seq)
    }

    fn true_label(&mut self, transaction: &Transaction<'_>, new: &TrueLabel) -> rusqlite::Result<bool> {
        let known: Option<i64> = transaction
            .prepare_cached("SELECT at_us FROM true_labels WHERE subject = ?1")?
            .query_row([&new.subject], |row| row.get(0))
            .optional()?;
        if known.is_some_and(|at| at.cast_unsigned() >= new.at_us) {
            return Ok(false);
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO true_labels VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![
                new.subject,
                new.label.as_str(),
                new.category,
                new.actor,
                new.at_us.cast_signed()
            ])?;
        if known.is_none() {
            self.tally.add(Class::Labels, LABEL_BYTES);
        }
        if let Some(flow) = flow_seq(transaction, &new.subject)? {
            transaction
                .prepare_cached("UPDATE flows SET true_label = ?2 WHERE seq = ?1")?
                .execute(params![flow, label_number(new.label)])?;
            self.keep_flow(transaction, flow)?;
        }
        Ok(true)
    }

    /// A flow that somebody looked at is worth more than others, whatever they said.
    fn keep_flow(&mut self, transaction: &Transaction<'_>, flow: i64) -> rusqlite::Result<()> {
        let kept: i64 = transaction
            .prepare_cached("SELECT kept FROM flows WHERE seq = ?1")?
            .query_row([flow], |row| row.get(0))?;
        if kept < 2 {
            transaction.prepare_cached("UPDATE flows SET kept = 2 WHERE seq = ?1")?.execute([flow])?;
            let class = if kept == 0 { Class::PlainFlows } else { Class::Alerted };
            self.tally.shift(class, Class::LabelledFlows);
        }
        Ok(())
    }

    fn send_label(
        &mut self,
        transaction: &Transaction<'_>,
        new: &NewLabel,
        sensor_id: &str,
        feature_names: &[&str],
        now_us: u64,
    ) -> rusqlite::Result<()> {
        let flow = reader::flow_named(transaction, &new.subject)?;
        let (name, start_us) = match &flow {
            Some(flow) => (flow.row.flow_id(), flow.row.start_us),
            // The flow still runs, and is known by its detection; an episode is no flow and stays here.
            None => match reader::detection_named(transaction, &new.subject)? {
                Some(d) if d.row.opinion == "forest" => (detection_flow_id(&d.row), d.row.first_us),
                _ => return Ok(()),
            },
        };
        let flow_id = format!("{sensor_id}|{name}");
        let timestamp = log::timestamp(transaction, &new.subject, &flow_id, start_us / 1_000, now_us)?;
        let item = flow.map(|flow| LogItem { timestamp, ..LogItem::of(&flow.row, sensor_id, feature_names) });
        let label = LabelItem {
            uid: new.subject.clone(),
            sensor_id: sensor_id.to_owned(),
            flow_id,
            timestamp,
            label: new.label,
            category: new.category.clone(),
            reason: new.reason.clone(),
            label_by: new.actor.clone(),
            label_source: new.source.clone(),
            labeled_at: new.at_us / 1_000,
            item,
        };
        log::put(transaction, self, OutboxKind::Label, &new.subject, 1, &label, now_us)
    }
}

fn detection_flow_id(d: &crate::record::DetectionRow) -> String {
    let side = |address: &Option<String>| address.clone().unwrap_or_default();
    let port = |port: Option<u16>| port.unwrap_or(0);
    format!(
        "{}-{}-{}-{}-{}",
        side(&d.src_ip),
        side(&d.dst_ip),
        port(d.src_port),
        port(d.dst_port),
        d.protocol
    )
}

/// The label, in a later millisecond than the last one of its subject: tables elsewhere tell labels apart by that alone, and the
/// one given last has to win there too, also when two came at once or the clock was set back in between.
fn after_the_last(transaction: &Transaction<'_>, new: &NewLabel) -> rusqlite::Result<NewLabel> {
    let last: Option<i64> = transaction
        .prepare_cached("SELECT at_us FROM labels WHERE subject = ?1 ORDER BY seq DESC LIMIT 1")?
        .query_row([&new.subject], |row| row.get(0))
        .optional()?;
    let next_us = last.map_or(0, |at| (at.cast_unsigned() / 1_000).saturating_add(1).saturating_mul(1_000));
    Ok(NewLabel { at_us: new.at_us.max(next_us), ..new.clone() })
}

fn flow_seq(connection: &Connection, subject: &str) -> rusqlite::Result<Option<i64>> {
    let Ok(FlowId { uid, segment }) = subject.parse() else { return Ok(None) };
    connection
        .prepare_cached("SELECT seq FROM flows WHERE uid = ?1 AND segment = ?2")?
        .query_row(params![uid, segment], |row| row.get(0))
        .optional()
}

/// A label of the tables.
pub(crate) fn label_named(name: &str) -> Label {
    Label::named(name).unwrap_or(Label::Withdrawn)
}
