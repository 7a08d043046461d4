//! Finds flows whose deadline has passed, in time proportional to their number.
//!
//! Two rings of 1024 slots: one of 1.024 ms ticks within the current 1.05 s, one of 1.05 s ticks for the next 18 minutes. A
//! slot is a doubly linked list through the flows themselves. A flow lies under a deadline that may have moved on since
//! (a later packet only postpones it); when its slot comes up, the flow's real deadline decides whether it ends or is put
//! back. So the wheel only proposes: what ends, and when, never depends on how often or how far it was turned.

/// No flow.
pub(super) const NIL: u32 = u32::MAX;

const TICK_BITS: u32 = 10;
const SLOT_BITS: u32 = 10;
const SLOTS: usize = 1 << SLOT_BITS;
/// Marks a `prev` that is a slot's number and not a flow's.
const HEAD: u32 = 1 << 31;

/// A flow's place in the list of its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    pub(super) next: u32,
    prev: u32,
}

impl Links {
    pub(super) const UNLINKED: Self = Self { next: NIL, prev: NIL };
}

/// Where the wheel finds the links of the flow at a place.
pub(super) trait Linked {
    fn links(&mut self, place: u32) -> &mut Links;
}

#[derive(Clone, Debug)]
pub(super) struct Wheel {
    /// First flow of each slot: fine slots, then coarse ones.
    heads: Vec<u32>,
    /// A bit for each slot that has a flow.
    occupied: Vec<u64>,
    /// The tick that the wheel has come to.
    now: u64,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { heads: vec![NIL; 2 * SLOTS], occupied: vec![0; 2 * SLOTS / 64], now: 0 }
    }

    /// Begins anew at a time, with every slot empty.
    pub(super) fn restart(&mut self, time_us: u64) {
        debug_assert!(self.occupied.iter().all(|&bits| bits == 0), "the wheel restarts empty");
        self.now = time_us >> TICK_BITS;
    }

    /// Puts a flow under a deadline; one that has passed is proposed at the next turn.
    #[inline]
    pub(super) fn insert(&mut self, flows: &mut impl Linked, place: u32, deadline_us: u64) {
        let tick = (deadline_us >> TICK_BITS).max(self.now);
        let coarse = tick >> SLOT_BITS;
        let ahead = coarse - (self.now >> SLOT_BITS);
        debug_assert!(ahead < SLOTS as u64, "deadlines lie within 18 minutes");
        let slot = if ahead == 0 { tick as usize % SLOTS } else { SLOTS + (coarse as usize % SLOTS) };
        let next = std::mem::replace(&mut self.heads[slot], place);
        self.occupied[slot / 64] |= 1 << (slot % 64);
        *flows.links(place) = Links { next, prev: HEAD | slot as u32 };
        if next != NIL {
            flows.links(next).prev = place;
        }
    }

    /// Takes a flow out of its slot.
    #[inline]
    pub(super) fn remove(&mut self, flows: &mut impl Linked, place: u32) {
        let Links { next, prev } = std::mem::replace(flows.links(place), Links::UNLINKED);
        if next != NIL {
            flows.links(next).prev = prev;
        }
        if prev & HEAD == 0 {
            flows.links(prev).next = next;
            return;
        }
        let slot = (prev & !HEAD) as usize;
        self.heads[slot] = next;
        if next == NIL {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    /// Turns to a time, and takes out the list of one slot that it has reached. Call until there is none, dealing with each
    /// flow of the list (ending it or inserting it again) in between: none of them is put back into a slot already taken,
    /// except into the current one.
    pub(super) fn turn(&mut self, time_us: u64, current_taken: &mut bool) -> u32 {
        let target = time_us >> TICK_BITS;
        loop {
            let here = self.now as usize % SLOTS;
            let same_stretch = self.now >> SLOT_BITS == target >> SLOT_BITS;
            let last = if same_stretch { target as usize % SLOTS } else { SLOTS - 1 };
            if let Some(slot) = self.first_occupied(here, last) {
                if slot < last || !same_stretch {
                    // `now` stays until the slot is empty; what is put back goes further on.
                    self.now = (self.now & !(SLOTS as u64 - 1)) | slot as u64;
                    return self.take(slot);
                }
                self.now = target;
                if *current_taken {
                    return NIL;
                }
                *current_taken = true;
                return self.take(slot);
            }
            if same_stretch {
                self.now = target.max(self.now);
                return NIL;
            }
            // On to the next stretch whose coarse slot has flows, or to the target's.
            let coarse = (self.now >> SLOT_BITS) + 1;
            let limit = (target >> SLOT_BITS).min(coarse + SLOTS as u64 - 1);
            let reached = (coarse..=limit).find(|it| self.is_occupied(SLOTS + (*it as usize % SLOTS)));
            self.now = reached.unwrap_or(target >> SLOT_BITS) << SLOT_BITS;
            if let Some(coarse) = reached {
                return self.take(SLOTS + (coarse as usize % SLOTS));
            }
        }
    }

    fn is_occupied(&self, slot: usize) -> bool {
        self.occupied[slot / 64] & 1 << (slot % 64) != 0
    }

    /// The first occupied slot in a range of fine ones.
    fn first_occupied(&self, from: usize, to: usize) -> Option<usize> {
        let mut word = from / 64;
        let mut bits = self.occupied[word] & u64::MAX << (from % 64);
        loop {
            if bits != 0 {
                let slot = word * 64 + bits.trailing_zeros() as usize;
                return (slot <= to).then_some(slot);
            }
            word += 1;
            if word > to / 64 {
                return None;
            }
            bits = self.occupied[word];
        }
    }

    fn take(&mut self, slot: usize) -> u32 {
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        std::mem::replace(&mut self.heads[slot], NIL)
    }
}
