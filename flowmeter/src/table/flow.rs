//! The state of one flow: what its record needs, and what TCP needs to tell its end, in 320 bytes.
//!
//! Times within a segment are 32-bit offsets from its start: the configured timeouts keep a segment below 2^32 us, and with
//! that every sum of squared gaps below 2^64. A segment whose packets in one direction would exceed 32 bits is cut like one
//! that reached the active timeout.

mod tcp;
mod tell;

use super::age::Standing;
use super::wheel::Links;
use crate::event::EndReason;
use crate::key::{Direction, FlowKey, NO_VLAN};
use crate::packet::{Packet, TcpFlags};
use crate::record::CLIPPED_LEN_MAX;

/// Bits of [`Flow::state`]. Those with a direction take two: forward, then backward.
mod state {
    pub(super) const INITIATOR_IS_LOWER: u16 = 1;
    pub(super) const BEGAN_WITH_SYN: u16 = 1 << 1;
    pub(super) const ANSWERED: u16 = 1 << 2;
    pub(super) const REFUSED: u16 = 1 << 3;
    pub(super) const CLOSED: u16 = 1 << 4;
    pub(super) const BY_RST: u16 = 1 << 5;
    pub(super) const BEGAN_BACKWARD: u16 = 1 << 6;
    pub(super) const HAS_CONTEXT: u16 = 1 << 7;
    pub(super) const SYN_SEEN: u16 = 1 << 8;
    pub(super) const SEQUENCE_KNOWN: u16 = 1 << 10;
    pub(super) const FIN_SEEN: u16 = 1 << 12;
    /// What the other side acknowledged is known; once a FIN was seen: it was acknowledged.
    pub(super) const ACKNOWLEDGED: u16 = 1 << 14;
}

/// Bits of [`Flow::marks`], which found no place among those of the state.
mod marks {
    /// See [`crate::key::TunnelKind`]; 0 for none.
    pub(super) const TUNNEL_KIND: u8 = 3;
    pub(super) const BEGAN_CLEANLY: u8 = 1 << 2;
    pub(super) const ESTABLISHED: u8 = 1 << 3;
    /// No flow: the place is free.
    pub(super) const VACANT: u8 = 1 << 7;
}

/// What a packet did to its flow, besides counting.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effects {
    pub(super) answered: bool,
    pub(super) refused: bool,
    pub(super) established: bool,
    pub(super) closed: bool,
}

/// One flow in the table: five cache lines, of which a packet touches four. The first two are for every packet, then come
/// forward, backward, and what only records ask for.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(super) struct Flow {
    lower: [u8; 16],
    higher: [u8; 16],
    lower_port: u16,
    higher_port: u16,
    tunnel_id: u32,
    /// As seen on the first packet; part of the key only if VLANs are tracked.
    vlan: u16,
    protocol: u8,
    marks: u8,
    state: u16,
    /// Earlier flows of this key in the same microsecond and epoch.
    ordinal: u16,
    /// `t'` of the segment's first packet.
    start_us: u64,
    /// Offsets of the last packets, forward and backward.
    last: [u32; 2],

    gap_squares: u64,
    forward_gap_squares: u64,
    packets: [u32; 2],
    /// Until a direction's FIN: the highest acknowledgement of it. From its FIN on: the acknowledgement that the FIN needs.
    /// In the linger, forward: the offset of the linger's end.
    acknowledgement: [u32; 2],
    gap_max: u32,
    clipped_min: [u16; 2],
    pub(super) links: Links,
    /// Low half of the key's hash: the index's tag.
    pub(super) tag: u32,
    /// First packet of the direction that did not begin the segment, as an offset.
    other_first: u32,
    time_steps_back: u32,
    segment: u32,

    ways: [Way; 2],
    first_seq: u64,
    flow_start_us: u64,
}

/// One direction of a flow's segment.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Way {
    bytes: u64,
    header_bytes: u64,
    clipped_sum: u64,
    clipped_squares: u64,
    len_max: u32,
    retransmissions: u32,
    out_of_order: u32,
    /// One past the highest sequence number sent.
    next_seq: u32,
    /// Bytes skipped below it and not yet seen.
    missing: u32,
    /// Initial sequence number of the latest SYN.
    isn: u32,
    flags: [u32; 8],
}

