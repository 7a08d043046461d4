//! What anybody may look at: the blocks in force, and how many decisions fell which way.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ledger::Block;
use super::queue::kernel::KernelQueue;
use crate::config::Inline;
use crate::status::{Health, Status, count as readable};

/// What the decider has published last.
#[derive(Debug, Default)]
pub struct View {
    /// In force, oldest first.
    pub blocks: Vec<Block>,
    /// Decisions by outcome since the start.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// What is the matter with the rules in the kernel.
    pub fault: Option<String>,
    /// Ranges that are never blocked, and why.
    pub protected: Vec<(String, &'static str)>,
    /// When a cap last held a block back, microseconds since the epoch.
    pub capped_us: Option<u64>,
    /// Times that somebody else had emptied or removed the rules.
    pub flushed: u64,
    /// Packets that the rules dropped since the start.
    pub dropped_packets: u64,
}

/// Counts that other threads keep.
#[derive(Debug, Default)]
pub struct Counts {
    /// Suspicions that found the decider's queue full.
    pub dropped_at_queue: AtomicU64,
    /// Packets that came from the kernel's queue.
    pub queue_packets: AtomicU64,
    /// Packets that were held for a verdict.
    pub queue_held: AtomicU64,
    /// Packets that passed for want of a verdict.
    pub queue_opened: AtomicU64,
    /// Packets that were dropped for want of a verdict.
    pub queue_closed: AtomicU64,
    /// Packets that a verdict dropped.
    pub queue_dropped: AtomicU64,
    /// Flows that were judged benign and pass by from then on.
    pub queue_bypassed: AtomicU64,
    /// Scores that found the channel to the queue full.
    pub queue_unheard: AtomicU64,
    /// Packets for which there was no verdict because the installed model was refused.
    pub queue_no_model: AtomicU64,
    /// Packets for which there was none in time.
    pub queue_late: AtomicU64,
    /// Packets that were not held because as many as may be were.
    pub queue_crowded: AtomicU64,
    /// The installed model was refused, and the one inside the program judges.
    pub model_missing: AtomicBool,
}

impl Counts {
    fn queue(&self) -> BTreeMap<String, u64> {
        [
            ("packets", &self.queue_packets),
            ("held", &self.queue_held),
            ("failed_open", &self.queue_opened),
            ("failed_closed", &self.queue_closed),
            ("dropped", &self.queue_dropped),
            ("flows_bypassed", &self.queue_bypassed),
            ("scores_unheard", &self.queue_unheard),
        ]
        .map(|(name, n)| (name.to_owned(), n.load(Ordering::Relaxed)))
        .into()
    }

    fn undecided(&self, full: u64) -> BTreeMap<String, u64> {
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        [
            ("model_missing", count(&self.queue_no_model)),
            ("late", count(&self.queue_late)),
            ("held_max", count(&self.queue_crowded)),
            ("queue_full", full),
        ]
        .map(|(name, n)| (name.to_owned(), n))
        .into()
    }
}

/// Where the decider publishes, and everybody looks.
#[derive(Debug)]
pub struct Board {
    /// The settings.
    pub settings: Inline,
    /// The newest view.
    pub view: ArcSwap<View>,
    /// Counts.
    pub counts: Counts,
}

/// A cap that held something back is told in `status` for so long.
const CAPPED_FOR_US: u64 = 600_000_000;

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new(settings: Inline) -> Self {
        Self { settings, view: ArcSwap::default(), counts: Counts::default() }
    }

