//! Bytes become the facts of one packet: which flow, which way, how long.
//!
//! Lengths come from IP headers, never from what was captured: a snapped packet counts in full, padding counts for nothing.
//! What `etherparse` reads strictly is read by it; a layer-4 header that the snap length has cut is read as far as it goes,
//! as long as its ports (and for TCP its flags) are there.

mod ip;
mod link;
mod transport;
mod tunnel;

use crate::config::{MeterConfig, Tunnels};
use crate::frame::Frame;
use crate::key::NO_VLAN;
use crate::packet::TcpSegment;

/// IP protocol numbers that mean something here.
pub(crate) mod protocol {
    pub(crate) const ICMP: u8 = 1;
    pub(crate) const IPV4: u8 = 4;
    pub(crate) const TCP: u8 = 6;
    pub(crate) const UDP: u8 = 17;
    pub(crate) const IPV6: u8 = 41;
    pub(crate) const GRE: u8 = 47;
    pub(crate) const ICMPV6: u8 = 58;
    pub(crate) const ETHER_IP: u8 = 97;
    pub(crate) const SCTP: u8 = 132;
    pub(crate) const MPLS: u8 = 137;
}

/// Why a frame has no packet to meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecodable {
    NotIp,
    UnsupportedLink,
    Malformed,
}

/// The unread rest of a frame, and what was learned on the way there.
#[derive(Clone, Copy, Debug)]
struct Cursor<'a> {
    /// Captured bytes from here on.
    rest: &'a [u8],
    /// Bytes on the wire from here to the end of the frame, or of the tunnel's payload.
    wire: u32,
    /// This is the first fragment of something larger, so that what is inside may be longer than what is here.
    partial: bool,
    /// Nearest VLAN tag passed.
    vlan: u16,
    /// Innermost tunnel with an identifier: kind and id.
    tunnel: (u8, u32),
}

impl<'a> Cursor<'a> {
    /// The next `n` captured bytes, without moving.
    #[inline]
    fn peek(&self, n: usize) -> Result<&'a [u8], Undecodable> {
        self.rest.get(..n).ok_or(Undecodable::Malformed)
    }

    /// Past the next `n` captured bytes.
    #[inline]
    fn skip(mut self, n: usize) -> Result<Self, Undecodable> {
        self.rest = self.rest.get(n..).ok_or(Undecodable::Malformed)?;
        self.wire = self.wire.saturating_sub(n as u32);
        Ok(self)
    }
}

/// One fragment of a datagram, by its own IP header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    /// IPv4: the protocol. IPv6: 255, since its fragments may name different ones.
    pub(crate) protocol: u8,
    pub(crate) vlan: u16,
    pub(crate) tunnel: (u8, u32),
    pub(crate) id: u32,
    /// First byte covered.
    pub(crate) offset: u32,
    /// Bytes covered.
    pub(crate) len: u32,
    /// More fragments follow.
    pub(crate) more: bool,
}

/// Curiosities met on the way, for counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) zero_length: bool,
    pub(crate) beyond_wire: bool,
    pub(crate) depth_exceeded: bool,
    pub(crate) tunnel_unreadable: bool,
}

/// A packet as its headers tell it. Filled in place, layer by layer: copying it about would cost more than reading it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Decoded<'a> {
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    /// Ports; ICMP type and code as Community ID maps them; 0 for other protocols.
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// An ICMP type without counterpart.
    pub(crate) one_way: bool,
    pub(crate) protocol: u8,
    pub(crate) vlan: u16,
    pub(crate) tunnel: (u8, u32),
    pub(crate) payload_len: u32,
    pub(crate) header_len: u32,
    pub(crate) tcp: Option<TcpSegment>,
    /// A later fragment ([`Fragments::later`]): its flow is that of the first one of the same datagram.
    pub(crate) is_later_fragment: bool,
    /// First fragments met ([`Fragments::first`]), one inside another.
    pub(crate) first_fragments: u8,
    /// Captured bytes of the metered IP packet, without padding.
    pub(crate) ip: &'a [u8],
    /// Captured payload of the layer last opened.
    pub(crate) payload: &'a [u8],
    pub(crate) notes: Notes,
}

/// The fragments that one packet consists of; only the parts that the packet says are there mean anything.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fragments {
    pub(crate) later: Fragment,
    /// At most one inside another; deeper ones are not remembered.
    pub(crate) first: [Fragment; 2],
}

/// Reads frames down to the flow they belong to.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    tunnels: Tunnels,
    depth_max: u8,
    pub(crate) fragments: Fragments,
}

impl Decoder {
    pub(crate) fn new(config: &MeterConfig) -> Self {
        Self { tunnels: config.tunnels, depth_max: config.tunnel_depth_max, fragments: Fragments::default() }
    }

    /// The packet to meter. Where a tunnel's content cannot be read, that is the tunnel's own packet.
    #[inline]
    pub(crate) fn decode<'a>(
        &mut self,
        frame: &Frame<'a>,
        packet: &mut Decoded<'a>,
    ) -> Result<(), Undecodable> {
        packet.first_fragments = 0;
        packet.notes = Notes::default();
        self.open_ip(link::open(frame)?, packet)?;
        if self.tunnels == Tunnels::Inner && tunnel::may_be(packet) {
            self.open_tunnels(packet);
        }
        Ok(())
    }

    #[inline]
    fn open_ip<'a>(&mut self, cursor: Cursor<'a>, packet: &mut Decoded<'a>) -> Result<(), Undecodable> {
        ip::open(cursor, packet, &mut self.fragments)?;
        transport::open(packet)
    }

    fn open_tunnels(&mut self, packet: &mut Decoded<'_>) {
        let mut depth = 0;
        while let Some(inner) = tunnel::open(packet) {
            if depth == self.depth_max {
                packet.notes.depth_exceeded = true;
                break;
            }
            let outer = *packet;
            if inner.and_then(|cursor| self.open_ip(cursor, packet)).is_err() {
                *packet = outer;
                packet.notes.tunnel_unreadable = true;
                break;
            }
            depth += 1;
        }
    }
}

fn be16(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

fn be32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
