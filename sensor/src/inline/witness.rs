//! What speaks for a source being who it says: conversations in which the other side answered with data.
//!
//! Anybody can send packets with somebody else's address. The answers go to that somebody, so who gets data back over TCP had
//! to know the other side's sequence number and is real (RFC 6528). Counted by source, over the last one to two minutes of
//! packet time, so that a forger cannot borrow the good name of the host that it imitates.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{EndReason, EventKind, FlowEvent, FlowRecord};
use lru::LruCache;

use super::suspicion::Proof;

/// Sources remembered.
const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).expect("not zero");
/// Half of the time looked back at.
const HALF_US: u64 = 60_000_000;
/// Place of FIN among a direction's flag counts.
const FIN: usize = 0;

/// Sources and what is known of them.
pub(super) struct Witness {
    sources: LruCache<IpAddr, Known>,
    /// Packets at which a running flow first has a record.
    first_snapshot: u32,
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
    pub(super) fn new(snapshots: &[u32]) -> Self {
        let first_snapshot = snapshots.iter().copied().min().unwrap_or(u32::MAX);
        Self { sources: LruCache::new(SOURCES_MAX), first_snapshot }
    }

    /// Takes an event in.
    pub(super) fn observe(&mut self, event: &FlowEvent, record: Option<&FlowRecord>) {
        let began = event.kind == EventKind::Started;
        let proven = record.is_some_and(|record| self.is_first_record(event, record) && is_proven(record));
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

    /// A flow may have several records; it counts once, with the first that can know.
    fn is_first_record(&self, event: &FlowEvent, record: &FlowRecord) -> bool {
        let short = record.forward.packets + record.backward.packets < u64::from(self.first_snapshot);
        record.segment == 0
            && match event.kind {
                EventKind::Snapshot(packets) => packets == self.first_snapshot,
                EventKind::Closed => short,
                EventKind::Ended(reason) => short && !matches!(reason, EndReason::Fin | EndReason::Rst),
                _ => false,
            }
    }
}

/// The other side sent data, or ended a connection that stood: the initiator has heard its sequence number.
pub(super) fn is_proven(record: &FlowRecord) -> bool {
    record.key.protocol() == 6
        && record.began_with_syn
        && record.forward.packets >= 2
        && (record.backward.bytes > 0 || record.backward.flags[FIN] > 0)
}
