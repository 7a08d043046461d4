//! A ring's source of frames, whichever it is.

use crate::capture::{FileSums, Files, Folder, Polled, Seen, Wire, WireCounters};

/// Exactly one of the kinds of input.
pub(super) enum Source {
    Wire(Box<Wire>),
    Files(Box<Files>),
    Folder(Box<Folder>),
}

impl Source {
    #[inline]
    pub(super) fn poll(&mut self, limit: usize, wait_ms: u16, give: impl FnMut(Seen<'_>)) -> Polled {
        match self {
            Self::Wire(wire) => wire.poll(limit, wait_ms, give),
            Self::Files(files) => files.poll(limit, wait_ms, give),
            Self::Folder(folder) => folder.poll(limit, wait_ms, give),
        }
    }

    /// Frames come whether or not somebody is ready: what cannot be kept is shed. Files wait.
    pub(super) fn is_wire(&self) -> bool {
        matches!(self, Self::Wire(_))
    }

    pub(super) fn down(&self) -> Option<&str> {
        match self {
            Self::Wire(wire) => wire.down(),
            _ => None,
        }
    }

    pub(super) fn files(&self) -> Option<&FileSums> {
        match self {
            Self::Wire(_) => None,
            Self::Files(files) => Some(files.sums()),
            Self::Folder(folder) => Some(folder.sums()),
        }
    }

    /// The kernel's counts and the bytes of the ring.
    pub(super) fn wire_counters(&self) -> (WireCounters, u64) {
        match self {
            Self::Wire(wire) => (wire.counters(), wire.ring_bytes()),
            _ => (WireCounters::default(), 0),
        }
    }

    pub(super) fn count_drops(&mut self) {
        if let Self::Wire(wire) = self {
            wire.count_drops();
        }
    }
}
