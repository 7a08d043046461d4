//! What the data plane has to tell, written in groups.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{StoreError, sqlite};
use crate::limits::Class;
use crate::record::cidr::address_bytes;
use crate::record::{
    Batch, DetectionRow, FlowRow, IncidentRow, Label, Settled, Severity, SnapshotRow, pack_features,
};
use crate::{Store, Writing, log};

/// What a row takes beside its own text and blobs: header, numbers, and its entries in the indexes. Measured with `dbstat`
/// (`store/tests`), to tell classes apart; the whole file is measured exactly.
const FLOW_BYTES: usize = 250;
const SNAPSHOT_BYTES: usize = 90;
const DETECTION_BYTES: usize = 240;
const INCIDENT_BYTES: usize = 200;

impl Store {
    /// Writes everything in `batch`, or nothing. What is written survives the process at once, and a power failure within a
    /// second, as long as something calls this or [`Store::sync`] that often.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn commit(&mut self, batch: &Batch, now_us: u64) -> Result<(), StoreError> {
        // A clock that was set back must not put the sync off.
        let due = now_us.abs_diff(self.synced_us) >= Self::SYNC_EVERY_US;
        if due {
            self.durably(now_us, |store| store.write_batch(batch, now_us))
        } else {
            self.unsynced = true;
            self.write_batch(batch, now_us)
        }
    }

    /// Writes detections and incidents in one transaction; a row whose id is known replaces the older one.
    ///
    /// # Errors
    /// Nothing is written when one row fails.
    pub fn write(
        &mut self,
        detections: &[DetectionRow],
        incidents: &[IncidentRow],
    ) -> Result<(), StoreError> {
        self.transact(|transaction, writing| {
            detections.iter().try_for_each(|row| writing.detection(transaction, row))?;
            incidents.iter().try_for_each(|row| writing.incident(transaction, row))
        })
    }

    /// Notes how provisional detections ended: a final score, or none when they are taken back.
    ///
    /// # Errors
    /// SQLite fails; then none is noted.
    pub fn settle(&mut self, settled: &[Settled]) -> Result<(), StoreError> {
        self.transact(|transaction, _| settled.iter().try_for_each(|row| settle(transaction, row)))
    }

    /// Moves the detections of incidents that were merged into others, and takes those incidents out.
    ///
    /// # Errors
    /// SQLite fails; then nothing is moved.
    pub fn merge_incidents(&mut self, moved: &[(String, String)]) -> Result<(), StoreError> {
        self.transact(|transaction, writing| {
            moved.iter().try_for_each(|(from, into)| writing.merge(transaction, from, into))
        })
    }

    /// How many detections and incidents the store holds.
    ///
    /// # Errors
    /// SQLite fails.
    pub fn counts(&self) -> Result<(u64, u64), StoreError> {
        self.connection
            .query_row(
                "SELECT (SELECT count(*) FROM detections), (SELECT count(*) FROM incidents)",
                [],
                |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned())),
            )
            .map_err(|source| sqlite(&self.name, source))
    }

    fn write_batch(&mut self, batch: &Batch, now_us: u64) -> Result<(), StoreError> {
        self.transact(|transaction, writing| {
            batch.flows.iter().try_for_each(|row| writing.flow(transaction, row))?;
            batch.snapshots.iter().try_for_each(|row| writing.snapshot(transaction, row))?;
            batch.detections.iter().try_for_each(|row| writing.detection(transaction, row))?;
            batch.settled.iter().try_for_each(|row| settle(transaction, row))?;
            for alert in &batch.alerts {
                transaction
                    .prepare_cached(
                        "INSERT INTO alerts (id, shown_us, severity, suppression) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (id) DO UPDATE SET severity = excluded.severity",
                    )?
                    .execute(params![
                        alert.id,
                        alert.shown_us.cast_signed(),
                        alert.severity as i64,
                        alert.suppression.map(u64::cast_signed)
                    ])?;
            }
            batch.incidents.iter().try_for_each(|row| writing.incident(transaction, row))?;
            batch.merged.iter().try_for_each(|(from, into)| writing.merge(transaction, from, into))?;
            for (suppression, hits) in &batch.hits {
                transaction
                    .prepare_cached(
                        "UPDATE suppressions SET hits = hits + ?2, last_hit_us = ?3 WHERE id = ?1",
                    )?
                    .execute(params![suppression.cast_signed(), hits.cast_signed(), now_us.cast_signed()])?;
            }
            batch.log.iter().try_for_each(|row| log::enqueue(transaction, writing, row, now_us))
        })
    }
}

