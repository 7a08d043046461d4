//! Searches give what was written, page by page, and know when to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use store::record::{Batch, FlowId, Label, Severity};
use store::{Filter, LabelFilter, Reader, StoreError};

use crate::rows::{self, NAMES, T0};

const FLOWS: u64 = 10_000;

fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    let alerted = |n| n % 100 == 0;
    let batch = Batch {
        flows: (0..FLOWS).map(|n| store::record::FlowRow { alerted: alerted(n), ..rows::flow(n) }).collect(),
        snapshots: vec![rows::snapshot(5, 8), rows::snapshot(5, 32)],
        detections: (0..FLOWS).filter(|n| alerted(*n)).map(rows::detection).collect(),
        alerts: (0..FLOWS)
            .filter(|n| alerted(*n))
            .map(|n| store::record::AlertRow {
                severity: Severity::ALL[(n / 100 % 4) as usize],
                ..rows::alert(n)
            })
            .collect(),
        ..Batch::default()
    };
    store.commit(&batch, T0).unwrap();
    store.label(&[rows::label(100, Label::Attack), rows::label(7, Label::Benign)], &NAMES, T0).unwrap();
    store.close().unwrap();
    folder
}

fn numbers(reader: &Reader, filter: &Filter, page: usize) -> Vec<u64> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = reader.flows(filter, cursor, page).unwrap();
        assert!(!page.out_of_time);
        found.extend(page.rows.iter().map(|flow| (flow.row.start_us - T0) / 1_000));
        cursor = page.next;
        if cursor.is_none() {
            return found;
        }
        // A cursor survives its way through a client.
        cursor = Some(cursor.unwrap().to_string().parse().unwrap());
    }
}

#[test]
fn a_flow_comes_back_as_it_went_in() {
    let folder = filled();
    let reader = rows::reader_of(&folder);
    let id = rows::flow_id(5);
    let flow = reader.flow(&id.to_string()).unwrap().unwrap();
    assert_eq!(flow.row, rows::flow(5));
    assert_eq!((flow.label, flow.true_label), (None, None));
    assert_eq!(reader.snapshots(id).unwrap(), vec![rows::snapshot(5, 8), rows::snapshot(5, 32)]);
    assert_eq!(reader.flow(&FlowId { segment: 3, ..id }.to_string()).unwrap(), None);
    assert_eq!(reader.flow("nonsense").unwrap(), None);
    let detection = reader.detection(&rows::flow_id(200).to_string()).unwrap().unwrap();
    assert_eq!(detection.row, rows::detection(200));
}

#[test]
fn filters_find_what_a_walk_over_all_rows_finds() {
    let folder = filled();
    let reader = rows::reader_of(&folder);
    type Keeps = fn(u64) -> bool;
    let table: Vec<(&str, Filter, Keeps)> = vec![
        ("everything", Filter::default(), |_| true),
        ("time", Filter { from_us: Some(T0 + 50_000), to_us: Some(T0 + 90_000), ..Filter::default() }, |n| {
            (50..90).contains(&n)
        }),
        ("category", Filter { categories: vec!["scan".into(), "dos".into()], ..Filter::default() }, |n| {
            n % 10 == 0
        }),
        ("address", Filter { address: Some("10.0.3.0/24".parse().unwrap()), ..Filter::default() }, |n| {
            n >> 8 == 3
        }),
        ("target", Filter { address: Some("192.0.2.5".parse().unwrap()), ..Filter::default() }, |n| {
            n % 7 == 5
        }),
        ("other family", Filter { address: Some("::/0".parse().unwrap()), ..Filter::default() }, |_| false),
        ("port", Filter { port: Some(443), ..Filter::default() }, |n| n % 2 == 0),
        ("community", Filter { community_id: Some(rows::community(40)), ..Filter::default() }, |n| {
            n / 2 == 20
        }),
        ("id", Filter { id: Some(rows::flow_id(77).to_string()), ..Filter::default() }, |n| n == 77),
        ("score", Filter { score_min: Some(0.5), score_max: Some(0.51), ..Filter::default() }, |n| {
            (50..=51).contains(&(n % 100))
        }),
        ("alerted", Filter { alerted: Some(true), ..Filter::default() }, |n| n % 100 == 0),
        ("labelled", Filter { label: Some(LabelFilter::Labelled), ..Filter::default() }, |n| {
            n == 7 || n == 100
        }),
        ("attack", Filter { label: Some(LabelFilter::Is(Label::Attack)), ..Filter::default() }, |n| n == 100),
    ];
    for (name, filter, keeps) in table {
        let expected: Vec<u64> = (0..FLOWS).rev().filter(|n| keeps(*n)).collect();
        for page in [7, 1_000] {
            assert_eq!(numbers(&reader, &filter, page), expected, "{name}, pages of {page}");
        }
    }
}

