//! Who talks to whom: endpoints, the five-tuple in the order of speaking, and the key that both directions share.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use siphasher::sip::SipHasher13;

/// VLAN number in a key when there is none, or when VLANs are not tracked.
pub(crate) const NO_VLAN: u16 = 0xffff;

/// An address and a port. Protocols without ports have port 0; ICMP carries its type and code here (see [`FlowKey`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub address: IpAddr,
    /// Its port, in host byte order.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// Who spoke first, to whom, over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// The side that opened the conversation; its packets are [`Direction::Forward`].
    pub initiator: Endpoint,
    /// The other side.
    pub responder: Endpoint,
    /// IP protocol number.
    pub protocol: u8,
}

impl fmt::Display for FiveTuple {
    /// CICFlowMeter's flow id: `src-dst-sport-dport-proto`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { initiator, responder, protocol } = self;
        write!(
            f,
            "{}-{}-{}-{}-{}",
            initiator.address, responder.address, initiator.port, responder.port, protocol
        )
    }
}

/// Which way a packet goes within its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// From the initiator.
    Forward = 0,
    /// From the responder.
    Backward = 1,
}

impl Direction {
    /// 0 for forward, 1 for backward.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The other direction.
    pub fn reverse(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// The part of an encapsulation that both directions share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    /// What carries the inner packet.
    pub kind: TunnelKind,
    /// VXLAN or GENEVE network identifier, or GRE key.
    pub id: u32,
}

/// An encapsulation with an identifier of its own. The numbers are those of the key bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TunnelKind {
    /// RFC 7348.
    Vxlan = 1,
    /// RFC 8926.
    Geneve = 2,
    /// RFC 2890 (a GRE header with a key; NVGRE among them).
    Gre = 3,
}

impl fmt::Display for TunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "vxlan",
            Self::Geneve => "geneve",
            Self::Gre => "gre",
        })
    }
}

/// What identifies a flow, the same for both directions: protocol, two endpoints, VLAN (if tracked) and tunnel.
///
/// The endpoints are in ascending order of address, then port. ICMP and ICMPv6 take their ports from type and code as
/// Community ID v1 does: a request and its reply are one flow, whose requesting side has the request's type and whose
/// answering side has the reply's type as port; types without a counterpart are one-way, with (type, code) as
/// (source, destination) ports, and keep the sender first, so that the two directions are two flows.
///
/// IPv4 addresses are held as v4-mapped IPv6 addresses; a packet of IPv6 with such addresses (which no network should carry)
/// counts as one of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    pub(crate) lower: [u8; 16],
    pub(crate) higher: [u8; 16],
    pub(crate) lower_port: u16,
    pub(crate) higher_port: u16,
    pub(crate) vlan: u16,
    pub(crate) protocol: u8,
    pub(crate) tunnel_kind: u8,
    pub(crate) tunnel_id: u32,
}

impl FlowKey {
    /// Length of [`FlowKey::to_bytes`].
    pub const BYTES: usize = 44;

    /// The key of a packet from `source` to `destination`, and whether the source is its lower endpoint.
    ///
    /// `one_way` is for ICMP types without a counterpart: the source stays first whatever the addresses are.
    pub fn new(
        source: Endpoint,
        destination: Endpoint,
        protocol: u8,
        vlan: Option<u16>,
        tunnel: Option<Tunnel>,
        one_way: bool,
    ) -> (Self, bool) {
        Self::from_octets(
            (octets(source.address), source.port),
            (octets(destination.address), destination.port),
            protocol,
            vlan.unwrap_or(NO_VLAN),
            tunnel.map_or((0, 0), |tunnel| (tunnel.kind as u8, tunnel.id)),
            one_way,
        )
    }

    #[inline]
    pub(crate) fn from_octets(
        source: ([u8; 16], u16),
        destination: ([u8; 16], u16),
        protocol: u8,
        vlan: u16,
        (tunnel_kind, tunnel_id): (u8, u32),
        one_way: bool,
    ) -> (Self, bool) {
        let ordered = |(address, port): ([u8; 16], u16)| (u128::from_be_bytes(address), port);
        let (source, destination) = (ordered(source), ordered(destination));
        let from_lower = one_way || source <= destination;
        let (low, high) = if from_lower { (source, destination) } else { (destination, source) };
        let key = Self {
            lower: low.0.to_be_bytes(),
            higher: high.0.to_be_bytes(),
            lower_port: low.1,
            higher_port: high.1,
            vlan,
            protocol,
            tunnel_kind,
            tunnel_id,
        };
        (key, from_lower)
    }

