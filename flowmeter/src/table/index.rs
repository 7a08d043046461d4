//! From a key's hash to its flow's place: open addressing with linear probing, at most half full.
//!
//! Eight bytes an entry and no tombstones (an erased entry is filled by those behind it): a lookup reads one cache line in
//! most cases. It begins small and doubles, up to the size that the limit on flows asks for, so that a table with few flows
//! stays in cache; entries move by their tags alone, without a look at the flows.

/// A free entry. No place is numbered so high (the limit on flows is 2^28).
const FREE: u64 = 0;

/// Entries to begin with, at most.
const SIZE_MIN: usize = 1 << 10;

#[derive(Clone, Debug)]
pub(super) struct Index {
    /// `tag << 32 | place + 1`.
    entries: Vec<u64>,
    mask: usize,
    used: usize,
}

impl Index {
    /// An index for at most `max` flows.
    pub(super) fn new(max: usize) -> Self {
        let size = (max * 2).next_power_of_two().clamp(8, SIZE_MIN);
        Self { entries: vec![FREE; size], mask: size - 1, used: 0 }
    }

    /// The place, among those with this tag, that `is_it` recognises.
    #[inline]
    pub(super) fn find(&self, tag: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut at = self.home(tag);
        loop {
            let entry = self.entries[at];
            if entry == FREE {
                return None;
            }
            if (entry >> 32) as u32 == tag && is_it(place(entry)) {
                return Some(place(entry));
            }
            at = (at + 1) & self.mask;
        }
    }

    #[inline]
    pub(super) fn insert(&mut self, tag: u32, place: u32) {
        if self.used * 2 >= self.entries.len() {
            self.grow();
        }
        self.used += 1;
        self.put(u64::from(tag) << 32 | u64::from(place + 1));
    }

    #[inline]
    fn put(&mut self, entry: u64) {
        let mut at = self.home((entry >> 32) as u32);
        while self.entries[at] != FREE {
            at = (at + 1) & self.mask;
        }
        self.entries[at] = entry;
    }

    #[cold]
    fn grow(&mut self) {
        let size = self.entries.len() * 2;
        self.mask = size - 1;
        let entries = std::mem::replace(&mut self.entries, vec![FREE; size]);
        entries.into_iter().filter(|&entry| entry != FREE).for_each(|entry| self.put(entry));
    }

    /// Removes an entry that is there.
    #[inline]
    pub(super) fn remove(&mut self, tag: u32, place: u32) {
        self.used -= 1;
        let wanted = u64::from(tag) << 32 | u64::from(place + 1);
        let mut hole = self.home(tag);
        while self.entries[hole] != wanted {
            debug_assert_ne!(self.entries[hole], FREE, "every flow in the table is in its index");
            hole = (hole + 1) & self.mask;
        }
        // Entries behind the hole move up into it, unless that would take them before their home.
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let entry = self.entries[at];
            if entry == FREE {
                break;
            }
            let home = self.home((entry >> 32) as u32);
            if at.wrapping_sub(home) & self.mask >= at.wrapping_sub(hole) & self.mask {
                self.entries[hole] = entry;
                hole = at;
            }
        }
        self.entries[hole] = FREE;
    }

    /// What lies where a tag is looked for first.
    #[inline]
    pub(super) fn home_entry(&self, tag: u32) -> u64 {
        self.entries[self.home(tag)]
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & self.mask
    }
}

#[inline]
fn place(entry: u64) -> u32 {
    (entry as u32).wrapping_sub(1)
}
