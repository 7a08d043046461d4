//! What hides in ordinary conversations: calls like a clock, tunnels, uploads, answers for others, worms; and its benign twins.

use flowmeter::{Context, ContextKind, EndReason, Endpoint, EventKind, FlowEvent, FlowRecord, OneWay, Phase};

use super::{ATTACKER, START, VICTIM, begun, end, event};
use crate::detection::behaviour::{Behaviour, BehaviourKind, Finding, Thresholds};

/// A finished conversation: when, how long, who, over what, how much each way.
struct Talk {
    at_us: u64,
    lasts_us: u64,
    from: Endpoint,
    to: Endpoint,
    protocol: u8,
    packets: [u64; 2],
    bytes: [u64; 2],
    /// Smallest and largest payload the initiator sent.
    payloads: [u64; 2],
    name: Option<String>,
}

impl Talk {
    fn tcp(at_us: u64, from: Endpoint, to: Endpoint, bytes: [u64; 2]) -> Self {
        let (packets, payloads) = ([6, 5], [0, bytes[0].min(1460)]);
        Self { at_us, lasts_us: 100_000, from, to, protocol: 6, packets, bytes, payloads, name: None }
    }

    fn udp(at_us: u64, from: Endpoint, to: Endpoint, packets: [u64; 2], bytes: [u64; 2]) -> Self {
        let payloads = [bytes[0] / packets[0].max(1); 2];
        Self { at_us, lasts_us: 20_000, from, to, protocol: 17, packets, bytes, payloads, name: None }
    }

    fn event(&self, kind: EventKind, at_us: u64, packets: [u64; 2], bytes: [u64; 2]) -> FlowEvent {
        let mut told = event(kind, at_us, self.at_us, self.from, self.to, self.protocol);
        (told.packets, told.bytes) = (packets, bytes);
        told.order.phase = Phase::Packet;
        told.time_us = at_us.min(self.at_us + self.lasts_us);
        told
    }

    fn events(&self) -> Vec<FlowEvent> {
        let closes = self.at_us + self.lasts_us;
        let one = [self.bytes[0] / self.packets[0].max(1), self.bytes[1] / self.packets[1].max(1)];
        let mut told = vec![self.event(EventKind::Started, self.at_us, [1, 0], [one[0], 0])];
        if self.packets[1] > 0 {
            told.push(self.event(EventKind::Answered, self.at_us + 100, [1, 1], one));
        }
        if self.protocol == 6 {
            told.push(self.event(EventKind::Established, self.at_us + 200, [2, 1], [0, 0]));
            told.push(self.event(EventKind::Closed, closes, self.packets, self.bytes));
            told.push(self.event(
                EventKind::Ended(EndReason::Fin),
                closes + 1_000_000,
                self.packets,
                self.bytes,
            ));
        } else {
            told.push(self.event(
                EventKind::Ended(EndReason::Idle),
                closes + 60_000_000,
                self.packets,
                self.bytes,
            ));
        }
        told
    }

    fn record(&self, event: &FlowEvent) -> FlowRecord {
        let way = |n: usize| OneWay { packets: self.packets[n], bytes: self.bytes[n], ..OneWay::default() };
        let forward = OneWay { clipped_min: self.payloads[0], clipped_max: self.payloads[1], ..way(0) };
        FlowRecord {
            key: event.key,
            initiator_is_lower: event.initiator_is_lower,
            began_with_syn: event.began_with_syn,
            vlan: None,
            end_reason: Some(EndReason::Fin),
            flow_start_us: self.at_us,
            ordinal: 0,
            segment: 0,
            first_seq: 0,
            start_us: self.at_us,
            end_us: self.at_us + self.lasts_us,
            forward,
            backward: way(1),
            gap_squares: 0,
            forward_gap_squares: 0,
            gap_max_us: 0,
            time_steps_back: 0,
            context: None,
        }
    }
}

fn found(talks: impl Iterator<Item = Talk>) -> Vec<Finding> {
    let mut behaviour = Behaviour::new(Thresholds::default());
    let mut told: Vec<(FlowEvent, FlowRecord, Option<Context>)> = Vec::new();
    for talk in talks {
        let name = talk.name.as_ref().map(|name| Context::new(ContextKind::DnsName, name.as_bytes()));
        told.extend(talk.events().into_iter().map(|event| (event, talk.record(&event), name)));
    }
    told.sort_by_key(|(event, ..)| event.order.at_us);
    let mut findings = Vec::new();
    for (event, record, name) in &told {
        let record = matches!(event.kind, EventKind::Ended(_)).then_some((record, name.as_ref()));
        behaviour.observe(event, record, |finding| findings.push(finding));
    }
    findings
}

