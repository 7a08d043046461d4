//! What a pcapng section says of its interfaces, and what each packet block says of its packet.

use pcap_parser::pcapng::{Block, InterfaceDescriptionBlock};

/// Where a packet lies in its block, and the facts beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketPlace {
    /// The link type's number, as capture files write it.
    pub(super) link: u32,
    pub(super) time_us: u64,
    pub(super) wire_len: u32,
    pub(super) start: usize,
    pub(super) captured_len: usize,
}

/// The interfaces of the current section; a new section header starts afresh.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) big_endian: bool,
    interfaces: Vec<Interface>,
    last_time_us: u64,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u32,
    snaplen: u32,
    resolution: Resolution,
    offset_s: i64,
}

/// Ticks a second: `if_tsresol` is a power of ten, or of two when its top bit is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolution {
    PowerOfTen(u32),
    PowerOfTwo(u32),
}

impl Resolution {
    fn from_option(byte: u8) -> Self {
        let exponent = u32::from(byte & 0x7f);
        if byte & 0x80 == 0 { Self::PowerOfTen(exponent) } else { Self::PowerOfTwo(exponent) }
    }

    /// Microseconds, rounded down; a clock too fine for a u64 of ticks to reach a microsecond reads 0.
    fn micros(self, ticks: u64) -> u64 {
        match self {
            Self::PowerOfTen(n) if n <= 6 => ticks.saturating_mul(10u64.pow(6 - n)),
            Self::PowerOfTen(n) => 10u64.checked_pow(n - 6).map_or(0, |divisor| ticks / divisor),
            Self::PowerOfTwo(n) => u64::try_from((u128::from(ticks) * 1_000_000) >> n).unwrap_or(u64::MAX),
        }
    }
}

/// Why a packet block cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockFault {
    #[error("a packet of interface {0}, which no interface description has announced")]
    UnknownInterface(u32),
    #[error("a packet of {claimed} bytes in a block that has room for {room}")]
    LongerThanBlock { claimed: u32, room: usize },
    #[error("more than {0} interfaces in one section")]
    TooManyInterfaces(usize),
}

impl Section {
    /// One section may describe this many interfaces; a hostile file cannot make us keep more.
    const INTERFACES_MAX: usize = 65_536;
    /// Type of the obsolete Packet Block, which old dumpcap and a few devices still write.
    const OBSOLETE_PACKET: u32 = 2;

    /// Takes a block in; gives the packet when it holds one.
    pub(super) fn take(&mut self, block: &Block<'_>) -> Result<Option<PacketPlace>, BlockFault> {
        match block {
            Block::SectionHeader(header) => {
                *self = Self { big_endian: header.big_endian(), ..Self::default() };
                Ok(None)
            }
            Block::InterfaceDescription(described) => self.describe(described).map(|()| None),
            Block::EnhancedPacket(p) => {
                let ticks = u64::from(p.ts_high) << 32 | u64::from(p.ts_low);
                self.packet(p.if_id, Some(ticks), p.caplen, p.origlen, 28, p.data.len()).map(Some)
            }
            Block::SimplePacket(p) => {
                let snaplen = self.interfaces.first().map_or(0, |i| i.snaplen);
                let caplen = if snaplen == 0 { p.origlen } else { p.origlen.min(snaplen) };
                let caplen = caplen.min(u32::try_from(p.data.len()).unwrap_or(u32::MAX));
                self.packet(0, None, caplen, p.origlen, 12, p.data.len()).map(Some)
            }
            Block::Unknown(old)
                if self.native(old.block_type) == Self::OBSOLETE_PACKET && old.data.len() >= 20 =>
            {
                let word = |at: usize| {
                    self.word([old.data[at], old.data[at + 1], old.data[at + 2], old.data[at + 3]])
                };
                let half = [old.data[0], old.data[1]];
                let interface =
                    if self.big_endian { u16::from_be_bytes(half) } else { u16::from_le_bytes(half) };
                let ticks = u64::from(word(4)) << 32 | u64::from(word(8));
                let (caplen, origlen) = (word(12), word(16));
                self.packet(u32::from(interface), Some(ticks), caplen, origlen, 28, old.data.len() - 20)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    fn describe(&mut self, described: &InterfaceDescriptionBlock<'_>) -> Result<(), BlockFault> {
        if self.interfaces.len() == Self::INTERFACES_MAX {
            return Err(BlockFault::TooManyInterfaces(Self::INTERFACES_MAX));
        }
        // The parser reads this option as little-endian whatever the section is.
        let offset_s =
            if self.big_endian { described.if_tsoffset.swap_bytes() } else { described.if_tsoffset };
        self.interfaces.push(Interface {
            link: described.linktype.0.cast_unsigned(),
            snaplen: described.snaplen,
            resolution: Resolution::from_option(described.if_tsresol),
            offset_s,
        });
        Ok(())
    }

    fn packet(
        &mut self,
        interface: u32,
        ticks: Option<u64>,
        caplen: u32,
        origlen: u32,
        start: usize,
        room: usize,
    ) -> Result<PacketPlace, BlockFault> {
        let known =
            *self.interfaces.get(interface as usize).ok_or(BlockFault::UnknownInterface(interface))?;
        if caplen as usize > room {
            return Err(BlockFault::LongerThanBlock { claimed: caplen, room });
        }
        // A simple packet block has no time of its own: it happened no earlier than the packet before it.
        let time_us = ticks.map_or(self.last_time_us, |t| {
            known.resolution.micros(t).saturating_add_signed(known.offset_s.saturating_mul(1_000_000))
        });
        self.last_time_us = time_us;
        let wire_len = origlen.max(caplen);
        Ok(PacketPlace { link: known.link, time_us, wire_len, start, captured_len: caplen as usize })
    }

    fn word(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    }

    /// The parser hands block types over as little-endian words.
    fn native(&self, block_type: u32) -> u32 {
        if self.big_endian { block_type.swap_bytes() } else { block_type }
    }
}

#[cfg(test)]
mod tests {
    use super::Resolution;

    #[test]
    fn ticks_become_microseconds_rounded_down() {
        let cases = [
            (6, 1_234_567, 1_234_567),
            (9, 1_999, 1),
            (3, 5, 5_000),
            (0, 2, 2_000_000),
            (0x80 | 10, 1536, 1_500_000),
            (0x80, 3, 3_000_000),
            (0x7f, u64::MAX, 0),
            (0xff, u64::MAX, 0),
        ];
        for (option, ticks, micros) in cases {
            assert_eq!(Resolution::from_option(option).micros(ticks), micros, "if_tsresol {option:#x}");
        }
    }
}
