//! One source: how many targets it tries, and how many of them want it.

use std::net::IpAddr;

use flowmeter::{Endpoint, EventKind, FlowEvent};
use model::Category;

use super::episode::Episode;
use super::sketch::{Distinct, hash_of, hash_of_port};
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// What one source tried in a period, and how it went.
#[derive(Debug, Clone, Default)]
struct Tries<const ENDPOINT_WORDS: usize> {
    started: u32,
    refused: u32,
    answered: u32,
    endpoints: Distinct<ENDPOINT_WORDS>,
    hosts: Distinct<4>,
    ports: Distinct<4>,
    first_us: u64,
}

impl<const W: usize> Tries<W> {
    fn note(&mut self, event: &FlowEvent) {
        match event.kind {
            EventKind::Started => {
                if self.started == 0 {
                    self.first_us = event.order.at_us;
                }
                self.started += 1;
                self.endpoints.insert(hash_of(event.responder()));
                self.hosts.insert(hash_of(Endpoint { port: 0, ..event.responder() }));
                self.ports.insert(hash_of_port(event.responder().port));
            }
            EventKind::Refused => self.refused += 1,
            EventKind::Answered => self.answered += 1,
            _ => {}
        }
    }
}

/// Two periods added up.
struct Sum {
    started: u32,
    refused: u32,
    answered: u32,
    unanswered: u32,
    endpoints: u32,
    hosts: u32,
    ports: u32,
}

impl Sum {
    /// Who searches tries many ports of a host, or few ports on many hosts. Who meets peers (BitTorrent and its like) tries
    /// a port or two on each of many hosts, a different one on each, and most of those are gone as well.
    const PORTS_A_HOST_MIN: u32 = 8;
    const PORTS_MAX: u32 = 8;

    /// `young` flows may still be answered.
    fn of<const W: usize>((current, previous): (&Tries<W>, &Tries<W>), young: u32) -> Self {
        let (started, refused) = (current.started + previous.started, current.refused + previous.refused);
        let answered = current.answered + previous.answered;
        Self {
            started,
            refused,
            answered,
            unanswered: started.saturating_sub(young).saturating_sub(refused + answered),
            endpoints: current.endpoints.count() + previous.endpoints.count(),
            hosts: current.hosts.count() + previous.hosts.count(),
            ports: current.ports.count() + previous.ports.count(),
        }
    }

    fn failed(&self) -> u32 {
        self.refused + self.unanswered
    }

    fn is_search(&self, targets_min: u32, failed_share_min: f64) -> bool {
        let known = f64::from(self.answered + self.failed());
        self.endpoints >= targets_min
            && self.failed() >= targets_min
            && f64::from(self.failed()) >= failed_share_min * known
            && (self.endpoints >= self.hosts.saturating_mul(Self::PORTS_A_HOST_MIN)
                || self.ports <= Self::PORTS_MAX)
    }
}

/// Counters of one source.
#[derive(Debug, Clone, Default)]
pub(super) struct SourceState {
    minutes: Window<Tries<16>, 60_000_000>,
    hours: Window<Tries<4>, 3_600_000_000>,
    /// Flows started in this second and the one before: too young to count as unanswered.
    young: Window<u32, 1_000_000>,
    episode: Episode,
    slow: Episode,
    /// Why the search that is under way is a worm's, if it is.
    spreads: Option<Box<str>>,
}

impl SourceState {
    /// A slow search is over when it has been quiet for so long.
    const SLOW_GAP_US: u64 = 3_600_000_000;

    pub(super) fn observe(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        if !matches!(event.kind, EventKind::Started | EventKind::Refused | EventKind::Answered) {
            return None;
        }
        self.minutes.at(now).note(event);
        self.hours.at(now).note(event);
        let young = self.young.at(now);
        *young += u32::from(event.kind == EventKind::Started);
        let fast = Sum::of(self.minutes.both(), self.young_flows());
        if fast.is_search(thresholds.fan_out_targets, thresholds.fan_out_failed_share) {
            return self.tell_fast(event, &fast, thresholds);
        }
        if self.episode.is_running(now) {
            return None;
        }
        let slow = Sum::of(self.hours.both(), self.young_flows());
        slow.is_search(thresholds.slow_fan_out_targets, thresholds.slow_fan_out_failed_share)
            .then(|| self.tell_slow(event, &slow, thresholds))
            .flatten()
    }

