//! What each thread publishes at the end of every batch, and how the parts add up at any moment.
//!
//! A thread replaces its whole snapshot at once, so that every snapshot balances in itself. Between threads, what one has
//! passed on and the next has not taken yet is `queued`. Whoever adds up reads what lies downstream first: then nothing can
//! have arrived that was not yet sent, and the sums are exact while everything runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use arc_swap::{ArcSwap, ArcSwapOption};
use flowmeter::{FlowAccounting, IntakeCounters, PacketAccounting, TableCounters};
use model::Category;

use super::latency::Latency;
use crate::capture::{FileSums, WireCounters};
use crate::fault::Fault;

/// What one ring has done, up to the end of a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RingSums {
    /// `metered` counts what was handed on to any ring's tables.
    pub(super) packets: PacketAccounting,
    pub(super) intake: IntakeCounters,
    pub(super) flows: FlowAccounting,
    pub(super) tables: TableCounters,
    /// Packets given to other rings, of those in `packets.metered`.
    pub(super) handed_over: u64,
    /// Other rings' packets metered here.
    pub(super) taken_over: u64,
    /// Packets that wait here for other rings' earlier ones, and those that came too late for their place.
    pub(super) held: u64,
    pub(super) late: u64,
    pub(super) unscored: Unscored,
    /// Parcels sent to scoring.
    pub(super) parcels: u64,
    /// Time of the last packet: capture clock, and monotonic clock when it was seen.
    pub(super) last_packet_us: u64,
    pub(super) last_seen_us: Option<u64>,
    pub(super) conversations: u64,
    pub(super) one_way: u64,
    pub(super) wire: WireCounters,
    pub(super) ring_bytes: u64,
    pub(super) latency: Latency,
}

/// What a ring did not pass on to scoring.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unscored {
    /// Final records.
    pub(super) finals: u64,
    pub(super) provisional: u64,
    /// Events that the recorder will not see either.
    pub(super) events: u64,
}

/// What one scorer has done.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ScorerSums {
    pub(super) parcels: u64,
    pub(super) scored: u64,
    pub(super) provisional: u64,
    pub(super) latency: Latency,
    pub(super) health: Health,
    pub(super) shadow: Shadow,
}

/// What is known of the active model's behaviour since it was put to work (or its thresholds or shadow were changed).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Health {
    /// [`crate::slot::Serving::generation`] that this is about.
    pub generation: u64,
    /// Serial of the model.
    pub model_version: u64,
    /// Final records scored.
    pub scored: u64,
    /// Verdicts, by [`Category::index`].
    pub by_category: [u64; Category::COUNT],
    /// Scores, in twenty equal steps from 0 to 1.
    pub score_bins: [u64; 20],
    /// Sum of the scores.
    pub score_sum: f64,
    /// Scores that are no number from 0 to 1: a sound model gives none.
    pub unsound: u64,
    /// From the end of metering to the verdict.
    pub latency: Latency,
}

/// The shadow model beside the active one, since the slot was last changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shadow {
    /// Serial of the shadow; none when none is at work.
    pub model_version: Option<u64>,
    /// Final records that both have scored.
    pub scored: u64,
    /// Final records that only the active one has scored, for lack of time.
    pub shed: u64,
    /// Verdicts: row by the active model's category, column by the shadow's, each by [`Category::index`].
    pub agreement: [[u64; Category::COUNT]; Category::COUNT],
}

impl Shadow {
    /// Share of equal verdicts; none before the first.
    #[must_use]
    pub fn agreement_share(&self) -> Option<f64> {
        let same: u64 = (0..Category::COUNT).map(|c| self.agreement[c][c]).sum();
        (self.scored > 0).then(|| same as f64 / self.scored as f64)
    }

    /// Adds another scorer's counts of the same generation.
    pub(super) fn add(&mut self, other: &Self) {
        self.model_version = self.model_version.or(other.model_version);
        self.scored += other.scored;
        self.shed += other.shed;
        for (mine, theirs) in self.agreement.iter_mut().flatten().zip(other.agreement.iter().flatten()) {
            *mine += theirs;
        }
    }
}

impl Health {
    /// Adds another scorer's counts of the same generation.
    pub(super) fn add(&mut self, other: &Self) {
        self.generation = other.generation;
        self.model_version = other.model_version;
        self.scored += other.scored;
        self.score_sum += other.score_sum;
        self.unsound += other.unsound;
        self.latency += other.latency;
        let counts = self.by_category.iter_mut().chain(&mut self.score_bins);
        for (mine, theirs) in counts.zip(other.by_category.iter().chain(&other.score_bins)) {
            *mine += theirs;
        }
    }
}

/// What the recorder has been told.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RecorderSums {
    pub(super) parcels: u64,
    pub(super) events: u64,
    pub(super) finals: u64,
    pub(super) latency: Latency,
}

/// What is seldom said of a ring: kept apart so that publishing a batch copies no text.
#[derive(Debug, Clone, Default)]
pub(super) struct RingState {
    /// Why the interface is not captured on; none when it is.
    pub(super) down: Option<String>,
    pub(super) ended: bool,
    pub(super) files: FileSums,
}

/// Everything that threads of a run tell each other beside the channels.
pub(super) struct Shared {
    pub(super) stopping: AtomicBool,
    /// The recorder has failed: nothing that is done any more will be kept.
    pub(super) fault: ArcSwapOption<Fault>,
    pub(super) records_waiting: AtomicU64,
    pub(super) rings: Vec<Published>,
    pub(super) scorers: Vec<ArcSwap<ScorerSums>>,
    pub(super) recorder: ArcSwap<RecorderSums>,
}

/// One ring's snapshots.
#[derive(Default)]
pub(super) struct Published {
    pub(super) sums: ArcSwap<RingSums>,
    pub(super) state: ArcSwap<RingState>,
}

impl Shared {
    pub(super) fn new(rings: usize, scorers: usize) -> Arc<Self> {
        Arc::new(Self {
            stopping: AtomicBool::new(false),
            fault: ArcSwapOption::empty(),
            records_waiting: AtomicU64::new(0),
            rings: (0..rings).map(|_| Published::default()).collect(),
            scorers: (0..scorers).map(|_| ArcSwap::default()).collect(),
            recorder: ArcSwap::default(),
        })
    }
}
