//! One clock for tables that several intakes feed: each intake has its own clock and epochs, and a table wants one.

use flowmeter::PacketBatch;

/// The clock of one ring's tables.
///
/// All rings of a sensor are stamped by the same machine, so their clocks differ only by how long batches take, except right
/// after that machine's clock was set: one ring sees the step before another. What a ring sends from before a step back then
/// counts as late, for a second of the new time at most; after it, a ring that is far ahead is believed again (the clock was
/// set forward, and the others have not seen a packet since).
#[derive(Debug)]
pub(super) struct MergedClock {
    idle_us: u64,
    epoch: u32,
    watermark_us: u64,
    /// Any packet has been seen.
    running: bool,
    origins: Vec<Origin>,
}

#[derive(Debug, Clone, Default)]
struct Origin {
    epoch: Option<u32>,
    /// While the merged clock is below this, the ring's time may be from before a step.
    doubtful_until_us: u64,
}

impl MergedClock {
    /// New time for which a ring may still send old packets.
    const GRACE_US: u64 = 1_000_000;

    pub(super) fn new(rings: usize, idle_us: u64) -> Self {
        Self { idle_us, epoch: 0, watermark_us: 0, running: false, origins: vec![Origin::default(); rings] }
    }

    /// Puts ring `from`'s batch into this clock.
    pub(super) fn take(&mut self, from: usize, batch: &mut PacketBatch) {
        if batch.is_empty() && batch.watermark_us == 0 {
            // That ring has not seen a packet yet: it knows no time.
            batch.epoch = self.epoch;
            batch.watermark_us = self.watermark_us;
            return;
        }
        let origin = &mut self.origins[from];
        let stepped = origin.epoch.is_some_and(|epoch| epoch != batch.epoch);
        origin.epoch = Some(batch.epoch);
        if stepped {
            origin.doubtful_until_us = 0;
        }
        let doubtful = self.watermark_us < origin.doubtful_until_us;
        let far_behind = self.watermark_us.saturating_sub(batch.watermark_us) > self.idle_us;
        let far_ahead = batch.watermark_us.saturating_sub(self.watermark_us) > self.idle_us;
        let mut late = false;
        if !self.running {
            self.running = true;
            self.watermark_us = batch.watermark_us;
        } else if far_behind && stepped {
            self.epoch = self.epoch.wrapping_add(1);
            self.watermark_us = batch.watermark_us;
            for (ring, origin) in self.origins.iter_mut().enumerate() {
                origin.doubtful_until_us = if ring == from { 0 } else { batch.watermark_us + Self::GRACE_US };
            }
        } else {
            late = far_behind || (far_ahead && doubtful);
        }
        let numbering = (from as u64, self.origins.len() as u64);
        self.watermark_us = batch.rebase((self.epoch, self.watermark_us), late, numbering);
    }

    /// Time has come to `now_us` without packets; gives epoch and clock for an empty batch.
    pub(super) fn advance(&mut self, now_us: u64) -> (u32, u64) {
        if self.running {
            self.watermark_us = self.watermark_us.max(now_us);
        }
        (self.epoch, self.watermark_us)
    }

    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    pub(super) fn watermark_us(&self) -> u64 {
        self.watermark_us
    }
}

#[cfg(test)]
mod tests;
