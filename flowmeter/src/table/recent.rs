//! Which flows closed or were evicted lately, so that another of the same key in the same microsecond gets the next ordinal.
//!
//! A flow that ended by being idle needs no remembering: its key cannot begin another in that microsecond without a clock
//! step, which begins an epoch with ordinals of its own. A slot is overwritten by the next flow that falls on it.

const SLOTS: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    start_us: u64,
    tag: u32,
    /// Ordinal of the next flow that begins then; 0: the line is free.
    next: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Recent {
    lines: Vec<Line>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { lines: vec![Line::default(); SLOTS] }
    }

    /// The flow of a tag that began at `start_us` with this ordinal is over.
    pub(super) fn note(&mut self, tag: u32, start_us: u64, ordinal: u16) {
        self.lines[tag as usize % SLOTS] = Line { start_us, tag, next: ordinal.saturating_add(1) };
    }

    /// How many flows of a tag began at `start_us` before.
    pub(super) fn next_ordinal(&self, tag: u32, start_us: u64) -> u16 {
        let line = &self.lines[tag as usize % SLOTS];
        if line.next != 0 && line.tag == tag && line.start_us == start_us { line.next } else { 0 }
    }

    pub(super) fn clear(&mut self) {
        self.lines.fill(Line::default());
    }
}