    /// Distinct targets tried lately that did not answer, at most.
    pub(super) fn failed_targets(&self) -> u32 {
        let young = self.young_flows();
        let (fast, slow) = (Sum::of(self.minutes.both(), young), Sum::of(self.hours.both(), young));
        fast.failed().min(fast.endpoints).max(slow.failed().min(slow.endpoints))
    }

    /// The source is searching for one of few services on many hosts.
    pub(super) fn sweeps(&self, now_us: u64) -> bool {
        let (current, previous) = self.minutes.both();
        self.is_searching(now_us) && current.hosts.count().max(previous.hosts.count()) > 1
    }

    /// One of its searches is under way.
    pub(super) fn is_searching(&self, now_us: u64) -> bool {
        self.episode.is_running(now_us) || self.slow.is_running(now_us)
    }

    fn young_flows(&self) -> u32 {
        let (a, b) = self.young.both();
        a + b
    }

    fn tell_fast(&mut self, event: &FlowEvent, sum: &Sum, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let (current, previous) = self.minutes.both();
        let first_us = if previous.started > 0 {
            previous.first_us
        } else {
            current.first_us.max(self.minutes.since_us())
        };
        let began = self.episode.note(first_us, now, sum.failed())?;
        if began {
            self.spreads = None;
        }
        let more = if current.endpoints.is_saturated() { "more than " } else { "" };
        // The two minutes may have tried the same ones: the larger count is certain.
        let tried = current.endpoints.estimate().max(previous.endpoints.estimate());
        let hosts = current.hosts.estimate().max(previous.hosts.estimate());
        let tried = format!("{more}{tried}");
        Some(finding(event, sum, began, self.episode.first_us, hosts, &tried, thresholds.fan_out_targets))
    }

    fn tell_slow(&mut self, event: &FlowEvent, sum: &Sum, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let (current, previous) = self.hours.both();
        let first_us = if previous.started > 0 { previous.first_us } else { current.first_us };
        let began = self.slow.note_after(Self::SLOW_GAP_US, first_us, now, sum.failed())?;
        if began {
            self.spreads = None;
        }
        let tried = current.endpoints.estimate().max(previous.endpoints.estimate()).to_string();
        let hosts = current.hosts.estimate().max(previous.hosts.estimate());
        Some(finding(event, sum, began, self.slow.first_us, hosts, &tried, thresholds.slow_fan_out_targets))
    }

    pub(super) fn owns(&self, start_us: u64) -> bool {
        self.episode.covers(start_us) || self.slow.covers(start_us)
    }

    /// The search that is under way has turned out to be a worm's.
    pub(super) fn call_spreading(&mut self, why: &str) {
        self.spreads.get_or_insert_with(|| why.into());
    }

    /// Why the search that is under way is a worm's, if it is.
    pub(super) fn spreads(&self) -> Option<&str> {
        self.spreads.as_deref()
    }

    /// Hosts tried within a minute, about.
    pub(super) fn hosts(&self) -> u32 {
        let (current, previous) = self.minutes.both();
        current.hosts.estimate().max(previous.hosts.estimate())
    }

    pub(super) fn scope(&self, source: IpAddr) -> Scope {
        let category = if self.spreads.is_some() { Category::Spread } else { Category::Scan };
        Scope { category, source: Some(source), target: None, port: None }
    }
}

fn finding(
    event: &FlowEvent,
    sum: &Sum,
    began: bool,
    first_us: u64,
    hosts: u32,
    tried: &str,
    targets_min: u32,
) -> Finding {
    let (source, now) = (event.initiator().address, event.order.at_us);
    let what = if hosts <= 1 {
        format!("tried {tried} ports of one host")
    } else {
        format!("tried {tried} targets on {hosts} hosts")
    };
    let seconds = now.saturating_sub(first_us) as f64 / 1e6;
    let Sum { refused, unanswered, answered, .. } = sum;
    Finding {
        kind: BehaviourKind::FanOut,
        scope: Scope { category: Category::Scan, source: Some(source), target: None, port: None },
        source: Some(source),
        target: (hosts <= 1).then_some(event.responder().address),
        flows: sum.started,
        protocol: event.key.protocol(),
        began,
        first_us,
        last_us: now,
        strength: f64::from(sum.failed()) / f64::from(targets_min.max(1)),
        evidence: vec![
            format!("{what} in {seconds:.1} s"),
            format!("{refused} refused, {unanswered} without an answer, {answered} answered"),
        ],
    }
}
