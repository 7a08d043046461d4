//! From victim to attacker: who was reached by a scanner and scans for the same service, and who delivers the same to many.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{Endpoint, FlowEvent};
use lru::LruCache;

use super::episode::Episode;
use super::sketch::{Distinct, hash_of};
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// A host that a scanner has talked to.
#[derive(Debug, Clone, Copy)]
struct Reached {
    by: IpAddr,
    port: u16,
    at_us: u64,
}

/// What a scanner sent to those it found.
#[derive(Debug, Clone, Default)]
struct Delivery {
    hosts: Distinct<2>,
    bytes: u64,
    first_us: u64,
    episode: Episode,
}

/// Counters for what spreads.
pub(super) struct Spreading {
    reached: LruCache<IpAddr, Reached>,
    deliveries: LruCache<(IpAddr, u16), Delivery>,
}

impl Spreading {
    const REACHED_MAX: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();
    const DELIVERIES_MAX: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();
    /// So long after it was reached, what a host does is its own.
    const INCUBATION_US: u64 = 3_600_000_000;

    pub(super) fn new() -> Self {
        Self { reached: LruCache::new(Self::REACHED_MAX), deliveries: LruCache::new(Self::DELIVERIES_MAX) }
    }

    /// A scanner that sweeps hosts has had a conversation with one.
    pub(super) fn talked(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let (source, target, now) = (event.initiator().address, event.responder(), event.order.at_us);
        if event.bytes[0] < thresholds.spread_bytes {
            return None;
        }
        self.reached.put(target.address, Reached { by: source, port: target.port, at_us: now });
        let delivery = self.deliveries.get_or_insert_mut((source, target.port), Delivery::default);
        let alike = delivery.bytes.abs_diff(event.bytes[0]) <= delivery.bytes / 10;
        if !alike {
            let episode = delivery.episode;
            *delivery = Delivery {
                bytes: event.bytes[0],
                first_us: event.flow_start_us,
                episode,
                ..Delivery::default()
            };
        }
        delivery.hosts.insert(hash_of(Endpoint { port: 0, ..target }));
        let hosts = delivery.hosts.estimate();
        if hosts < thresholds.spread_hosts {
            return None;
        }
        let began = delivery.episode.note(delivery.first_us, now, hosts)?;
        Some(Finding {
            evidence: vec![format!(
                "scans, and sent about {} bytes to port {} of {hosts} hosts it found",
                delivery.bytes, target.port
            )],
            strength: f64::from(hosts) / f64::from(thresholds.spread_hosts.max(1)),
            ..finding(event, began, delivery.episode.first_us, hosts)
        })
    }

    /// A host has begun to sweep others.
    pub(super) fn swept(&mut self, event: &FlowEvent, hosts: u32) -> Option<Finding> {
        let now = event.order.at_us;
        let host = event.initiator().address;
        let reached = *self.reached.peek(&host)?;
        let since_us = now.saturating_sub(reached.at_us);
        if reached.port != event.responder().port || since_us > Self::INCUBATION_US {
            return None;
        }
        Some(Finding {
            evidence: vec![format!(
                "was reached by the scanner {} on port {} and began to try others on it {:.0} s later",
                reached.by,
                reached.port,
                since_us as f64 / 1e6
            )],
            ..finding(event, true, reached.at_us, hosts)
        })
    }
}

fn finding(event: &FlowEvent, began: bool, first_us: u64, flows: u32) -> Finding {
    let source = event.initiator().address;
    let kind = BehaviourKind::Spread;
    Finding {
        kind,
        scope: Scope { category: kind.category(), source: Some(source), target: None, port: None },
        source: Some(source),
        target: None,
        flows,
        protocol: event.key.protocol(),
        began,
        first_us,
        last_us: event.order.at_us,
        strength: 1.0,
        evidence: Vec::new(),
    }
}
