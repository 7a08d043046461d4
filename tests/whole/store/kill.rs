//! `kill -9` at random moments: nothing acknowledged is lost, and at most a second of the rest.

use std::io::Read;
use std::time::{Duration, Instant};

use super::{Said, assert_sound, lost_us, random, rounds, start};

#[test]
#[allow(clippy::disallowed_methods)] // the test is about time
fn a_killed_writer_loses_no_acknowledged_label_and_at_most_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut state = u64::from(std::process::id()) << 20 | 1;
    let (mut worst_us, mut labels, mut flows) = (0, Vec::new(), 0);
    let rounds = rounds(12, 1_000);
    for round in 0..rounds {
        let began = Instant::now();
        let mut child = start(&path, (round + 1) * 10_000_000, &[]);
        std::thread::sleep(Duration::from_micros(20_000 + random(&mut state) % 180_000));
        child.kill().unwrap();
        let lived = u64::try_from(began.elapsed().as_micros()).unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        let said = Said::of(text.lines());
        labels.extend(&said.labels);
        flows += said.offered.len() * 20;
        let first = (round + 1) * 10_000_000;
        // Checking a label takes a query each: the last rounds' are enough, and all of them at the end.
        let recent = &labels[labels.len().saturating_sub(200)..];
        let held = assert_sound(&path, recent, &format!("round {round}"));
        let held: Vec<u64> = held.into_iter().filter(|number| *number >= first).collect();
        worst_us = worst_us.max(lost_us(&said, &held, lived));
    }
    assert_sound(&path, &labels, "at the end");
    println!(
        "     counted store: {rounds} kills, {} acknowledged labels kept, {flows} flows offered, worst loss {} ms",
        labels.len(),
        worst_us / 1_000
    );
    assert!(!labels.is_empty(), "no label was acknowledged: the test saw nothing");
    assert!(worst_us <= 1_000_000, "lost {worst_us} us");
}
