//! One target: how fast new flows come in, and how many of them are ever used.

use std::net::IpAddr;

use flowmeter::{Endpoint, EventKind, FlowEvent};
use model::Category;

use super::episode::Episode;
use super::sketch::{Distinct, hash_of, hash_of_port};
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// What one target saw in a second.
#[derive(Debug, Clone, Default)]
struct Second {
    started: u32,
    used: u32,
    /// Payload that first packets brought.
    bytes: u64,
    ports: Distinct<16>,
    senders: Distinct<16>,
    sources: Distinct<16>,
    first_us: u64,
}

/// Counters of one target.
#[derive(Debug, Clone, Default)]
pub(super) struct TargetState {
    seconds: Window<Second, 1_000_000>,
    episode: Episode,
    flows: u32,
}

impl TargetState {
    /// A scan visits a port once; a flood comes back to it, or is far larger than the ports a scan asks for.
    const FLOWS_A_PORT_MIN: u32 = 3;
    const SCAN_FLOWS_MAX: u32 = 3_000;
    /// A scanner's first packets are empty or a short question; a flood's are not.
    const PROBE_BYTES_MAX: u64 = 48;

    pub(super) fn observe(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let second = self.seconds.at(now);
        match event.kind {
            EventKind::Started => {
                if second.started == 0 {
                    second.first_us = now;
                }
                second.started += 1;
                second.bytes += event.bytes[0];
                second.ports.insert(hash_of_port(event.responder().port));
                second.senders.insert(hash_of(event.initiator()));
                second.sources.insert(hash_of(Endpoint { port: 0, ..event.initiator() }));
            }
            // A TCP flow is used once its initiator goes on after the handshake, any other once it is answered.
            EventKind::Established if event.key.protocol() == 6 => second.used += 1,
            EventKind::Answered if event.key.protocol() != 6 => second.used += 1,
            _ => return None,
        }
        self.judge(event, thresholds)
    }

    fn judge(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let (current, previous) = self.seconds.both();
        let started = current.started + previous.started;
        let used = current.used + previous.used;
        let ports = current.ports.count() + previous.ports.count();
        let unused = f64::from(used) < thresholds.flood_used_share * f64::from(started);
        let comes_back = started >= ports.saturating_mul(Self::FLOWS_A_PORT_MIN);
        let outgrows_scan = started >= Self::SCAN_FLOWS_MAX
            && (current.senders.is_saturated() || previous.senders.is_saturated());
        let heavy = current.bytes + previous.bytes >= u64::from(started) * Self::PROBE_BYTES_MAX;
        if started < thresholds.flood_flows || !unused || !(comes_back || outgrows_scan || heavy) {
            return None;
        }
        let first_us = if previous.started > 0 { previous.first_us } else { current.first_us };
        self.flows = if self.episode.is_running(now) { self.flows.saturating_add(1) } else { started };
        let began = self.episode.note(first_us, now, self.flows)?;
        let sources = current.sources.estimate().max(previous.sources.estimate());
        let more =
            if current.sources.is_saturated() || previous.sources.is_saturated() { "more than " } else { "" };
        let plural = if sources == 1 { "" } else { "s" };
        let seconds = (now.saturating_sub(self.episode.first_us) as f64 / 1e6).max(0.001);
        Some(Finding {
            kind: BehaviourKind::Flood,
            scope: Self::scope(event.responder().address),
            source: (sources == 1).then_some(event.initiator().address),
            target: Some(event.responder().address),
            flows: self.flows,
            protocol: event.key.protocol(),
            began,
            first_us: self.episode.first_us,
            last_us: now,
            strength: f64::from(started) / f64::from(thresholds.flood_flows.max(1)),
            evidence: vec![
                format!("{} new flows in {seconds:.1} s from {more}{sources} source{plural}", self.flows),
                format!("{used} of the last {started} were ever used"),
            ],
        })
    }

    pub(super) fn is_under_flood(&self, now_us: u64) -> bool {
        const RECENT_US: u64 = 5_000_000;
        self.episode.last_us > 0 && now_us.saturating_sub(self.episode.last_us) <= RECENT_US
    }

    pub(super) fn owns(&self, start_us: u64) -> bool {
        self.episode.covers(start_us)
    }

    pub(super) fn scope(target: IpAddr) -> Scope {
        Scope { category: Category::Dos, source: None, target: Some(target), port: None }
    }
}
