//! The one thread that writes the store: rows in groups from the data plane, commands with answers from the control plane.
//!
//! The data plane offers rows and never waits: a full queue is a counted drop. A disk that is full, slow or gone costs history,
//! not packets: rows are held as far as there is room, tried again ever more rarely, and counted as failed beyond it.

mod counters;
mod rows;
mod work;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use store::record::Batch;
use store::{Store, StoreError};

pub use counters::{RowCounts, RowKind, WriterCounts};
pub use rows::{flow_row, judgement, snapshot_row};

use crate::capture::wall_clock_us;
use counters::Counters;
use work::Work;

/// How the writer works.
#[derive(Debug, Clone)]
pub struct WriterSettings {
    /// Batches that wait; more are dropped and counted.
    pub queue_batches_max: usize,
    /// Rows that wait in them, about a kilobyte each; beyond, a whole batch is dropped and counted.
    pub queue_rows_max: u64,
    /// Commands that wait; more are answered with [`WriteError::Busy`].
    pub queue_commands_max: usize,
    /// A group is committed when it has so many rows,
    pub group_rows: usize,
    /// or after so long.
    pub group_every: Duration,
    /// Rows held while the store fails; more are counted as failed.
    pub held_rows_max: usize,
    /// First pause after a failure; doubled up to `pause_max`.
    pub pause_first: Duration,
    /// Longest pause between two attempts.
    pub pause_max: Duration,
    /// The wall clock, microseconds since the epoch.
    pub now_us: fn() -> u64,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            queue_batches_max: 1_024,
            queue_rows_max: 65_536,
            queue_commands_max: 256,
            group_rows: 8_192,
            group_every: Duration::from_millis(20),
            held_rows_max: 65_536,
            pause_first: Duration::from_millis(100),
            pause_max: Duration::from_secs(5),
            now_us: wall_clock_us,
        }
    }
}

/// What the log should say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreNews {
    /// The store does not take rows any more. Told once.
    Failing {
        /// Why, and what to do.
        reason: String,
    },
    /// It does again.
    Recovered {
        /// How long it did not.
        after: Duration,
        /// Rows that were lost meanwhile.
        failed_rows: u64,
    },
    /// Rows made no sense to the store, and were left out.
    Refused {
        /// Why.
        reason: String,
        /// How many.
        rows: u64,
    },
}

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The store says no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be opened.
    #[error("{0}")]
    Unavailable(String),
    /// Too many commands wait.
    #[error("the store is busy: too many changes wait; try again in a moment")]
    Busy,
    /// The writer has ended.
    #[error("the store is closed: the sensor is shutting down")]
    Closed,
}

/// Opens the store, again and again until it can be opened.
pub type OpenStore = Box<dyn FnMut() -> Result<Store, StoreError> + Send>;
type Tell = Box<dyn FnMut(StoreNews) + Send>;
type Command = Box<dyn FnOnce(Result<(&mut Store, u64), WriteError>) + Send>;

/// The thread, to be joined at the end.
pub struct Writer {
    thread: JoinHandle<()>,
    stop: Sender<()>,
}

impl Writer {
    /// Starts the thread on an open store. `tell` is called from it.
    ///
    /// # Errors
    /// The operating system has no thread left.
    pub fn spawn(
        store: Store,
        settings: WriterSettings,
        tell: impl FnMut(StoreNews) + Send + 'static,
    ) -> std::io::Result<(Self, WriterHandle)> {
        Self::start(Some(store), None, settings, Box::new(tell))
    }

    /// Starts the thread with a way to open the store: at once, whenever that fails later again, and anew when writing keeps
    /// failing. A store that must not be touched ([`StoreError::is_refusal`]) should have been found before.
    ///
    /// # Errors
    /// The operating system has no thread left.
    pub fn spawn_opening(
        open: OpenStore,
        settings: WriterSettings,
        tell: impl FnMut(StoreNews) + Send + 'static,
    ) -> std::io::Result<(Self, WriterHandle)> {
        Self::start(None, Some(open), settings, Box::new(tell))
    }

