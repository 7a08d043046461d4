//! What no single flow can show: counters over flow events, per source, per target and per pair, in bounded memory.
//!
//! Each counter table is a least-recently-used cache of fixed size; time is the events' own. A counter that crosses its
//! threshold opens an *episode*; an episode has a scope, and flows inside the scope belong to its incident.

mod amplification;
mod calls;
mod dialogue;
mod episode;
mod kind;
mod pair;
mod places;
mod sketch;
mod source;
mod spread;
mod target;
mod thresholds;
mod tunnel;
mod window;

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{Context, EventKind, FlowEvent, FlowRecord};
use lru::LruCache;

pub use kind::{BehaviourKind, Finding, Scope};
pub use thresholds::Thresholds;

use amplification::Amplification;
use dialogue::{Dialogue, Surroundings};
use pair::{Pair, PairState};
use sketch::{Distinct, hash_of};
use source::SourceState;
use spread::Spreading;
use target::TargetState;
use tunnel::Tunnels;

/// All behaviour counters.
pub struct Behaviour {
    thresholds: Thresholds,
    sources: LruCache<IpAddr, SourceState>,
    targets: LruCache<IpAddr, TargetState>,
    pairs: LruCache<Pair, PairState>,
    dialogues: LruCache<Pair, Dialogue>,
    /// Inside hosts that talk to an outside one.
    peers: LruCache<IpAddr, Distinct<1>>,
    tunnels: Tunnels,
    amplification: Amplification,
    spreading: Spreading,
}

impl Behaviour {
    const SOURCES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
    const TARGETS_MAX: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();
    const PAIRS_MAX: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
    const DIALOGUES_MAX: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();
    const PEERS_MAX: NonZeroUsize = NonZeroUsize::new(8_192).unwrap();
    /// A peer that so many inside hosts talk to is a service of the house, not somebody's drop.
    const POPULAR_MIN: u32 = 4;

