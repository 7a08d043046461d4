//! A decoded packet, small enough to be copied into batches and sent to the worker that owns its shard.

use std::fmt;

use crate::key::FlowKey;

/// Number of logical shards, whatever the number of workers.
pub const SHARDS: usize = 16;

/// One metered packet, placed in time: everything a [`crate::FlowTable`] needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// The flow it belongs to.
    pub key: FlowKey,
    /// VLAN number seen on this packet (the tag nearest to the IP header), `ffff` for none; shown, and part of the
    /// key only if VLANs are tracked.
    pub vlan: u16,
    /// The sender is the key's lower endpoint.
    pub from_lower: bool,
    /// TCP flags, sequence and acknowledgement numbers; none for other protocols and for later fragments.
    pub tcp: Option<TcpSegment>,
    /// `L`: bytes of layer-4 payload on the wire.
    pub payload_len: u32,
    /// Bytes of IP header (with options and extension headers) and layer-4 header, of the metered packet itself.
    pub header_len: u32,
    /// Which stretch of capture time it belongs to; a clock that steps back begins the next.
    pub epoch: u32,
    /// Keyed hash of the key.
    pub hash: u64,
    /// Number of the frame in the input, from 0.
    pub seq: u64,
    /// Believed capture time, microseconds since the epoch.
    pub time_us: u64,
    /// The capture clock when it arrived: the latest believed time so far, its own included.
    pub watermark_us: u64,
}

impl Packet {
    /// Its logical shard, below [`SHARDS`]. Worker `w` of `n` owns the shards with `shard % n == w`.
    #[inline]
    pub fn shard(&self) -> usize {
        (self.hash >> 60) as usize
    }
}

/// The part of a TCP header that the meter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment {
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; meaningful with the ACK flag only.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
}

/// The eight TCP flags of RFC 9293 and RFC 3168, as on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronize sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo.
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced.
    pub const CWR: Self = Self(0x80);
    /// One letter a flag, lowest bit first; flags are always shown in this order.
    pub const LETTERS: [char; 8] = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C'];

    /// All of `other`'s flags are set.
    #[inline]
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// SYN without ACK, RST or FIN: an attempt to open a connection.
    #[inline]
    pub fn is_pure_syn(self) -> bool {
        self.0 & 0x17 == 0x02
    }

    /// SYN and ACK without RST or FIN: the answer to an attempt.
    #[inline]
    pub fn is_syn_ack(self) -> bool {
        self.0 & 0x17 == 0x12
    }
}

impl std::ops::BitOr for TcpFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, letter) in Self::LETTERS.iter().enumerate() {
            if self.0 & (1 << bit) != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}
