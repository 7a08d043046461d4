//! Packets of several interfaces, in the order of their timestamps: each direction of a line or of a tap comes by another ring.
//!
//! A ring's packets wait until every other ring is known to have come to their time, or until they have waited [`WAIT_US`]; then
//! the earliest of all goes first. What comes when later ones have gone is metered all the same, and counted. Rings are read by
//! threads of their own, each batch in its own order: this is a merge of as many queues as there are rings. Batches are swapped, not
//! copied, and used again.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use flowmeter::PacketBatch;

/// Longest wait for another ring, from the moment a batch has come: as long as a frame lies in the kernel's block and in the other
/// ring's batch (`WireSettings::block_ms`, `ring::BATCH_US`).
pub(super) const WAIT_US: u64 = 8_000;
/// Packets that wait at most, for each table owner; beyond, the earliest goes without waiting.
const PACKETS_MAX: usize = 65_536;
/// Batches kept to be used again.
const SPARES_MAX: usize = 16;

/// A batch of one ring, from its next packet on.
struct Waiting {
    batch: PacketBatch,
    next: usize,
    names: usize,
    due_us: u64,
}

/// One ring's batches, oldest first.
#[derive(Default)]
struct Origin {
    waiting: VecDeque<Waiting>,
    /// Time to which this ring's packets are all here.
    heard_us: u64,
}

impl Origin {
    fn head_us(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.batch.packets()[waiting.next].time_us)
    }
}

/// The merge before one ring's tables.
pub(super) struct Reorder {
    origins: Vec<Origin>,
    spares: Vec<PacketBatch>,
    /// Packets that wait.
    held: usize,
    /// Latest time that was given out.
    released_us: u64,
    /// Packets that came when a later one had been given out.
    late: u64,
}

impl Reorder {
    pub(super) fn new(rings: usize) -> Self {
        Self {
            origins: (0..rings).map(|_| Origin::default()).collect(),
            spares: Vec::with_capacity(SPARES_MAX),
            held: 0,
            released_us: 0,
            late: 0,
        }
    }

    /// Takes ring `from`'s packets, and leaves an empty batch in their place. All of that ring's packets up to `heard_us` are here
    /// with them. `now_us` is the monotonic clock.
    pub(super) fn put(&mut self, from: usize, batch: &mut PacketBatch, heard_us: u64, now_us: u64) {
        let origin = &mut self.origins[from];
        origin.heard_us = origin.heard_us.max(heard_us);
        if batch.is_empty() {
            return;
        }
        self.held += batch.len();
        let batch = std::mem::replace(batch, self.spares.pop().unwrap_or_default());
        origin.waiting.push_back(Waiting { batch, next: 0, names: 0, due_us: now_us + WAIT_US });
    }

    /// Puts at the end of `out` what need not wait any longer at `now_us` on the monotonic clock.
    pub(super) fn release(&mut self, now_us: u64, out: &mut PacketBatch) {
        while let Some((from, time_us)) = self.earliest() {
            if self.held <= PACKETS_MAX && !self.is_due(now_us) && !self.is_its_turn(time_us) {
                return;
            }
            self.give_out(from, time_us, out);
        }
    }

    /// Puts everything at the end of `out`, in its order, and forgets the time: a clock was set, or the run ends.
    pub(super) fn release_all(&mut self, out: &mut PacketBatch) {
        while let Some((from, time_us)) = self.earliest() {
            self.give_out(from, time_us, out);
        }
        self.released_us = 0;
        self.origins.iter_mut().for_each(|origin| origin.heard_us = 0);
    }

    /// Packets that wait.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Latest time that was given out.
    pub(super) fn released_us(&self) -> u64 {
        self.released_us
    }

    /// Packets that came too late for their place.
    pub(super) fn late(&self) -> u64 {
        self.late
    }

    #[inline]
    fn earliest(&self) -> Option<(usize, u64)> {
        let heads = self.origins.iter().enumerate();
        heads.filter_map(|(from, origin)| Some((from, origin.head_us()?))).min_by_key(|(_, time_us)| *time_us)
    }

    /// Somebody has waited long enough: whatever is earlier goes with it.
    #[inline]
    fn is_due(&self, now_us: u64) -> bool {
        self.origins.iter().any(|o| o.waiting.front().is_some_and(|waiting| waiting.due_us <= now_us))
    }

    /// Nothing earlier than the earliest can come any more.
    #[inline]
    fn is_its_turn(&self, time_us: u64) -> bool {
        self.origins.iter().all(|origin| !origin.waiting.is_empty() || origin.heard_us >= time_us)
    }

    #[inline]
    fn give_out(&mut self, from: usize, time_us: u64, out: &mut PacketBatch) {
        let Some(waiting) = self.origins[from].waiting.front_mut() else { return };
        self.late += u64::from(time_us < self.released_us);
        self.released_us = self.released_us.max(time_us);
        waiting.batch.copy_to(out, waiting.next, &mut waiting.names, self.released_us);
        waiting.next += 1;
        self.held -= 1;
        if waiting.next == waiting.batch.len()
            && let Some(Waiting { mut batch, .. }) = self.origins[from].waiting.pop_front()
            && self.spares.len() < SPARES_MAX
        {
            batch.clear();
            self.spares.push(batch);
        }
    }
}
