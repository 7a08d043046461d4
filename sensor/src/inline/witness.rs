//! What speaks for a source being who it says: conversations in which the other side answered with data.
//!
//! Anybody can send packets with somebody else's address. The answers go to that somebody, so who gets data back over TCP had
//! to know the other side's sequence number and is real (RFC 6528). Counted by source, over the last one to two minutes of
//! packet time, so that a forger cannot borrow the good name of the host that it imitates.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{EventKind, FlowEvent, FlowRecord};
use lru::LruCache;

use super::suspicion::Proof;

/// Sources remembered.
const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// Half of the time looked back at.
const HALF_US: u64 = 60_000_000;
/// Running flows that have been counted as proven. Beyond it the least recent may count twice.
const COUNTED_MAX: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");
/// Places among a direction's flag counts.
const FIN: usize = 0;
const SYN: usize = 1;

/// Sources and what is known of them.
pub(super) struct Witness {
    sources: LruCache<IpAddr, Known>,
    /// Flows that have been counted as proven, by the number of their first packet.
    counted: LruCache<u64, ()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    half: u64,
    now: Proof,
    before: Proof,
    encapsulated: Option<&'static str>,
}

impl Known {
    fn turn(&mut self, at_us: u64) {
        let half = at_us / HALF_US;
        if half > self.half {
            self.before = if half == self.half + 1 { self.now } else { Proof::default() };
            (self.now, self.half) = (Proof::default(), half);
        }
    }
}

impl Witness {
    pub(super) fn new() -> Self {
        Self { sources: LruCache::new(SOURCES_MAX), counted: LruCache::new(COUNTED_MAX) }
    }

    /// Takes an event in.
    pub(super) fn observe(&mut self, event: &FlowEvent, record: Option<&FlowRecord>) {
        let began = event.kind == EventKind::Started;
        let proven = record.is_some_and(|record| self.is_newly_proven(record));
        if !began && !proven {
            return;
        }
        let source = event.tuple().initiator.address;
        let known = self.sources.get_or_insert_mut(source, Known::default);
        known.turn(event.time_us);
        known.now.started += u32::from(began);
        known.now.proven += u32::from(proven);
        known.encapsulated = event.key.tunnel().map(|tunnel| match tunnel.kind {
            flowmeter::TunnelKind::Vxlan => "VXLAN",
            flowmeter::TunnelKind::Geneve => "GENEVE",
            flowmeter::TunnelKind::Gre => "GRE",
        });
    }

    /// What is known of a source, and what its packets come wrapped in.
    pub(super) fn of(&mut self, source: IpAddr, now_us: u64) -> (Proof, Option<&'static str>) {
        let Some(known) = self.sources.get_mut(&source) else {
            return (Proof::default(), None);
        };
        known.turn(now_us);
        let (a, b) = (known.now, known.before);
        let sum = Proof { started: a.started + b.started, proven: a.proven + b.proven };
        (sum, known.encapsulated)
    }

    /// A flow may have several records; it counts once, with the first that proves it. (Where each direction is captured by
    /// an interface of its own, one may come much earlier than the other: an early record may know only half of it.)
    fn is_newly_proven(&mut self, record: &FlowRecord) -> bool {
        record.segment == 0 && is_proven(record) && self.counted.put(record.first_seq, ()).is_none()
    }
}

/// The other side sent data, or ended a connection that stood: the initiator has heard its sequence number. The beginning was
/// seen of both sides, in whichever order the two interfaces brought it.
pub(super) fn is_proven(record: &FlowRecord) -> bool {
    record.key.protocol() == 6
        && record.forward.flags[SYN] > 0
        && record.backward.flags[SYN] > 0
        && record.forward.packets >= 2
        && (record.backward.bytes > 0 || record.backward.flags[FIN] > 0)
}
