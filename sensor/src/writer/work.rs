//! The writer's loop: gather, commit, answer, keep the file in order; and what it does while the store fails.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::{never, select_biased};
use store::record::Batch;
use store::{Store, StoreError};

use super::counters::Counters;
use super::{Command, Inputs, OpenStore, StoreNews, Tell, WriteError, WriterSettings};

/// The file is looked after so often.
const UPKEEP_EVERY: Duration = Duration::from_millis(100);
/// Rows that a look may drop beyond twice those written since the last.
const TRIM_ROWS: u64 = 1_000;
/// Attempts on a connection before it is opened anew.
const REOPEN_AFTER: u32 = 3;

struct Outage {
    since: Instant,
    pause: Duration,
    next_try: Instant,
    attempts: u32,
    failed_rows: u64,
    reason: String,
}

pub(super) struct Work {
    store: Option<Store>,
    open: Option<OpenStore>,
    settings: WriterSettings,
    tell: Tell,
    counters: Arc<Counters>,
    /// What is to be committed next.
    group: Batch,
    /// When it must be.
    group_due: Option<Instant>,
    upkeep_due: Instant,
    rows_since_upkeep: u64,
    outage: Option<Outage>,
}

impl Work {
    pub(super) fn new(
        store: Option<Store>,
        open: Option<OpenStore>,
        settings: WriterSettings,
        tell: Tell,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            store,
            open,
            settings,
            tell,
            counters,
            group: Batch::default(),
            group_due: None,
            upkeep_due: monotonic(),
            rows_since_upkeep: 0,
            outage: None,
        }
    }

    pub(super) fn run(mut self, inputs: Inputs) {
        self.open_store();
        loop {
            let now = monotonic();
            let due = self.group_due.map_or(self.upkeep_due, |due| due.min(self.upkeep_due));
            let batches = if self.is_full() { &never() } else { &inputs.batches };
            select_biased! {
                recv(inputs.stop) -> _ => break,
                recv(inputs.commands) -> command => match command {
                    Ok(command) => self.answer(command, &inputs),
                    Err(_) => break,
                },
                recv(batches) -> batch => if let Ok(batch) = batch { self.gather(batch) },
                default(due.saturating_duration_since(now)) => {}
            }
            let now = monotonic();
            if self.is_full() || self.group_due.is_some_and(|due| due <= now) {
                self.commit();
            }
            if self.upkeep_due <= now {
                self.upkeep();
            }
        }
        self.finish(&inputs);
    }

    /// The group is as large as one may be.
    fn is_full(&self) -> bool {
        self.outage.is_none() && self.group.rows() >= self.settings.group_rows
    }

    fn gather(&mut self, mut batch: Batch) {
        if let Some(outage) = &mut self.outage
            && self.group.rows() + batch.rows() > self.settings.held_rows_max
        {
            outage.failed_rows += batch.rows() as u64;
            self.counters.failed(&batch);
            return;
        }
        self.group.append(&mut batch);
        let due = match &self.outage {
            Some(outage) => outage.next_try,
            None => monotonic() + self.settings.group_every,
        };
        self.group_due.get_or_insert(due);
    }

    /// Answers come after what was offered before the question. While the store fails, the answer is why.
    fn answer(&mut self, command: Command, inputs: &Inputs) {
        let waits = self.outage.as_ref().is_some_and(|outage| outage.next_try > monotonic());
        if !waits {
            // No more than what is there now: the data plane may fill the queue as fast as it is emptied.
            for _ in 0..inputs.batches.len() {
                match inputs.batches.try_recv() {
                    Ok(batch) => self.gather(batch),
                    Err(_) => break,
                }
                if self.is_full() {
                    self.commit();
                }
            }
            self.commit();
            self.open_store();
        }
        match (&mut self.store, &self.outage) {
            (Some(store), None) => command(Ok((store, (self.settings.now_us)()))),
            (_, outage) => {
                let reason = outage.as_ref().map_or_else(String::new, |outage| outage.reason.clone());
                command(Err(WriteError::Unavailable(reason)));
            }
        }
    }

    fn commit(&mut self) {
        self.group_due = None;
        if self.group.is_empty() {
            return;
        }
        let started = monotonic();
        let now_us = (self.settings.now_us)();
        self.open_store();
        let Some(store) = &mut self.store else {
            // `open_store` has said why.
            self.group_due = self.outage.as_ref().map(|outage| outage.next_try);
            return;
        };
        let outcome = store.commit(&self.group, now_us);
        match outcome {
            Ok(()) => {
                let took = monotonic().duration_since(started);
                self.counters.stored(&self.group, micros(took));
                self.rows_since_upkeep += self.group.rows() as u64;
                self.clear_group();
                self.recovered();
            }
            Err(e) if e.is_about_the_row() => {
                self.counters.failed(&self.group);
                let rows = self.group.rows() as u64;
                self.clear_group();
                (self.tell)(StoreNews::Refused { reason: e.to_string(), rows });
            }
            Err(e) => self.failed(&e),
        }
    }

    /// Keeps the room that groups need, and no more than that after a long outage.
    fn clear_group(&mut self) {
        self.group = Batch::default();
    }

    fn failed(&mut self, e: &StoreError) {
        self.counters.failures.fetch_add(1, Relaxed);
        let now = monotonic();
        let (first, longest) = (self.settings.pause_first, self.settings.pause_max);
        let reason = e.to_string();
        let attempts = match &mut self.outage {
            Some(outage) => {
                outage.attempts += 1;
                outage.pause = (outage.pause * 2).min(longest);
                outage.next_try = now + outage.pause;
                outage.attempts
            }
            None => {
                self.counters.note_fault(Some(reason.clone()));
                (self.tell)(StoreNews::Failing { reason: reason.clone() });
                let next_try = now + first;
                self.outage =
                    Some(Outage { since: now, pause: first, next_try, attempts: 1, failed_rows: 0, reason });
                1
            }
        };
        if attempts >= REOPEN_AFTER && self.open.is_some() {
            // The file may have been replaced, or opened while it could only be read.
            self.store = None;
        }
        if !self.group.is_empty() {
            self.group_due = self.outage.as_ref().map(|outage| outage.next_try);
        }
    }

    fn recovered(&mut self) {
        if let Some(outage) = self.outage.take() {
            self.counters.note_fault(None);
            let after = monotonic().duration_since(outage.since);
            (self.tell)(StoreNews::Recovered { after, failed_rows: outage.failed_rows });
        }
    }

    /// The store, opened if it is not and it is time to try.
    fn open_store(&mut self) -> Option<&mut Store> {
        if self.store.is_none()
            && let Some(open) = &mut self.open
        {
            match open() {
                Ok(store) => self.store = Some(store),
                Err(e) => self.failed(&e),
            }
        }
        self.store.as_mut()
    }

    /// Syncs, drops what is beyond the limits, keeps the log short, and says how things are.
    fn upkeep(&mut self) {
        let now = monotonic();
        self.upkeep_due = now + UPKEEP_EVERY;
        if self.outage.as_ref().is_some_and(|outage| outage.next_try > now) {
            return;
        }
        let rows = TRIM_ROWS + 2 * std::mem::take(&mut self.rows_since_upkeep);
        let now_us = (self.settings.now_us)();
        let Some(store) = self.open_store() else { return };
        let outcome = store
            .sync(now_us)
            .and_then(|()| store.trim(rows, now_us))
            .and_then(|_| store.checkpoint().map(|sizes| (sizes, store.classes())));
        match outcome {
            Ok((sizes, classes)) => {
                self.counters.note_store(sizes, classes);
                // Only a row that was taken shows that rows are taken again.
                if self.group.is_empty() && self.outage.is_some() && self.can_write(now_us) {
                    self.recovered();
                }
            }
            Err(e) => self.failed(&e),
        }
    }

    fn can_write(&mut self, now_us: u64) -> bool {
        match self.store.as_mut().map(|store| store.keep_setting("writer.tried", &[], now_us)) {
            Some(Ok(())) => true,
            Some(Err(e)) => {
                self.failed(&e);
                false
            }
            None => false,
        }
    }

    fn finish(mut self, inputs: &Inputs) {
        while let Ok(batch) = inputs.batches.try_recv() {
            self.gather(batch);
            if self.is_full() {
                self.commit();
            }
        }
        self.commit();
        self.counters.failed(&self.group);
        while let Ok(command) = inputs.commands.try_recv() {
            command(Err(WriteError::Closed));
        }
        if let Some(store) = self.store.take()
            && let Err(e) = store.close()
        {
            (self.tell)(StoreNews::Failing { reason: e.to_string() });
        }
    }
}

#[allow(clippy::disallowed_methods)] // how long a commit took and when to try again is about this host, not about packets
fn monotonic() -> Instant {
    Instant::now()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
