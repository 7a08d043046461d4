//! One source at one service: how often it comes, how long it stays, and whether it is let in.

use std::net::IpAddr;

use flowmeter::{EndReason, EventKind, FlowEvent};

use super::window::Window;
use super::{BehaviourKind, Episode, Finding, Scope, Thresholds};

/// A source and the service it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    source: IpAddr,
    target: IpAddr,
    port: u16,
    protocol: u8,
}

impl Pair {
    pub(super) fn of(event: &FlowEvent) -> Self {
        Self {
            source: event.initiator().address,
            target: event.responder().address,
            port: event.responder().port,
            protocol: event.key.protocol(),
        }
    }
}

#[derive(Debug, Clone, Default)]
struct Minute {
    short: u32,
    first_us: u64,
}

#[derive(Debug, Clone, Default)]
struct TenSeconds {
    started: u32,
    first_us: u64,
}

/// Counters of one pair.
#[derive(Debug, Clone, Default)]
pub(super) struct PairState {
    tens: Window<TenSeconds, 10_000_000>,
    minutes: Window<Minute, 60_000_000>,
    open: u32,
    open_since_us: u64,
    request_flood: Episode,
    hoard: Episode,
    repetition: Episode,
}

/// A service where somebody is asked who they are, and how many bytes (both ways, layer-4 payload) a refused try takes:
/// the key exchange and a few passwords, but not a session that was let in. A try with fewer than `bytes_min` has not come
/// as far as a password. Measured on the lab's servers and on public captures of guessing tools.
struct LoginService {
    ports: &'static [u16],
    bytes_min: u64,
    bytes_max: u64,
}

const LOGIN_SERVICES: [LoginService; 6] = [
    // FTP and Telnet, POP3 and IMAP: a banner and a few short lines.
    LoginService { ports: &[21, 23, 110, 143], bytes_min: 40, bytes_max: 330 },
    // SSH: a key exchange and up to six refusals.
    LoginService { ports: &[22, 2222], bytes_min: 1_500, bytes_max: 5_500 },
    // Over TLS: a handshake with certificates, and little else (submission, LDAPS, FTPS, IMAPS, POP3S).
    LoginService { ports: &[465, 587, 636, 990, 993, 995], bytes_min: 1_500, bytes_max: 7_000 },
    // Databases and directories: SQL Server, Oracle, MySQL, PostgreSQL, LDAP.
    LoginService { ports: &[389, 1433, 1521, 3306, 5432], bytes_min: 60, bytes_max: 1_500 },
    // Windows shares and remote desktop.
    LoginService { ports: &[139, 445, 3389], bytes_min: 400, bytes_max: 6_000 },
    // VNC.
    LoginService { ports: &[5900, 5901], bytes_min: 30, bytes_max: 400 },
];

/// Whether a conversation of so many bytes with this port looks like a refused try.
fn is_try(port: u16, bytes: u64) -> bool {
    LOGIN_SERVICES.iter().any(|s| s.ports.contains(&port) && (s.bytes_min..=s.bytes_max).contains(&bytes))
}

impl PairState {
    /// A conversation that ends sooner is a try, not a session.
    const TRY_DURATION_MAX_US: u64 = 30_000_000;

    pub(super) fn observe(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        match event.kind {
            EventKind::Started => self.started(event, thresholds),
            EventKind::Established => self.established(event, thresholds),
            EventKind::Closed => {
                self.open = self.open.saturating_sub(u32::from(event.established));
                self.closed(event, thresholds)
            }
            EventKind::Ended(_) => {
                self.open = self.open.saturating_sub(u32::from(event.established && !has_closed(event)));
                None
            }
            _ => None,
        }
    }

    fn started(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let ten = self.tens.at(now);
        if ten.started == 0 {
            ten.first_us = now;
        }
        ten.started += 1;
        let (current, previous) = self.tens.both();
        let started = current.started + previous.started;
        if event.key.protocol() != 6 || started < thresholds.request_flood_flows {
            return None;
        }
        let first_us = if previous.started > 0 { previous.first_us } else { current.first_us };
        let began = self.request_flood.note(first_us, now, started)?;
        let seconds = (now.saturating_sub(first_us) as f64 / 1e6).max(0.001);
        let evidence = vec![format!(
            "{started} connections to one service in {seconds:.1} s ({:.0}/s)",
            f64::from(started) / seconds
        )];
        Some(finding(BehaviourKind::RequestFlood, event, started, &self.request_flood, began, evidence))
    }

    fn established(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        if event.key.protocol() != 6 {
            return None;
        }
        if self.open == 0 {
            self.open_since_us = event.flow_start_us;
        }
        self.open += 1;
        if self.open < thresholds.hoard_flows {
            return None;
        }
        let began = self.hoard.note(self.open_since_us, event.order.at_us, self.open)?;
        let evidence = vec![format!("holds {} connections to one service open at once", self.open)];
        Some(finding(BehaviourKind::Hoard, event, self.open, &self.hoard, began, evidence))
    }

    fn closed(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let a_try = event.established
            && now.saturating_sub(event.flow_start_us) <= Self::TRY_DURATION_MAX_US
            && is_try(event.responder().port, event.bytes[0] + event.bytes[1]);
        if !a_try {
            return None;
        }
        let minute = self.minutes.at(now);
        if minute.short == 0 {
            minute.first_us = event.flow_start_us;
        }
        minute.short += 1;
        let (current, previous) = self.minutes.both();
        let short = current.short + previous.short;
        if short < thresholds.repetition_flows {
            return None;
        }
        let first_us = if previous.short > 0 { previous.first_us } else { current.first_us };
        let began = self.repetition.note(first_us, now, short)?;
        let seconds = now.saturating_sub(first_us) as f64 / 1e6;
        let evidence = vec![format!(
            "{short} short conversations with a login service (port {}) in {seconds:.1} s",
            event.responder().port
        )];
        Some(finding(BehaviourKind::Repetition, event, short, &self.repetition, began, evidence))
    }

    pub(super) fn owns(&self, start_us: u64) -> Option<BehaviourKind> {
        [
            (&self.repetition, BehaviourKind::Repetition),
            (&self.request_flood, BehaviourKind::RequestFlood),
            (&self.hoard, BehaviourKind::Hoard),
        ]
        .into_iter()
        .find_map(|(episode, kind)| episode.covers(start_us).then_some(kind))
    }

    pub(super) fn scope(kind: BehaviourKind, event: &FlowEvent) -> Scope {
        let category = kind.category();
        let target = Some(event.responder().address);
        // A flood is told by its victim, so that one from many sources is one incident.
        if matches!(kind, BehaviourKind::Repetition) {
            let port = Some(event.responder().port);
            Scope { category, source: Some(event.initiator().address), target, port }
        } else {
            Scope { category, source: None, target, port: None }
        }
    }
}

fn finding(
    kind: BehaviourKind,
    event: &FlowEvent,
    flows: u32,
    episode: &Episode,
    began: bool,
    evidence: Vec<String>,
) -> Finding {
    Finding {
        kind,
        scope: PairState::scope(kind, event),
        source: Some(event.initiator().address),
        target: Some(event.responder().address),
        flows,
        protocol: event.key.protocol(),
        began,
        first_us: episode.first_us,
        last_us: event.order.at_us,
        evidence,
    }
}

/// The end of a flow that has already been told of as closed.
fn has_closed(event: &FlowEvent) -> bool {
    matches!(event.kind, EventKind::Ended(EndReason::Fin | EndReason::Rst))
}
