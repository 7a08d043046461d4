//! A capture thread's end of the ring: frames are copied into a block that was there before they came.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, bounded};
use flowmeter::{Frame, LinkType};

use super::headers::headers_len;
use super::{Counts, Mode};

/// Bytes of a block before it is sealed.
pub(super) const BLOCK_BYTES: usize = 256 << 10;
/// Blocks there are: what the ring takes of memory is these, whatever comes.
const BLOCKS: usize = 32;
/// A block that is not full is passed on after so long, on the monotonic clock.
const BLOCK_US: u64 = 1_000_000;
/// Bytes before each packet: time, link, length here, length on the wire.
pub(super) const RECORD_HEAD: usize = 20;

/// Packets one behind the other.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    pub(super) packets: u32,
    pub(super) first_us: u64,
    pub(super) last_us: u64,
}

impl Block {
    fn push(&mut self, frame: &Frame<'_>, kept: &[u8]) {
        self.first_us = if self.packets == 0 { frame.time_us } else { self.first_us.min(frame.time_us) };
        self.last_us = self.last_us.max(frame.time_us);
        self.packets += 1;
        self.bytes.extend_from_slice(&frame.time_us.to_le_bytes());
        self.bytes.extend_from_slice(&number_of(frame.link).to_le_bytes());
        self.bytes.extend_from_slice(&(kept.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(&frame.wire_len.to_le_bytes());
        self.bytes.extend_from_slice(kept);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        (self.packets, self.first_us, self.last_us) = (0, 0, 0);
    }
}

/// What taps are made of; one for each capture thread.
#[derive(Debug, Clone)]
pub struct Taps {
    mode: Mode,
    full: Sender<Block>,
    empty: Receiver<Block>,
    counts: Arc<Counts>,
}

/// One capture thread's tap.
#[derive(Debug)]
pub struct Tap {
    taps: Taps,
    open: Option<Block>,
    opened_us: u64,
}

/// The writer's end.
pub(super) struct Blocks {
    full: Receiver<Block>,
    empty: Sender<Block>,
}

pub(super) fn channel(mode: Mode, counts: Arc<Counts>) -> (Taps, Blocks) {
    let (full, to_write) = bounded(BLOCKS);
    let (give_back, empty) = bounded(BLOCKS);
    for _ in 0..BLOCKS {
        // Room for the tag, too: sealing takes no memory either.
        let bytes = Vec::with_capacity(BLOCK_BYTES + 64);
        let _ = give_back.try_send(Block { bytes, ..Block::default() });
    }
    (Taps { mode, full, empty, counts }, Blocks { full: to_write, empty: give_back })
}

impl Taps {
    /// A tap for one capture thread.
    #[must_use]
    pub fn tap(&self) -> Tap {
        Tap { taps: self.clone(), open: None, opened_us: 0 }
    }
}

impl Tap {
    /// Keeps a frame, or counts that it was not. `wait` says that its source can wait for the disk.
    #[inline]
    pub fn offer(&mut self, frame: &Frame<'_>, now_us: u64, wait: bool) {
        let kept = match self.taps.mode {
            Mode::Headers => &frame.bytes[..headers_len(frame.link, frame.bytes)],
            _ => frame.bytes,
        };
        let room = RECORD_HEAD + kept.len();
        if self.open.as_ref().is_some_and(|block| block.bytes.len() + room > BLOCK_BYTES) {
            self.pass_on();
        }
        if self.open.is_none() {
            let empty = &self.taps.empty;
            self.open = if wait { empty.recv().ok() } else { empty.try_recv().ok() };
            self.opened_us = now_us;
        }
        match &mut self.open {
            Some(block) if room <= BLOCK_BYTES => block.push(frame, kept),
            _ => {
                self.taps.counts.shed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Passes on what has waited long enough.
    pub fn look(&mut self, now_us: u64) {
        if self.open.is_some() && now_us.saturating_sub(self.opened_us) >= BLOCK_US {
            self.pass_on();
        }
    }

    /// There are no more blocks than places, so there is always one; without a writer the packets are lost, and counted.
    fn pass_on(&mut self) {
        if let Some(block) = self.open.take().filter(|block| block.packets > 0)
            && let Err(refused) = self.taps.full.try_send(block)
        {
            let packets = u64::from(refused.into_inner().packets);
            self.taps.counts.shed.fetch_add(packets, Ordering::Relaxed);
        }
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.pass_on();
    }
}

impl Blocks {
    /// Gives every block to `write` until the taps are gone, and back to them.
    pub(super) fn for_each(self, mut write: impl FnMut(&mut Block)) {
        for mut block in &self.full {
            write(&mut block);
            block.clear();
            let _ = self.empty.try_send(block);
        }
    }
}

/// The number of a link type in capture files.
fn number_of(link: LinkType) -> u32 {
    match link {
        LinkType::Null => 0,
        LinkType::Ethernet => 1,
        LinkType::Ppp => 9,
        LinkType::RawIp => 101,
        LinkType::PppOverEthernet => 51,
        LinkType::CiscoHdlc => 104,
        LinkType::Loop => 108,
        LinkType::LinuxSll => 113,
        LinkType::Ipv4 => 228,
        LinkType::Ipv6 => 229,
        LinkType::LinuxSll2 => 276,
        LinkType::Unsupported(number) => number,
    }
}