    fn start(
        store: Option<Store>,
        open: Option<OpenStore>,
        settings: WriterSettings,
        tell: Tell,
    ) -> std::io::Result<(Self, WriterHandle)> {
        let (batches, batches_in) = bounded(settings.queue_batches_max);
        let (commands, commands_in) = bounded(settings.queue_commands_max);
        let (stop, stop_in) = bounded(1);
        let counters = Arc::new(Counters::default());
        let rows_max = settings.queue_rows_max;
        let handle = WriterHandle { batches, commands, counters: Arc::clone(&counters), rows_max };
        let inputs = Inputs { batches: batches_in, commands: commands_in, stop: stop_in };
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn(move || Work::new(store, open, settings, tell, counters).run(inputs))?;
        Ok((Self { thread, stop }, handle))
    }

    /// Writes what is queued, closes the store, and ends. What is offered from now on is dropped and counted.
    pub fn close(self) {
        let _ = self.stop.send(());
        // A panic of the thread has been printed by its own hook.
        let _ = self.thread.join();
    }
}

struct Inputs {
    batches: Receiver<Batch>,
    commands: Receiver<Command>,
    stop: Receiver<()>,
}

/// What the other threads hold of the writer.
#[derive(Clone)]
pub struct WriterHandle {
    batches: Sender<Batch>,
    commands: Sender<Command>,
    counters: Arc<Counters>,
    rows_max: u64,
}

impl WriterHandle {
    /// Hands rows over. Never waits: false when the queue is full, and then they are counted as dropped.
    pub fn offer(&self, batch: Batch) -> bool {
        if batch.is_empty() {
            return true;
        }
        let room = self.counters.queued() < self.rows_max;
        self.counters.offered(&batch);
        if !room {
            self.counters.dropped(&batch);
            return false;
        }
        match self.batches.try_send(batch) {
            Ok(()) => true,
            Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                self.counters.dropped(&batch);
                false
            }
        }
    }

    /// Has the writer do `work` with the store and the time, and answers from its thread; rows offered before it are written
    /// before it. Never waits. An answer may never come if the writer ends first: a dropped `reply` means [`WriteError::Closed`].
    pub fn ask<T: 'static>(
        &self,
        work: impl FnOnce(&mut Store, u64) -> Result<T, StoreError> + Send + 'static,
        reply: impl FnOnce(Result<T, WriteError>) + Send + 'static,
    ) {
        let command: Command = Box::new(move |store| {
            reply(store.and_then(|(store, now_us)| work(store, now_us).map_err(WriteError::from)));
        });
        match self.commands.try_send(command) {
            Ok(()) => {}
            Err(TrySendError::Full(command)) => command(Err(WriteError::Busy)),
            Err(TrySendError::Disconnected(command)) => command(Err(WriteError::Closed)),
        }
    }

    /// As [`WriterHandle::ask`], and waits for the answer. Not for async code.
    ///
    /// # Errors
    /// As the command, or the writer has ended.
    pub fn wait_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store, u64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (answer, answered) = bounded(1);
        self.ask(work, move |outcome| {
            let _ = answer.send(outcome);
        });
        answered.recv().unwrap_or(Err(WriteError::Closed))
    }

    /// What has become of the rows, and how the store is. Takes no lock that the data plane takes.
    #[must_use]
    pub fn counts(&self) -> WriterCounts {
        self.counters.snapshot()
    }
}

impl fmt::Debug for WriterHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterHandle").field("counts", &self.counts()).finish()
    }
}

/// Opens the store of a sensor: its limits, and its outbox when there is a centre.
#[must_use]
pub fn opener(path: PathBuf, limits: store::Limits, outbox_of: Option<String>) -> OpenStore {
    Box::new(move || {
        let store = Store::open(&path)?.with_limits(limits);
        Ok(match &outbox_of {
            Some(sensor_id) => store.with_outbox(sensor_id),
            None => store,
        })
    })
}

#[cfg(test)]
mod tests;
