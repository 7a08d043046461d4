//! A sliding view on a byte stream: parsers look at what is here, ask for more, and consume what they understood.

use std::io::{self, Read};

/// Bytes read but not yet consumed, in one reused buffer that grows only to a bound.
pub(super) struct Window {
    reader: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    consumed: u64,
}

/// What a refill brought.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Refill {
    /// More bytes than before.
    More,
    /// The stream has ended.
    Ended,
    /// The window is as large as it may get and full.
    Full,
}

impl Window {
    /// Large enough that a refill is rare, small enough to stay in a core's cache.
    const START_BYTES: usize = 256 << 10;
    /// No block of a capture file that we believe is larger.
    pub(super) const BYTES_MAX: usize = 16 << 20;

    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader, buffer: vec![0; Self::START_BYTES], start: 0, end: 0, consumed: 0 }
    }

    /// What has been read and not consumed.
    pub(super) fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Bytes consumed since the beginning of the stream: the offset of `data()`'s first byte.
    pub(super) fn offset(&self) -> u64 {
        self.consumed
    }

    /// Forgets the first `n` bytes of `data()`.
    pub(super) fn consume(&mut self, n: usize) {
        debug_assert!(n <= self.end - self.start);
        self.start += n;
        self.consumed += n as u64;
    }

    /// Reads once more behind what is already here.
    pub(super) fn refill(&mut self) -> io::Result<Refill> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() >= Self::BYTES_MAX {
                return Ok(Refill::Full);
            }
            let larger = (self.buffer.len() * 2).min(Self::BYTES_MAX);
            self.buffer.resize(larger, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(Refill::Ended),
                Ok(n) => {
                    self.end += n;
                    return Ok(Refill::More);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }
}
