//! Incidents group, cap, settle, merge and forget as written.

use std::net::IpAddr;

use model::Category;

use super::{Incidents, scope_of};
use crate::detection::{BehaviourKind, Detection, Incident, Opinion, Scope, Severity};

const START: u64 = 1_700_000_000_000_000;

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn detection(id: &str, category: Category, from: IpAddr, to: IpAddr, at_us: u64) -> Detection {
    Detection {
        id: id.to_owned(),
        opinion: Opinion::Forest,
        category,
        score: 0.8,
        confidence: 0.7,
        novelty: None,
        source: Some(from),
        source_port: Some(40_000),
        target: Some(to),
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

fn add(incidents: &mut Incidents, detection: Detection) -> super::Place {
    let (source, target, port) =
        (detection.source.unwrap(), detection.target.unwrap(), detection.target_port.unwrap());
    incidents.add(scope_of(detection.category, source, target, port), detection, 0.0, |_| {}).0
}

#[test]
fn detections_group_by_what_their_category_is_about() {
    let cases = [
        (Category::Scan, (1, 2), (1, 3), true),
        (Category::Scan, (1, 2), (4, 2), false),
        (Category::Dos, (1, 2), (4, 2), true),
        (Category::Dos, (1, 2), (1, 3), false),
        (Category::Bruteforce, (1, 2), (1, 2), true),
        (Category::Bruteforce, (1, 2), (4, 2), false),
        (Category::C2, (1, 2), (1, 2), true),
        (Category::C2, (1, 2), (1, 3), false),
    ];
    for (category, first, second, together) in cases {
        let mut incidents = Incidents::default();
        add(&mut incidents, detection("a", category, ip(first.0), ip(first.1), START));
        add(&mut incidents, detection("b", category, ip(second.0), ip(second.1), START + 1_000_000));
        let count = incidents.all.values().count();
        assert_eq!(count, if together { 1 } else { 2 }, "{category} {first:?} {second:?}");
    }
}

#[test]
fn a_long_silence_begins_another_incident() {
    let mut incidents = Incidents::default();
    add(&mut incidents, detection("a", Category::Scan, ip(1), ip(2), START));
    add(&mut incidents, detection("b", Category::Scan, ip(1), ip(2), START + 599_000_000));
    assert_eq!(incidents.all.values().count(), 1);
    add(&mut incidents, detection("c", Category::Scan, ip(1), ip(2), START + 1_300_000_000));
    assert_eq!(incidents.all.values().count(), 2);
    let ids: Vec<&str> = incidents.all.values().map(|i| i.id.as_str()).collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn beyond_so_many_alerts_detections_are_counted() {
    let mut incidents = Incidents::default();
    let mut explained = 0;
    for n in 0..1000 {
        let detection = detection(&n.to_string(), Category::Scan, ip(1), ip(2), START + n);
        incidents.add(scope_of(Category::Scan, ip(1), ip(2), 22), detection, 0.0, |_| explained += 1);
    }
    let incident = incidents.all.values().next().unwrap();
    assert_eq!((incident.detections, incident.alerts.len()), (1000, Incident::ALERTS_MAX));
    assert_eq!(explained, Incident::ALERTS_MAX, "reasons are worked out for what is shown only");
}

#[test]
fn a_single_suspicion_of_the_forest_is_shown_to_nobody() {
    let mut incidents = Incidents::default();
    let suspect = |n: usize| detection(&n.to_string(), Category::Dos, ip(1), ip(2), START + n as u64);
    for n in 1..Incident::FOREST_DETECTIONS_MIN {
        add(&mut incidents, suspect(n));
        assert_eq!(incidents.iter().count(), 0, "{n} detections");
    }
    let place = add(&mut incidents, suspect(Incident::FOREST_DETECTIONS_MIN));
    assert_eq!(incidents.iter().count(), 1);
    // Once shown it stays visible, whatever is taken back.
    incidents.settle(place, &Incident::FOREST_DETECTIONS_MIN.to_string(), START + 9, None);
    assert_eq!(incidents.iter().count(), 1);
}

#[test]
fn what_no_flow_shows_alone_takes_a_counter() {
    for category in
        [Category::C2, Category::Exfiltration, Category::Tunnel, Category::Amplification, Category::Spread]
    {
        let mut incidents = Incidents::default();
        let suspect = |n: usize| detection(&n.to_string(), category, ip(1), ip(2), START + n as u64);
        for n in 0..50 {
            add(&mut incidents, suspect(n));
        }
        assert_eq!(incidents.iter().count(), 0, "{category}: a suspicion, however often");
        let scope = scope_of(category, ip(1), ip(2), 22);
        let counted = Detection { opinion: Opinion::Behaviour(BehaviourKind::Beacon), ..suspect(50) };
        incidents.add(scope, counted, 1.0, |_| {});
        assert_eq!(incidents.iter().map(|i| i.detections).collect::<Vec<_>>(), [51], "{category}");
    }
}

#[test]
fn suspicions_far_apart_confirm_each_other_only_once_their_flows_have_ended() {
    let minutes = |n: u64| START + n * 120_000_000;
    let mut incidents = Incidents::default();
    let places: Vec<_> = (0..8)
        .map(|n| add(&mut incidents, detection(&n.to_string(), Category::Dos, ip(1), ip(2), minutes(n))))
        .collect();
    assert_eq!(incidents.iter().count(), 0, "eight in sixteen minutes, all provisional");
    for (n, place) in places.iter().enumerate().take(Incident::FOREST_DETECTIONS_MIN) {
        assert_eq!(incidents.iter().count(), 0, "{n} have ended");
        incidents.settle(*place, &n.to_string(), minutes(20), Some(0.9));
    }
    assert_eq!(incidents.iter().count(), 1);
}

#[test]
fn an_incident_of_nothing_but_revised_alerts_is_revised() {
    let mut incidents = Incidents::default();
    let first = add(&mut incidents, detection("a", Category::Dos, ip(1), ip(2), START));
    let second = add(&mut incidents, detection("b", Category::Dos, ip(1), ip(2), START));
    incidents.settle(first, "a", START + 5000, None);
    assert!(!incidents.all.values().next().unwrap().is_revised());
    incidents.settle(second, "b", START + 9000, None);
    let incident = incidents.all.values().next().unwrap();
    assert!(incident.is_revised() && incident.alerts.iter().all(|a| a.revised && !a.provisional));
    assert_eq!(incident.severity(), Severity::Low);
}

#[test]
fn a_flood_swallows_what_it_looked_like_before_it_was_recognised() {
    let mut incidents = Incidents::default();
    let early = add(&mut incidents, detection("early", Category::Scan, ip(1), ip(2), START));
    add(&mut incidents, detection("elsewhere", Category::Scan, ip(7), ip(9), START));
    let scope = Scope { category: Category::Dos, source: None, target: Some(ip(2)), port: None };
    let mut flood = detection("flood", Category::Dos, ip(1), ip(2), START);
    flood.opinion = Opinion::Behaviour(BehaviourKind::Flood);
    incidents.add(scope, flood, 1.0, |_| {});
    incidents.count_flows(scope, 500);
    incidents.absorb(scope, |other| other.target() == Some(ip(2)));
    incidents.count_flow(scope, START + 1);
    let found: Vec<(Category, u64, u64)> =
        incidents.all.values().map(|i| (i.scope.category, i.detections, i.flows)).collect();
    assert_eq!(found, [(Category::Scan, 1, 1), (Category::Dos, 2, 501)]);
    let moved = incidents.take_changes(|_| {});
    assert_eq!(moved.len(), 1);
    // The detection that was merged away is still settled where it went.
    incidents.settle(early, "early", START + 7000, None);
    let flood = incidents.all.values().find(|i| i.scope == scope).unwrap();
    assert!(flood.alerts.iter().any(|a| a.id == "early" && a.revised));
    assert!(!flood.is_revised(), "a behaviour counter stands behind it");
}

#[test]
fn the_oldest_incident_is_forgotten_when_there_are_too_many() {
    let mut incidents = Incidents::default();
    for n in 0..(Incidents::KEPT_MAX as u32 + 10) {
        let from = IpAddr::from((0x0a00_0000 + n).to_be_bytes());
        for _ in 0..Incident::FOREST_DETECTIONS_MIN {
            add(&mut incidents, detection("x", Category::Scan, from, ip(2), START + u64::from(n)));
        }
    }
    assert_eq!(incidents.all.values().count(), Incidents::KEPT_MAX);
    assert_eq!(incidents.forgotten(), 10);
}

#[test]
fn an_alert_is_told_of_once_even_when_its_incident_is_swallowed() {
    let mut incidents = Incidents::default();
    let mut told: Vec<String> = Vec::new();
    let mut tell = |incidents: &mut Incidents| {
        incidents.take_changes(|incident| told.extend(incident.untold().map(|alert| alert.id.clone())));
    };
    // One is told of before it is swallowed, one after, and both have alerts that nobody knows then.
    for n in 0..8 {
        add(&mut incidents, detection(&format!("dos {n}"), Category::Dos, ip(1), ip(2), START + n));
        if n == 5 {
            tell(&mut incidents);
        }
    }
    for n in 0..7 {
        add(&mut incidents, detection(&format!("scan {n}"), Category::Scan, ip(1), ip(2), START + n));
        if n == 5 {
            tell(&mut incidents);
        }
    }
    let scope = scope_of(Category::Scan, ip(1), ip(2), 22);
    add(&mut incidents, detection("dos 8", Category::Dos, ip(1), ip(2), START + 20));
    incidents.absorb(scope, |other| other.scope.category == Category::Dos);
    add(&mut incidents, detection("scan 7", Category::Scan, ip(1), ip(2), START + 30));
    tell(&mut incidents);
    tell(&mut incidents);
    told.sort();
    let mut all: Vec<String> = (0..9).map(|n| format!("dos {n}")).collect();
    all.extend((0..8).map(|n| format!("scan {n}")));
    assert_eq!(told, all);
}
