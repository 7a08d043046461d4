//! Rows of the sensor's outbox go to the centre, the most urgent first; what the far side has confirmed is acknowledged.
//!
//! At least once, with keys that make repetition harmless: a row is marked before its first attempt, and from then on it is
//! only written under the condition that nothing better stands there. A row that can never be sent is set aside, named and
//! counted, so that it holds up nobody.

pub mod archive;
pub mod budget;
pub mod encode;
pub mod policy;
pub mod pseudonym;
mod send;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet::log_table::Written;
use fleet::{DoorError, LogTable};
use store::record::{OutboxKind, OutboxRow};

use crate::clock::Clocks;
use crate::config::Up;
use crate::control::{ControlError, Sensor};
use crate::cursors::{Cursors, kind_name};
use crate::fault::Fault;
use crate::status::Facts;
use archive::Archiver;
use budget::Budget;
use encode::{Encoder, Parcel};
use policy::Policy;
use send::{Fate, Sending, send};

/// Why a round did not end well. Everything of it that was confirmed has been acknowledged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// The sensor.
    #[error("{0}")]
    Sensor(#[from] ControlError),
    /// The centre.
    #[error("{0}")]
    Door(#[from] DoorError),
    /// This machine.
    #[error("{0}")]
    Own(#[from] Fault),
}

impl Trouble {
    /// How long the far side asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Trouble::Door(DoorError::Unavailable { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// Which part of the agent's world it is about.
    #[must_use]
    pub fn part(&self) -> &'static str {
        match self {
            Trouble::Sensor(_) => "sensor",
            Trouble::Door(_) => "centre",
            Trouble::Own(_) => "agent",
        }
    }

    /// Waiting alone does not help.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        match self {
            Trouble::Sensor(e) => !e.is_passing(),
            Trouble::Door(e) => !e.is_passing() && !matches!(e, DoorError::Conflict { .. }),
            Trouble::Own(_) => true,
        }
    }
}

/// The way up.
pub struct Uploader {
    sensor: Sensor,
    table: Option<Arc<dyn LogTable>>,
    archiver: Option<Archiver>,
    encoder: Encoder,
    policy: Policy,
    settings: Up,
    cursors: Arc<Mutex<Cursors>>,
    facts: Arc<Facts>,
    rows: Budget,
    bytes: Budget,
    /// How far each kind has gone through our hands, since this connection to the sensor.
    reached: [u64; 3],
    /// Labels whose flow is not at the centre yet.
    early: Vec<OutboxRow>,
    connection: u64,
    decided: u64,
    clocks: Clocks,
}

/// Labels that wait for their flow are kept so long, and then set aside.
const EARLY_US: u64 = 24 * 3_600 * 1_000_000;
/// Labels that wait for their flow at once; more wait in the outbox.
const EARLY_MAX: usize = 5_000;

impl Uploader {
    /// The way up from `sensor` to `table` and `archiver`, whichever there are.
    #[must_use]
    #[allow(clippy::too_many_arguments, reason = "it is what it is made of")]
    pub fn new(
        sensor: Sensor,
        table: Option<Arc<dyn LogTable>>,
        archiver: Option<Archiver>,
        encoder: Encoder,
        settings: &Up,
        cursors: Arc<Mutex<Cursors>>,
        facts: Arc<Facts>,
        clocks: Clocks,
    ) -> Self {
        Self {
            sensor,
            table,
            archiver,
            encoder,
            policy: Policy::new(settings),
            settings: settings.clone(),
            cursors,
            facts,
            rows: Budget::new(settings.rows_per_second.into()),
            bytes: Budget::new(settings.bytes_per_second),
            reached: [0; 3],
            early: Vec::new(),
            connection: 0,
            decided: 0,
            clocks,
        }
    }

    /// Sends what waits: labels, then alerts, then a page of flows. `true`: there is more.
    ///
    /// # Errors
    /// The sensor or the centre does not answer; the same round may be tried again.
    pub async fn round(&mut self) -> Result<bool, Trouble> {
        if self.table.is_none() && self.archiver.is_none() {
            return Ok(false);
        }
        let outcome = self.send_pages().await;
        if outcome.is_err() {
            self.facts.lock().up.retries += 1;
        }
        outcome
    }

    /// Rows that have gone through the table so far: while it grows, the link works, however badly.
    #[must_use]
    pub fn decided(&self) -> u64 {
        self.decided
    }