/// A number in [0, 1) for each n, the same in every run.
fn draw(n: u64) -> f64 {
    (n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1u64 << 24) as f64
}

/// Calls at `every_s`, each delayed by up to `jitter` of it either way.
fn calls(
    many: u64,
    every_s: f64,
    jitter: f64,
    bytes: impl Fn(u64) -> [u64; 2],
) -> impl Iterator<Item = Talk> {
    let mut at = START as f64;
    (0..many).map(move |n| {
        at += every_s * 1e6 * (1.0 + jitter * (2.0 * draw(n) - 1.0));
        let from = end([192, 168, 0, 7], 40_000 + n as u16);
        Talk::tcp(at as u64, from, end([203, 0, 113, 9], 8000), bytes(n))
    })
}

#[test]
fn an_implant_that_calls_home_with_jitter_is_a_beacon() {
    let findings = found(calls(60, 5.0, 0.3, |n| [180 + n % 20, 310]));
    assert_eq!(begun(&findings), [BehaviourKind::Beacon]);
    assert!(findings[0].evidence[0].starts_with("20 calls every 4.9 s"), "{:?}", findings[0].evidence);
    assert_eq!(findings[0].scope.target, Some([203, 0, 113, 9].into()));
}

#[test]
fn an_exact_interval_must_be_kept_for_long_and_people_keep_none() {
    assert_eq!(begun(&found(calls(60, 5.0, 0.0, |_| [180, 310]))), [], "a health check of five minutes");
    assert_eq!(begun(&found(calls(900, 5.0, 0.0, |_| [180, 310]))), [BehaviourKind::Beacon], "over an hour");
    let people = |n: u64| [300 + (draw(n * 7) * 900.0) as u64, (draw(n * 3) * 60_000.0) as u64];
    assert_eq!(begun(&found(calls(80, 8.0, 0.9, people))), [], "reading pages");
    let same_rhythm = |n: u64| [180, (draw(n * 3) * 60_000.0) as u64];
    assert_eq!(begun(&found(calls(80, 5.0, 0.3, same_rhythm))), [], "a feed whose answers differ");
}

#[test]
fn netlogon_tries_over_a_mapped_port_are_one_guessing() {
    let talks = (0..60u64).flat_map(|n| {
        let at = START + n * 300_000;
        let mapper = Talk::tcp(at, end(ATTACKER, 50_000 + n as u16), end(VICTIM, 135), [228, 212]);
        let call = Talk::tcp(at + 120_000, end(ATTACKER, 51_000 + n as u16), end(VICTIM, 49_670), [320, 140]);
        [mapper, call]
    });
    let findings = found(talks);
    assert_eq!(begun(&findings), [BehaviourKind::Repetition]);
    assert_eq!(findings[0].scope.port, Some(135));
    let few = (0..10u64).map(|n| {
        Talk::tcp(START + n * 3_000_000, end(ATTACKER, 50_000 + n as u16), end(VICTIM, 135), [228, 212])
    });
    assert_eq!(begun(&found(few)), [], "a client that looks up services");
}

#[test]
fn guessing_at_a_web_login_and_looking_for_files_are_told_apart() {
    let web = |many: u64, gap_us: u64, bytes: fn(u64) -> [u64; 2]| {
        (0..many).map(move |n| {
            let from = end(ATTACKER, 20_000 + n as u16);
            Talk::tcp(START + n * gap_us, from, end(VICTIM, 8080), bytes(n))
        })
    };
    let guesses = found(web(400, 100_000, |n| [200 + n % 9, 401]));
    assert_eq!(begun(&guesses), [BehaviourKind::Repetition]);
    let search = found(web(200, 100_000, |n| [120 + n % 70, if n % 11 == 0 { 5_000 + n } else { 460 }]));
    assert_eq!(begun(&search), [BehaviourKind::WebScan]);
    assert_eq!(begun(&found(web(400, 100_000, |_| [130, 250]))), [], "a health check");
    assert_eq!(
        begun(&found(web(300, 150_000, |n| [200 + n % 90, n * n % 40_000]))),
        [],
        "pages and pictures"
    );
}

