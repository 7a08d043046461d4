//! From victim to attacker: who was reached by a scanner and scans for the same service, who delivers the same to many, and
//! which inside host knocks at the doors of the outside.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{Endpoint, FlowEvent};
use lru::LruCache;

use super::episode::Episode;
use super::sketch::{Distinct, hash_of};
use super::source::SourceState;
use super::{BehaviourKind, Finding, Thresholds, places};

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
    /// Fewer hosts are no sweep.
    const SWEPT_HOSTS_MIN: u32 = 10;
    /// Where worms and bots come in: remote shells, Windows shares and procedures, databases, cameras and routers.
    const DOORS: [u16; 18] = [
        22, 23, 135, 139, 445, 1433, 2222, 2323, 3306, 3389, 5555, 5900, 5985, 6379, 7547, 9200, 27017, 37215,
    ];

    pub(super) fn new() -> Self {
        Self { reached: LruCache::new(Self::REACHED_MAX), deliveries: LruCache::new(Self::DELIVERIES_MAX) }
    }

    /// A scanner that sweeps hosts has had a conversation with one.
    pub(super) fn talked(
        &mut self,
        event: &FlowEvent,
        state: &mut SourceState,
        thresholds: &Thresholds,
    ) -> Option<Finding> {
        let (source, target, now) = (event.initiator().address, event.responder(), event.order.at_us);
        self.reached.put(target.address, Reached { by: source, port: target.port, at_us: now });
        if event.bytes[0] < thresholds.spread_bytes {
            return None;
        }
        let delivery = self.deliveries.get_or_insert_mut((source, target.port), Delivery::default);
        let alike = delivery.bytes.abs_diff(event.bytes[0]) <= delivery.bytes / 10;
        if !alike {
            let (bytes, first_us, episode) = (event.bytes[0], event.flow_start_us, delivery.episode);
            *delivery = Delivery { bytes, first_us, episode, ..Delivery::default() };
        }
        delivery.hosts.insert(hash_of(Endpoint { port: 0, ..target }));
        let hosts = delivery.hosts.estimate();
        if hosts < thresholds.spread_hosts {
            return None;
        }
        let began = delivery.episode.note(delivery.first_us, now, hosts)?;
        let what = format!(
            "scans, and sent about {} bytes to port {} of {hosts} hosts it found",
            delivery.bytes, target.port
        );
        state.call_spreading(&what);
        Some(Finding {
            kind: BehaviourKind::Spread,
            scope: state.scope(source),
            source: Some(source),
            target: None,
            flows: hosts,
            protocol: event.key.protocol(),
            began,
            first_us: delivery.episode.first_us,
            last_us: now,
            strength: f64::from(hosts) / f64::from(thresholds.spread_hosts.max(1)),
            evidence: vec![what],
        })
    }

    /// A source searches: gives the finding as it is, or as a worm's.
    pub(super) fn swept(&mut self, event: &FlowEvent, state: &mut SourceState, finding: Finding) -> Finding {
        let source = event.initiator().address;
        let known = state.spreads().is_some();
        if !known {
            let Some(why) = self.why_worm(event, state, &finding) else {
                return finding;
            };
            state.call_spreading(&why);
        }
        let began = finding.began || !known;
        let mut evidence = finding.evidence;
        evidence.splice(0..0, state.spreads().map(str::to_owned));
        Finding { kind: BehaviourKind::Spread, scope: state.scope(source), began, evidence, ..finding }
    }

    fn why_worm(&self, event: &FlowEvent, state: &SourceState, finding: &Finding) -> Option<String> {
        let (source, target, now) = (event.initiator().address, event.responder(), event.order.at_us);
        let hosts = state.hosts();
        if finding.target.is_some() || hosts < Self::SWEPT_HOSTS_MIN {
            return None;
        }
        if let Some(reached) = self.reached.peek(&source)
            && reached.port == target.port
            && now.saturating_sub(reached.at_us) <= Self::INCUBATION_US
        {
            let later_s = now.saturating_sub(reached.at_us) as f64 / 1e6;
            return Some(format!(
                "was reached by the scanner {} on port {} and tries others on it {later_s:.0} s later",
                reached.by, reached.port
            ));
        }
        let goes_out = places::is_inside(source) && !places::is_inside(target.address);
        (goes_out && Self::DOORS.contains(&target.port)).then(|| {
            format!("an inside host tries port {}, where worms come in, on {hosts} hosts, outside ones among them", target.port)
        })
    }
}
