//! What became of every row that was offered, and how the store is: written by atomics, read by anyone.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Serialize;
use store::record::Batch;
use store::{Class, ClassCount, Sizes};

/// Rows that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// Final flows.
    Flows,
    /// Vectors of running flows.
    Snapshots,
    /// Detections.
    Detections,
    /// Alerts.
    Alerts,
    /// Incidents.
    Incidents,
    /// Items for the centre.
    Log,
    /// Changes of rows that are counted already.
    Changes,
}

impl RowKind {
    /// Every kind.
    pub const ALL: [RowKind; 7] = [
        RowKind::Flows,
        RowKind::Snapshots,
        RowKind::Detections,
        RowKind::Alerts,
        RowKind::Incidents,
        RowKind::Log,
        RowKind::Changes,
    ];

    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RowKind::Flows => "flows",
            RowKind::Snapshots => "snapshots",
            RowKind::Detections => "detections",
            RowKind::Alerts => "alerts",
            RowKind::Incidents => "incidents",
            RowKind::Log => "log",
            RowKind::Changes => "changes",
        }
    }

    fn rows(self, batch: &Batch) -> usize {
        match self {
            RowKind::Flows => batch.flows.len(),
            RowKind::Snapshots => batch.snapshots.len(),
            RowKind::Detections => batch.detections.len(),
            RowKind::Alerts => batch.alerts.len(),
            RowKind::Incidents => batch.incidents.len(),
            RowKind::Log => batch.log.len(),
            RowKind::Changes => batch.settled.len() + batch.merged.len() + batch.hits.len(),
        }
    }
}

/// What became of the rows of one kind: `made = stored + dropped_at_queue + store_failed + queued`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RowCounts {
    /// Offered to the writer.
    pub made: u64,
    /// Committed.
    pub stored: u64,
    /// The queue was full.
    pub dropped_at_queue: u64,
    /// The store did not take them, and there was no room to hold them until it does.
    pub store_failed: u64,
    /// On their way.
    pub queued: u64,
}

/// How the writer and its store are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct WriterCounts {
    /// In the order of [`RowKind::ALL`].
    pub rows: [RowCounts; RowKind::ALL.len()],
    /// Groups committed.
    pub commits: u64,
    /// Time spent in them, us.
    pub commit_us: u64,
    /// The longest of them, us.
    pub commit_max_us: u64,
    /// The last of them, us.
    pub commit_last_us: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// What the store takes on the disk.
    pub sizes: Sizes,
    /// What each class holds and has lost, in the order of [`Class::ALL`].
    pub classes: [ClassCount; Class::ALL.len()],
    /// Why the store takes no rows at present.
    pub fault: Option<String>,
}

impl WriterCounts {
    /// The counts of one kind.
    #[must_use]
    pub fn of(&self, kind: RowKind) -> RowCounts {
        self.rows[kind as usize]
    }
}

#[derive(Debug, Default)]
struct KindCounters {
    made: AtomicU64,
    stored: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    queued: AtomicU64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    rows: [KindCounters; RowKind::ALL.len()],
    commits: AtomicU64,
    commit_us: AtomicU64,
    commit_max_us: AtomicU64,
    commit_last_us: AtomicU64,
    pub(super) failures: AtomicU64,
    /// Between the writer and who asks; the data plane never touches it.
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone)]
struct State {
    sizes: Sizes,
    classes: [ClassCount; Class::ALL.len()],
    fault: Option<String>,
}

impl Counters {
    /// Rows on their way, of all kinds.
    pub(super) fn queued(&self) -> u64 {
        self.rows.iter().map(|kind| kind.queued.load(Relaxed)).sum()
    }

    pub(super) fn offered(&self, batch: &Batch) {
        self.each(batch, |counters, rows| {
            counters.made.fetch_add(rows, Relaxed);
            counters.queued.fetch_add(rows, Relaxed);
        });
    }

    pub(super) fn dropped(&self, batch: &Batch) {
        self.settle(batch, |counters| &counters.dropped);
    }

    pub(super) fn failed(&self, batch: &Batch) {
        self.settle(batch, |counters| &counters.failed);
    }

    pub(super) fn stored(&self, batch: &Batch, took_us: u64) {
        self.settle(batch, |counters| &counters.stored);
        self.commits.fetch_add(1, Relaxed);
        self.commit_us.fetch_add(took_us, Relaxed);
        self.commit_max_us.fetch_max(took_us, Relaxed);
        self.commit_last_us.store(took_us, Relaxed);
    }

    pub(super) fn note_store(&self, sizes: Sizes, classes: [ClassCount; Class::ALL.len()]) {
        let mut state = self.state();
        state.sizes = sizes;
        state.classes = classes;
    }

    pub(super) fn note_fault(&self, fault: Option<String>) {
        self.state().fault = fault;
    }

    pub(super) fn snapshot(&self) -> WriterCounts {
        let State { sizes, classes, fault } = self.state().clone();
        let rows = std::array::from_fn(|kind| {
            let counters: &KindCounters = &self.rows[kind];
            RowCounts {
                made: counters.made.load(Relaxed),
                stored: counters.stored.load(Relaxed),
                dropped_at_queue: counters.dropped.load(Relaxed),
                store_failed: counters.failed.load(Relaxed),
                queued: counters.queued.load(Relaxed),
            }
        });
        WriterCounts {
            rows,
            commits: self.commits.load(Relaxed),
            commit_us: self.commit_us.load(Relaxed),
            commit_max_us: self.commit_max_us.load(Relaxed),
            commit_last_us: self.commit_last_us.load(Relaxed),
            failures: self.failures.load(Relaxed),
            sizes,
            classes,
            fault,
        }
    }

    fn settle(&self, batch: &Batch, which: impl Fn(&KindCounters) -> &AtomicU64) {
        self.each(batch, |counters, rows| {
            which(counters).fetch_add(rows, Relaxed);
            counters.queued.fetch_sub(rows, Relaxed);
        });
    }

    fn each(&self, batch: &Batch, change: impl Fn(&KindCounters, u64)) {
        for kind in RowKind::ALL {
            let rows = kind.rows(batch) as u64;
            if rows > 0 {
                change(&self.rows[kind as usize], rows);
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
