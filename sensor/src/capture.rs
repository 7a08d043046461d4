//! Live sources of frames: interfaces, capture files paced by a virtual clock, and folders that capture files are put into.

mod clock;
mod fanout;
mod files;
mod folder;
mod interface;
mod pace;
mod ring_size;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

pub use clock::{Clock, wall_clock_us};
pub use files::FileSums;
pub use folder::Done;
pub use interface::Interface;
pub use pace::{Pace, Speed};
pub use ring_size::{RING_BYTES_MIN, ring_bytes};
pub use wire::{Wire, WireCounters};

pub(crate) use fanout::Fanout;
pub(crate) use files::Files;
pub(crate) use folder::Folder;

use flowmeter::Frame;

use crate::fault::Fault;
use crate::source::filter::Filter;

/// Where a sensor's frames come from.
#[derive(Debug, Clone)]
pub enum Input {
    /// Network interfaces, each with its own rings.
    Interfaces(Vec<InterfaceInput>),
    /// Capture files, merged by time; the run ends with them.
    Files(Vec<PathBuf>),
    /// A folder: each file put into it is read once, when it is complete.
    Folder {
        /// The folder.
        path: PathBuf,
        /// What becomes of a file that has been read.
        done: Done,
    },
}

/// One interface to capture on.
#[derive(Debug, Clone)]
pub struct InterfaceInput {
    /// Its name, for example `eth0`.
    pub name: String,
    /// Capture threads, each with its own ring (1). The kernel spreads flows over them.
    pub rings: usize,
}

/// How frames are captured from interfaces.
#[derive(Debug, Clone)]
pub struct WireSettings {
    /// Bytes kept of each frame (2048: a whole Ethernet frame). Lengths are those on the wire whatever is kept; 256 is enough
    /// for headers, and then names (TLS, DNS, HTTP) are mostly not seen.
    pub snaplen: u32,
    /// See frames for others, too (true).
    pub promiscuous: bool,
    /// Bytes of each ring; without it, [`ring_bytes`] decides.
    pub ring_bytes: Option<u64>,
    /// An interface that is down or missing when the sensor starts is waited for (false: it is a fault).
    pub wait_at_start: bool,
    /// Only what comes in by the interface: on a bridge every frame goes out by another port again (false).
    pub ingress_only: bool,
    /// How long a packet may wait in the kernel for others to share its block, milliseconds (10; 3 where several interfaces are
    /// captured on).
    pub block_ms: u16,
}

impl Default for WireSettings {
    fn default() -> Self {
        Self {
            snaplen: 2048,
            promiscuous: true,
            ring_bytes: None,
            wait_at_start: false,
            ingress_only: false,
            block_ms: 10,
        }
    }
}

impl WireSettings {
    /// Snapped lengths that make sense: an Ethernet, IPv6 and TCP header at least, libpcap's own limit at most.
    pub const SNAPLEN_RANGE: std::ops::RangeInclusive<u32> = 96..=262_144;

    /// Refuses what cannot be captured with.
    ///
    /// # Errors
    /// A value out of its range, named.
    pub fn check(&self) -> Result<(), Fault> {
        if !Self::SNAPLEN_RANGE.contains(&self.snaplen) {
            let (low, high) = Self::SNAPLEN_RANGE.into_inner();
            return Err(Fault::Usage(format!(
                "snaplen is {}: use a value from {low} to {high}",
                self.snaplen
            )));
        }
        if let Some(bytes) = self.ring_bytes
            && !(RING_BYTES_MIN..=1 << 30).contains(&bytes)
        {
            return Err(Fault::Usage(format!(
                "ring_bytes is {bytes}: use a value from {RING_BYTES_MIN} to {}",
                1u64 << 30
            )));
        }
        Ok(())
    }
}

/// What a source did when it was asked for frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Polled {
    /// It gave frames; there may be more at once.
    Gave,
    /// Nothing came for as long as was waited.
    Quiet,
    /// It is not there; it will be looked for again.
    Down,
    /// There will be no more.
    Ended,
}

/// A frame, or the news that the filter kept one back.
pub(crate) enum Seen<'a> {
    /// Passed the filter.
    Frame(Frame<'a>),
    /// Did not. (On an interface the kernel filters, and nobody sees what it kept back.)
    Filtered,
}

/// The filter of all sources, changed while they run: an expression and a number that grows with each change.
#[derive(Debug, Default)]
pub(crate) struct FilterCell {
    current: arc_swap::ArcSwap<FilterText>,
}

/// A filter expression that has been compiled once, so it is known to be sound.
#[derive(Debug, Default)]
pub(crate) struct FilterText {
    /// None keeps everything.
    pub(crate) expression: Option<String>,
    /// Grows with each change.
    pub(crate) version: u64,
}

impl FilterCell {
    /// # Errors
    /// libpcap does not accept the expression.
    pub(crate) fn set(&self, expression: Option<&str>) -> Result<(), Fault> {
        if let Some(expression) = expression {
            Filter::new(expression)?;
        }
        self.current
            .rcu(|now| FilterText { expression: expression.map(str::to_owned), version: now.version + 1 });
        Ok(())
    }

    pub(crate) fn load(&self) -> Arc<FilterText> {
        self.current.load_full()
    }
}
