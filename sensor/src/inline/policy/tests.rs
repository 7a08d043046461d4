//! What is stopped and what is not, case by case.

use std::net::IpAddr;

use model::Category;
use store::record::Cidr;

use super::{Decision, Refused, decide};
use crate::config::Inline;
use crate::config::inline::{Scope, SourceProof};
use crate::inline::ledger::{Block, Cap, Ledger};
use crate::inline::protected::Protected;
use crate::inline::suspicion::{Proof, SuspectFlow, Suspicion};
use crate::inline::target::Target;

const NOW_US: u64 = 1_800_000_000_000_000;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn attacker() -> IpAddr {
    ip("203.0.113.9")
}

fn suspicion() -> Suspicion {
    Suspicion {
        incident: "incident".into(),
        category: Category::Bruteforce,
        source: Some(attacker()),
        target: Some(ip("10.0.0.5")),
        port: Some(22),
        protocol: 6,
        by_behaviour: true,
        strength: 2.0,
        final_score: 0.0,
        provisional_score: 0.0,
        last_us: NOW_US,
        proof: Proof { started: 10, proven: 8 },
        encapsulated: None,
        flows: Vec::new(),
        reason: "many logins".into(),
    }
}

fn flow(score: f64, proven: bool) -> SuspectFlow {
    SuspectFlow {
        id: "flow".into(),
        source: (attacker(), 4000),
        target: (ip("10.0.0.5"), 22),
        protocol: 6,
        score,
        provisional: true,
        proven,
    }
}

fn ledger(settings: &Inline) -> Ledger {
    Ledger::new(settings, 1)
}

fn block(id: u64, target: Target, offence: u32) -> Block {
    Block {
        id,
        target,
        category: Some(Category::Bruteforce),
        subject: Some("incident".into()),
        owner: "sensor".into(),
        reason: String::new(),
        created_us: NOW_US,
        expires_us: NOW_US + 600_000_000,
        offence,
        dropped_packets: 0,
        unenforceable: false,
    }
}

const SERVICE: fn() -> Target = || Target::Service { source: attacker(), protocol: 6, port: 22 };

