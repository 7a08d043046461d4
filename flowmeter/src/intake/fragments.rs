//! Which flow a later fragment belongs to: that of its datagram's first fragment. One that comes before it waits for it a while.

use std::collections::{HashMap, VecDeque};

use crate::accounting::IntakeCounters;
use crate::decode::Fragment;
use crate::key::FlowKey;

/// How long after its first fragment a datagram's later ones are still matched (RFC 791 and RFC 8200 give receivers 15 to
/// 60 s).
const LIFETIME_US: u64 = 30_000_000;

/// How long a later fragment waits for its first one: networks change the order of packets by milliseconds.
const EARLY_LIFETIME_US: u64 = 1_000_000;

/// Later fragments that wait at once, of all datagrams together: the largest datagram has some 45.
const EARLY_MAX: usize = 256;

/// Stretches of one datagram kept apart; beyond this the nearest two are joined.
const RANGES_MAX: usize = 8;

/// What the fragments of one datagram have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Datagram {
    source: [u8; 16],
    destination: [u8; 16],
    protocol: u8,
    vlan: u16,
    tunnel: (u8, u32),
    id: u32,
}

impl From<&Fragment> for Datagram {
    fn from(fragment: &Fragment) -> Self {
        let Fragment { source, destination, protocol, vlan, tunnel, id, .. } = *fragment;
        Self { source, destination, protocol, vlan, tunnel, id }
    }
}

/// A later fragment whose first one has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Early {
    pub(super) fragment: Fragment,
    pub(super) time_us: u64,
    /// Of the packet that it came in.
    pub(super) vlan: u16,
    pub(super) payload_len: u32,
    pub(super) header_len: u32,
}

#[derive(Clone, Debug)]
struct Entry {
    flow: (FlowKey, bool),
    first_seen_us: u64,
    covered: Ranges,
}

impl Entry {
    fn is_over(&self, now_us: u64) -> bool {
        self.first_seen_us.abs_diff(now_us) > LIFETIME_US
    }
}

/// At most `max` datagrams, the oldest forgotten first. Times are the frames' own: they are asked before the clock is, which
/// may be waiting for a confirmation.
#[derive(Clone, Debug)]
pub(super) struct FragmentCache {
    max: usize,
    entries: HashMap<Datagram, Entry>,
    /// In the order of their first fragments; stale ones are told by their time.
    oldest: VecDeque<(Datagram, u64)>,
    /// In the order of arrival; never more than at first were made room for.
    early: VecDeque<Early>,
    early_max: usize,
}

impl FragmentCache {
    pub(super) fn new(max: usize) -> Self {
        let early_max = max.min(EARLY_MAX);
        let early = VecDeque::with_capacity(early_max);
        Self { max, entries: HashMap::new(), oldest: VecDeque::new(), early, early_max }
    }

    /// Keeps a later fragment until its first one comes. Gives how many are waited for no longer: the oldest where there are too
    /// many, this one where none may wait.
    pub(super) fn keep(&mut self, early: Early) -> u64 {
        if self.early_max == 0 {
            return 1;
        }
        let full = self.early.len() >= self.early_max;
        if full {
            self.early.pop_front();
        }
        self.early.push_back(early);
        u64::from(full)
    }