#[test]
fn alerts_are_found_by_what_they_show() {
    let folder = filled();
    let reader = rows::reader_of(&folder);
    let count = |filter: &Filter| reader.alerts(filter, None, 1_000).unwrap().rows.len();
    assert_eq!(count(&Filter::default()), 100);
    assert_eq!(count(&Filter { severity_min: Some(Severity::High), ..Filter::default() }), 50);
    assert_eq!(count(&Filter { incident: Some("incident-20".into()), ..Filter::default() }), 1);
    assert_eq!(count(&Filter { label: Some(LabelFilter::Labelled), ..Filter::default() }), 1);
    assert_eq!(count(&Filter { suppressed: Some(true), ..Filter::default() }), 0);
    assert_eq!(count(&Filter { id: Some(rows::flow_id(300).to_string()), ..Filter::default() }), 1);
    let detections = |filter: &Filter| reader.detections(filter, None, 1_000).unwrap().rows.len();
    assert_eq!(detections(&Filter { incident: Some("incident-20".into()), ..Filter::default() }), 1);
    assert_eq!(
        detections(&Filter { address: Some("10.0.0.0/8".parse().unwrap()), ..Filter::default() }),
        100
    );
    let refused = reader.flows(&Filter { severity_min: Some(Severity::Low), ..Filter::default() }, None, 1);
    assert!(matches!(refused, Err(StoreError::Request(text)) if text.contains("severity")));
}

#[test]
fn pages_stay_as_they_were_while_rows_come_in() {
    let folder = filled();
    let reader = rows::reader_of(&folder);
    let first = reader.flows(&Filter::default(), None, 10).unwrap();
    let mut store = rows::store(&folder);
    let newer = Batch { flows: (FLOWS..FLOWS + 50).map(rows::flow).collect(), ..Batch::default() };
    store.commit(&newer, T0).unwrap();
    let second = reader.flows(&Filter::default(), first.next, 10).unwrap();
    let at = |page: &store::Page<store::StoredFlow>| -> Vec<u64> {
        page.rows.iter().map(|flow| (flow.row.start_us - T0) / 1_000).collect()
    };
    assert_eq!(at(&first), (FLOWS - 10..FLOWS).rev().collect::<Vec<_>>());
    assert_eq!(at(&second), (FLOWS - 20..FLOWS - 10).rev().collect::<Vec<_>>());
}

/// A clock that moves a second whenever somebody looks.
fn impatient(folder: &tempfile::TempDir, seconds: u64) -> Reader {
    let clock = AtomicU64::new(0);
    let ticks = move || clock.fetch_add(1_000_000, Ordering::Relaxed);
    Reader::open(&folder.path().join("t.db"), Duration::from_secs(seconds), Arc::new(ticks)).unwrap()
}

#[test]
fn a_search_without_time_resumes_and_finds_everything() {
    let folder = filled();
    let filter = Filter { categories: vec!["scan".into()], score_max: Some(0.0), ..Filter::default() };
    let patient = rows::reader_of(&folder).flows(&filter, None, 10_000).unwrap().rows;
    assert_eq!(patient.len(), 100);
    let reader = impatient(&folder, 8);
    let (mut found, mut cursor, mut pages, mut cut) = (Vec::new(), None, 0, 0);
    loop {
        let page = reader.flows(&filter, cursor, 10_000).unwrap();
        found.extend(page.rows);
        pages += 1;
        cut += u32::from(page.out_of_time);
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
        assert!(pages < 1_000, "no progress");
    }
    assert!(cut > 0, "the clock never ran out: {pages} pages");
    assert_eq!(found, patient);
}

#[test]
fn a_statement_that_runs_too_long_is_interrupted() {
    let folder = filled();
    let reader = impatient(&folder, 1);
    let outcome = reader.label_queue(0, u64::MAX, 0.5, 10_000);
    assert!(matches!(outcome, Err(StoreError::TooSlow { .. })), "{outcome:?}");
}

#[test]
fn the_queue_asks_about_uncertain_flows_and_a_random_hundredth() {
    let folder = filled();
    let reader = rows::reader_of(&folder);
    let queue = reader.label_queue(0, u64::MAX, 0.5, 300).unwrap();
    let (uncertain, random): (Vec<_>, Vec<_>) =
        queue.iter().partition(|queued| queued.why == store::WhyQueued::Uncertain);
    assert_eq!(uncertain.len(), 300);
    assert!(uncertain.iter().all(|queued| (queued.flow.row.judgement.score - 0.5).abs() < 0.025));
    assert!((50..200).contains(&random.len()), "{} of {FLOWS}", random.len());
    assert_eq!(reader.label_queue(0, u64::MAX, 0.5, 300).unwrap(), queue);
    assert!(queue.iter().all(|queued| queued.flow.label.is_none()));
}

#[test]
fn a_reader_refuses_what_it_cannot_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.db");
    let open = |path: &std::path::Path| Reader::open(path, Duration::from_secs(1), Arc::new(|| 0)).err();
    assert!(matches!(open(&path), Some(StoreError::Sqlite { .. })));
    drop(
        rusqlite::Connection::open(&path)
            .unwrap()
            .execute_batch("PRAGMA application_id = 1413566536; PRAGMA user_version = 1"),
    );
    assert!(matches!(open(&path), Some(StoreError::Older { found: 1, .. })));
    for text in ["", "12", "zz345678901234567890123456789012", "123456789012345678901234567890123"] {
        assert!(text.parse::<store::Cursor>().is_err(), "{text}");
    }
}
