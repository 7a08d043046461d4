//! The store's writer in a process of its own, on disks that fail: killed, cut off from power, full, read-only, slow.
//!
//! The process is this test binary again, run for its one ignored test `store::child::writes_until_told_otherwise`.

mod child;
mod disk;
mod kill;
mod power;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use store::record::Label;
use store::{Filter, Store};

/// What a run said while it lived.
#[derive(Debug, Default, Clone)]
struct Said {
    /// Flows whose label was acknowledged.
    labels: Vec<u64>,
    /// Flows offered, by number, and when, us.
    offered: BTreeMap<u64, u64>,
    /// Labels that were refused, and why.
    refused: Vec<String>,
    /// News of the store.
    news: Vec<String>,
    /// The last account of the rows: made, stored, dropped, failed, queued.
    rows: Option<[u64; 5]>,
    /// The longest that one offer took, us.
    longest_offer_us: u64,
}

impl Said {
    fn of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Self {
        let mut said = Self::default();
        for line in lines {
            said.hear(line);
        }
        said
    }

    fn hear(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let numbers = || rest.split(' ').filter_map(|n| n.parse::<u64>().ok()).collect::<Vec<_>>();
        match word {
            "label" => self.labels.extend(numbers()),
            "offered" => {
                if let [number, at, took] = numbers()[..] {
                    self.offered.insert(number, at);
                    self.longest_offer_us = self.longest_offer_us.max(took);
                }
            }
            "refused" => self.refused.push(rest.to_owned()),
            "news" => self.news.push(rest.to_owned()),
            "rows" => self.rows = numbers().try_into().ok(),
            _ => {}
        }
    }
}

fn start(path: &Path, first: u64, shim: &[(&str, PathBuf)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "store::child::writes_until_told_otherwise", "--ignored", "--nocapture"])
        .env("STORE_FILE", path)
        .env("STORE_FIRST", first.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for (name, value) in shim {
        command.env(name, value);
    }
    command.spawn().unwrap()
}

/// Compiles the shim into `folder`.
pub(crate) fn shim(folder: &Path) -> PathBuf {
    let made = folder.join("shim.so");
    let source = crate::repo().join("tests/whole/store/shim.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
        .arg(&made)
        .arg(source)
        .arg("-ldl")
        .output()
        .expect("a C compiler, which Rust needs too");
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    made
}

/// How a store is after a fault: it opens, is sound, holds every acknowledged label; gives the flows that it holds.
fn assert_sound(path: &Path, labels: &[u64], what: &str) -> Vec<u64> {
    let store = Store::open(path).unwrap_or_else(|e| panic!("{what}: {e}"));
    let raw = rusqlite::Connection::open(path).unwrap();
    let verdict: String = raw.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "{what}");
    drop(store);
    let reader =
        store::Reader::open(path, std::time::Duration::from_secs(60), std::sync::Arc::new(|| 0)).unwrap();
    for number in labels {
        let history = reader.labels_of(&child::flow(*number).id.to_string()).unwrap();
        assert!(
            history.iter().any(|row| row.label.label == Label::Attack),
            "{what}: the acknowledged label of flow {number} is lost"
        );
    }
    let (mut flows, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.flows(&Filter::default(), cursor, 10_000).unwrap();
        flows.extend(page.rows.iter().map(|flow| flow.row.start_us));
        cursor = page.next;
        if cursor.is_none() {
            return flows;
        }
    }
}

/// How long before `end` the first flow was offered that the store does not hold, us.
fn lost_us(said: &Said, held: &[u64], end: u64) -> u64 {
    let newest = held.iter().max().copied();
    let mut missing = said.offered.iter().filter(|(number, _)| newest.is_none_or(|newest| **number > newest));
    missing.next().map_or(0, |(_, at)| end.saturating_sub(*at))
}

/// Rounds of a proof: the full form is asked for by `STORE_PROOF=full`.
fn rounds(short: u64, full: u64) -> u64 {
    if std::env::var("STORE_PROOF").is_ok_and(|form| form == "full") { full } else { short }
}

/// A random number from the clock's last digits is random enough to choose a moment.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
