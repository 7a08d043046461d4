//! An older store becomes a current one with everything in it, or stays as it was.

use store::record::{DetectionRow, IncidentRow};
use store::{Filter, Store};

use crate::rows;

const VERSION_1: &str = include_str!("../../src/schema/version_1.sql");

fn version_1(path: &std::path::Path, rows: u64) {
    let raw = rusqlite::Connection::open(path).unwrap();
    raw.execute_batch(VERSION_1).unwrap();
    raw.execute_batch("PRAGMA application_id = 0x54415048; PRAGMA user_version = 1; BEGIN").unwrap();
    for n in 0..rows {
        let d = rows::detection(n);
        raw.execute(
            "INSERT INTO detections VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19)",
            rusqlite::params![
                d.id, d.opinion, d.category, d.score, d.confidence, d.novelty, d.src_ip, d.src_port, d.dst_ip, d.dst_port,
                d.protocol, d.first_us as i64, d.last_us as i64, d.provisional, d.revised, d.folded, d.incident,
                serde_json::to_string(&d.reasons).unwrap(), d.model_version as i64
            ],
        )
        .unwrap();
    }
    raw.execute(
        "INSERT INTO incidents VALUES ('i', 'scan', 'high', '2001:db8::1', NULL, 22, 5, 6, 7, 8, 0.5, 0, '[\"why\"]')",
        [],
    )
    .unwrap();
    raw.execute_batch("COMMIT").unwrap();
}

#[test]
fn version_1_comes_over_with_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    version_1(&path, 3_000);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.counts().unwrap(), (3_000, 1));
    assert_eq!(store.classes()[store::Class::Alerted as usize].rows, 3_000);
    let reader = rows::reader(&path);
    let found: Vec<DetectionRow> = reader
        .detections(&Filter::default(), None, 10_000)
        .unwrap()
        .rows
        .into_iter()
        .map(|d| d.row)
        .collect();
    assert_eq!(found, (0..3_000).rev().map(rows::detection).collect::<Vec<_>>());
    let incident = &reader.incidents(&Filter::default(), None, 10).unwrap().rows[0].row;
    let expected = IncidentRow {
        id: "i".into(),
        category: "scan".into(),
        severity: "high".into(),
        source: Some("2001:db8::1".into()),
        target: None,
        port: Some(22),
        first_us: 5,
        last_us: 6,
        detections: 7,
        alerts: 8,
        score: 0.5,
        revised: false,
        reasons: vec!["why".into()],
        witnesses: Vec::new(),
    };
    assert_eq!(*incident, expected);
    store.close().unwrap();
    assert_eq!(rows::integrity(&path), "ok");
    // Pages can be given back from now on.
    let raw = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(raw.query_row("PRAGMA auto_vacuum", [], |row| row.get::<_, i64>(0)).unwrap(), 2);
}

#[test]
fn a_migration_that_fails_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.db");
    version_1(&path, 10);
    // Something that the migration wants to make is there already.
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("CREATE TABLE outbox (a)").unwrap();
    assert!(Store::open(&path).is_err());
    let count = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("PRAGMA user_version"), 1);
    assert_eq!(count("SELECT count(*) FROM detections WHERE src_ip LIKE '10.%'"), 10);
}