impl Writing<'_> {
    fn flow(&mut self, connection: &Connection, flow: &FlowRow) -> rusqlite::Result<()> {
        const COLUMNS: &str = "kept = max(kept, ?3), source = ?4, start_us = ?5, end_us = ?6, src = ?7, src_port = ?8,
            dst = ?9, dst_port = ?10, protocol = ?11, vlan = ?12, community = ?13, end_reason = ?14, counters = ?15,
            schema = ?16, features = ?17, category = ?18, score = ?19, confidence = ?20, novelty = ?21, model_version = ?22,
            client_flow_id = ?23, context_kind = ?24, context = ?25";
        let judgement = &flow.judgement;
        let end_reason = self.names.number(connection, &flow.end_reason)?;
        let schema = self.names.number(connection, &flow.schema)?;
        let category = self.names.number(connection, &judgement.category)?;
        let (kind, context) = match &flow.context {
            Some((kind, text)) => (Some(self.names.number(connection, kind)?), Some(text)),
            None => (None, None),
        };
        let counters = pack_counters(flow);
        pack_features(&flow.features, self.packed);
        let values = params![
            flow.id.uid,
            flow.id.segment,
            i64::from(flow.alerted),
            flow.source as i64,
            flow.start_us.cast_signed(),
            flow.end_us.cast_signed(),
            flow.src_ip.map(address_bytes),
            flow.src_port,
            flow.dst_ip.map(address_bytes),
            flow.dst_port,
            flow.protocol,
            flow.vlan,
            flow.community_id.as_deref().map(community_bytes),
            end_reason,
            counters,
            schema,
            &*self.packed,
            category,
            judgement.score,
            judgement.confidence,
            judgement.novelty,
            judgement.model_version.cast_signed(),
            flow.client_flow_id,
            kind,
            context,
        ];
        let inserted = connection
            .prepare_cached(
                "INSERT INTO flows (uid, segment, kept, source, start_us, end_us, src, src_port, dst, dst_port, protocol,
                 vlan, community, end_reason, counters, schema, features, category, score, confidence, novelty, model_version,
                 client_flow_id, context_kind, context) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                 ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25) ON CONFLICT (uid, segment) DO NOTHING",
            )?
            .execute(values)?;
        if inserted == 0 {
            // The same flow again: a capture was replayed into a store that has it.
            let update = format!("UPDATE flows SET {COLUMNS} WHERE uid = ?1 AND segment = ?2");
            connection.prepare_cached(&update)?.execute(values)?;
            return Ok(());
        }
        let size = FLOW_BYTES + self.packed.len() + context.map_or(0, |text| text.len());
        let class = if flow.alerted { Class::Alerted } else { Class::PlainFlows };
        self.tally.add(class, size);
        // Only a flow with a detection can have been labelled while it ran.
        if flow.alerted { self.take_up_labels(connection, flow) } else { Ok(()) }
    }

    fn take_up_labels(&mut self, connection: &Connection, flow: &FlowRow) -> rusqlite::Result<()> {
        let id = flow.id.to_string();
        let named = |sql: &str| -> rusqlite::Result<Option<i64>> {
            let name: Option<String> =
                connection.prepare_cached(sql)?.query_row([&id], |row| row.get(0)).optional()?;
            Ok(name.as_deref().and_then(Label::named).and_then(label_number))
        };
        let label = named("SELECT label FROM labels WHERE subject = ?1 ORDER BY seq DESC LIMIT 1")?;
        let truth = named("SELECT label FROM true_labels WHERE subject = ?1")?;
        if label.is_some() || truth.is_some() {
            connection
                .prepare_cached(
                    "UPDATE flows SET label = ?3, true_label = ?4, kept = 2 WHERE uid = ?1 AND segment = ?2",
                )?
                .execute(params![flow.id.uid, flow.id.segment, label, truth])?;
            self.tally.shift(Class::Alerted, Class::LabelledFlows);
        }
        Ok(())
    }

    fn snapshot(&mut self, connection: &Connection, row: &SnapshotRow) -> rusqlite::Result<()> {
        let category = self.names.number(connection, &row.judgement.category)?;
        pack_features(&row.features, self.packed);
        let inserted = connection
            .prepare_cached(
                "INSERT INTO snapshots (uid, segment, packets, at_us, features, category, score, confidence, novelty,
                 model_version) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                row.id.uid,
                row.id.segment,
                row.packets,
                row.at_us.cast_signed(),
                &*self.packed,
                category,
                row.judgement.score,
                row.judgement.confidence,
                row.judgement.novelty,
                row.judgement.model_version.cast_signed(),
            ])?;
        if inserted > 0 {
            self.tally.add(Class::Snapshots, SNAPSHOT_BYTES + self.packed.len());
        }
        Ok(())
    }

    fn detection(&mut self, connection: &Connection, d: &DetectionRow) -> rusqlite::Result<()> {
        const COLUMNS: &str = "opinion = ?2, category = ?3, score = ?4, confidence = ?5, novelty = ?6, src = ?7,
            src_port = ?8, dst = ?9, dst_port = ?10, protocol = ?11, first_us = ?12, last_us = ?13, provisional = ?14,
            revised = ?15, folded = ?16, incident = ?17, reasons = ?18, model_version = ?19";
        let reasons = json(&d.reasons);
        let values = params![
            d.id,
            d.opinion,
            d.category,
            d.score,
            d.confidence,
            d.novelty,
            address(d.src_ip.as_deref())?,
            d.src_port,
            address(d.dst_ip.as_deref())?,
            d.dst_port,
            d.protocol,
            d.first_us.cast_signed(),
            d.last_us.cast_signed(),
            d.provisional,
            d.revised,
            d.folded,
            d.incident,
            reasons,
            d.model_version.cast_signed(),
        ];
        let inserted = connection
            .prepare_cached(
                "INSERT INTO detections (id, opinion, category, score, confidence, novelty, src, src_port, dst, dst_port,
                 protocol, first_us, last_us, provisional, revised, folded, incident, reasons, model_version) VALUES
                 (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
                 ON CONFLICT (id) DO NOTHING",
            )?
            .execute(values)?;
        if inserted == 0 {
            connection
                .prepare_cached(&format!("UPDATE detections SET {COLUMNS} WHERE id = ?1"))?
                .execute(values)?;
        } else {
            self.tally.add(Class::Alerted, DETECTION_BYTES + reasons.len());
        }
        Ok(())
    }

    fn incident(&mut self, connection: &Connection, i: &IncidentRow) -> rusqlite::Result<()> {
        const COLUMNS: &str =
            "category = ?2, severity = ?3, source = ?4, target = ?5, port = ?6, first_us = ?7,
            last_us = ?8, detections = ?9, alerts = ?10, score = ?11, revised = ?12, reasons = ?13,
            witnesses = ?14";
        let (reasons, witnesses) = (json(&i.reasons), json(&i.witnesses));
        let values = params![
            i.id,
            i.category,
            Severity::named(&i.severity).unwrap_or(Severity::Low) as i64,
            address(i.source.as_deref())?,
            address(i.target.as_deref())?,
            i.port,
            i.first_us.cast_signed(),
            i.last_us.cast_signed(),
            i.detections.cast_signed(),
            i.alerts.cast_signed(),
            i.score,
            i.revised,
            reasons,
            witnesses,
        ];
        let inserted = connection
            .prepare_cached(
                "INSERT INTO incidents (id, category, severity, source, target, port, first_us, last_us, detections, alerts,
                 score, revised, reasons, witnesses) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
                 ON CONFLICT (id) DO NOTHING",
            )?
            .execute(values)?;
        if inserted == 0 {
            connection
                .prepare_cached(&format!("UPDATE incidents SET {COLUMNS} WHERE id = ?1"))?
                .execute(values)?;
        } else {
            self.tally.add(Class::Incidents, INCIDENT_BYTES + reasons.len() + witnesses.len());
        }
        Ok(())
    }

    fn merge(&mut self, connection: &Connection, from: &str, into: &str) -> rusqlite::Result<()> {
        connection
            .prepare_cached("UPDATE detections SET incident = ?2 WHERE incident = ?1")?
            .execute([from, into])?;
        let gone = connection.prepare_cached("DELETE FROM incidents WHERE id = ?1")?.execute([from])?;
        self.tally.take(Class::Incidents, gone as u64);
        Ok(())
    }
}

