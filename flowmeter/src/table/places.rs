//! The memory that flows lie in: places that are reserved once, touched when first needed, and used again.

use super::age::Standing;
use super::flow::Flow;
use super::wheel::{Linked, Links, NIL};

/// Marks a free place.
pub(super) const NO_FLOW: u64 = u64::MAX;

/// The flows by place; free places are chained through their links.
#[derive(Clone, Debug)]
pub(super) struct Places {
    flows: Vec<Flow>,
    free: u32,
}

impl Linked for Places {
    #[inline]
    fn links(&mut self, place: u32) -> &mut Links {
        &mut self.flows[place as usize].links
    }
}

impl Places {
    /// Room for at most `max` flows, reserved but not touched.
    pub(super) fn new(max: usize) -> Self {
        Self { flows: Vec::with_capacity(max), free: NIL }
    }

    /// Flows and free places, by place.
    pub(super) fn all(&self) -> &[Flow] {
        &self.flows
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.flows.capacity()
    }

    #[inline]
    pub(super) fn at(&self, place: u32) -> &Flow {
        &self.flows[place as usize]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, place: u32) -> &mut Flow {
        &mut self.flows[place as usize]
    }

    #[inline]
    pub(super) fn insert(&mut self, flow: Flow) -> u32 {
        if self.free == NIL {
            self.flows.push(flow);
            return self.flows.len() as u32 - 1;
        }
        let place = self.free;
        self.free = self.at(place).links.next;
        *self.at_mut(place) = flow;
        place
    }

    #[inline]
    pub(super) fn remove(&mut self, place: u32) {
        let free = self.free;
        let flow = self.at_mut(place);
        flow.vacate();
        flow.links.next = free;
        self.free = place;
    }

    /// How the flow at a place stands with the queue of replied or of unreplied flows.
    pub(super) fn standing(&self, replied: bool) -> impl Fn(u32) -> Option<Standing> {
        move |place| {
            let flow = self.at(place);
            (flow.first_seq() != NO_FLOW && flow.is_replied() == replied).then(|| flow.standing())
        }
    }
}
