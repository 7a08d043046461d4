//! Disks that are full, read-only or slow: the data plane does not notice, the rest is told, and writing goes on afterwards.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{Said, assert_sound, shim, start};

/// A run that can be listened to.
struct Run {
    child: Child,
    lines: Receiver<String>,
    said: Said,
}

impl Run {
    fn start(folder: &Path) -> Self {
        let mut child = start(
            &folder.join("t.db"),
            1_000_000,
            &[("LD_PRELOAD", shim(folder)), ("STORE_FAULT", folder.into())],
        );
        let out = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { child, lines, said: Said::default() }
    }

    #[allow(clippy::disallowed_methods)] // the test is about time
    fn until(&mut self, what: &str, holds: impl Fn(&Said) -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !holds(&self.said) {
            let left = end.saturating_duration_since(Instant::now());
            let line = self
                .lines
                .recv_timeout(left)
                .unwrap_or_else(|_| panic!("never: {what}; {:?}", self.said.news));
            self.said.hear(&line);
        }
    }

    fn end(mut self) -> Said {
        self.child.stdin.take().unwrap().write_all(b"end\n").unwrap();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(30)) {
            self.said.hear(&line);
        }
        assert!(self.child.wait().unwrap().success());
        self.said
    }
}

/// Lets `fault` come and go, and gives what was said.
fn through(fault: &str) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path());
    run.until("labels", |said| said.labels.len() > 5);
    std::fs::write(folder.path().join(fault), "").unwrap();
    run.until("a refusal", |said| !said.refused.is_empty());
    run.until("a failure is told", |said| !said.news.is_empty());
    // Long enough for the room to be used up.
    run.until("rows fail", |said| said.rows.is_some_and(|rows| rows[3] > 0));
    std::fs::remove_file(folder.path().join(fault)).unwrap();
    run.until("the end is told", |said| said.news.len() > 1);
    let labels = run.said.labels.len();
    run.until("labels again", |said| said.labels.len() > labels + 5);
    let said = run.end();
    assert_sound(&folder.path().join("t.db"), &said.labels, fault);
    said
}

fn assert_told_once_and_accounted(said: &Said, fault: &str) {
    assert_eq!(said.news.len(), 2, "{:?}", said.news);
    assert!(said.news[0].starts_with("failing") && said.news[1].starts_with("recovered"), "{:?}", said.news);
    let [made, stored, dropped, failed, queued] = said.rows.unwrap();
    println!(
        "     counted store: disk {fault}: {made} flows, {stored} stored, {failed} failed, {dropped} dropped, {} labels kept, {} refused",
        said.labels.len(),
        said.refused.len()
    );
    assert_eq!(made, stored + dropped + failed + queued);
    assert_eq!(queued, 0);
    assert_eq!(said.news[1], format!("recovered {}", failed + failed / 20));
    assert!(said.longest_offer_us < 500_000, "an offer took {} us", said.longest_offer_us);
}

#[test]
fn a_full_disk_costs_history_and_nothing_else() {
    let said = through("full");
    assert!(said.refused.iter().any(|text| text.contains("free some space")), "{:?}", said.refused.first());
    assert_told_once_and_accounted(&said, "full");
}

#[test]
fn a_read_only_disk_costs_history_and_nothing_else() {
    assert_told_once_and_accounted(&through("readonly"), "read-only");
}

#[test]
fn a_slow_disk_delays_answers_and_no_offer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("slow"), "").unwrap();
    let mut run = Run::start(folder.path());
    run.until("labels", |said| said.labels.len() > 5);
    let said = run.end();
    assert_sound(&folder.path().join("t.db"), &said.labels, "slow");
    let [made, stored, dropped, failed, queued] = said.rows.unwrap();
    assert_eq!((made, failed, queued), (stored + dropped, 0, 0));
    println!(
        "     counted store: disk slow (300 ms a sync): {made} flows, {dropped} dropped, longest offer {} us",
        said.longest_offer_us
    );
    assert_eq!(said.news, [""; 0]);
    assert!(said.longest_offer_us < 250_000, "an offer took {} us", said.longest_offer_us);
}
