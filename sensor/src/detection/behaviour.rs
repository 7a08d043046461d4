//! What no single flow can show: counters over flow events, per source, per target and per pair, in bounded memory.
//!
//! Each counter table is a least-recently-used cache of fixed size; time is the events' own. A counter that crosses its
//! threshold opens an *episode*; an episode has a scope, and flows inside the scope belong to its incident.

mod pair;
mod sketch;
mod source;
mod target;
mod window;

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{EventKind, FlowEvent};
use lru::LruCache;
use model::Category;

use pair::{Pair, PairState};
use source::SourceState;
use target::TargetState;

/// What a behaviour counter watches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BehaviourKind {
    /// One source tries many ports or hosts and mostly fails.
    FanOut,
    /// One target gets more new connections than it can be meant to serve, and few of them are ever used.
    Flood,
    /// One source opens connections to one service at a rate no client needs.
    RequestFlood,
    /// One source holds very many connections to one service open.
    Hoard,
    /// One source repeats short conversations with one login service.
    Repetition,
}

impl BehaviourKind {
    /// Its name in stores and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BehaviourKind::FanOut => "fan_out",
            BehaviourKind::Flood => "flood",
            BehaviourKind::RequestFlood => "request_flood",
            BehaviourKind::Hoard => "hoard",
            BehaviourKind::Repetition => "repetition",
        }
    }

    /// The attack category it is evidence of.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            BehaviourKind::FanOut => Category::Scan,
            BehaviourKind::Flood | BehaviourKind::RequestFlood | BehaviourKind::Hoard => Category::Dos,
            BehaviourKind::Repetition => Category::Bruteforce,
        }
    }
}

/// Whom an incident is about: an empty field means "many".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The attack category.
    pub category: Category,
    /// The attacker.
    pub source: Option<IpAddr>,
    /// The victim.
    pub target: Option<IpAddr>,
    /// The service attacked.
    pub port: Option<u16>,
}

/// An episode that began or grew: its evidence is a quarter more than when it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which counter speaks.
    pub kind: BehaviourKind,
    /// Whom it is about.
    pub scope: Scope,
    /// The one source seen; none when there are several.
    pub source: Option<IpAddr>,
    /// The one target seen; none when there are several.
    pub target: Option<IpAddr>,
    /// Flows behind the evidence.
    pub flows: u32,
    /// IP protocol number of the flows behind it.
    pub protocol: u8,
    /// The episode has just begun.
    pub began: bool,
    /// Where the evidence begins, microseconds since the epoch.
    pub first_us: u64,
    /// The newest event of it, microseconds since the epoch.
    pub last_us: u64,
    /// What was seen, strongest first.
    pub evidence: Vec<String>,
}

/// When evidence is an episode. Rates are per second of packet time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Distinct (host, port) targets of one source within a minute.
    pub fan_out_targets: u32,
    /// Share of them that refuse or do not answer.
    pub fan_out_failed_share: f64,
    /// New flows to one target within two seconds.
    pub flood_flows: u32,
    /// Below this share of them ever used it is a flood.
    pub flood_used_share: f64,
    /// New flows of one pair within ten seconds.
    pub request_flood_flows: u32,
    /// Connections of one pair open at once.
    pub hoard_flows: u32,
    /// Short conversations of one pair with a login service within a minute.
    pub repetition_flows: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            fan_out_targets: 25,
            fan_out_failed_share: 0.7,
            flood_flows: 250,
            flood_used_share: 0.2,
            request_flood_flows: 500,
            hoard_flows: 50,
            repetition_flows: 6,
        }
    }
}

/// A span of time in which a counter stood above its threshold.
#[derive(Debug, Clone, Copy, Default)]
struct Episode {
    first_us: u64,
    last_us: u64,
    told_at: u32,
}

impl Episode {
    /// Flows may begin this long before the evidence sufficed, or after the last of it.
    const SLACK_US: u64 = 2_000_000;
    /// Quiet for this long, the episode is over.
    const GAP_US: u64 = 60_000_000;

    fn covers(&self, start_us: u64) -> bool {
        self.last_us > 0
            && start_us + Self::SLACK_US >= self.first_us
            && start_us <= self.last_us + Self::SLACK_US
    }

