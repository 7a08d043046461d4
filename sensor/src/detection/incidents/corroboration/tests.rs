//! Witnesses find their incident, in whichever order both come, and never one that they do not fit.

use std::net::IpAddr;

use model::Category;
use store::record::Witness;

use crate::detection::incidents::{Incidents, scope_of};
use crate::detection::witness::{Heard, Joining, Waiting};
use crate::detection::{Detection, Incident, Opinion};

const START: u64 = 1_700_000_000_000_000;
const SECOND: u64 = 1_000_000;
const JOINING: Joining = Joining { window_us: 60 * SECOND, confirm_severity: 2 };

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn detection(n: u16, at_us: u64) -> Detection {
    Detection {
        id: format!("{n}"),
        opinion: Opinion::Forest,
        category: Category::Bruteforce,
        score: 0.8,
        confidence: 0.7,
        novelty: None,
        source: Some(ip(1)),
        source_port: Some(40_000 + n),
        target: Some(ip(2)),
        target_port: Some(22),
        protocol: 6,
        first_us: at_us,
        last_us: at_us + 1000,
        provisional: true,
        revised: false,
        weighs: true,
        reasons: Vec::new(),
    }
}

fn heard(n: u16, at_us: u64) -> Heard {
    Heard {
        source: (ip(1), Some(40_000 + n)),
        target: (ip(2), Some(22)),
        protocol: 6,
        witness: Witness {
            engine: "suricata".into(),
            generator: 1,
            signature_id: 7,
            signature: "guessing".into(),
            class: "c".into(),
            severity: 1,
            first_us: at_us,
            last_us: at_us,
            alerts: 1,
            community_id: None,
            joined_by: String::new(),
        },
    }
}

fn listening() -> Incidents {
    let mut incidents = Incidents::default();
    incidents.listen(JOINING);
    incidents
}

fn add(incidents: &mut Incidents, n: u16) {
    let scope = scope_of(Category::Bruteforce, ip(1), ip(2), 22);
    incidents.add(scope, detection(n, START + u64::from(n)), 0.0, |_| {});
}

fn shown(incidents: &mut Incidents) -> Vec<Incident> {
    incidents.take_changes(|_| {});
    incidents.iter().cloned().collect()
}

#[test]
fn whoever_comes_first_both_are_witnesses_of_one_incident() {
    for before in [true, false] {
        let mut incidents = listening();
        if before {
            incidents.hear(heard(3, START));
        }
        (0..8).for_each(|n| add(&mut incidents, n));
        if !before {
            incidents.take_changes(|_| {});
            incidents.hear(heard(3, START));
        }
        let shown = shown(&mut incidents);
        assert_eq!(shown.len(), 1, "before: {before}");
        let witness = &shown[0].witnesses[0];
        assert_eq!((witness.signature_id, witness.joined_by.as_str()), (7, "flow"), "before: {before}");
        assert_eq!(
            shown[0].reasons().last().unwrap().to_string(),
            "suricata saw it, too: guessing (1:7)",
            "before: {before}"
        );
        assert_eq!((incidents.witnesses().heard, incidents.witnesses().joined), (1, 1));
    }
}

#[test]
fn a_second_witness_confirms_one_suspicion_of_the_same_conversation_alone() {
    let one = |change: &dyn Fn(&mut Heard), joining: Joining| {
        let mut incidents = Incidents::default();
        incidents.listen(joining);
        add(&mut incidents, 0);
        let mut alert = heard(0, START);
        change(&mut alert);
        incidents.hear(alert);
        let count = shown(&mut incidents).len();
        assert_eq!(incidents.witnesses().confirmed, count as u64);
        count
    };
    let swap = |h: &mut Heard| std::mem::swap(&mut h.source, &mut h.target);
    assert_eq!(one(&|_| {}, JOINING), 1);
    assert_eq!(one(&swap, JOINING), 1, "seen from the other side");
    assert_eq!(one(&|h| h.source.1 = Some(1), JOINING), 0, "another conversation");
    assert_eq!(one(&|h| h.protocol = 17, JOINING), 0, "another protocol");
    assert_eq!(one(&|h| h.witness.severity = 3, JOINING), 0, "a rule that only informs");
    assert_eq!(one(&|h| h.witness.first_us += 120 * SECOND, JOINING), 0, "long after");
    assert_eq!(one(&|_| {}, Joining { confirm_severity: 0, ..JOINING }), 0, "switched off");
}

#[test]
fn what_is_shown_is_joined_by_who_and_when_too_and_by_nothing_less() {
    let joined = |change: &dyn Fn(&mut Heard)| {
        let mut incidents = listening();
        (0..8).for_each(|n| add(&mut incidents, n));
        let mut alert = heard(100, START);
        change(&mut alert);
        incidents.hear(alert);
        shown(&mut incidents)[0].witnesses.first().map(|w| w.joined_by.clone())
    };
    assert_eq!(joined(&|_| {}).as_deref(), Some("ends"));
    assert_eq!(joined(&|h| h.source.0 = ip(9)), None, "another attacker");
    assert_eq!(joined(&|h| h.target.0 = ip(9)), None, "another victim");
    assert_eq!(joined(&|h| h.target.1 = Some(80)), None, "another service");
    assert_eq!(joined(&|h| h.witness.first_us -= 61 * SECOND), None, "long before");
    assert_eq!(joined(&|h| h.witness.first_us += 62 * SECOND), None, "long after");
}

#[test]
fn a_rule_is_kept_once_and_only_so_many_are() {
    let mut incidents = listening();
    (0..8).for_each(|n| add(&mut incidents, n));
    for n in 0..100_u64 {
        let mut alert = heard(0, START + n);
        alert.witness.signature_id = n % 20;
        incidents.hear(alert);
    }
    let witnesses = &shown(&mut incidents)[0].witnesses;
    assert_eq!(witnesses.len(), Incident::WITNESSES_MAX);
    assert_eq!((witnesses[0].alerts, witnesses[0].first_us, witnesses[0].last_us), (5, START, START + 80));
    assert_eq!(incidents.witnesses().joined, 100);
}

#[test]
fn what_fits_nothing_waits_and_the_oldest_is_let_go() {
    let mut incidents = listening();
    incidents.hear(heard(0, START));
    for n in 0..Waiting::MAX {
        let mut other = heard(0, START);
        other.source.0 = IpAddr::from([172, 16, (n >> 8) as u8, n as u8]);
        incidents.hear(other);
    }
    (0..8).for_each(|n| add(&mut incidents, n));
    assert!(shown(&mut incidents)[0].witnesses.is_empty(), "it had been let go");
    assert_eq!((incidents.witnesses().heard, incidents.witnesses().joined), (Waiting::MAX as u64 + 1, 0));
}

#[test]
fn who_is_not_listened_to_costs_nothing() {
    let mut incidents = Incidents::default();
    incidents.hear(heard(0, START));
    (0..8).for_each(|n| add(&mut incidents, n));
    assert!(shown(&mut incidents)[0].witnesses.is_empty());
    assert_eq!(incidents.witnesses().heard, 0);
}
