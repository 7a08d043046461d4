//! The store keeps to its limits: the least worth goes first, is counted, and the file shrinks.

use store::record::{Batch, FlowRow, Label};
use store::{Class, Filter, Limit, Limits, Store};

use crate::rows::{self, NAMES, SECOND, T0};

fn trim_all(store: &mut Store, now_us: u64) -> [u64; Class::ALL.len()] {
    let mut dropped = [0; Class::ALL.len()];
    loop {
        let round = store.trim(5_000, now_us).unwrap();
        for (sum, more) in dropped.iter_mut().zip(round.dropped) {
            *sum += more;
        }
        if !round.more {
            return dropped;
        }
    }
}

fn flows(range: std::ops::Range<u64>, alerted: bool) -> Batch {
    Batch { flows: range.map(|n| FlowRow { alerted, ..rows::flow(n) }).collect(), ..Batch::default() }
}

#[test]
fn rows_beyond_a_limit_go_oldest_first() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default()
        .with(Class::PlainFlows, Limit { rows_max: Some(1_000), ..Limit::default() })
        .with(Class::Alerted, Limit { rows_max: Some(100), ..Limit::default() });
    let mut store = rows::store(&folder).with_limits(limits);
    store.commit(&flows(0..50, true), T0).unwrap();
    store.commit(&flows(50..3_050, false), T0).unwrap();
    store.label(&[rows::label(60, Label::Attack)], &NAMES, T0).unwrap();
    let dropped = trim_all(&mut store, T0);
    assert_eq!(dropped[Class::PlainFlows as usize], 1_999);
    assert_eq!(dropped.iter().sum::<u64>(), 1_999);
    let kept: Vec<u64> = rows::reader_of(&folder)
        .flows(&Filter::default(), None, 10_000)
        .unwrap()
        .rows
        .iter()
        .map(|flow| (flow.row.start_us - T0) / 1_000)
        .collect();
    let expected: Vec<u64> = (2_050..3_050).rev().chain([60]).chain((0..50).rev()).collect();
    assert_eq!(kept, expected);
    assert_eq!(store.classes()[Class::PlainFlows as usize].dropped, 1_999);
}

#[test]
fn age_counts_from_when_a_row_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let limits =
        Limits::default().with(Class::PlainFlows, Limit { age_max_s: Some(3_600), ..Limit::default() });
    let mut store = rows::store(&folder).with_limits(limits);
    let hour = 3_600 * SECOND;
    for quarter in 0..12 {
        let now = T0 + quarter * hour / 4;
        store.commit(&flows(quarter * 100..quarter * 100 + 100, false), now).unwrap();
        trim_all(&mut store, now);
    }
    // Three hours in, the flows of the last hour and a quarter are left.
    let left = store.classes()[Class::PlainFlows as usize].rows;
    assert!((400..=600).contains(&left), "{left} left");
}

#[test]
fn a_flood_keeps_to_the_quota_and_alerts_and_labels_outlive_it() {
    let folder = tempfile::tempdir().unwrap();
    let quota = 4 << 20;
    let mut store = rows::store(&folder).with_limits(Limits { bytes_max: Some(quota), ..Limits::default() });
    store.commit(&flows(0..200, true), T0).unwrap();
    store
        .commit(&Batch { detections: (0..200).map(rows::detection).collect(), ..Batch::default() }, T0)
        .unwrap();
    store.commit(&flows(200..300, false), T0).unwrap();
    let labels: Vec<_> = (200..300).map(|n| rows::label(n, Label::Benign)).collect();
    store.label(&labels, &NAMES, T0).unwrap();
    let mut largest = 0;
    for round in 0..200 {
        let first = 1_000 + round * 500;
        store.commit(&flows(first..first + 500, false), T0 + round * SECOND).unwrap();
        store.trim(1_000, T0 + round * SECOND).unwrap();
        let sizes = store.checkpoint().unwrap();
        largest = largest.max(sizes.used_bytes);
    }
    trim_all(&mut store, T0);
    let classes = store.classes();
    let used = store.sizes().unwrap().used_bytes;
    assert!(used <= quota + (256 << 10), "{used} bytes in use");
    assert!(largest <= quota + (1 << 20), "{largest} bytes in use at worst");
    assert!(classes[Class::PlainFlows as usize].dropped > 50_000);
    assert_eq!(classes[Class::Alerted as usize].rows, 400);
    assert_eq!(classes[Class::LabelledFlows as usize].rows, 100);
    assert_eq!(classes[Class::Labels as usize].rows, 100);
    let newest = rows::flow_id(1_000 + 199 * 500 + 499).to_string();
    assert!(rows::reader_of(&folder).flow(&newest).unwrap().is_some(), "the newest flow is there");
}

#[test]
fn the_file_shrinks_when_the_quota_does() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    for round in 0..20 {
        store.commit(&flows(round * 1_000..round * 1_000 + 1_000, false), T0).unwrap();
    }
    let before = store.sizes().unwrap().database_bytes;
    let limit = Limit { rows_max: Some(1_000), ..Limit::default() };
    let mut store = store.with_limits(Limits::default().with(Class::PlainFlows, limit));
    trim_all(&mut store, T0);
    store.close().unwrap();
    let after = std::fs::metadata(folder.path().join("t.db")).unwrap().len();
    assert!(after < before / 2, "{before} bytes before, {after} after");
    assert_eq!(rows::integrity(&folder.path().join("t.db")), "ok");
}

#[test]
fn the_tally_is_what_the_tables_hold() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits::default().with(Class::PlainFlows, Limit { rows_max: Some(300), ..Limit::default() });
    let mut store = rows::store(&folder).with_limits(limits);
    store.commit(&flows(0..500, false), T0).unwrap();
    store.commit(&flows(0..500, false), T0).unwrap();
    store.label(&[rows::label(450, Label::Attack)], &NAMES, T0).unwrap();
    trim_all(&mut store, T0);
    let counted = store.classes();
    drop(store);
    let store = rows::store(&folder);
    assert_eq!(store.classes(), counted);
    let raw = rusqlite::Connection::open(folder.path().join("t.db")).unwrap();
    for (kept, class) in [(0, Class::PlainFlows), (1, Class::Alerted), (2, Class::LabelledFlows)] {
        let rows: i64 =
            raw.query_row("SELECT count(*) FROM flows WHERE kept = ?1", [kept], |row| row.get(0)).unwrap();
        assert_eq!(rows as u64, counted[class as usize].rows, "{class:?}");
    }
}
