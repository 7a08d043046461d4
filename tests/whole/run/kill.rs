//! `kill -9` of the sensor at random moments of a scan that does not end: the store opens, at most a second is lost, and of the
//! labels that were acknowledged none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use sensor::control::client::Client;
use serde_json::{Value, json};

use super::scans::{PORTS, Scans};
use super::{Daemon, Place, form, wall_us};
use crate::live::ran_in_namespace;
use crate::live_wire::sender::Sender;

/// Ids of the alerts in the database, and when the newest one was shown.
fn kept(place: &Place) -> (BTreeSet<String>, u64) {
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let verdict: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    let mut query = database.prepare("SELECT id, shown_us FROM alerts").unwrap();
    let rows = query
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        .unwrap();
    let (mut ids, mut newest) = (BTreeSet::new(), 0);
    for (id, shown_us) in rows.map(Result::unwrap) {
        newest = newest.max(shown_us);
        ids.insert(id);
    }
    (ids, newest)
}

/// Labels one alert after another until the sensor is gone; gives the reasons of the labels that it acknowledged.
fn label_until_killed(socket: &std::path::Path, round: u64) -> Vec<String> {
    let mut kept = Vec::new();
    let Ok(mut client) = Client::connect(socket) else { return kept };
    while let Ok(alerts) = client.ask("alerts", json!({"limit": 1})) {
        let Some(id) = alerts["items"][0]["id"].as_str() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        let reason = format!("{round}-{}", kept.len());
        let label = json!({"subject": id, "label": "attack", "category": "scan", "reason": reason});
        let Ok(answer) = client.ask("labels/give", json!({"labels": [label]})) else { break };
        assert_eq!(answer["labelled"], 1, "{answer}");
        kept.push(reason);
    }
    kept
}

/// Microseconds since the epoch of an EVE timestamp, `2026-11-21T14:00:00.123456+0000`.
fn eve_us(line: &Value) -> u64 {
    let text = line["timestamp"].as_str().unwrap();
    let number = |from: usize, to: usize| text[from..to].parse::<i64>().unwrap();
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    // Howard Hinnant's days_from_civil.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era_days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = era_days * 86_400 + number(11, 13) * 3600 + number(14, 16) * 60 + number(17, 19);
    u64::try_from(seconds * 1_000_000 + number(20, 26)).unwrap()
}

#[test]
fn a_killed_sensor_keeps_its_store_and_loses_at_most_a_second() {
    if ran_in_namespace("run::kill::a_killed_sensor_keeps_its_store_and_loses_at_most_a_second") {
        return;
    }
    let rounds = form(10, 1_000);
    let place = Place::new("interfaces = [\"far0\"]");
    let (stop, source) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (over, at) = (Arc::clone(&stop), Arc::clone(&source));
    // Goes on through every kill, as attackers do.
    let sending = std::thread::spawn(move || {
        let mut sender = Sender::on("near0");
        while !over.load(Ordering::Relaxed) {
            let mut scans = Scans::from(at.fetch_add(1, Ordering::Relaxed));
            sender.send_at(600, f64::from(2 * PORTS) / 600.0, |sender| scans.send(sender));
        }
    });
    let mut state = u64::from(std::process::id()) << 20 | 1;
    let (mut told, mut worst_us, mut worst_gap_us, mut held, mut labels) = (0, 0, 0, 0, 0);
    for round in 0..rounds {
        let daemon = Daemon::start(&place);
        let socket = place.path("control.sock");
        let labelling = std::thread::spawn(move || label_until_killed(&socket, round));
        std::thread::sleep(Duration::from_micros(300_000 + crate::store::random(&mut state) % 700_000));
        daemon.kill();
        let killed_us = wall_us();
        let acknowledged = labelling.join().unwrap();
        for reason in &acknowledged {
            let there = place.count(&format!("SELECT count(*) FROM labels WHERE reason = '{reason}'"));
            assert_eq!(there, 1, "round {round}: label {reason} of {} was acknowledged", acknowledged.len());
        }
        labels += acknowledged.len();
        let (ids, newest_us) = kept(&place);
        assert!(ids.len() >= held, "round {round}: alerts of earlier rounds are gone");
        let eve = place.eve("eve.json");
        let lost = eve.iter().filter(|line| !ids.contains(line["taphound"]["id"].as_str().unwrap()));
        let lost_us = lost.map(eve_us).min().map_or(0, |at_us| killed_us.saturating_sub(at_us));
        worst_us = worst_us.max(lost_us);
        assert!(lost_us <= 1_000_000, "round {round}: an alert of {lost_us} us before the kill is lost");
        if ids.len() > held {
            worst_gap_us = worst_gap_us.max(killed_us.saturating_sub(newest_us));
        }
        (told, held) = (eve.len(), ids.len());
        // What was lost is not looked for again.
        std::fs::remove_file(place.path("eve.json")).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    sending.join().unwrap();
    let last = Daemon::start(&place).end();
    println!(
        "measured sensor: {rounds} kills, {} scanners, {held} alerts kept ({told} told in the last round), \
         {labels} acknowledged labels all kept, sound every time; \
         oldest lost alert {} ms before its kill, newest kept one at most {} ms before it; then it ended well: {}",
        source.load(Ordering::Relaxed),
        worst_us / 1000,
        worst_gap_us / 1000,
        last["message"]
    );
    assert!(held as u64 > rounds, "{held} alerts are too few to show anything");
    assert!(labels as u64 > rounds, "{labels} labels are too few to show anything");
    assert!(form(true, worst_gap_us <= 1_000_000), "nothing newer than {worst_gap_us} us was kept");
}
