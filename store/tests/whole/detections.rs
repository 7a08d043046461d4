//! The store keeps what it is given, replaces by id, and refuses what it does not know.

use store::record::{DetectionRow, IncidentRow, Settled, Witness};
use store::{Store, StoreError};

fn detection(id: &str) -> DetectionRow {
    DetectionRow {
        id: id.into(),
        opinion: "forest".into(),
        category: "scan".into(),
        score: 0.97,
        confidence: 0.9,
        novelty: Some(0.4),
        src_ip: Some("10.0.0.1".into()),
        src_port: Some(40_000),
        dst_ip: Some("10.0.0.2".into()),
        dst_port: Some(22),
        protocol: 6,
        first_us: 1,
        last_us: 2,
        provisional: true,
        revised: false,
        folded: false,
        incident: "i1".into(),
        reasons: vec!["Flow IAT Max 12 us (+0.21)".into()],
        model_version: 7,
    }
}

fn incident() -> IncidentRow {
    IncidentRow {
        id: "i1".into(),
        category: "scan".into(),
        severity: "medium".into(),
        source: Some("10.0.0.1".into()),
        target: None,
        port: None,
        first_us: 1,
        last_us: 2,
        detections: 1,
        alerts: 1,
        score: 0.97,
        revised: false,
        reasons: vec![],
        witnesses: vec![Witness {
            engine: "suricata".into(),
            generator: 1,
            signature_id: 2_001_219,
            signature: "a scan".into(),
            class: "Attempted Information Leak".into(),
            severity: 2,
            first_us: 1,
            last_us: 2,
            alerts: 3,
            community_id: None,
            joined_by: "ends".into(),
        }],
    }
}

#[test]
fn rows_are_kept_and_replaced_by_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut store = Store::open(&path).unwrap();
    store.write(&[detection("a"), detection("b")], &[incident()]).unwrap();
    store.write(&[detection("a")], &[incident()]).unwrap();
    drop(store);
    let mut store = Store::open(&path).unwrap();
    assert_eq!(store.counts().unwrap(), (2, 1));
    store.merge_incidents(&[("i1".into(), "i2".into())]).unwrap();
    assert_eq!(store.counts().unwrap(), (2, 0));
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let moved: i64 =
        raw.query_row("SELECT count(*) FROM detections WHERE incident = 'i2'", [], |row| row.get(0)).unwrap();
    assert_eq!(moved, 2);
}

#[test]
fn a_provisional_detection_is_confirmed_or_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    let mut store = Store::open(&path).unwrap();
    store.write(&[detection("kept"), detection("taken-back")], &[]).unwrap();
    let settled = |id: &str, score| Settled { id: id.into(), last_us: 9, score };
    store.settle(&[settled("kept", Some(0.8)), settled("taken-back", None)]).unwrap();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let row = |id: &str| -> (bool, bool, f64, i64) {
        raw.query_row(
            "SELECT provisional, revised, score, last_us FROM detections WHERE id = ?1",
            [id],
            |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)),
        )
        .unwrap()
    };
    assert_eq!(row("kept"), (false, false, 0.8, 9));
    assert_eq!(row("taken-back"), (false, true, 0.97, 9));
}

#[test]
fn a_newer_store_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    drop(Store::open(&path).unwrap());
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Store::open(&path), Err(StoreError::Newer { found: 99, .. })));
}

#[test]
fn a_file_of_somebody_else_is_refused_and_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    let words = "not a database at all, but long enough to be read as one ".repeat(20);
    std::fs::write(&text, &words).unwrap();
    assert!(matches!(Store::open(&text), Err(StoreError::Foreign { .. })));
    assert_eq!(std::fs::read_to_string(&text).unwrap(), words);

    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(Store::open(&other), Err(StoreError::Foreign { .. })));
}
