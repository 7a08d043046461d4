//! What TCP tells of a flow: repeated and reordered segments, its end, and whether a SYN opens another connection.

use super::{Flow, state};
use crate::packet::{Packet, TcpFlags, TcpSegment};

/// What each combination of flags adds to their counts: two vector additions instead of eight shifts.
static FLAG_COUNTS: [[u32; 8]; 256] = {
    let mut counts = [[0; 8]; 256];
    let mut flags = 0;
    while flags < 256 {
        let mut bit = 0;
        while bit < 8 {
            counts[flags][bit] = (flags >> bit & 1) as u32;
            bit += 1;
        }
        flags += 1;
    }
    counts
};

impl Flow {
    /// Counts flags, retransmissions and segments out of order.
    ///
    /// With `next` one past the highest sequence number seen: a segment wholly below it fills in bytes skipped before
    /// (out of order) if that many are missing, else it is a retransmission; one that begins beyond it leaves bytes missing.
    /// A SYN with another initial sequence number begins anew. Segments without data, SYN or FIN are not judged.
    #[inline]
    pub(super) fn follow(&mut self, tcp: &TcpSegment, payload_len: u32, d: usize) {
        let way = &mut self.ways[d];
        // No flag is counted more often than packets are, and those are cut off at 32 bits.
        for (count, one) in way.flags.iter_mut().zip(FLAG_COUNTS[usize::from(tcp.flags.0)]) {
            *count += one;
        }
        let len = sequence_len(tcp, payload_len);
        if len == 0 {
            return;
        }
        let end = tcp.seq.wrapping_add(len);
        let known = self.state & state::SEQUENCE_KNOWN << d != 0;
        let syn = tcp.flags.contains(TcpFlags::SYN);
        let other_isn = syn && (self.state & state::SYN_SEEN << d == 0 || way.isn != tcp.seq);
        if !known || other_isn {
            way.next_seq = end;
            way.missing = 0;
        } else if at_or_past(way.next_seq, end) {
            if way.missing >= len {
                way.missing -= len;
                way.out_of_order += 1;
            } else {
                way.retransmissions += 1;
            }
        } else {
            if !at_or_past(way.next_seq, tcp.seq) {
                way.missing = way.missing.saturating_add(tcp.seq.wrapping_sub(way.next_seq));
            }
            way.next_seq = end;
        }
        self.state |= state::SEQUENCE_KNOWN << d;
        if syn {
            self.state |= state::SYN_SEEN << d;
            way.isn = tcp.seq;
        }
    }

    /// Whether this segment closes the flow: a RST, or the last piece of "both FINs acknowledged". An acknowledgement counts
    /// even if it was captured before the FIN that it covers.
    #[inline]
    pub(super) fn closes(&mut self, tcp: &TcpSegment, payload_len: u32, d: usize) -> bool {
        if tcp.flags.contains(TcpFlags::RST) {
            self.set(state::BY_RST, true);
            return true;
        }
        let other = 1 - d;
        if tcp.flags.contains(TcpFlags::ACK) {
            let needed = &mut self.acknowledgement[other];
            let fin_seen = self.state & state::FIN_SEEN << other != 0;
            let acknowledged = self.state & state::ACKNOWLEDGED << other != 0;
            if fin_seen {
                if at_or_past(tcp.ack, *needed) {
                    self.state |= state::ACKNOWLEDGED << other;
                }
            } else if !acknowledged || at_or_past(tcp.ack, *needed) {
                *needed = tcp.ack;
                self.state |= state::ACKNOWLEDGED << other;
            }
        }
        if tcp.flags.contains(TcpFlags::FIN) && self.state & state::FIN_SEEN << d == 0 {
            let needed = tcp.seq.wrapping_add(sequence_len(tcp, payload_len));
            let acknowledged =
                self.state & state::ACKNOWLEDGED << d != 0 && at_or_past(self.acknowledgement[d], needed);
            self.acknowledgement[d] = needed;
            self.state |= state::FIN_SEEN << d;
            self.state &= !(state::ACKNOWLEDGED << d);
            if acknowledged {
                self.state |= state::ACKNOWLEDGED << d;
            }
        }
        let done = state::FIN_SEEN | state::FIN_SEEN << 1 | state::ACKNOWLEDGED | state::ACKNOWLEDGED << 1;
        self.state & done == done
    }

    /// In the linger, a SYN with another initial sequence number than this direction's opens another connection.
    pub(in crate::table) fn is_another_connection(&self, packet: &Packet) -> bool {
        let Some(tcp) = packet.tcp.filter(|tcp| tcp.flags.is_pure_syn()) else {
            return false;
        };
        let d = self.direction(packet).index();
        self.state & state::SYN_SEEN << d == 0 || self.ways[d].isn != tcp.seq
    }
}

/// Is sequence number `a` at or past `b`, modulo 2^32 (RFC 9293 3.4)?
#[inline]
fn at_or_past(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 >= 0
}

/// Sequence numbers that a segment takes: its payload, and one each for SYN and FIN.
#[inline]
fn sequence_len(tcp: &TcpSegment, payload_len: u32) -> u32 {
    let control = tcp.flags.0 & (TcpFlags::SYN | TcpFlags::FIN).0;
    payload_len.wrapping_add(control.count_ones())
}