    /// Writes what waits for Parquet, however little it is.
    ///
    /// # Errors
    /// As [`Uploader::round`].
    pub async fn flush(&mut self) -> Result<(), Trouble> {
        self.archive(true).await
    }

    async fn send_pages(&mut self) -> Result<bool, Trouble> {
        for kind in OutboxKind::ALL {
            loop {
                let (after, limit) = (self.reached[kind as usize], self.settings.rows_max);
                let page = tokio::task::block_in_place(|| self.sensor.outbox(kind, after, limit))?;
                if self.sensor.connections() != self.connection {
                    // Another sensor, perhaps with another store: nothing of before counts.
                    self.connection = self.sensor.connections();
                    self.begin_anew();
                    if after > 0 {
                        return Ok(true);
                    }
                }
                let Some(last) = page.last().map(|row| row.sequence) else { break };
                let full = page.len() >= limit;
                // Of a page that failed half-way some rows have gone their way already.
                let waits = |row: &OutboxRow| {
                    self.archiver.as_ref().is_some_and(|a| a.holds(row.sequence))
                        || self.early.iter().any(|early| early.sequence == row.sequence)
                };
                let page = page.into_iter().filter(|row| !waits(row)).collect();
                self.deliver(kind, page).await?;
                self.reached[kind as usize] = last;
                // After each page: who is killed again and again comes on, too.
                self.archive(false).await?;
                if kind == OutboxKind::Flow {
                    return Ok(full);
                }
                if !full || self.early.len() > EARLY_MAX {
                    break;
                }
            }
        }
        self.archive(false).await?;
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            let before = early.clone();
            if let Err(trouble) = self.deliver(OutboxKind::Label, early).await {
                // Some may have gone; to send them again does no harm.
                self.early = before;
                return Err(trouble);
            }
        }
        Ok(false)
    }

    fn begin_anew(&mut self) {
        self.reached = [0; 3];
        self.early.clear();
        if let Some(archiver) = &mut self.archiver {
            archiver.forget();
        }
    }

    /// Sends one page and acknowledges what is confirmed, also when some of it is not.
    async fn deliver(&mut self, kind: OutboxKind, page: Vec<OutboxRow>) -> Result<(), Trouble> {
        let mut done: Vec<(OutboxRow, Option<Parcel>)> = Vec::new();
        let (mut sending, mut aside) = (Vec::new(), Vec::new());
        for row in page {
            match self.encoder.encode(&row) {
                Err(reason) => aside.push((row, reason)),
                Ok(parcel) => {
                    let no_other_way = self.archiver.is_none();
                    if self.table.is_some() && (no_other_way || self.policy.wants_table(kind, &parcel)) {
                        sending.push(Sending { row, parcel, fresh: false });
                    } else {
                        done.push((row, Some(parcel)));
                    }
                }
            }
        }
        let mut trouble = None;
        if let Some(table) = self.table.clone().filter(|_| !sending.is_empty()) {
            self.wait_for_budget(&sending).await;
            self.mark(kind, &mut sending)?;
            let (fates, failed) = send(&table, sending, self.settings.requests_max).await;
            trouble = failed;
            self.decided += fates.len() as u64;
            let now_us = (self.clocks.now_us)();
            for (Sending { row, parcel, .. }, fate) in fates {
                match fate {
                    Fate::Done(written) => {
                        self.count(kind, &written);
                        match (written, &parcel) {
                            (Written::Kept, Parcel::Item(_)) => {
                                aside.push((row, "another flow has its key at the centre: is there a second sensor of this name?".into()));
                            }
                            _ => done.push((row, Some(parcel))),
                        }
                    }
                    Fate::Early if now_us.saturating_sub(row.created_us) < EARLY_US => self.early.push(row),
                    Fate::Early => {
                        aside.push((row, "its flow has not come to the centre within a day".into()))
                    }
                    Fate::Aside(reason) => aside.push((row, reason)),
                }
            }
        }
        if !aside.is_empty() {
            for (row, reason) in &aside {
                tracing::error!(
                    event = "set_aside",
                    kind = kind_name(row.kind),
                    sequence = row.sequence,
                    uid = row.uid,
                    reason,
                    "a row cannot be sent"
                );
            }
            let named: Vec<_> = aside.iter().map(|(row, reason)| (row, reason.clone())).collect();
            self.cursors().set_aside(&named)?;
            done.extend(aside.into_iter().map(|(row, _)| (row, None)));
        }
        self.note_verdicts(&done)?;
        self.settle(kind, done)?;
        trouble.map_or(Ok(()), |e| Err(e.into()))
    }

    /// Who has gone through the table goes to Parquet if there is one, and is acknowledged otherwise.
    fn settle(&mut self, kind: OutboxKind, done: Vec<(OutboxRow, Option<Parcel>)>) -> Result<(), Trouble> {
        let mut confirmed = Vec::new();
        for (row, parcel) in done {
            match (&mut self.archiver, parcel) {
                (Some(archiver), Some(parcel)) => archiver.add(row, parcel),
                _ => confirmed.push(row.sequence),
            }
        }
        self.acknowledge(kind, &confirmed)
    }

    fn acknowledge(&mut self, kind: OutboxKind, sequences: &[u64]) -> Result<(), Trouble> {
        if sequences.is_empty() {
            return Ok(());
        }
        tokio::task::block_in_place(|| self.sensor.acknowledge(sequences))?;
        let mut status = self.facts.lock();
        *status.up.acknowledged.entry(kind_name(kind).to_owned()).or_default() += sequences.len() as u64;
        status.up.confirmed_us = Some((self.clocks.now_us)());
        Ok(())
    }

    async fn archive(&mut self, all: bool) -> Result<(), Trouble> {
        for kind in OutboxKind::ALL {
            while let Some(archiver) = &mut self.archiver {
                let (reached, now_us) = (self.reached[kind as usize], (self.clocks.now_us)());
                let Some(shipped) = archiver.ship_next(kind, reached, now_us, all, &self.cursors).await?
                else {
                    break;
                };
                self.acknowledge(kind, &shipped.sequences)?;
                *self.facts.lock().up.archived.entry(kind_name(kind).to_owned()).or_default() +=
                    shipped.sequences.len() as u64;
                if let Some(archiver) = &mut self.archiver {
                    archiver.acknowledged(&shipped, &self.cursors)?;
                }
            }
        }
        Ok(())
    }

    /// Before anything is sent it is on the disk that it may have been.
    fn mark(&mut self, kind: OutboxKind, sending: &mut [Sending]) -> Result<(), Trouble> {
        let mut cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
        if kind == OutboxKind::Label {
            cursors.note_labelled(sending.iter().map(|s| s.parcel.key()))?;
            return Ok(());
        }
        let keyed: Vec<_> = sending.iter().map(|s| (&s.row, s.parcel.key().clone())).collect();
        let fresh = cursors.attempt(kind, &keyed)?;
        for (sending, fresh) in sending.iter_mut().zip(fresh) {
            sending.fresh = fresh;
        }
        Ok(())
    }

    async fn wait_for_budget(&mut self, sending: &[Sending]) {
        let now = (self.clocks.seconds)();
        let weight: u64 = sending.iter().map(|s| s.parcel.weight()).sum();
        let wait = self.rows.spend(sending.len() as u64, now).max(self.bytes.spend(weight, now));
        if wait > 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
        }
    }

    fn count(&self, kind: OutboxKind, written: &Written) {
        let mut status = self.facts.lock();
        let up = &mut status.up;
        let counts = match written {
            Written::Stored => &mut up.stored,
            Written::Kept => &mut up.kept,
            _ => &mut up.known,
        };
        *counts.entry(kind_name(kind).to_owned()).or_default() += 1;
    }

    /// What people here say of the models' verdicts.
    fn note_verdicts(&self, done: &[(OutboxRow, Option<Parcel>)]) -> Result<(), Fault> {
        let judged: Vec<_> = done
            .iter()
            .filter_map(|(_, parcel)| match parcel {
                Some(Parcel::Label { truth, item: Some(item), uid, .. }) => {
                    Some((item.model_version, uid.clone(), bears_out(&truth.label, &item.label)))
                }
                _ => None,
            })
            .collect();
        if judged.is_empty() { Ok(()) } else { self.cursors().judge(&judged) }
    }

    fn cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a label bears a prediction out; none when it says neither.
#[must_use]
pub fn bears_out(label: &str, predicted: &str) -> Option<bool> {
    matches!(label, "attack" | "benign").then(|| label == predicted)
}
