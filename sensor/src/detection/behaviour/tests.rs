//! Behaviour counters on streams of events: what is an attack, what only looks like one, and that memory is bounded.

mod hidden;

use std::net::{IpAddr, Ipv4Addr};

use flowmeter::{EndReason, Endpoint, EventKind, EventOrder, FlowEvent, FlowKey, Phase};

use super::{Behaviour, BehaviourKind, Finding, Thresholds};

fn end(address: [u8; 4], port: u16) -> Endpoint {
    Endpoint { address: IpAddr::V4(Ipv4Addr::from(address)), port }
}

fn event(
    kind: EventKind,
    at_us: u64,
    start_us: u64,
    from: Endpoint,
    to: Endpoint,
    protocol: u8,
) -> FlowEvent {
    let (key, initiator_is_lower) = FlowKey::new(from, to, protocol, None, None, false);
    FlowEvent {
        order: EventOrder { epoch: 0, at_us, phase: Phase::Packet, seq: 0, sub: 0 },
        kind,
        key,
        initiator_is_lower,
        began_with_syn: protocol == 6,
        began_cleanly: true,
        established: matches!(kind, EventKind::Established | EventKind::Closed | EventKind::Ended(_)),
        flow_start_us: start_us,
        ordinal: 0,
        segment: 0,
        time_us: at_us,
        packets: [6, 6],
        bytes: if kind == EventKind::Started { [0, 0] } else { [1000, 1500] },
        record: None,
    }
}

/// One attempt at a service, and how it goes.
#[derive(Clone, Copy)]
enum Goes {
    Unanswered,
    Refused,
    /// Answered and used, then closed after so many microseconds.
    Served(u64),
    /// Answered and used, never closed.
    Held,
}

/// Feeds attempts `(time, from, to, goes)` in order and gives what was found.
fn found(protocol: u8, attempts: impl Iterator<Item = (u64, Endpoint, Endpoint, Goes)>) -> Vec<Finding> {
    let mut behaviour = Behaviour::new(Thresholds::default());
    let mut events = Vec::new();
    for (at, from, to, goes) in attempts {
        let mut tell = |kind, after| events.push(event(kind, at + after, at, from, to, protocol));
        tell(EventKind::Started, 0);
        match goes {
            Goes::Unanswered => {}
            Goes::Refused => tell(EventKind::Refused, 100),
            Goes::Served(duration) => {
                tell(EventKind::Answered, 100);
                tell(EventKind::Established, 200);
                tell(EventKind::Closed, duration);
                tell(EventKind::Ended(EndReason::Fin), duration + 1_000_000);
            }
            Goes::Held => {
                tell(EventKind::Answered, 100);
                tell(EventKind::Established, 200);
            }
        }
    }
    events.sort_by_key(|e| e.order.at_us);
    let mut findings = Vec::new();
    for event in &events {
        behaviour.observe(event, None, |finding| findings.push(finding));
    }
    findings
}

fn begun(findings: &[Finding]) -> Vec<BehaviourKind> {
    findings.iter().filter(|f| f.began).map(|f| f.kind).collect()
}

const START: u64 = 1_700_000_000_000_000;
const ATTACKER: [u8; 4] = [10, 9, 9, 9];
const VICTIM: [u8; 4] = [192, 168, 0, 1];

#[test]
fn a_port_scan_is_one_episode_whoever_answers() {
    for (name, goes) in [("closed ports", Goes::Refused), ("a firewall", Goes::Unanswered)] {
        let attempts =
            (0..400u16).map(|n| (START + u64::from(n) * 20_000, end(ATTACKER, 40_000), end(VICTIM, n), goes));
        let findings = found(6, attempts);
        assert_eq!(begun(&findings), [BehaviourKind::FanOut], "{name}");
        let first = &findings[0];
        assert_eq!((first.source, first.target), (Some(ATTACKER.into()), Some(VICTIM.into())), "{name}");
    }
}

#[test]
fn a_sweep_over_hosts_is_a_scan_without_one_target() {
    let attempts = (0..100u8).map(|n| {
        (START + u64::from(n) * 50_000, end(ATTACKER, 40_000), end([10, 0, 0, n], 445), Goes::Unanswered)
    });
    let findings = found(6, attempts);
    assert_eq!(begun(&findings), [BehaviourKind::FanOut]);
    assert_eq!(findings[0].target, None);
}

#[test]
fn a_busy_client_whose_servers_answer_is_no_scanner() {
    let attempts = (0..200u8).map(|n| {
        let goes = if n % 10 == 0 { Goes::Unanswered } else { Goes::Served(300_000) };
        (START + u64::from(n) * 50_000, end(ATTACKER, 20_000 + u16::from(n)), end([10, 0, 1, n], 443), goes)
    });
    assert_eq!(begun(&found(6, attempts)), []);
}

#[test]
fn who_looks_for_peers_is_no_scanner() {
    let attempts = (0..400u32).map(|n| {
        let peer = end((0x5000_0000 + n * 7919).to_be_bytes(), 10_000 + (n * 131 % 50_000) as u16);
        (START + u64::from(n) * 100_000, end(ATTACKER, 6881), peer, Goes::Unanswered)
    });
    assert_eq!(begun(&found(17, attempts)), []);
}

