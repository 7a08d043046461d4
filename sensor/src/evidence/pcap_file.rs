//! A capture file in memory: classic pcap, microseconds, as every tool reads it.

/// Packets of one link type, one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PcapFile {
    bytes: Vec<u8>,
    link: Option<u32>,
}

impl PcapFile {
    const SNAPLEN: u32 = 262_144;
    /// Bytes of the head of a file, and of a packet.
    pub(super) const HEAD: usize = 24;
    pub(super) const PACKET_HEAD: usize = 16;

    /// Adds a packet; false when it is of another link type than those before, which this format cannot hold.
    pub(super) fn push(&mut self, link: u32, time_us: u64, wire_len: u32, bytes: &[u8]) -> bool {
        match self.link {
            None => self.begin(link),
            Some(known) if known != link => return false,
            Some(_) => {}
        }
        let seconds = u32::try_from(time_us / 1_000_000).unwrap_or(u32::MAX);
        let of_second = (time_us % 1_000_000) as u32;
        let length = bytes.len() as u32;
        for number in [seconds, of_second, length, wire_len.max(length)] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
        self.bytes.extend_from_slice(bytes);
        true
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The file; one without packets is a sound file, too.
    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.link.is_none() {
            self.begin(1);
        }
        self.bytes
    }

    fn begin(&mut self, link: u32) {
        self.link = Some(link);
        self.bytes.extend_from_slice(&0xa1b2_c3d4_u32.to_le_bytes());
        for half in [2_u16, 4] {
            self.bytes.extend_from_slice(&half.to_le_bytes());
        }
        for number in [0, 0, Self::SNAPLEN, link] {
            self.bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
}