/// What comes of a suspicion, in a word: the target, or why not.
fn outcome(settings: &Inline, suspicion: &Suspicion) -> String {
    let protected = Protected::only(&["192.0.2.1".parse::<Cidr>().unwrap()]);
    match decide(settings, &protected, &ledger(settings), suspicion, NOW_US) {
        Decision::Block { target, .. } => target.to_string(),
        Decision::Refuse(refused) => refused.name().to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn each_case_has_its_outcome() {
    type Change = fn(&mut Inline, &mut Suspicion);
    let cases: &[(&str, Change, &str)] = &[
        ("brute force", |_, _| {}, "203.0.113.9 -> tcp port 22"),
        ("a scan", |_, s| s.category = Category::Scan, "203.0.113.9"),
        ("a call home loses its peer", |_, s| s.category = Category::C2, "203.0.113.9 -> 10.0.0.5"),
        ("enough for an alert only", |_, s| s.strength = 1.2, "weak"),
        ("its category is off", |i, _| i.scope.bruteforce = Scope::Off, "off"),
        ("many sources", |_, s| s.source = None, "no_target"),
        ("no flow was answered with data", |_, s| s.proof.proven = 0, "unproven"),
        ("a forger beside the real host", |_, s| s.proof = Proof { started: 100, proven: 20 }, "unproven"),
        (
            "the network drops forged sources",
            |i, s| (i.source_proof, s.proof.proven) = (SourceProof::None, 0),
            "203.0.113.9 -> tcp port 22",
        ),
        ("the gateway", |_, s| s.source = Some(ip("192.0.2.1")), "protected"),
        ("in a tunnel", |_, s| s.encapsulated = Some("VXLAN"), "unenforceable"),
        ("ports that are many", |_, s| s.port = None, "203.0.113.9 -> 10.0.0.5"),
        (
            "the forest, final",
            |_, s| (s.by_behaviour, s.final_score) = (false, 0.99),
            "203.0.113.9 -> tcp port 22",
        ),
        ("the forest, below its threshold", |_, s| (s.by_behaviour, s.final_score) = (false, 0.9), "weak"),
        (
            "nothing but a provisional score",
            |_, s| (s.by_behaviour, s.provisional_score) = (false, 0.99),
            "provisional",
        ),
        (
            "a provisional score, allowed",
            |i, s| (i.provisional, s.by_behaviour, s.provisional_score) = (true, false, 0.99),
            "203.0.113.9 -> tcp port 22",
        ),
        (
            "an unproven source with one real conversation",
            |_, s| (s.proof.proven, s.flows) = (0, vec![flow(0.99, true)]),
            "flow 203.0.113.9:4000 -> 10.0.0.5:22 protocol 6",
        ),
        (
            "an unproven source with an unproven conversation",
            |_, s| (s.proof.proven, s.flows) = (0, vec![flow(0.99, false)]),
            "unproven",
        ),
    ];
    for (name, change, expected) in cases {
        let (mut settings, mut suspicion) = (Inline::default(), suspicion());
        change(&mut settings, &mut suspicion);
        assert_eq!(outcome(&settings, &suspicion), *expected, "{name}");
    }
}

#[test]
fn repeated_offences_are_stopped_longer_up_to_the_longest() {
    let settings = Inline::default();
    let mut ledger = ledger(&settings);
    let mut lasted = Vec::new();
    for n in 1..=6 {
        let decision = decide(&settings, &Protected::default(), &ledger, &suspicion(), NOW_US);
        let Decision::Block { target, ttl_us, offence, .. } = decision else { panic!("{decision:?}") };
        lasted.push(ttl_us / 1_000_000);
        ledger.put(block(n, target, offence), true);
        ledger.take(n);
    }
    assert_eq!(lasted, [600, 2_400, 9_600, 38_400, 86_400, 86_400]);
    ledger.forgive(&SERVICE());
    assert_eq!(ledger.offences(attacker(), NOW_US), 5);
    let later = NOW_US + u64::from(settings.forget_s) * 1_000_000;
    assert_eq!(ledger.offences(attacker(), later), 0, "it is forgotten");
}

#[test]
fn what_is_stopped_and_goes_on_is_stopped_for_longer_when_half_of_it_is_over() {
    let settings = Inline::default();
    let mut ledger = ledger(&settings);
    ledger.put(block(1, SERVICE(), 1), true);
    let decide_at = |now_us: u64, last_us: u64| {
        let suspicion = Suspicion { last_us, ..suspicion() };
        decide(&settings, &Protected::default(), &ledger, &suspicion, now_us)
    };
    let (early, late) = (NOW_US + 200_000_000, NOW_US + 400_000_000);
    assert_eq!(decide_at(early, early), Decision::Stands { id: 1 });
    assert_eq!(decide_at(late, late), Decision::Prolong { id: 1, expires_us: late + 600_000_000 });
    assert_eq!(decide_at(late, NOW_US - 1), Decision::Stands { id: 1 }, "it does not go on");
}

#[test]
fn the_caps_hold() {
    let settings = Inline { blocks_per_minute: 3, blocks_max: 5, ..Inline::default() };
    let mut ledger = ledger(&settings);
    let put = |ledger: &mut Ledger, n: u64, at_us: u64| {
        let target = Target::Source(IpAddr::from([10, 0, 0, n as u8]));
        ledger.put(Block { created_us: at_us, ..block(n, target, 1) }, true);
    };
    for n in 1..=3 {
        put(&mut ledger, n, NOW_US);
    }
    let refused = |ledger: &Ledger, now_us| match decide(
        &settings,
        &Protected::default(),
        ledger,
        &suspicion(),
        now_us,
    ) {
        Decision::Refuse(refused) => Some(refused),
        _ => None,
    };
    assert_eq!(refused(&ledger, NOW_US), Some(Refused::Capped(Cap::PerMinute)));
    let later = NOW_US + 60_000_000;
    assert_eq!(refused(&ledger, later), None);
    put(&mut ledger, 4, later);
    put(&mut ledger, 5, later);
    assert_eq!(refused(&ledger, later), Some(Refused::Capped(Cap::Total)));
    ledger.take(1);
    assert_eq!(refused(&ledger, later), None);
}
