//! One source at one service: how often it comes, how long it stays, and whether it is let in.

use std::net::IpAddr;

use flowmeter::{EndReason, EventKind, FlowEvent};

use super::episode::Episode;
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// A source and the service it talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    pub(super) source: IpAddr,
    pub(super) target: IpAddr,
    pub(super) port: u16,
    pub(super) protocol: u8,
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

    /// Remote procedure calls on Windows are asked for at one port and made at another, drawn from the dynamic range: both
    /// are one service. Gives the pair to look for when this one may be such a call.
    pub(super) fn endpoint_mapper(self) -> Option<Self> {
        const DYNAMIC_PORTS_START: u16 = 49_152;
        (self.protocol == 6 && self.port >= DYNAMIC_PORTS_START)
            .then_some(Self { port: ENDPOINT_MAPPER, ..self })
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
    how_often: fn(&Thresholds) -> u32,
}

/// Where a Windows host says at which port a remote procedure is called.
pub(super) const ENDPOINT_MAPPER: u16 = 135;
const KERBEROS: u16 = 88;

const fn login(ports: &'static [u16], bytes_min: u64, bytes_max: u64) -> LoginService {
    LoginService { ports, bytes_min, bytes_max, how_often: |thresholds| thresholds.repetition_flows }
}

const LOGIN_SERVICES: [LoginService; 7] = [
    // FTP and Telnet, POP3 and IMAP: a banner and a few short lines.
    login(&[21, 23, 110, 143], 40, 330),
    // SSH: a key exchange and up to six refusals.
    login(&[22, 2222], 1_500, 5_500),
    // Over TLS: a handshake with certificates, and little else (submission, LDAPS, FTPS, IMAPS, POP3S).
    login(&[465, 587, 636, 990, 993, 995], 1_500, 7_000),
    // Databases and directories: SQL Server, Oracle, MySQL, PostgreSQL, LDAP.
    login(&[389, 1433, 1521, 3306, 5432], 60, 1_500),
    // Windows shares and remote desktop.
    login(&[139, 445, 3389], 400, 6_000),
    // VNC.
    login(&[5900, 5901], 30, 400),
    // Netlogon and its like by remote procedure call, and Kerberos errors: some are ordinary, many a minute are not.
    LoginService {
        ports: &[KERBEROS, ENDPOINT_MAPPER],
        bytes_min: 150,
        bytes_max: 700,
        how_often: |thresholds| thresholds.repetition_rpc_flows,
    },
];

/// How many conversations of so many bytes with this port are guessing; none when one does not look like a refused try.
fn tries_min(port: u16, bytes: u64, thresholds: &Thresholds) -> Option<u32> {
    LOGIN_SERVICES
        .iter()
        .find(|s| s.ports.contains(&port) && (s.bytes_min..=s.bytes_max).contains(&bytes))
        .map(|s| (s.how_often)(thresholds))
}

impl PairState {
    /// A conversation that ends sooner is a try, not a session.
    const TRY_DURATION_MAX_US: u64 = 30_000_000;

    /// `service` is the port of the pair that this state is of.
    pub(super) fn observe(
        &mut self,
        event: &FlowEvent,
        service: u16,
        thresholds: &Thresholds,
    ) -> Option<Finding> {
        match event.kind {
            EventKind::Started => self.started(event, thresholds),
            EventKind::Established => self.established(event, thresholds),
            EventKind::Closed => {
                self.open = self.open.saturating_sub(u32::from(event.established));
                event.established.then(|| self.tried(event, service, thresholds)).flatten()
            }
            // A UDP flow does not close; a refusal there is one answer.
            EventKind::Answered if event.key.protocol() == 17 && service == KERBEROS => {
                self.tried(event, service, thresholds)
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
        let strength = share(started, thresholds.request_flood_flows);
        Some(finding(
            BehaviourKind::RequestFlood,
            event,
            started,
            &self.request_flood,
            began,
            strength,
            evidence,
        ))
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
        let strength = share(self.open, thresholds.hoard_flows);
        Some(finding(BehaviourKind::Hoard, event, self.open, &self.hoard, began, strength, evidence))
    }

    fn tried(&mut self, event: &FlowEvent, service: u16, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        if now.saturating_sub(event.flow_start_us) > Self::TRY_DURATION_MAX_US {
            return None;
        }
        let tries_min = tries_min(service, event.bytes[0] + event.bytes[1], thresholds)?;
        let minute = self.minutes.at(now);
        if minute.short == 0 {
            minute.first_us = event.flow_start_us;
        }
        minute.short += 1;
        let (current, previous) = self.minutes.both();
        let short = current.short + previous.short;
        if short < tries_min {
            return None;
        }
        let first_us = if previous.short > 0 { previous.first_us } else { current.first_us };
        let began = self.repetition.note(first_us, now, short)?;
        let seconds = now.saturating_sub(first_us) as f64 / 1e6;
        let evidence = vec![format!(
            "{short} short conversations with a login service (port {service}) in {seconds:.1} s"
        )];
        let strength = share(short, tries_min);
        let found =
            finding(BehaviourKind::Repetition, event, short, &self.repetition, began, strength, evidence);
        Some(Finding { scope: Self::scope(BehaviourKind::Repetition, event, service), ..found })
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

    /// What this source does here already has a name.
    pub(super) fn is_named(&self, now_us: u64) -> bool {
        self.request_flood.is_running(now_us) || self.repetition.is_running(now_us)
    }

    pub(super) fn scope(kind: BehaviourKind, event: &FlowEvent, service: u16) -> Scope {
        let category = kind.category();
        let target = Some(event.responder().address);
        // A flood is told by its victim, so that one from many sources is one incident.
        if matches!(kind, BehaviourKind::Repetition) {
            Scope { category, source: Some(event.initiator().address), target, port: Some(service) }
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
    strength: f64,
    evidence: Vec<String>,
) -> Finding {
    Finding {
        kind,
        scope: PairState::scope(kind, event, event.responder().port),
        source: Some(event.initiator().address),
        target: Some(event.responder().address),
        flows,
        protocol: event.key.protocol(),
        began,
        first_us: episode.first_us,
        last_us: event.order.at_us,
        strength,
        evidence,
    }
}

/// Evidence as a multiple of its threshold.
fn share(count: u32, threshold: u32) -> f64 {
    f64::from(count) / f64::from(threshold.max(1))
}

/// The end of a flow that has already been told of as closed.
fn has_closed(event: &FlowEvent) -> bool {
    matches!(event.kind, EventKind::Ended(EndReason::Fin | EndReason::Rst))
}
