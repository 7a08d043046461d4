//! What the queue knows of each flow: how many packets have passed, and what the forest said of them.

#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;

use lru::LruCache;

use super::packet::Seen;

/// The forest has scored a running flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judged {
    /// Its two ends, in any order.
    pub seen: Seen,
    /// Its packets by then.
    pub packets: u32,
    /// It is to be stopped.
    pub attack: bool,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// It passes.
    Pass,
    /// It passes, and so does everything that follows in its flow, past the queue.
    PassForGood {
        /// Said of this flow for the first time.
        newly: bool,
    },
    /// It is dropped.
    Drop,
    /// It waits for the score that comes with so many packets.
    Hold {
        /// Packets of the flow.
        at: u32,
    },
}

#[derive(Debug, Clone, Copy, Default)]
struct Flow {
    packets: u32,
    /// Packets that the newest score speaks of.
    judged_at: u32,
    attack: bool,
    passed_for_good: bool,
}

/// The flows that come through the queue.
pub struct Flows {
    flows: LruCache<Seen, Flow>,
    /// Packet counts at which a running flow is scored, ascending.
    snapshots: Vec<u32>,
}

/// Flows known at once; the one that was quiet longest is forgotten, and begins anew.
const FLOWS_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

impl Flows {
    /// Nothing known yet. `snapshots`: packet counts at which a running flow is scored.
    #[must_use]
    pub fn new(snapshots: &[u32]) -> Self {
        let mut snapshots = snapshots.to_vec();
        snapshots.sort_unstable();
        Self { flows: LruCache::new(FLOWS_MAX), snapshots }
    }

    /// A score has come.
    pub fn judge(&mut self, judged: Judged) {
        let flow = self.flows.get_or_insert_mut(judged.seen.conversation(), Flow::default);
        if judged.packets >= flow.judged_at {
            (flow.judged_at, flow.attack) = (judged.packets, judged.attack);
        }
    }

    /// A packet has come. From one that a score comes with on, a flow's packets wait for that score, in their order.
    pub fn packet(&mut self, seen: &Seen) -> Says {
        let flow = self.flows.get_or_insert_mut(seen.conversation(), Flow::default);
        flow.packets = flow.packets.saturating_add(1);
        let due = self.snapshots.iter().copied().take_while(|at| *at <= flow.packets).last();
        match due {
            Some(at) if flow.judged_at < at => Says::Hold { at },
            _ => self.judged(seen),
        }
    }

    /// The verdict for a packet that waits for the score with `at` packets; none: it has not come.
    pub fn verdict(&mut self, seen: &Seen, at: u32) -> Option<Says> {
        let flow = self.flows.peek(&seen.conversation())?;
        (flow.judged_at >= at).then(|| self.judged(seen))
    }

    /// The score with `at` packets is waited for no longer.
    pub fn give_up(&mut self, seen: &Seen, at: u32) {
        if let Some(flow) = self.flows.get_mut(&seen.conversation()) {
            flow.judged_at = flow.judged_at.max(at);
        }
    }

    /// What the newest score means for the flow's packets.
    fn judged(&mut self, seen: &Seen) -> Says {
        let last = self.snapshots.last().copied().unwrap_or(0);
        let Some(flow) = self.flows.get_mut(&seen.conversation()) else {
            return Says::Pass;
        };
        if flow.attack {
            return Says::Drop;
        }
        if last > 0 && flow.judged_at >= last {
            let newly = !std::mem::replace(&mut flow.passed_for_good, true);
            return Says::PassForGood { newly };
        }
        Says::Pass
    }
}
