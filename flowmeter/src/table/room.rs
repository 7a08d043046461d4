//! Room for a new flow in a table that is full, or nearly.
//!
//! From 7/8 of the limit on, each new flow first ends up to two flows that no responder has answered and that have been
//! silent for the emergency timeout. At the limit, it takes the place of the flow longest without a packet among those
//! without an answer, and if there are none, among all. Each is counted, and ends as `evicted` (unless it had closed).
//! "Longest without a packet" is near enough: see [`super::age`]. Nothing here depends on hashes.

use super::{Cause, FlowTable};
use crate::event::{EndReason, EventBatch};

/// Flows ended early by one new flow in a nearly full table.
const EMERGENCY_ENDS: usize = 2;

impl FlowTable {
    /// Keeps the table below its limit, by the policy at the head of this file.
    pub(super) fn make_room(&mut self, cause: &mut Cause, out: &mut EventBatch) {
        let nearly_full = self.flows_max - self.flows_max / 8;
        if self.active() < nearly_full {
            return;
        }
        self.turn(out);
        for _ in 0..EMERGENCY_ENDS {
            if self.active() < nearly_full {
                return;
            }
            let Some(place) = self.unreplied.oldest(self.flows.standing(false)) else {
                break;
            };
            if self.flows.at(place).last_us() + self.emergency_us >= self.watermark_us {
                break;
            }
            self.counters.evicted_emergency += 1;
            self.evict(place, cause, out);
        }
        if self.active() < self.flows_max {
            return;
        }
        if let Some(place) = self.unreplied.oldest(self.flows.standing(false)) {
            self.counters.evicted_unreplied += 1;
            self.evict(place, cause, out);
        } else if let Some(place) = self.replied.oldest(self.flows.standing(true)) {
            self.counters.evicted_replied += 1;
            self.evict(place, cause, out);
        }
    }

    fn evict(&mut self, place: u32, cause: &mut Cause, out: &mut EventBatch) {
        let flow = self.flows.at(place);
        let reason = flow.closed_by().unwrap_or(EndReason::Evicted);
        self.recent.note(flow.tag, flow.flow_start_us(), flow.ordinal());
        self.wheel.remove(&mut self.flows, place);
        self.end(place, reason, cause.next(), out);
    }
}