#[test]
fn names_that_carry_data_and_a_channel_to_a_resolver_are_tunnels() {
    let asked = |many: u64, name: fn(u64) -> String| {
        (0..many).map(move |n| {
            let from = end([192, 168, 0, 7], 10_000 + n as u16);
            let ask = Talk::udp(START + n * 200_000, from, end([192, 168, 0, 1], 53), [1, 1], [60, 120]);
            Talk { name: Some(name(n)), ..ask }
        })
    };
    let carried = |n: u64| format!("{:040x}.t.lair.example", u128::from(n + 7).pow(3));
    let findings = found(asked(100, carried));
    assert_eq!(begun(&findings), [BehaviourKind::DnsTunnel]);
    assert!(findings[0].evidence[0].contains("lair.example"), "{:?}", findings[0].evidence);
    assert_eq!(begun(&found(asked(200, |n| format!("img{n}.cdn.example")))), [], "pictures of a page");
    assert_eq!(begun(&found(asked(200, |n| format!("{n}.2.0.192.in-addr.arpa")))), [], "reverse lookups");
    let channel = |question: u64| {
        let (from, to) = (end([192, 168, 0, 7], 10_000), end([192, 168, 0, 1], 53));
        let talk = Talk::udp(START, from, to, [600, 600], [600 * question, 600 * 180]);
        std::iter::once(Talk { lasts_us: 90_000_000, ..talk })
    };
    assert_eq!(begun(&found(channel(100))), [BehaviourKind::DnsTunnel]);
    assert_eq!(begun(&found(channel(150))), [BehaviourKind::DnsUpload], "answers that bring nothing");
    assert_eq!(begun(&found(channel(38))), [], "a forwarder with one port");
}

#[test]
fn echo_requests_of_many_sizes_carry_data_and_a_ping_does_not() {
    let pings = |bytes: [u64; 2], payloads: [u64; 2]| {
        let talk = Talk::udp(START, end(ATTACKER, 8), end(VICTIM, 0), [400, 400], bytes);
        std::iter::once(Talk { protocol: 1, payloads, lasts_us: 80_000_000, ..talk })
    };
    assert_eq!(begun(&found(pings([100_000, 300_000], [28, 1_052]))), [BehaviourKind::IcmpTunnel]);
    assert_eq!(begun(&found(pings([100_000, 100_000], [28, 1_052]))), [BehaviourKind::IcmpUpload]);
    assert_eq!(begun(&found(pings([400_000, 400_000], [1_000, 1_000]))), [], "a ping of large packets");
    assert_eq!(begun(&found(pings([2_000_000, 2_000_000], [1_400, 1_400]))), [BehaviourKind::IcmpUpload]);
}

#[test]
fn answers_for_somebody_else_are_amplification_on_either_side() {
    let reflectors = (0..400u64).map(|n| {
        let from = end((0x2d00_0000 + n as u32 % 40).to_be_bytes(), 53);
        Talk::udp(START + n * 10_000, from, end(VICTIM, 30_000 + n as u16), [1, 0], [1_300, 0])
    });
    let findings = found(reflectors);
    assert_eq!(begun(&findings), [BehaviourKind::Amplification]);
    assert_eq!((findings[0].source, findings[0].target), (None, Some(VICTIM.into())));
    let asked = |answer: fn(u64) -> u64| {
        (0..400u64).map(move |n| {
            let from = end([198, 51, 100, 7], 30_000 + n as u16);
            Talk::udp(START + n * 10_000, from, end([10, 0, 0, 53], 53), [1, 1], [40, answer(n)])
        })
    };
    let findings = found(asked(|_| 900));
    assert_eq!(begun(&findings), [BehaviourKind::Amplification]);
    assert_eq!(findings[0].target, Some([198, 51, 100, 7].into()), "who gets the answers is the victim");
    assert_eq!(begun(&found(asked(|n| 200 + n * 37 % 900))), [], "a resolver at work");
    assert_eq!(begun(&found(asked(|_| 120))), [], "small answers");
}

#[test]
fn much_that_leaves_the_house_for_one_peer_is_an_upload_unless_everybody_goes_there() {
    let sent = |from: [u8; 4], peer: [u8; 4], bytes: [u64; 2]| {
        (0..6u64).map(move |n| {
            let talk = Talk::tcp(START + n * 30_000_000, end(from, 40_000 + n as u16), end(peer, 443), bytes);
            Talk { lasts_us: 25_000_000, ..talk }
        })
    };
    let (inside, outside) = ([192, 168, 0, 7], [203, 0, 113, 9]);
    let heavy = [8_000_000, 60_000];
    assert_eq!(begun(&found(sent(inside, outside, heavy))), [BehaviourKind::Upload]);
    assert_eq!(begun(&found(sent(inside, [192, 168, 0, 9], heavy))), [], "a backup inside");
    assert_eq!(begun(&found(sent(outside, inside, heavy))), [], "an upload to us");
    assert_eq!(begun(&found(sent(inside, outside, [8_000_000, 7_000_000]))), [], "a call with pictures");
    let everybody = (1..6u8).flat_map(|host| sent([192, 168, 0, host], outside, [500, 500]));
    assert_eq!(begun(&found(everybody.chain(sent(inside, outside, heavy)))), [], "a service of the house");
}