impl Flow {
    /// A flow that begins with this packet, which is not yet counted.
    ///
    /// The initiator is the sender of a SYN, the receiver of a SYN+ACK, and else the sender.
    pub(super) fn begin(packet: &Packet, ordinal: u16) -> Self {
        let flags = packet.tcp.map_or(TcpFlags::default(), |tcp| tcp.flags);
        let from_initiator = !flags.is_syn_ack();
        let mut state = 0;
        if packet.from_lower == from_initiator {
            state |= state::INITIATOR_IS_LOWER;
        }
        if flags.is_pure_syn() {
            state |= state::BEGAN_WITH_SYN;
        }
        if !from_initiator {
            state |= state::BEGAN_BACKWARD;
        }
        let key = &packet.key;
        let mut marks = key.tunnel_kind;
        if flags.is_syn_ack() || flags.0 & (TcpFlags::ACK | TcpFlags::RST).0 == 0 {
            marks |= marks::BEGAN_CLEANLY;
        }
        Self {
            lower: key.lower,
            higher: key.higher,
            lower_port: key.lower_port,
            higher_port: key.higher_port,
            tunnel_id: key.tunnel_id,
            marks,
            protocol: key.protocol,
            vlan: packet.vlan,
            state,
            ordinal,
            tag: packet.hash as u32,
            links: Links::UNLINKED,
            start_us: packet.time_us,
            flow_start_us: packet.time_us,
            first_seq: packet.seq,
            segment: 0,
            time_steps_back: 0,
            gap_squares: 0,
            forward_gap_squares: 0,
            gap_max: 0,
            other_first: 0,
            clipped_min: [0; 2],
            packets: [0; 2],
            last: [0; 2],
            acknowledgement: [0; 2],
            ways: [Way::default(); 2],
        }
    }

    /// The next segment begins at flow time `time_us`: counts start anew; identity, direction and TCP's state go on.
    pub(super) fn begin_segment(&mut self, time_us: u64, direction: Direction) {
        for way in &mut self.ways {
            let Way { next_seq, missing, isn, .. } = *way;
            *way = Way { next_seq, missing, isn, ..Way::default() };
        }
        self.start_us = time_us;
        self.segment = self.segment.saturating_add(1);
        self.set(state::BEGAN_BACKWARD, direction == Direction::Backward);
        self.time_steps_back = 0;
        self.gap_squares = 0;
        self.forward_gap_squares = 0;
        self.gap_max = 0;
        self.other_first = 0;
        self.clipped_min = [0; 2];
        self.packets = [0; 2];
        self.last = [0; 2];
    }

    /// Counts a packet.
    #[inline]
    pub(super) fn count(&mut self, packet: &Packet, linger_us: u64) -> Effects {
        let direction = self.direction(packet);
        let backward = direction == Direction::Backward;
        let d = direction.index();
        let last_us = self.last_us();
        self.time_steps_back = self.time_steps_back.saturating_add(u32::from(packet.time_us < last_us));
        let offset = (packet.time_us.max(last_us) - self.start_us) as u32;

        let clipped = packet.payload_len.min(CLIPPED_LEN_MAX) as u16;
        let first_this_way = self.packets[d] == 0;
        if self.packets() > 0 {
            let gap = offset - (last_us - self.start_us) as u32;
            self.gap_squares += u64::from(gap) * u64::from(gap);
            self.gap_max = self.gap_max.max(gap);
        }
        if first_this_way {
            self.clipped_min[d] = clipped;
            if backward != self.is(state::BEGAN_BACKWARD) {
                self.other_first = offset;
            }
        } else {
            self.clipped_min[d] = self.clipped_min[d].min(clipped);
            if !backward {
                let gap = u64::from(offset - self.last[d]);
                self.forward_gap_squares += gap * gap;
            }
        }
        self.packets[d] += 1;
        self.last[d] = offset;
        let way = &mut self.ways[d];
        way.bytes += u64::from(packet.payload_len);
        way.header_bytes += u64::from(packet.header_len);
        way.clipped_sum += u64::from(clipped);
        way.clipped_squares += u64::from(clipped) * u64::from(clipped);
        way.len_max = way.len_max.max(packet.payload_len);

        let mut effects = Effects::default();
        let flags = packet.tcp.map_or(TcpFlags::default(), |tcp| tcp.flags);
        if backward && !self.is(state::ANSWERED) {
            if !flags.contains(TcpFlags::RST) {
                self.set(state::ANSWERED, true);
                effects.answered = true;
            } else if !self.is(state::REFUSED) {
                self.set(state::REFUSED, true);
                effects.refused = true;
            }
        }
        if let Some(tcp) = &packet.tcp {
            self.follow(tcp, packet.payload_len, d);
            let waits = self.is(state::BEGAN_WITH_SYN) && self.marks & marks::ESTABLISHED == 0;
            if waits && !backward && flags.contains(TcpFlags::ACK) {
                self.marks |= marks::ESTABLISHED;
                effects.established = true;
            }
            if !self.is(state::CLOSED) && self.closes(tcp, packet.payload_len, d) {
                self.set(state::CLOSED, true);
                let linger_end_us = packet.watermark_us + linger_us;
                self.acknowledgement[0] = (linger_end_us - self.start_us) as u32;
                effects.closed = true;
            }
        }
        effects
    }

