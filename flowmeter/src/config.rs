//! What can be set about metering, checked once so that nothing behind it has to check again.

use std::fmt;

use crate::packet::SHARDS;

/// Settings as written; [`MeterConfig::check`] is done by everything that is built from them.
///
/// Times are microseconds of capture time. Every limit on flows is divided evenly over the 16 shards (rounded up), so
/// that results do not depend on the number of workers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterConfig {
    /// A flow ends when the capture clock is more than this past its last packet (60 s).
    pub idle_timeout_us: u64,
    /// A flow's segment ends at the first packet more than this past the segment's first one (120 s).
    pub active_timeout_us: u64,
    /// How long after FINs or RST stragglers still count (1 s).
    pub linger_us: u64,
    /// Packet counts at which a live flow is shown, ascending (8 and 32); at most 8 of them.
    pub snapshots: Vec<u32>,
    /// Most flows held at once (1,000,000).
    pub flows_max: usize,
    /// When the table is nearly full, unanswered flows without a packet for this long make room for new ones (5 s).
    pub emergency_timeout_us: u64,
    /// Flows are those inside tunnels, or the tunnels themselves.
    pub tunnels: Tunnels,
    /// Most encapsulations opened in one packet (4); what lies deeper is metered as the last one opened.
    pub tunnel_depth_max: u8,
    /// Exact repeats of a packet are removed. They are counted either way.
    pub dedupe: bool,
    /// The longest time between a packet and its exact repeat (5 ms).
    pub dedupe_window_us: u64,
    /// Datagrams whose later fragments are waited for, at once (8192). 0: later fragments are never matched.
    pub fragments_max: usize,
    /// VLAN numbers are part of the flow key.
    pub track_vlan: bool,
    /// Names from first payloads (TLS server name, DNS question, HTTP host) kept at once (65,536). 0: none are read.
    pub contexts_max: usize,
    /// Key of every hash of what packets say.
    pub hash_key: HashKey,
}

impl Default for MeterConfig {
    fn default() -> Self {
        Self {
            idle_timeout_us: 60_000_000,
            active_timeout_us: 120_000_000,
            linger_us: 1_000_000,
            snapshots: vec![8, 32],
            flows_max: 1_000_000,
            emergency_timeout_us: 5_000_000,
            tunnels: Tunnels::Inner,
            tunnel_depth_max: 4,
            dedupe: false,
            dedupe_window_us: 5_000,
            fragments_max: 8192,
            track_vlan: true,
            contexts_max: 65_536,
            hash_key: HashKey::fixed(),
        }
    }
}

/// Which of a tunnelled packet's IP headers names the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunnels {
    /// The innermost that can be read.
    Inner,
    /// The outermost. MPLS, PPPoE and VLAN tags lie below it and are read all the same.
    Outer,
}

/// Key of the hashes over what packets say: fixed for replays (the same capture gives the same shards), random when live
/// (nobody can aim at one chain of the table).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashKey(pub(crate) u64, pub(crate) u64);

impl HashKey {
    /// The key of every replay.
    pub fn fixed() -> Self {
        Self::from(0x7461_7068_6f75_6e64_666c_6f77_6b65_7930)
    }
}

impl From<u128> for HashKey {
    fn from(bits: u128) -> Self {
        Self((bits >> 64) as u64, bits as u64)
    }
}

impl fmt::Debug for HashKey {
    /// A live sensor's key stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(..)")
    }
}

/// Why settings cannot be metered with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A time or count outside its range.
    #[error("{name} is {value}: use a value from {min} to {max}")]
    OutOfRange {
        /// The field.
        name: &'static str,
        /// What it was set to.
        value: u64,
        /// Least allowed.
        min: u64,
        /// Most allowed.
        max: u64,
    },
    /// Snapshots out of order or repeated.
    #[error("snapshots {0:?} are not in ascending order: list packet counts from small to large, each once")]
    SnapshotOrder(Vec<u32>),
}

const SECOND: u64 = 1_000_000;

impl MeterConfig {
    /// Most snapshots of one flow.
    pub const SNAPSHOTS_MAX: usize = 8;

    /// Refuses settings that the meter cannot keep.
    ///
    /// Timeouts are bounded (idle 600 s, active 3600 s, linger 60 s) so that every time within a segment fits 32 bits of
    /// microseconds, which is what keeps a flow's state small.
    pub fn check(&self) -> Result<(), ConfigError> {
        let count = |value: usize| u64::try_from(value).unwrap_or(u64::MAX);
        let ranges = [
            ("idle_timeout_us", self.idle_timeout_us, 1_000, 600 * SECOND),
            ("active_timeout_us", self.active_timeout_us, 1_000, 3_600 * SECOND),
            ("linger_us", self.linger_us, 0, 60 * SECOND),
            ("emergency_timeout_us", self.emergency_timeout_us, 0, 600 * SECOND),
            ("flows_max", count(self.flows_max), 1, 1 << 28),
            ("tunnel_depth_max", u64::from(self.tunnel_depth_max), 0, 16),
            ("dedupe_window_us", self.dedupe_window_us, 0, SECOND),
            ("fragments_max", count(self.fragments_max), 0, 1 << 20),
            ("contexts_max", count(self.contexts_max), 0, 1 << 24),
            ("the number of snapshots", count(self.snapshots.len()), 0, count(Self::SNAPSHOTS_MAX)),
        ];
        for (name, value, min, max) in ranges {
            if !(min..=max).contains(&value) {
                return Err(ConfigError::OutOfRange { name, value, min, max });
            }
        }
        if let Some(&value) = self.snapshots.iter().find(|&&n| n == 0) {
            let value = u64::from(value);
            return Err(ConfigError::OutOfRange {
                name: "snapshots",
                value,
                min: 1,
                max: u64::from(u32::MAX),
            });
        }
        if self.snapshots.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(ConfigError::SnapshotOrder(self.snapshots.clone()));
        }
        Ok(())
    }

    /// One shard's share of a limit, rounded up.
    pub(crate) fn share(limit: usize) -> usize {
        limit.div_ceil(SHARDS)
    }
}