/// Tries on 60 hosts of which every tenth listens and takes in `bytes`.
fn sweep(from: [u8; 4], at_us: u64, bytes: u64) -> Vec<Talk> {
    (1..=60u8)
        .map(|n| {
            let (from, to) = (end(from, 40_000), end([10, 0, 0, n], 445));
            let at_us = at_us + u64::from(n) * 300_000;
            if n.is_multiple_of(10) {
                Talk::tcp(at_us, from, to, [bytes, 300])
            } else {
                let talk = Talk::tcp(at_us, from, to, [0, 0]);
                Talk { packets: [1, 0], ..talk }
            }
        })
        .collect()
}

#[test]
fn a_worm_is_told_when_it_delivers_and_when_its_victim_goes_on() {
    let first = sweep(ATTACKER, START, 4_000);
    let second = sweep([10, 0, 0, 50], START + 60_000_000, 4_000);
    let findings = attempts(first.into_iter().chain(second));
    let spread: Vec<_> =
        findings.iter().filter(|f| f.began && f.kind == BehaviourKind::Spread).map(|f| f.source).collect();
    assert!(spread.contains(&Some(ATTACKER.into())), "{findings:?}");
    assert!(spread.contains(&Some([10, 0, 0, 50].into())), "{findings:?}");
    let knocking = attempts(knocks([192, 168, 0, 7], [203, 0, 113], 445));
    assert_eq!(begun(&knocking), [BehaviourKind::Spread], "an inside host at the doors of the outside");
    assert_eq!(begun(&attempts(knocks([192, 168, 0, 7], [203, 0, 113], 8443))), [BehaviourKind::FanOut]);
    assert_eq!(begun(&attempts(knocks([203, 0, 113, 5], [192, 168, 0], 445))), [BehaviourKind::FanOut]);
    let scanner = attempts(sweep(ATTACKER, START, 90).into_iter());
    assert_eq!(begun(&scanner), [BehaviourKind::FanOut], "who only looks is a scanner");
}

/// Tries on 60 hosts of a network of which none answers.
fn knocks(from: [u8; 4], [a, b, c]: [u8; 3], port: u16) -> impl Iterator<Item = Talk> {
    (1..=60u8).map(move |n| {
        let at_us = START + u64::from(n) * 300_000;
        let talk = Talk::tcp(at_us, end(from, 40_000), end([a, b, c, n], port), [0, 0]);
        Talk { packets: [1, 0], ..talk }
    })
}

/// As [`found`], where what nobody answers only starts.
fn attempts(talks: impl Iterator<Item = Talk>) -> Vec<Finding> {
    let (answered, silent): (Vec<Talk>, Vec<Talk>) = talks.partition(|talk| talk.packets[1] > 0);
    let mut told: Vec<(FlowEvent, FlowRecord)> = Vec::new();
    for talk in &answered {
        told.extend(talk.events().into_iter().map(|event| (event, talk.record(&event))));
    }
    for talk in &silent {
        let event = talk.event(EventKind::Started, talk.at_us, [1, 0], [0, 0]);
        told.push((event, talk.record(&event)));
    }
    told.sort_by_key(|(event, _)| event.order.at_us);
    let (mut behaviour, mut findings) = (Behaviour::new(Thresholds::default()), Vec::new());
    for (event, record) in &told {
        let record = matches!(event.kind, EventKind::Ended(_)).then_some((record, None));
        behaviour.observe(event, record, |finding| findings.push(finding));
    }
    findings
}

#[test]
fn a_scan_that_takes_its_time_is_still_a_scan() {
    let slow = (0..90u64).map(|n| {
        let talk =
            Talk::tcp(START + n * 20_000_000, end(ATTACKER, 40_000), end(VICTIM, n as u16 + 1), [0, 0]);
        Talk { packets: [1, 0], ..talk }
    });
    let findings = attempts(slow);
    assert_eq!(begun(&findings), [BehaviourKind::FanOut]);
    assert!(findings[0].last_us - findings[0].first_us > 600_000_000, "{:?}", findings[0].evidence);
}

#[test]
fn thresholds_read_as_configuration_refuse_what_they_do_not_know() {
    let read = |text: &str| serde_json::from_str::<Thresholds>(text);
    let some = read(r#"{"flood_flows": 900, "beacon_score": 0.9}"#).unwrap();
    assert_eq!(some, Thresholds { flood_flows: 900, beacon_score: 0.9, ..Thresholds::default() });
    let wrong = read(r#"{"flood_flow": 900}"#).unwrap_err().to_string();
    assert!(wrong.contains("flood_flow") && wrong.contains("flood_flows"), "{wrong}");
    let written = serde_json::to_string(&Thresholds::default()).unwrap();
    assert_eq!(read(&written).unwrap(), Thresholds::default());
}
