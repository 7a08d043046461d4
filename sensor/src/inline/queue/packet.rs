//! Who sends to whom: the ends of a packet as the kernel hands it over, from its IP header on.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The ends of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Sender; port 0 for what has none.
    pub from: (IpAddr, u16),
    /// Receiver.
    pub to: (IpAddr, u16),
    /// IP protocol number.
    pub protocol: u8,
}

/// Extension headers that are stepped over at most.
const EXTENSIONS_MAX: usize = 8;

impl Seen {
    /// Reads the first bytes of an IP packet. None: they are no such thing, or too few.
    #[must_use]
    pub fn in_packet(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::in_v4(bytes),
            6 => Self::in_v6(bytes),
            _ => None,
        }
    }

    fn in_v4(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<20>()?;
        let length = usize::from(head[0] & 15) * 4;
        let address =
            |at: usize| IpAddr::V4(Ipv4Addr::new(head[at], head[at + 1], head[at + 2], head[at + 3]));
        let later_fragment = u16::from_be_bytes([head[6], head[7]]) & 0x1fff != 0;
        let rest = if later_fragment { &[][..] } else { bytes.get(length..)? };
        Some(Self::with_ports(address(12), address(16), head[9], rest))
    }

    fn in_v6(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<40>()?;
        let address = |at: usize| -> Option<IpAddr> {
            let octets: [u8; 16] = head.get(at..at + 16)?.try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        };
        let (from, to) = (address(8)?, address(24)?);
        let (mut next, mut at) = (head[6], 40);
        for _ in 0..EXTENSIONS_MAX {
            let Some(extension) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) else { break };
            let length = match next {
                // Hop by hop, routing, destination options.
                0 | 43 | 60 => (usize::from(extension[1]) + 1) * 8,
                // A fragment; only the first has ports.
                44 if u16::from_be_bytes([extension[2], extension[3]]) & 0xfff8 != 0 => {
                    return Some(Self::with_ports(from, to, extension[0], &[]));
                }
                44 => 8,
                _ => break,
            };
            (next, at) = (extension[0], at + length);
        }
        Some(Self::with_ports(from, to, next, bytes.get(at..).unwrap_or(&[])))
    }

    fn with_ports(from: IpAddr, to: IpAddr, protocol: u8, rest: &[u8]) -> Self {
        let (source, target) = match (protocol, rest.first_chunk::<4>()) {
            (6 | 17 | 132, Some(p)) => (u16::from_be_bytes([p[0], p[1]]), u16::from_be_bytes([p[2], p[3]])),
            _ => (0, 0),
        };
        Self { from: (from, source), to: (to, target), protocol }
    }

    /// What has no ports in its packets has none here either: flows of ICMP carry their types there.
    #[must_use]
    pub fn without_strange_ports(self) -> Self {
        if matches!(self.protocol, 6 | 17 | 132) {
            return self;
        }
        Self { from: (self.from.0, 0), to: (self.to.0, 0), ..self }
    }

    /// The same for both directions.
    #[must_use]
    pub fn conversation(self) -> Self {
        if self.from <= self.to { self } else { Self { from: self.to, to: self.from, ..self } }
    }
}