    /// Its key, given whether VLANs are part of it.
    #[inline]
    pub(super) fn key(&self, track_vlan: bool) -> FlowKey {
        FlowKey {
            lower: self.lower,
            higher: self.higher,
            lower_port: self.lower_port,
            higher_port: self.higher_port,
            vlan: if track_vlan { self.vlan } else { NO_VLAN },
            protocol: self.protocol,
            tunnel_kind: self.marks & marks::TUNNEL_KIND,
            tunnel_id: self.tunnel_id,
        }
    }

    /// Whether this is the flow of a key.
    #[inline]
    pub(super) fn is_of(&self, key: &FlowKey, track_vlan: bool) -> bool {
        self.lower == key.lower
            && self.higher == key.higher
            && self.lower_port == key.lower_port
            && self.higher_port == key.higher_port
            && self.protocol == key.protocol
            && self.tunnel_id == key.tunnel_id
            && self.marks & (marks::TUNNEL_KIND | marks::VACANT) == key.tunnel_kind
            && (!track_vlan || self.vlan == key.vlan)
    }

    /// Reads a word of each cache line that most packets touch, so that they are on their way when the packet comes.
    #[inline]
    pub(super) fn touch(&self) -> u64 {
        self.start_us
            ^ self.gap_squares
            ^ self.ways[0].bytes
            ^ self.ways[1].bytes
            ^ u64::from(self.ways[1].flags[4])
    }

    /// Marks its place as free.
    pub(super) fn vacate(&mut self) {
        self.first_seq = super::NO_FLOW;
        self.marks |= marks::VACANT;
    }

    pub(super) fn standing(&self) -> Standing {
        Standing { first_seq: self.first_seq, last_us: self.last_us() }
    }

    /// Packets and bytes of the segment, each way.
    pub(super) fn totals(&self) -> ([u64; 2], [u64; 2]) {
        (self.packets.map(u64::from), self.ways.map(|way| way.bytes))
    }

    #[inline]
    pub(super) fn direction(&self, packet: &Packet) -> Direction {
        if packet.from_lower == self.is(state::INITIATOR_IS_LOWER) {
            Direction::Forward
        } else {
            Direction::Backward
        }
    }

    #[inline]
    pub(super) fn packets(&self) -> u64 {
        u64::from(self.packets[0]) + u64::from(self.packets[1])
    }

    /// No further packet fits the segment's 32-bit counts.
    pub(super) fn is_full(&self) -> bool {
        self.packets[0] == u32::MAX || self.packets[1] == u32::MAX
    }

    /// Flow time of the latest packet.
    #[inline]
    pub(super) fn last_us(&self) -> u64 {
        self.start_us + u64::from(self.last[0].max(self.last[1]))
    }

    pub(super) fn start_us(&self) -> u64 {
        self.start_us
    }

    pub(super) fn flow_start_us(&self) -> u64 {
        self.flow_start_us
    }

    pub(super) fn first_seq(&self) -> u64 {
        self.first_seq
    }

    pub(super) fn segment(&self) -> u32 {
        self.segment
    }

    pub(super) fn ordinal(&self) -> u16 {
        self.ordinal
    }

    /// The responder has sent something, be it a refusal.
    pub(super) fn is_replied(&self) -> bool {
        self.state & (state::ANSWERED | state::REFUSED) != 0
    }

    pub(super) fn has_context(&self) -> bool {
        self.is(state::HAS_CONTEXT)
    }

    pub(super) fn set_has_context(&mut self) {
        self.set(state::HAS_CONTEXT, true);
    }

    /// The reason that closed it; it lingers.
    #[inline]
    pub(super) fn closed_by(&self) -> Option<EndReason> {
        let reason = if self.is(state::BY_RST) { EndReason::Rst } else { EndReason::Fin };
        self.is(state::CLOSED).then_some(reason)
    }

    /// When it ends unless a packet comes, and why: it has ended when the clock is past this.
    #[inline]
    pub(super) fn deadline(&self, idle_us: u64) -> (u64, EndReason) {
        match self.closed_by() {
            Some(reason) => (self.start_us + u64::from(self.acknowledgement[0]), reason),
            None => (self.last_us() + idle_us, EndReason::Idle),
        }
    }

    #[inline]
    fn is(&self, bit: u16) -> bool {
        self.state & bit != 0
    }

    #[inline]
    fn set(&mut self, bit: u16, on: bool) {
        self.state = if on { self.state | bit } else { self.state & !bit };
    }
}