    /// Later fragments that wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.early.len()
    }

    /// The oldest fragment that waits for this first one, in the order of arrival.
    pub(super) fn take(&mut self, first: &Fragment, counters: &mut IntakeCounters) -> Option<Early> {
        let datagram = Datagram::from(first);
        let of_it =
            |early: &Early| early.fragment.id == first.id && Datagram::from(&early.fragment) == datagram;
        let early = self.early.remove(self.early.iter().position(of_it)?)?;
        if let Some(entry) = self.entries.get_mut(&datagram)
            && entry.covered.add(early.fragment.offset, early.fragment.len)
        {
            counters.fragments_overlapping += 1;
        }
        Some(early)
    }

    /// Forgets fragments that have waited too long; how many.
    pub(super) fn forget_early(&mut self, now_us: u64) -> u64 {
        let before = self.early.len();
        while self.early.front().is_some_and(|early| early.time_us.abs_diff(now_us) > EARLY_LIFETIME_US) {
            self.early.pop_front();
        }
        (before - self.early.len()) as u64
    }

    /// Forgets every fragment that waits; how many.
    pub(super) fn forget_all_early(&mut self) -> u64 {
        let waited = self.early.len() as u64;
        self.early.clear();
        waited
    }

    /// The flow of a later fragment.
    pub(super) fn find(
        &mut self,
        fragment: &Fragment,
        now_us: u64,
        counters: &mut IntakeCounters,
    ) -> Option<(FlowKey, bool)> {
        let entry = self.entries.get_mut(&Datagram::from(fragment))?;
        if entry.is_over(now_us) {
            return None;
        }
        if entry.covered.add(fragment.offset, fragment.len) {
            counters.fragments_overlapping += 1;
        }
        Some(entry.flow)
    }

    /// Remembers the flow of a first fragment. A second first fragment of a datagram overlaps it, and the newer flow counts.
    pub(super) fn remember(
        &mut self,
        first: &Fragment,
        flow: (FlowKey, bool),
        now_us: u64,
        counters: &mut IntakeCounters,
    ) {
        if self.max == 0 {
            return;
        }
        let datagram = Datagram::from(first);
        if let Some(entry) = self.entries.get_mut(&datagram)
            && !entry.is_over(now_us)
        {
            entry.flow = flow;
            if entry.covered.add(first.offset, first.len) {
                counters.fragments_overlapping += 1;
            }
            return;
        }
        self.make_room(now_us, counters);
        let mut covered = Ranges::default();
        covered.add(first.offset, first.len);
        self.entries.insert(datagram, Entry { flow, first_seen_us: now_us, covered });
        self.oldest.push_back((datagram, now_us));
    }

    /// Forgets everything: the clock stepped back, and what "30 seconds ago" means with it.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.oldest.clear();
    }

    /// Forgets the oldest datagrams while the queue is full.
    fn make_room(&mut self, now_us: u64, counters: &mut IntakeCounters) {
        while self.oldest.len() >= self.max
            && let Some((datagram, first_seen_us)) = self.oldest.pop_front()
        {
            // A datagram seen anew after its lifetime has a later line in the queue.
            if self.entries.get(&datagram).is_some_and(|it| it.first_seen_us == first_seen_us) {
                let over = self.entries.remove(&datagram).is_some_and(|it| it.is_over(now_us));
                counters.fragments_evicted += u64::from(!over);
            }
        }
    }
}

/// Stretches of a datagram's payload, ascending and apart.
#[derive(Clone, Debug, Default)]
struct Ranges {
    len: usize,
    ranges: [(u32, u32); RANGES_MAX],
}

impl Ranges {
    /// Covers `len` bytes from `start`; whether any of them was covered before.
    fn add(&mut self, start: u32, len: u32) -> bool {
        if len == 0 {
            return false;
        }
        let mut merged = (start, start.saturating_add(len));
        let mut overlaps = false;
        let mut kept = Self::default();
        let mut apart = [(0, 0); RANGES_MAX + 1];
        for &(from, to) in &self.ranges[..self.len] {
            overlaps |= from < start.saturating_add(len) && start < to;
            if from <= merged.1 && merged.0 <= to {
                merged = (merged.0.min(from), merged.1.max(to));
            } else {
                apart[kept.len] = (from, to);
                kept.len += 1;
            }
        }
        let at = apart[..kept.len].iter().take_while(|(from, _)| *from < merged.0).count();
        apart.copy_within(at..kept.len, at + 1);
        apart[at] = merged;
        kept.len += 1;
        if kept.len > RANGES_MAX {
            // The two nearest become one: a hole is taken for covered, and one overlap too many may be counted.
            let gap = |i: &usize| apart[i + 1].0 - apart[*i].1;
            let nearest = (0..RANGES_MAX).min_by_key(gap).unwrap_or(0);
            apart[nearest].1 = apart[nearest + 1].1;
            apart.copy_within(nearest + 2.., nearest + 1);
            kept.len -= 1;
        }
        kept.ranges.copy_from_slice(&apart[..RANGES_MAX]);
        *self = kept;
        overlaps
    }
}