#[test]
fn a_few_closed_ports_are_no_scan() {
    let attempts = (0..20u16).map(|n| {
        (START + u64::from(n) * 10_000, end(ATTACKER, 40_000), end(VICTIM, 8000 + n), Goes::Refused)
    });
    assert_eq!(begun(&found(6, attempts)), []);
}

#[test]
fn a_conversation_met_in_its_middle_says_nothing() {
    let mut behaviour = Behaviour::new(Thresholds::default());
    for n in 0..500u16 {
        let at = START + u64::from(n) * 1000;
        let mut middle = event(EventKind::Started, at, at, end(VICTIM, 443), end(ATTACKER, 10_000 + n), 6);
        middle.began_cleanly = false;
        middle.began_with_syn = false;
        behaviour.observe(&middle, None, |finding| panic!("{finding:?}"));
    }
}

#[test]
fn a_syn_flood_from_anywhere_is_one_flood() {
    let spoofed = (0..5000u32).map(|n| {
        let source = end((0x0b00_0000 + n.wrapping_mul(2_654_435_761) % 0x00ff_ffff).to_be_bytes(), 1024);
        (START + u64::from(n) * 200, source, end(VICTIM, 80), Goes::Unanswered)
    });
    let findings = found(6, spoofed);
    assert_eq!(begun(&findings), [BehaviourKind::Flood]);
    assert_eq!((findings[0].source, findings[0].target), (None, Some(VICTIM.into())));
}

#[test]
fn a_busy_server_is_not_flooded() {
    let clients = (0..5000u32).map(|n| {
        let client = end((0x0b00_0000 + n % 900).to_be_bytes(), 1024 + (n % 60_000) as u16);
        (START + u64::from(n) * 2_000, client, end(VICTIM, 443), Goes::Served(50_000))
    });
    assert_eq!(begun(&found(6, clients)), []);
    let resolver = (0..5000u32).map(|n| {
        let client = end((0x0b00_0000 + n % 900).to_be_bytes(), 1024 + (n % 60_000) as u16);
        (START + u64::from(n) * 500, client, end(VICTIM, 53), Goes::Served(2_000))
    });
    assert_eq!(begun(&found(17, resolver)), []);
}

#[test]
fn one_client_that_never_stops_asking_is_a_request_flood() {
    let attempts = (0..3000u16).map(|n| {
        (START + u64::from(n) * 4_000, end(ATTACKER, 1024 + n), end(VICTIM, 80), Goes::Served(3_000))
    });
    assert_eq!(begun(&found(6, attempts)), [BehaviourKind::RequestFlood]);
}

#[test]
fn holding_very_many_connections_is_told_and_holding_a_few_is_not() {
    let held = |many: u16| {
        (0..many)
            .map(|n| (START + u64::from(n) * 50_000, end(ATTACKER, 1024 + n), end(VICTIM, 80), Goes::Held))
    };
    assert_eq!(begun(&found(6, held(150))), [BehaviourKind::Hoard]);
    assert_eq!(begun(&found(6, held(40))), []);
}

#[test]
fn guessing_at_a_login_service_is_told_and_a_web_page_is_not() {
    let tries = |port: u16| {
        (0..30u16).map(move |n| {
            (
                START + u64::from(n) * 700_000,
                end(ATTACKER, 1024 + n),
                end(VICTIM, port),
                Goes::Served(500_000),
            )
        })
    };
    let findings = found(6, tries(22));
    assert_eq!(begun(&findings), [BehaviourKind::Repetition]);
    assert_eq!(findings[0].scope.port, Some(22));
    assert_eq!(begun(&found(6, tries(443))), []);
}

#[test]
fn a_flow_belongs_to_the_episode_that_it_started_in() {
    let mut behaviour = Behaviour::new(Thresholds::default());
    let flood = |n: u32| {
        let at = START + u64::from(n) * 500;
        event(EventKind::Started, at, at, end((0x0b00_0000 + n).to_be_bytes(), 1024), end(VICTIM, 80), 6)
    };
    let owned = (0..2000).filter(|&n| behaviour.observe(&flood(n), None, |_| {}).is_some()).count();
    assert!(owned > 1500, "{owned} flows were owned");
    let (during, after) = (flood(1000), flood(60_000_000));
    assert!(behaviour.owner(&during).is_some());
    assert!(behaviour.owner(&after).is_none());
}

#[test]
fn a_million_sources_take_no_more_memory_than_the_tables_have() {
    let mut behaviour = Behaviour::new(Thresholds::default());
    for n in 0..200_000u32 {
        let at = START + u64::from(n) * 1000;
        let from = end(n.wrapping_mul(2_654_435_761).to_be_bytes(), 1024);
        behaviour.observe(
            &event(EventKind::Started, at, at, from, end(n.to_be_bytes(), 80), 6),
            None,
            |_| {},
        );
    }
    assert_eq!(behaviour.sources.len(), Behaviour::SOURCES_MAX.get());
    assert_eq!(behaviour.targets.len(), Behaviour::TARGETS_MAX.get());
    assert_eq!(behaviour.pairs.len(), Behaviour::PAIRS_MAX.get());
}