    /// Puts what is stopped into a status, and complains of what is the matter.
    pub fn note(&self, status: &mut Status) {
        let view = self.view.load();
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let c = &self.counts;
        let mut outcomes: BTreeMap<String, u64> =
            view.outcomes.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        outcomes.insert("dropped_at_queue".into(), count(&c.dropped_at_queue));
        let unenforceable = view.blocks.iter().filter(|block| block.unenforceable).count() as u64;
        let mut inline = InlineStatus {
            mode: self.settings.mode.as_str().to_owned(),
            dry_run: self.settings.dry_run,
            blocks: view.blocks.len() as u64,
            unenforceable,
            outcomes,
            dropped_packets: view.dropped_packets,
            rules_flushed: view.flushed,
            fault: view.fault.clone(),
            ..InlineStatus::default()
        };
        if let Some(fault) = &view.fault {
            status.complain(Health::Critical, format!("inline: {fault}"));
        }
        if unenforceable > 0 {
            status.complain(
                Health::Degraded,
                format!("inline: {unenforceable} blocks match nothing while their sources go on: their packets come in another encapsulation (QinQ, a tunnel) or another way; taphound block list"),
            );
        }
        if view.capped_us.is_some_and(|at_us| status.now_us.saturating_sub(at_us) < CAPPED_FOR_US) {
            status.complain(
                Health::Degraded,
                "inline: more was to be blocked than `inline.blocks_per_minute` and `inline.blocks_max` allow: alerts only; taphound block list",
            );
        }
        if self.settings.queues() {
            self.note_queue(&mut inline, status);
        }
        status.inline = inline;
    }

    fn note_queue(&self, inline: &mut InlineStatus, status: &mut Status) {
        let settings = &self.settings.queue;
        let kernel = KernelQueue::look(settings.number).unwrap_or_default();
        inline.queue = self.counts.queue();
        inline.queue_undecided = self.counts.undecided(kernel.dropped);
        inline.queue_waiting = kernel.waiting;
        if kernel.waiting >= u64::from(settings.packets_max) {
            let becomes = if settings.queue_full.is_open() { "pass unjudged" } else { "are dropped" };
            status.complain(
                Health::Degraded,
                format!("inline: the kernel's queue is full ({} packets wait): further ones {becomes} (`inline.queue.queue_full`); give the sensor another core", kernel.waiting),
            );
        }
        if self.counts.model_missing.load(Ordering::Relaxed) {
            let becomes = if settings.model_missing.is_open() { "pass unjudged" } else { "are dropped" };
            status.complain(
                Health::Degraded,
                format!("inline: packets that would wait for a verdict {becomes}, for the installed model was refused (`inline.queue.model_missing`): taphound model install"),
            );
        }
    }
}

/// Whether and how traffic is stopped.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct InlineStatus {
    /// `passive`, `inline-set` or `inline-queue`; empty on a sensor that decides nothing.
    pub mode: String,
    /// Decisions are reported, and nothing is stopped.
    pub dry_run: bool,
    /// Blocks in force.
    pub blocks: u64,
    /// Those of them that match nothing although their source goes on.
    pub unenforceable: u64,
    /// Decisions since the start, by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Packets that the rules dropped since the start.
    pub dropped_packets: u64,
    /// Times that somebody else emptied or removed the rules.
    pub rules_flushed: u64,
    /// What is the matter with the rules.
    pub fault: Option<String>,
    /// Packets of `inline-queue`, by what became of them; empty without it.
    pub queue: BTreeMap<String, u64>,
    /// Packets for which there was no verdict, by cause. `queue_full`: those that the kernel dropped; what it lets pass instead it
    /// does not count.
    pub queue_undecided: BTreeMap<String, u64>,
    /// Packets that wait in the kernel's queue now.
    pub queue_waiting: u64,
}

impl InlineStatus {
    /// Something is decided here: to stop it, to report it, or for the list.
    #[must_use]
    pub fn decides(&self) -> bool {
        !self.mode.is_empty()
    }

    /// A line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let outcomes: Vec<String> = self
            .outcomes
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(name, n)| format!("{name} {}", readable(*n)))
            .collect();
        let dry = if self.dry_run { " (dry run)" } else { "" };
        let outcomes = if outcomes.is_empty() { String::new() } else { format!("; {}", outcomes.join(", ")) };
        let queue: Vec<String> =
            self.queue.iter().map(|(name, n)| format!("{name} {}", readable(*n))).collect();
        let queue = if queue.is_empty() { String::new() } else { format!("; queue: {}", queue.join(", ")) };
        format!(
            "inline   {}{dry}, {} blocks in force, {} packets dropped{outcomes}{queue}",
            self.mode,
            readable(self.blocks),
            readable(self.dropped_packets)
        )
    }
}