fn settle(connection: &Connection, s: &Settled) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE detections SET provisional = 0, last_us = max(last_us, ?2), revised = ?3 IS NULL,
             score = coalesce(?3, score) WHERE id = ?1",
        )?
        .execute(params![s.id, s.last_us.cast_signed(), s.score])?;
    Ok(())
}

/// How a label stands in a flow's row; none when it does not count.
pub(crate) fn label_number(label: Label) -> Option<i64> {
    match label {
        Label::Attack => Some(1),
        Label::Benign => Some(2),
        Label::Unsure => Some(3),
        Label::Withdrawn => None,
    }
}

/// An address that is none is a bug of the writer, told as the row's fault.
fn address(text: Option<&str>) -> rusqlite::Result<Option<Vec<u8>>> {
    text.map(|text| {
        text.parse().map(address_bytes).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))
    })
    .transpose()
}

fn json<T: serde::Serialize>(list: &[T]) -> String {
    serde_json::to_string(list).unwrap_or_default()
}

fn pack_counters(flow: &FlowRow) -> Vec<u8> {
    rmp_serde::to_vec(&(&flow.forward, &flow.backward)).unwrap_or_default()
}

/// The hash in `1:<base64>`; other text as it is.
pub(crate) fn community_bytes(text: &str) -> Vec<u8> {
    use base64::Engine;
    let hash =
        text.strip_prefix("1:").and_then(|rest| base64::engine::general_purpose::STANDARD.decode(rest).ok());
    hash.filter(|hash| hash.len() == 20).unwrap_or_else(|| text.as_bytes().to_vec())
}
