//! What happens to flows, as it happens: light events in one canonical order, with records beside them.

use std::fmt;

use crate::context::Context;
use crate::key::{Endpoint, FiveTuple, FlowKey};
use crate::record::FlowRecord;
use crate::uid::Uid;

/// Place of an event in the one order that every run over the same capture gives, on any number of workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventOrder {
    /// Stretch of capture time.
    pub epoch: u32,
    /// The capture clock at the packet's arrival, the deadline that passed, or the clock at the epoch's end.
    pub at_us: u64,
    /// What caused it.
    pub phase: Phase,
    /// Number of the packet that caused it; for an expiry or an end of all flows, of the flow's first packet.
    pub seq: u64,
    /// Counts events of one cause.
    pub sub: u16,
}

/// Causes of events, in the order in which causes of the same time are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// A packet.
    Packet,
    /// A deadline that passed.
    Expiry,
    /// The end of an epoch or of the input.
    Drain,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The first packet of a flow; not of its later segments.
    Started,
    /// The responder's first packet that is no refusal. After a refusal: its first packet without RST.
    Answered,
    /// A RST from the responder before it sent anything else (TCP).
    Refused,
    /// The initiator's first acknowledgement after its SYN (TCP): the connection is more than an attempt. A captured answer
    /// is not needed, so that a tap that sees one direction only still tells a conversation from an unanswered attempt.
    Established,
    /// The flow has this many packets, both ways together; its first segment only. Has a provisional record.
    Snapshot(u32),
    /// Both FINs are acknowledged, or a RST was seen: the linger begins. Has a provisional record.
    Closed,
    /// A segment is over. Has its final record.
    Ended(EndReason),
}

/// Why a flow's segment ended.
///
/// A flow in its linger has already closed: whatever ends the linger (its time, a new connection on the same key, the end
/// of the input, a clock step, eviction), the reason stays `Fin` or `Rst`, the one that closed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndReason {
    /// Both sides' FINs were acknowledged.
    Fin,
    /// A RST was seen.
    Rst,
    /// No packet for longer than the idle timeout.
    Idle,
    /// The segment reached the active timeout; the flow goes on in the next one.
    Active,
    /// The input ended.
    EndOfInput,
    /// The table was full.
    Evicted,
    /// The capture clock stepped back.
    ClockStep,
}

impl EndReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [Self; 7] =
        [Self::Fin, Self::Rst, Self::Idle, Self::Active, Self::EndOfInput, Self::Evicted, Self::ClockStep];

    /// The name in files and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Rst => "rst",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::EndOfInput => "end_of_input",
            Self::Evicted => "evicted",
            Self::ClockStep => "clock_step",
        }
    }

    /// IPFIX flowEndReason (information element 136).
    pub fn ipfix(self) -> u8 {
        match self {
            Self::Fin | Self::Rst => 3,
            Self::Idle => 1,
            Self::Active => 2,
            Self::EndOfInput | Self::ClockStep => 4,
            Self::Evicted => 5,
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that happened to a flow, with what behaviour counters need to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowEvent {
    /// Its place among all events.
    pub order: EventOrder,
    /// What happened.
    pub kind: EventKind,
    /// The flow's key.
    pub key: FlowKey,
    /// The initiator is the key's lower endpoint.
    pub initiator_is_lower: bool,
    /// The flow's first packet was a SYN without ACK.
    pub began_with_syn: bool,
    /// The flow's beginning was seen: its first packet is a SYN, a SYN+ACK, or (as probes send) has neither ACK nor RST.
    /// False for a TCP conversation met in its middle, true for other protocols.
    pub began_cleanly: bool,
    /// [`EventKind::Established`] has been told, or is told by this event or another of the same packet.
    pub established: bool,
    /// Start of the flow (of its first segment).
    pub flow_start_us: u64,
    /// Earlier flows of this key that began in that microsecond; see [`Uid`].
    pub ordinal: u32,
    /// Segment, from 0.
    pub segment: u32,
    /// Flow time of the segment's last packet so far.
    pub time_us: u64,
    /// Packets of the segment so far: forward, backward.
    pub packets: [u64; 2],
    /// Bytes of layer-4 payload of the segment so far: forward, backward.
    pub bytes: [u64; 2],
    /// Index of its record in the same batch, for the kinds that have one.
    pub record: Option<RecordIndex>,
}

/// Index into [`EventBatch::records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordIndex(pub u32);

impl FlowEvent {
    /// Who opened the flow, to whom, over what.
    pub fn tuple(&self) -> FiveTuple {
        self.key.tuple(self.initiator_is_lower)
    }

    /// The side that opened the flow.
    pub fn initiator(&self) -> Endpoint {
        if self.initiator_is_lower { self.key.lower() } else { self.key.higher() }
    }

    /// The other side.
    pub fn responder(&self) -> Endpoint {
        if self.initiator_is_lower { self.key.higher() } else { self.key.lower() }
    }

    /// The flow's id, the same for all its segments.
    pub fn uid(&self, sensor_id: &str) -> Uid {
        Uid::new(sensor_id, &self.key, self.flow_start_us, self.ordinal)
    }
}

/// Events of one batch of packets, and the records and names they point into. Made to be cleared and used again.
#[derive(Clone, Debug, Default)]
pub struct EventBatch {
    /// Events, in canonical order after [`EventBatch::sort`].
    pub events: Vec<FlowEvent>,
    /// Records of the events that have one, in no particular order.
    pub records: Vec<FlowRecord>,
    /// Names that records point into ([`FlowRecord::context`]).
    pub contexts: Vec<Context>,
}

impl EventBatch {
    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.records.clear();
        self.contexts.clear();
    }

    /// Puts the events into canonical order.
    pub fn sort(&mut self) {
        // Nearly sorted: packets' events come in order, expiries in runs.
        self.events.sort_by_key(|event| event.order);
    }

    /// The record of one of this batch's events.
    pub fn record(&self, event: &FlowEvent) -> Option<&FlowRecord> {
        self.records.get(event.record?.0 as usize)
    }

    /// The name that was read from the flow's first payload, if one was.
    pub fn context(&self, record: &FlowRecord) -> Option<&Context> {
        self.contexts.get(record.context? as usize)
    }
}
