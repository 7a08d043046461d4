//! Which flow to give up when there is no room: the one longest without a packet, near enough, and never by hash order.
//!
//! A queue in the order of entering, with second chances: a flow that had a packet since it was queued goes to the back
//! instead (at most [`SECOND_CHANCES`] of them a search, so that one packet's work is bounded). Flows that have ended or
//! changed queues leave stale lines behind, which are recognised by the flow's first packet number and dropped.

use std::collections::VecDeque;

/// Flows passed over in one search.
const SECOND_CHANCES: usize = 8;

/// What a queue asks about the flow at a place.
pub(super) struct Standing {
    pub(super) first_seq: u64,
    pub(super) last_us: u64,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    place: u32,
    first_seq: u64,
    /// Its latest packet when it was queued.
    last_us: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AgeQueue {
    lines: VecDeque<Line>,
}

impl AgeQueue {
    /// Enqueues the flow at a place. `standing` tells of the flow at a place, if it belongs to this queue.
    #[inline]
    pub(super) fn push(&mut self, place: u32, flow: Standing, standing: impl Fn(u32) -> Option<Standing>) {
        let is_live = |line: &Line| standing(line.place).is_some_and(|it| it.first_seq == line.first_seq);
        // Two lines leave for one that comes, so that a queue whose flows end in order stays short.
        for _ in 0..2 {
            if self.lines.front().is_some_and(|line| !is_live(line)) {
                self.lines.pop_front();
            }
        }
        if self.lines.len() == self.lines.capacity() {
            // Without this a long-lived flow at the front would keep every stale line behind it.
            self.lines.retain(is_live);
            if self.lines.len() > self.lines.capacity() / 2 {
                self.lines.reserve(self.lines.capacity().max(64));
            }
        }
        self.lines.push_back(Line { place, first_seq: flow.first_seq, last_us: flow.last_us });
    }

    /// The flow that has waited longest. It stays in the queue until it has ended.
    pub(super) fn oldest(&mut self, standing: impl Fn(u32) -> Option<Standing>) -> Option<u32> {
        let mut chances = SECOND_CHANCES;
        loop {
            let line = *self.lines.front()?;
            match standing(line.place) {
                Some(flow) if flow.first_seq == line.first_seq => {
                    if flow.last_us == line.last_us || chances == 0 {
                        return Some(line.place);
                    }
                    chances -= 1;
                    self.lines.pop_front();
                    self.lines.push_back(Line { last_us: flow.last_us, ..line });
                }
                _ => {
                    self.lines.pop_front();
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.lines.capacity()
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}
