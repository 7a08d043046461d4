//! What a capture hands over: bytes, a timestamp and the kind of link they were seen on.

/// One captured frame, borrowed from whoever read it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What the first byte of `bytes` is the first byte of.
    pub link: LinkType,
    /// Capture time in microseconds since the epoch; nanoseconds are rounded down. Times past 2^62 count as 2^62.
    pub time_us: u64,
    /// Length of the frame on the wire in bytes; at least `bytes.len()` where the capture is honest.
    pub wire_len: u32,
    /// The captured bytes, possibly fewer than were on the wire (snapped).
    pub bytes: &'a [u8],
}

/// A link layer, numbered as in pcap and pcapng files (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet II, 802.3 with LLC/SNAP, any number of VLAN tags (1).
    Ethernet,
    /// BSD loopback: a protocol family in the capturing host's byte order (0).
    Null,
    /// OpenBSD loopback: a protocol family in network byte order (108).
    Loop,
    /// An IP packet of either version, told apart by its first nibble (12, 14, 101).
    RawIp,
    /// An IPv4 packet (228).
    Ipv4,
    /// An IPv6 packet (229).
    Ipv6,
    /// PPP, with or without its HDLC-like address and control bytes (9, 50).
    Ppp,
    /// A PPPoE session frame without the Ethernet header (51).
    PppOverEthernet,
    /// Cisco HDLC: address, control, EtherType (104).
    CiscoHdlc,
    /// Linux "cooked" capture, version 1 (113).
    LinuxSll,
    /// Linux "cooked" capture, version 2 (276).
    LinuxSll2,
    /// A link this meter does not read; its frames are counted as `unsupported_link`.
    Unsupported(u32),
}

impl LinkType {
    /// The link type that a capture file's number stands for.
    ///
    /// The bits above the number (libpcap keeps the length of the frame check sequence there) are ignored.
    pub fn from_pcap(number: u32) -> Self {
        match number & 0x03ff_ffff {
            0 => Self::Null,
            1 => Self::Ethernet,
            9 | 50 => Self::Ppp,
            12 | 14 | 101 => Self::RawIp,
            51 => Self::PppOverEthernet,
            104 => Self::CiscoHdlc,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::LinuxSll2,
            other => Self::Unsupported(other),
        }
    }
}
