//! Rows are stored, dropped or failed, and always counted; commands are answered; outages are told and survived.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use store::record::{Batch, DetectionRow, Label, NewLabel};
use store::{Store, StoreError};

use super::{RowKind, StoreNews, WriteError, Writer, WriterHandle, WriterSettings};

fn detection(n: u64) -> DetectionRow {
    DetectionRow {
        id: format!("{n:032x}"),
        opinion: "forest".into(),
        category: "scan".into(),
        score: 0.9,
        confidence: 0.9,
        novelty: None,
        src_ip: Some("10.0.0.1".into()),
        src_port: Some(1),
        dst_ip: None,
        dst_port: None,
        protocol: 6,
        first_us: n,
        last_us: n,
        provisional: false,
        revised: false,
        folded: false,
        incident: "i".into(),
        reasons: vec![],
        model_version: 1,
    }
}

fn batch(numbers: std::ops::Range<u64>) -> Batch {
    Batch { detections: numbers.map(detection).collect(), ..Batch::default() }
}

fn label(n: u64) -> NewLabel {
    NewLabel {
        subject: format!("{n:032x}"),
        label: Label::Attack,
        category: None,
        reason: None,
        actor: "mia".into(),
        source: "cli".into(),
        at_us: 1,
    }
}

fn assert_accounted(handle: &WriterHandle) {
    let counts = handle.counts();
    for rows in counts.rows {
        assert_eq!(
            rows.made,
            rows.stored + rows.dropped_at_queue + rows.store_failed + rows.queued,
            "{counts:?}"
        );
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("never came true: {what}");
}

#[test]
fn what_is_offered_is_stored_and_commands_come_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let store = Store::open(&path).unwrap();
    let (writer, handle) = Writer::spawn(store, WriterSettings::default(), |_| {}).unwrap();
    for n in 0..100 {
        assert!(handle.offer(batch(n * 10..n * 10 + 10)));
    }
    // The row was offered before the label: the label finds it.
    let seqs = handle.wait_for(|store, now_us| store.label(&[label(999)], &[], now_us)).unwrap();
    assert_eq!(seqs, [1]);
    let refused = handle.wait_for(|store, now_us| store.label(&[label(5_000)], &[], now_us));
    assert!(matches!(refused, Err(WriteError::Store(StoreError::Request(_)))));
    let detections = handle.counts().of(RowKind::Detections);
    assert_eq!((detections.made, detections.stored, detections.queued), (1_000, 1_000, 0));
    writer.close();
    assert!(!handle.offer(batch(0..3)));
    assert!(matches!(handle.wait_for(|_, _| Ok(())), Err(WriteError::Closed)));
    assert_accounted(&handle);
    assert_eq!(handle.counts().of(RowKind::Detections).dropped_at_queue, 3);
    assert_eq!(Store::open(&path).unwrap().counts().unwrap().0, 1_000);
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let settings = WriterSettings { queue_batches_max: 4, ..WriterSettings::default() };
    let (writer, handle) = Writer::spawn(Store::in_memory().unwrap(), settings, |_| {}).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    // A command that takes its time holds the writer up.
    handle.ask(
        move |_, _| {
            let _ = wait.recv();
            Ok(())
        },
        |_| {},
    );
    std::thread::sleep(Duration::from_millis(50));
    let taken = (0..50).filter(|n| handle.offer(batch(n * 2..n * 2 + 2))).count();
    assert_eq!(taken, 4);
    assert_eq!(handle.counts().of(RowKind::Detections).queued, 8);
    go.send(()).unwrap();
    writer.close();
    let counts = handle.counts().of(RowKind::Detections);
    assert_eq!((counts.made, counts.stored, counts.dropped_at_queue, counts.queued), (100, 8, 92, 0));
}

#[test]
fn an_outage_is_told_once_survived_and_told_again_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let there = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&there);
    let file = path.clone();
    let open = Box::new(move || {
        if seen.load(Ordering::Relaxed) {
            Store::open(&file)
        } else {
            Store::open(&file.join("a/file/is/no/folder"))
        }
    });
    let settings = WriterSettings {
        held_rows_max: 100,
        pause_first: Duration::from_millis(5),
        pause_max: Duration::from_millis(20),
        ..WriterSettings::default()
    };
    let (tell, told) = mpsc::channel();
    let (writer, handle) =
        Writer::spawn_opening(open, settings, move |news| tell.send(news).unwrap()).unwrap();
    for n in 0..30 {
        assert!(handle.offer(batch(n * 10..n * 10 + 10)));
    }
    eventually("rows beyond the room fail", || handle.counts().of(RowKind::Detections).store_failed == 200);
    assert!(handle.counts().fault.unwrap().contains("permissions"));
    let refused = handle.wait_for(|store, now_us| store.label(&[label(1)], &[], now_us));
    assert!(matches!(refused, Err(WriteError::Unavailable(text)) if text.contains("t.db")));
    eventually("it tries again", || handle.counts().failures > 1);
    there.store(true, Ordering::Relaxed);
    eventually("held rows are stored", || handle.counts().of(RowKind::Detections).stored == 100);
    assert_accounted(&handle);
    assert_eq!(handle.counts().fault, None);
    writer.close();
    let news: Vec<StoreNews> = told.iter().collect();
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(matches!(&news[0], StoreNews::Failing { .. }));
    assert!(matches!(&news[1], StoreNews::Recovered { failed_rows: 200, .. }));
    assert_eq!(Store::open(&path).unwrap().counts().unwrap().0, 100);
}

#[test]
fn a_row_that_makes_no_sense_is_left_out() {
    let (tell, told) = mpsc::channel();
    let store = Store::in_memory().unwrap();
    let (writer, handle) =
        Writer::spawn(store, WriterSettings::default(), move |news| tell.send(news).unwrap()).unwrap();
    let mut nonsense = batch(0..1);
    nonsense.detections[0].src_ip = Some("no address".into());
    handle.offer(nonsense);
    handle.wait_for(|_, _| Ok(())).unwrap();
    handle.offer(batch(1..2));
    writer.close();
    let counts = handle.counts().of(RowKind::Detections);
    assert_eq!((counts.stored, counts.store_failed), (1, 1));
    assert!(matches!(told.recv().unwrap(), StoreNews::Refused { rows: 1, .. }));
}