    /// Empty counters.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            sources: LruCache::new(Self::SOURCES_MAX),
            targets: LruCache::new(Self::TARGETS_MAX),
            pairs: LruCache::new(Self::PAIRS_MAX),
            dialogues: LruCache::new(Self::DIALOGUES_MAX),
            peers: LruCache::new(Self::PEERS_MAX),
            tunnels: Tunnels::new(),
            amplification: Amplification::new(),
            spreading: Spreading::new(),
        }
    }

    /// Takes one event in, in canonical order, with the record that it points at, and calls `found` for what it reveals.
    /// Gives the episode that the event's flow belongs to, if it has just started within one.
    pub fn observe(
        &mut self,
        event: &FlowEvent,
        record: Option<(&FlowRecord, Option<&Context>)>,
        mut found: impl FnMut(Finding),
    ) -> Option<Scope> {
        self.amplification.observe(event, &self.thresholds).into_iter().for_each(&mut found);
        if !tells_of_behaviour(event) {
            return None;
        }
        let (initiator, responder) = (event.initiator(), event.responder());
        let target = self.targets.get_or_insert_mut(responder.address, TargetState::default);
        target.observe(event, &self.thresholds).into_iter().for_each(&mut found);
        let under_flood = target.is_under_flood(event.order.at_us);
        let key = pair_of(&self.pairs, event);
        let pair = self.pairs.get_or_insert_mut(key, PairState::default);
        pair.observe(event, key.port, &self.thresholds).into_iter().for_each(&mut found);
        let named = under_flood || pair.is_named(event.order.at_us);
        let mut owner = match pair.owns(event.flow_start_us) {
            _ if target.owns(event.flow_start_us) => Some(TargetState::scope(responder.address)),
            Some(kind) => Some(PairState::scope(kind, event, key.port)),
            None => None,
        };
        // What floods one target fans out over its ports too; the flood is the better name for it.
        if !under_flood {
            let source = self.sources.get_or_insert_mut(initiator.address, SourceState::default);
            if let Some(finding) = source.observe(event, &self.thresholds) {
                found(self.spreading.swept(event, source, finding));
            }
            if owner.is_none() && source.owns(event.flow_start_us) {
                owner = Some(source.scope(initiator.address));
            }
        }
        if let (EventKind::Ended(_), Some((record, name))) = (event.kind, record) {
            self.ended(event, record, name, named, &mut found);
        }
        if event.kind != EventKind::Started {
            return None;
        }
        owner.or_else(|| dialogue_scope(&self.dialogues, event))
    }

    /// A segment is over: what it carried is known.
    fn ended(
        &mut self,
        event: &FlowEvent,
        record: &FlowRecord,
        name: Option<&Context>,
        named: bool,
        found: &mut impl FnMut(Finding),
    ) {
        if matches!(event.key.protocol(), 1 | 58) || event.responder().port == 53 {
            self.tunnels.ended(event, record, name, &self.thresholds).into_iter().for_each(&mut *found);
        }
        // Only conversations: what nobody answered or nobody used carried nothing.
        let conversed = event.packets[1] > 0 && event.bytes[0] > 0;
        if !conversed || !matches!(event.key.protocol(), 6 | 17) {
            return;
        }
        if event.key.protocol() == 6
            && let Some(source) = self.sources.peek_mut(&event.initiator().address)
            && source.sweeps(event.order.at_us)
        {
            self.spreading.talked(event, source, &self.thresholds).into_iter().for_each(&mut *found);
        }
        let (source, peer) = (event.initiator(), event.responder().address);
        let hosts = self.peers.get_or_insert_mut(peer, Distinct::default);
        hosts.insert(hash_of(flowmeter::Endpoint { port: 0, ..source }));
        let around = Surroundings { named, peer_is_popular: hosts.count() >= Self::POPULAR_MIN };
        let dialogue = self.dialogues.get_or_insert_mut(Pair::of(event), Dialogue::default);
        dialogue.ended(event, around, &self.thresholds).into_iter().for_each(found);
    }

    /// The episode that a flow belongs to: of its target, else of its pair, else of its source.
    #[must_use]
    pub fn owner(&self, event: &FlowEvent) -> Option<Scope> {
        let (source, target) = (event.initiator().address, event.responder().address);
        if self.targets.peek(&target).is_some_and(|t| t.owns(event.flow_start_us)) {
            return Some(TargetState::scope(target));
        }
        let key = pair_of(&self.pairs, event);
        if let Some(kind) = self.pairs.peek(&key).and_then(|p| p.owns(event.flow_start_us)) {
            return Some(PairState::scope(kind, event, key.port));
        }
        if let Some(state) = self.sources.peek(&source).filter(|s| s.owns(event.flow_start_us)) {
            return Some(state.scope(source));
        }
        dialogue_scope(&self.dialogues, event)
    }

    /// Enough of what this source tried lately has failed for a suspicion of a scan to stand.
    #[must_use]
    pub fn supports_scan(&self, source: IpAddr) -> bool {
        self.sources.peek(&source).is_some_and(|s| s.failed_targets() >= self.thresholds.scan_support_targets)
    }
}

/// The pair that a flow counts for.
fn pair_of(pairs: &LruCache<Pair, PairState>, event: &FlowEvent) -> Pair {
    let pair = Pair::of(event);
    pair.endpoint_mapper().filter(|mapper| pairs.contains(mapper)).unwrap_or(pair)
}

fn dialogue_scope(dialogues: &LruCache<Pair, Dialogue>, event: &FlowEvent) -> Option<Scope> {
    let pair = Pair::of(event);
    let kind = dialogues.peek(&pair)?.owns(event.flow_start_us)?;
    Some(Dialogue::scope(kind, &pair))
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
        // Of ICMP only questions; what a victim complains of to its attackers is no search for them.
        1 => matches!(event.initiator().port, 8 | 13 | 15 | 17),
        58 => event.initiator().port == 128,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
