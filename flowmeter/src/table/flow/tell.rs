//! What a flow tells: the light facts of an event, and the record of its segment.

use super::{Flow, marks, state};
use crate::event::{EndReason, EventKind, EventOrder, FlowEvent};
use crate::key::{Direction, NO_VLAN};
use crate::record::{CLIPPED_LEN_MAX, FlowRecord, OneWay};

impl Flow {
    /// The light part of what an event tells.
    pub(in crate::table) fn event(&self, order: EventOrder, kind: EventKind, track_vlan: bool) -> FlowEvent {
        FlowEvent {
            order,
            kind,
            key: self.key(track_vlan),
            initiator_is_lower: self.is(state::INITIATOR_IS_LOWER),
            began_with_syn: self.is(state::BEGAN_WITH_SYN),
            began_cleanly: self.marks & marks::BEGAN_CLEANLY != 0,
            established: self.marks & marks::ESTABLISHED != 0,
            flow_start_us: self.flow_start_us,
            ordinal: ordinal_in(order.epoch, self.ordinal),
            segment: self.segment,
            time_us: self.last_us(),
            packets: self.packets.map(u64::from),
            bytes: self.ways.map(|way| way.bytes),
            record: None,
        }
    }

    /// The record of the segment as it stands.
    pub(in crate::table) fn record(
        &self,
        epoch: u32,
        track_vlan: bool,
        end_reason: Option<EndReason>,
    ) -> FlowRecord {
        FlowRecord {
            key: self.key(track_vlan),
            initiator_is_lower: self.is(state::INITIATOR_IS_LOWER),
            began_with_syn: self.is(state::BEGAN_WITH_SYN),
            vlan: (self.vlan != NO_VLAN).then_some(self.vlan),
            end_reason,
            flow_start_us: self.flow_start_us,
            ordinal: ordinal_in(epoch, self.ordinal),
            segment: self.segment,
            first_seq: self.first_seq,
            start_us: self.start_us,
            end_us: self.last_us(),
            forward: self.one_way(Direction::Forward),
            backward: self.one_way(Direction::Backward),
            gap_squares: self.gap_squares.into(),
            forward_gap_squares: self.forward_gap_squares.into(),
            gap_max_us: self.gap_max.into(),
            time_steps_back: self.time_steps_back,
            context: None,
        }
    }

    fn one_way(&self, direction: Direction) -> OneWay {
        let d = direction.index();
        let way = &self.ways[d];
        if self.packets[d] == 0 {
            return OneWay::default();
        }
        let began_this_way = self.is(state::BEGAN_BACKWARD) == (direction == Direction::Backward);
        OneWay {
            packets: self.packets[d].into(),
            bytes: way.bytes,
            header_bytes: way.header_bytes,
            clipped_sum: way.clipped_sum,
            clipped_squares: way.clipped_squares,
            clipped_max: way.len_max.min(CLIPPED_LEN_MAX).into(),
            clipped_min: self.clipped_min[d].into(),
            len_max: way.len_max,
            first_us: self.start_us + u64::from(if began_this_way { 0 } else { self.other_first }),
            last_us: self.start_us + u64::from(self.last[d]),
            flags: way.flags,
            retransmissions: way.retransmissions,
            out_of_order: way.out_of_order,
        }
    }
}

/// The ordinal as records show it: each epoch adds 65536.
fn ordinal_in(epoch: u32, ordinal: u16) -> u32 {
    (epoch << 16).wrapping_add(ordinal.into())
}