    /// The lower endpoint (of a one-way ICMP flow: the sender).
    pub fn lower(&self) -> Endpoint {
        Endpoint { address: address(self.lower), port: self.lower_port }
    }

    /// The higher endpoint (of a one-way ICMP flow: the receiver).
    pub fn higher(&self) -> Endpoint {
        Endpoint { address: address(self.higher), port: self.higher_port }
    }

    /// IP protocol number.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// VLAN number, where there is one and VLANs are tracked.
    pub fn vlan(&self) -> Option<u16> {
        (self.vlan != NO_VLAN).then_some(self.vlan)
    }

    /// The tunnel that carried the packets, where it has an identifier.
    pub fn tunnel(&self) -> Option<Tunnel> {
        let kind = match self.tunnel_kind {
            1 => TunnelKind::Vxlan,
            2 => TunnelKind::Geneve,
            3 => TunnelKind::Gre,
            _ => return None,
        };
        Some(Tunnel { kind, id: self.tunnel_id })
    }

    /// Canonical bytes: protocol · lower address (16) · its port (BE) · higher address (16) · its port (BE) ·
    /// VLAN (BE, `ffff` none) · tunnel kind · tunnel id (BE). The [`crate::Uid`] is made from them.
    #[inline]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.protocol;
        bytes[1..17].copy_from_slice(&self.lower);
        bytes[17..19].copy_from_slice(&self.lower_port.to_be_bytes());
        bytes[19..35].copy_from_slice(&self.higher);
        bytes[35..37].copy_from_slice(&self.higher_port.to_be_bytes());
        bytes[37..39].copy_from_slice(&self.vlan.to_be_bytes());
        bytes[39] = self.tunnel_kind;
        bytes[40..44].copy_from_slice(&self.tunnel_id.to_be_bytes());
        bytes
    }

    /// Keyed hash of the key (SipHash-1-3). An IPv4 key is hashed without the part that all mapped addresses share.
    ///
    /// Read and written in words of eight bytes: what was stored in pieces of one size and is read in pieces of another
    /// has to wait until the processor has really stored it.
    #[inline]
    pub(crate) fn hash(&self, hasher: &SipHasher13) -> u64 {
        let (lower, higher) = (u128::from_be_bytes(self.lower), u128::from_be_bytes(self.higher));
        if lower >> 32 != MAPPED || higher >> 32 != MAPPED {
            return hasher.hash(&self.to_bytes());
        }
        let addresses = (lower as u64) << 32 | u64::from(higher as u32);
        let ports = u64::from(self.lower_port) << 16 | u64::from(self.higher_port);
        let kinds = u64::from(self.vlan) << 16 | u64::from(self.protocol) << 8 | u64::from(self.tunnel_kind);
        let mut short = [0; 20];
        short[..8].copy_from_slice(&addresses.to_be_bytes());
        short[8..16].copy_from_slice(&(ports << 32 | kinds).to_be_bytes());
        short[16..].copy_from_slice(&self.tunnel_id.to_be_bytes());
        hasher.hash(&short)
    }

    /// The five-tuple as the initiator sees it.
    pub fn tuple(&self, initiator_is_lower: bool) -> FiveTuple {
        let (initiator, responder) =
            if initiator_is_lower { (self.lower(), self.higher()) } else { (self.higher(), self.lower()) };
        FiveTuple { initiator, responder, protocol: self.protocol }
    }
}

/// An address as 16 bytes, IPv4 v4-mapped.
pub(crate) fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => mapped(v4.octets()),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What stands above the 32 bits of an IPv4 address that is held as an IPv6 address.
const MAPPED: u128 = 0xffff;

/// An IPv4 address as a v4-mapped IPv6 address.
#[inline]
pub(crate) fn mapped(v4: [u8; 4]) -> [u8; 16] {
    (MAPPED << 32 | u128::from(u32::from_be_bytes(v4))).to_be_bytes()
}

fn address(bytes: [u8; 16]) -> IpAddr {
    if bytes[..10] == [0; 10] && bytes[10..12] == [0xff, 0xff] {
        IpAddr::V4(Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]))
    } else {
        IpAddr::V6(Ipv6Addr::from(bytes))
    }
}
