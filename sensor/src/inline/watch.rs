//! The recorder's end: sees every event, and hands over incidents that might be stopped. Never waits.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::Sender;
use flowmeter::{EventKind, FlowEvent, FlowRecord};
use lru::LruCache;
use model::Category;

use super::board::Board;
use super::queue::flows::Judged;
use super::queue::packet::Seen;
use super::suspicion::{SuspectFlow, Suspicion};
use super::witness::{Witness, is_proven};
use crate::config::Inline;
use crate::config::inline::{PerCategory, Threshold};
use crate::detection::policy::shows_in_one_flow;
use crate::detection::{Detection, Incident, Opinion};

/// News for the decider.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// An incident that might be stopped.
    Suspected(Box<Suspicion>),
    /// What was said of this detection or incident was taken back.
    Cleared(String),
}

/// Watches for what might be stopped.
pub struct Watch {
    news: Sender<News>,
    board: Arc<Board>,
    witness: Witness,
    thresholds: PerCategory<Threshold>,
    strength: f64,
    provisional: bool,
    /// When each incident was last handed over, packet time.
    handed: LruCache<String, u64>,
    /// Flows called attacks whose both ends are real, by detection id.
    proven: LruCache<String, ()>,
    /// What was taken back and found the queue full: a lift is not lost.
    cleared: VecDeque<String>,
    /// Where scores of running flows go, when packets wait for them.
    scores: Option<Sender<Judged>>,
}

/// Incidents and flows remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(8_192).expect("not zero");
/// An incident is handed over no more often, in packet time.
const EVERY_US: u64 = 1_000_000;
/// Lifts that wait for room.
const CLEARED_MAX: usize = 8_192;

impl Watch {
    /// A watch that hands over to `news`.
    #[must_use]
    pub fn new(settings: &Inline, news: Sender<News>, board: Arc<Board>) -> Self {
        Self {
            news,
            board,
            witness: Witness::new(),
            thresholds: settings.threshold.clone(),
            strength: settings.strength,
            provisional: settings.provisional,
            handed: LruCache::new(REMEMBERED),
            proven: LruCache::new(REMEMBERED),
            cleared: VecDeque::new(),
            scores: None,
        }
    }

    /// The same, for packets that wait for scores.
    #[must_use]
    pub fn telling_scores(self, scores: Option<Sender<Judged>>) -> Self {
        Self { scores, ..self }
    }

    /// A running flow was scored: as an attack of this category, or as none.
    pub fn judged(&mut self, event: &FlowEvent, attack: Option<Category>, score: f64) {
        let (Some(scores), EventKind::Snapshot(packets), 0) = (&self.scores, event.kind, event.segment)
        else {
            return;
        };
        let attack = attack
            .filter(|category| shows_in_one_flow(*category))
            .is_some_and(|category| self.thresholds.of(category).is_some_and(|threshold| score >= threshold));
        let (from, to) = (event.initiator(), event.responder());
        let seen = Seen {
            from: (from.address, from.port),
            to: (to.address, to.port),
            protocol: event.key.protocol(),
        };
        if scores.try_send(Judged { seen: seen.without_strange_ports(), packets, attack }).is_err() {
            self.board.counts.queue_unheard.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Another model is at work: one that was installed since the start.
    pub fn model_changed(&mut self) {
        self.board.counts.model_missing.store(false, Ordering::Relaxed);
    }

    /// Sees an event. `suspect`: the id of the detection on its record, when that was called an attack.
    pub fn observe(&mut self, event: &FlowEvent, record: Option<&FlowRecord>, suspect: Option<String>) {
        self.witness.observe(event, record);
        if let Some((record, id)) = record.zip(suspect)
            && is_proven(record)
        {
            self.proven.put(id, ());
        }
    }

    /// Hands an incident that is shown to people over, when it is strong enough to be stopped.
    pub fn suspect(&mut self, incident: &Incident, now_us: u64) {
        let (final_score, provisional_score) = scores(incident);
        if !self.may_be_stopped(incident, final_score, provisional_score) {
            return;
        }
        if self.handed.get(&incident.id).is_some_and(|at_us| now_us.saturating_sub(*at_us) < EVERY_US) {
            return;
        }
        let source = incident.source();
        let (proof, encapsulated) =
            source.map_or((Default::default(), None), |source| self.witness.of(source, now_us));
        let flows = incident.alerts.iter().rev().filter_map(|a| self.flow(a)).take(Suspicion::FLOWS_MAX);
        let suspicion = Suspicion {
            incident: incident.id.clone(),
            category: incident.scope.category,
            source,
            target: incident.target(),
            port: incident.port(),
            protocol: incident.alerts.last().map_or(0, |alert| alert.protocol),
            by_behaviour: incident.by_behaviour.is_some(),
            strength: incident.strength(),
            final_score,
            provisional_score,
            last_us: incident.last_us,
            proof,
            encapsulated,
            flows: flows.collect(),
            reason: incident.reasons().first().map(ToString::to_string).unwrap_or_default(),
        };
        if self.news.try_send(News::Suspected(Box::new(suspicion))).is_ok() {
            self.handed.put(incident.id.clone(), now_us);
        } else {
            self.board.counts.dropped_at_queue.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What was said of a detection or an incident was taken back.
    pub fn clear(&mut self, subject: &str) {
        if self.proven.pop(subject).is_none() && self.handed.pop(subject).is_none() {
            // Nothing can have been stopped because of it.
            return;
        }
        if self.cleared.len() == CLEARED_MAX {
            self.cleared.pop_front();
            self.board.counts.dropped_at_queue.fetch_add(1, Ordering::Relaxed);
        }
        self.cleared.push_back(subject.to_owned());
        self.pass_on();
    }

    /// Hands over what found no room before.
    pub fn pass_on(&mut self) {
        while let Some(subject) = self.cleared.pop_front() {
            if let Err(unsent) = self.news.try_send(News::Cleared(subject)) {
                if let News::Cleared(subject) = unsent.into_inner() {
                    self.cleared.push_front(subject);
                }
                return;
            }
        }
    }

    fn may_be_stopped(&self, incident: &Incident, final_score: f64, provisional_score: f64) -> bool {
        if incident.by_behaviour.is_some() {
            return incident.strength() >= self.strength;
        }
        let score = if self.provisional { final_score.max(provisional_score) } else { final_score };
        incident.scope.category != Category::Benign
            && self.thresholds.of(incident.scope.category).is_some_and(|threshold| score >= threshold)
    }

    fn flow(&mut self, alert: &Detection) -> Option<SuspectFlow> {
        if alert.revised || !alert.provisional || alert.opinion != Opinion::Forest {
            return None;
        }
        Some(SuspectFlow {
            id: alert.id.clone(),
            source: alert.source.zip(alert.source_port)?,
            target: alert.target.zip(alert.target_port)?,
            protocol: alert.protocol,
            score: alert.score,
            provisional: alert.provisional,
            proven: self.proven.get(&alert.id).is_some(),
        })
    }
}

/// The highest scores of the forest that still stand: of flows that have ended, and of flows that run.
fn scores(incident: &Incident) -> (f64, f64) {
    let of = |provisional: bool| {
        incident
            .alerts
            .iter()
            .filter(|a| a.opinion == Opinion::Forest && !a.revised && a.provisional == provisional)
            .fold(0.0, |highest: f64, a| highest.max(a.score))
    };
    (of(false), of(true))
}