    /// Notes evidence of `count`; tells whether it is news: an episode's beginning (true), or a quarter more of it.
    fn note(&mut self, first_us: u64, now_us: u64, count: u32) -> Option<bool> {
        let began = self.last_us == 0 || now_us.saturating_sub(self.last_us) > Self::GAP_US;
        if began {
            *self = Self { first_us, last_us: now_us, told_at: count };
            return Some(true);
        }
        self.last_us = self.last_us.max(now_us);
        (count >= self.told_at.saturating_add(self.told_at / 4 + 1)).then(|| {
            self.told_at = count;
            false
        })
    }

    /// The latest evidence is recent.
    fn is_running(&self, now_us: u64) -> bool {
        self.last_us > 0 && now_us.saturating_sub(self.last_us) <= Self::GAP_US
    }
}

/// All behaviour counters.
pub struct Behaviour {
    thresholds: Thresholds,
    sources: LruCache<IpAddr, SourceState>,
    targets: LruCache<IpAddr, TargetState>,
    pairs: LruCache<Pair, PairState>,
}

impl Behaviour {
    const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
    const TARGETS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
    const PAIRS_MAX: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();

    /// Empty counters.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            sources: LruCache::new(Self::SOURCES_MAX),
            targets: LruCache::new(Self::TARGETS_MAX),
            pairs: LruCache::new(Self::PAIRS_MAX),
        }
    }

    /// Takes one event in, in canonical order, and calls `found` for what it reveals. Gives the episode that the event's
    /// flow belongs to, if it has just started within one.
    pub fn observe(&mut self, event: &FlowEvent, mut found: impl FnMut(Finding)) -> Option<Scope> {
        if !tells_of_behaviour(event) {
            return None;
        }
        let (initiator, responder) = (event.initiator(), event.responder());
        let target = self.targets.get_or_insert_mut(responder.address, TargetState::default);
        target.observe(event, &self.thresholds).into_iter().for_each(&mut found);
        let pair = self.pairs.get_or_insert_mut(Pair::of(event), PairState::default);
        pair.observe(event, &self.thresholds).into_iter().for_each(&mut found);
        let mut owner = match pair.owns(event.flow_start_us) {
            _ if target.owns(event.flow_start_us) => Some(TargetState::scope(responder.address)),
            Some(kind) => Some(PairState::scope(kind, event)),
            None => None,
        };
        // What floods one target fans out over its ports too; the flood is the better name for it.
        if !target.is_under_flood(event.order.at_us) {
            let source = self.sources.get_or_insert_mut(initiator.address, SourceState::default);
            source.observe(event, &self.thresholds).into_iter().for_each(&mut found);
            if owner.is_none() && source.owns(event.flow_start_us) {
                owner = Some(SourceState::scope(initiator.address));
            }
        }
        owner.filter(|_| event.kind == EventKind::Started)
    }

    /// The episode that a flow belongs to: of its target, else of its pair, else of its source.
    #[must_use]
    pub fn owner(&self, event: &FlowEvent) -> Option<Scope> {
        let (source, target) = (event.initiator().address, event.responder().address);
        if self.targets.peek(&target).is_some_and(|t| t.owns(event.flow_start_us)) {
            return Some(TargetState::scope(target));
        }
        if let Some(kind) = self.pairs.peek(&Pair::of(event)).and_then(|p| p.owns(event.flow_start_us)) {
            return Some(PairState::scope(kind, event));
        }
        self.sources
            .peek(&source)
            .is_some_and(|s| s.owns(event.flow_start_us))
            .then(|| SourceState::scope(source))
    }
}

/// Events that say who asked whom for what. A TCP conversation met in its middle says neither who began it nor that
/// anything was refused; an answer-shaped UDP flow (from a service's port to an ephemeral one) has lost its question.
fn tells_of_behaviour(event: &FlowEvent) -> bool {
    const SERVICE_PORTS_END: u16 = 1024;
    if matches!(event.kind, EventKind::Snapshot(_)) {
        return false;
    }
    match event.key.protocol() {
        6 => event.began_cleanly,
        17 => event.initiator().port >= SERVICE_PORTS_END || event.responder().port < SERVICE_PORTS_END,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
