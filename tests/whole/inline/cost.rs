//! What each part of the line costs a question and its answer: rules, rings that nobody reads, and the sensor that reads them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::line::Line;
use super::traffic::{conversation, quantile, serve};
use super::{sensor, settings};
use crate::run::Place;

/// Half of the questions are answered faster: of those asked every five milliseconds, and of those asked one upon the other.
fn latency(line: &Line) -> [f64; 2] {
    let patience = Duration::from_secs(10);
    [(240, Duration::from_millis(5)), (6_000, Duration::ZERO)].map(|(questions, pause)| {
        let mut took = conversation(line, questions, pause, patience).join().unwrap();
        assert_eq!(took.len(), questions, "a question was not answered");
        quantile(&mut took, 0.5).as_nanos() as f64 / 1e3
    })
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "minutes of measuring: make test-inline"]
fn where_the_microseconds_go() {
    let Some(line) = Line::new("inline::cost::where_the_microseconds_go") else { return };
    serve(&line);
    const ROUNDS: usize = 9;
    let place = Place::new(&settings(""));
    let mut seen: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
    let mut note = |what: &'static str| {
        let found = latency(&line);
        let all = seen.entry(what).or_default();
        all.iter_mut().zip(found).for_each(|(all, found)| all.push(found));
    };
    for _ in 0..ROUNDS {
        note("a bare bridge");
        // The rules as the sensor writes them, without a sensor.
        let daemon = sensor(&line, &place);
        let rules = String::from_utf8(line.nft(&["list", "table", "bridge", "taphound"]).stdout).unwrap();
        std::thread::sleep(Duration::from_millis(500));
        note("e the sensor at work");
        daemon.signal("STOP");
        note("d rules and rings, the sensor standing still");
        assert!(line.nft(&["delete", "table", "bridge", "taphound"]).status.success());
        note("c rings alone, the sensor standing still");
        daemon.signal("CONT");
        daemon.end();
        std::fs::write(place.path("rules.nft"), rules).unwrap();
        let file = place.path("rules.nft").display().to_string();
        assert!(line.nft(&["-f", &file]).status.success());
        note("b rules alone");
        assert!(line.nft(&["delete", "table", "bridge", "taphound"]).status.success());
    }
    let bare = seen["a bare bridge"].clone();
    for (what, [spaced, pressed]) in &seen {
        let over = |all: &[f64], bare: &[f64]| {
            let mut ratios: Vec<f64> = all.iter().zip(bare).map(|(a, b)| a / b).collect();
            let mut added: Vec<f64> = all.iter().zip(bare).map(|(a, b)| a - b).collect();
            (median(&mut all.to_vec()), median(&mut added), median(&mut ratios))
        };
        let (at, added, ratio) = over(spaced, &bare[0]);
        let (pressed_at, pressed_added, pressed_ratio) = over(pressed, &bare[1]);
        println!(
            "measured cost, {ROUNDS} rounds: {what}: every 5 ms {at:.1} us (+{added:.1}, ratio {ratio:.3}); back to back {pressed_at:.1} us (+{pressed_added:.1}, ratio {pressed_ratio:.3})"
        );
    }
}
