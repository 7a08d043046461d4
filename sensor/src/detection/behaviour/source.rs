//! One source: how many targets it tries, and how many of them want it.

use std::net::IpAddr;

use flowmeter::{Endpoint, EventKind, FlowEvent};
use model::Category;

use super::sketch::{Distinct, hash_of, hash_of_port};
use super::window::Window;
use super::{BehaviourKind, Episode, Finding, Scope, Thresholds};

/// What one source did in a minute.
#[derive(Debug, Clone, Default)]
struct Minute {
    started: u32,
    refused: u32,
    answered: u32,
    endpoints: Distinct<16>,
    hosts: Distinct<4>,
    ports: Distinct<4>,
    first_us: u64,
}

/// Counters of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceState {
    minutes: Window<Minute, 60_000_000>,
    /// Flows started in this second and the one before: too young to count as unanswered.
    young: Window<u32, 1_000_000>,
    episode: Episode,
}

impl SourceState {
    /// Who searches tries many ports of a host, or few ports on many hosts. Who meets peers (BitTorrent and its like) tries
    /// a port or two on each of many hosts, a different one on each, and most of those are gone as well.
    const PORTS_A_HOST_MIN: u32 = 8;
    const PORTS_MAX: u32 = 8;

    pub(super) fn observe(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let minute = self.minutes.at(now);
        match event.kind {
            EventKind::Started => {
                if minute.started == 0 {
                    minute.first_us = now;
                }
                minute.started += 1;
                minute.endpoints.insert(hash_of(event.responder()));
                minute.hosts.insert(hash_of(Endpoint { port: 0, ..event.responder() }));
                minute.ports.insert(hash_of_port(event.responder().port));
                *self.young.at(now) += 1;
            }
            EventKind::Refused => minute.refused += 1,
            EventKind::Answered => minute.answered += 1,
            _ => return None,
        }
        self.judge(event, thresholds)
    }

    fn judge(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let young = {
            self.young.at(now);
            let (a, b) = self.young.both();
            a + b
        };
        let (current, previous) = self.minutes.both();
        let endpoints = current.endpoints.count() + previous.endpoints.count();
        let hosts = current.hosts.count() + previous.hosts.count();
        let (started, refused) = (current.started + previous.started, current.refused + previous.refused);
        let answered = current.answered + previous.answered;
        let unanswered = started.saturating_sub(young).saturating_sub(refused + answered);
        let (failed, known) = (refused + unanswered, answered + refused + unanswered);
        let ports = current.ports.count() + previous.ports.count();
        let searches = endpoints >= hosts.saturating_mul(Self::PORTS_A_HOST_MIN) || ports <= Self::PORTS_MAX;
        let enough = searches
            && endpoints >= thresholds.fan_out_targets
            && failed >= thresholds.fan_out_targets
            && f64::from(failed) >= thresholds.fan_out_failed_share * f64::from(known);
        if !enough {
            return None;
        }
        let first_us = if previous.started > 0 {
            previous.first_us
        } else {
            current.first_us.max(self.minutes.since_us())
        };
        let more = if current.endpoints.is_saturated() { "more than " } else { "" };
        let began = self.episode.note(first_us, now, failed)?;
        // The two minutes may have tried the same ones: the larger count is certain.
        let tried = current.endpoints.estimate().max(previous.endpoints.estimate());
        let hosts = current.hosts.estimate().max(previous.hosts.estimate());
        let ports_of = if hosts <= 1 {
            format!("tried {more}{tried} ports of one host")
        } else {
            format!("tried {more}{tried} targets on {hosts} hosts")
        };
        let seconds = now.saturating_sub(first_us) as f64 / 1e6;
        Some(Finding {
            kind: BehaviourKind::FanOut,
            scope: Self::scope(event.initiator().address),
            source: Some(event.initiator().address),
            target: (hosts <= 1).then_some(event.responder().address),
            flows: started,
            protocol: event.key.protocol(),
            began,
            first_us: self.episode.first_us,
            last_us: now,
            evidence: vec![
                format!("{ports_of} in {seconds:.1} s"),
                format!("{refused} refused, {unanswered} without an answer, {answered} answered"),
            ],
        })
    }

    pub(super) fn owns(&self, start_us: u64) -> bool {
        self.episode.covers(start_us)
    }

    pub(super) fn scope(source: IpAddr) -> Scope {
        Scope { category: Category::Scan, source: Some(source), target: None, port: None }
    }
}
