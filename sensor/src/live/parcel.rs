//! What travels from a ring through scoring to the recorder, and back to be used again.

use std::sync::Arc;

use flowmeter::{EndReason, EventBatch, EventKind};

use crate::scoring::Scored;
use crate::slot::Serving;

/// Events of one or more batches of packets. `scores[i]` is about `events.records[i]`.
#[derive(Default)]
pub(super) struct Parcel {
    pub(super) events: EventBatch,
    pub(super) scores: Vec<Scored>,
    /// Who scored it.
    pub(super) serving: Option<Arc<Serving>>,
    /// When it left the ring and when it was scored, on the monotonic clock.
    pub(super) metered_us: u64,
    pub(super) scored_us: u64,
}

/// Final and provisional records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) finals: u64,
    pub(super) provisional: u64,
}

impl Parcel {
    /// Memory beyond this many records is given back rather than kept for the next time.
    const RECORDS_KEPT: usize = 4096;
    const EVENTS_KEPT: usize = 16_384;

    pub(super) fn is_empty(&self) -> bool {
        self.events.events.is_empty()
    }

    pub(super) fn records(&self) -> Records {
        let all = self.events.records.len() as u64;
        let finals = self.events.records.iter().filter(|record| record.end_reason.is_some()).count() as u64;
        Records { finals, provisional: all - finals }
    }

    /// Leaves the events and takes their records away: behaviour counters still see them, the forest does not.
    pub(super) fn shed_records(&mut self) {
        for event in &mut self.events.events {
            event.record = None;
        }
        self.events.records.clear();
        self.events.contexts.clear();
    }

    /// Ready to be used again; false when it has grown so large that it had better be dropped.
    pub(super) fn clear(&mut self) -> bool {
        self.events.clear();
        self.scores.clear();
        self.serving = None;
        self.events.records.capacity() <= Self::RECORDS_KEPT
            && self.events.events.capacity() <= Self::EVENTS_KEPT
    }

    /// TCP flows that ended with data in them, and those of them of which one direction only was seen: data is not sent
    /// without acknowledgements, so the other direction passed somewhere else.
    pub(super) fn conversations(&self) -> (u64, u64) {
        const TCP: u8 = 6;
        let (mut all, mut one_way) = (0, 0);
        for event in &self.events.events {
            let over = matches!(event.kind, EventKind::Ended(reason) if reason != EndReason::Active);
            if over && event.key.protocol() == TCP && event.bytes[0] + event.bytes[1] > 0 {
                all += 1;
                one_way += u64::from(event.packets.contains(&0));
            }
        }
        (all, one_way)
    }
}
