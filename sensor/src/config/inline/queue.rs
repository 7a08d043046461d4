//! `[inline.queue]`: how packets wait for their verdict, and what becomes of them when there is none.

use serde::{Deserialize, Serialize};

/// `[inline.queue]`: packets of flows that were not judged yet wait here for their verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queue {
    /// Number of the netfilter queue.
    pub number: u16,
    /// Packets that the kernel keeps for us.
    pub packets_max: u32,
    /// A packet is held no longer than this many milliseconds.
    pub hold_ms: u32,
    /// Packets held at once.
    pub held_max: u32,
    /// The bits of the packet's and the connection's mark that say: judged benign, pass by.
    pub mark: u32,
    /// The sensor has died.
    pub sensor_dead: OnFailure,
    /// The kernel's queue is full.
    pub queue_full: OnFailure,
    /// The installed model was refused.
    pub model_missing: OnFailure,
    /// A verdict did not come in time, or too many packets wait for theirs.
    pub overload: OnFailure,
}

impl Default for Queue {
    fn default() -> Self {
        use OnFailure::FailOpen;
        Self {
            number: 77,
            packets_max: 4_096,
            hold_ms: 100,
            held_max: 1_024,
            mark: 0x7400_0000,
            sensor_dead: FailOpen,
            queue_full: FailOpen,
            model_missing: FailOpen,
            overload: FailOpen,
        }
    }
}

/// What becomes of packets when the sensor cannot judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// They pass.
    FailOpen,
    /// They are dropped.
    FailClosed,
}

impl OnFailure {
    /// They pass.
    #[must_use]
    pub fn is_open(self) -> bool {
        self == Self::FailOpen
    }
}
