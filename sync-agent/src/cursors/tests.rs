//! What a crash must not take: attempts, labelled keys, rows set aside, verdicts, pins.

use super::*;

fn row(sequence: u64, created_us: u64) -> OutboxRow {
    OutboxRow {
        sequence,
        kind: OutboxKind::Alert,
        uid: format!("u{sequence}"),
        rev: 1,
        payload: vec![1],
        created_us,
    }
}

fn key(n: u64) -> Key {
    Key { flow_id: format!("s|{n}"), timestamp_ms: n }
}

fn attempt(cursors: &Cursors, rows: &[OutboxRow]) -> Vec<bool> {
    let keyed: Vec<_> = rows.iter().map(|row| (row, key(row.sequence))).collect();
    cursors.attempt(OutboxKind::Alert, &keyed).unwrap()
}

#[test]
fn a_row_is_fresh_once_and_only_when_nobody_can_have_sent_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut cursors = Cursors::open(folder.path(), 1_000).unwrap();
    // Rows queued before this database was made may have been sent by one that is lost.
    assert_eq!(attempt(&cursors, &[row(1, 999), row(2, 1_000), row(3, 2_000)]), [false, true, true]);
    assert_eq!(attempt(&cursors, &[row(2, 1_000), row(3, 2_000), row(4, 2_000)]), [false, false, true]);
    cursors.note_labelled([key(6)].iter()).unwrap();
    drop(cursors);
    let cursors = Cursors::open(folder.path(), 9_000).unwrap();
    assert_eq!(attempt(&cursors, &[row(4, 2_000), row(5, 3_000), row(6, 3_000)]), [false, true, false]);
    // A sensor whose store was replaced counts from one again.
    assert_eq!(attempt(&cursors, &[row(1, 9_999)]), [false]);
}

#[test]
fn rows_set_aside_are_kept_once_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let mut cursors = Cursors::open(folder.path(), 0).unwrap();
    let rows = [row(1, 0), row(2, 0)];
    let aside: Vec<_> = rows.iter().map(|row| (row, "too long".to_owned())).collect();
    cursors.set_aside(&aside).unwrap();
    cursors.set_aside(&aside).unwrap();
    assert_eq!(cursors.set_aside_count().unwrap(), 2);
    let newest = cursors.newest_set_aside(1).unwrap();
    assert_eq!(
        (newest[0].sequence, newest[0].kind.as_str(), newest[0].reason.as_str()),
        (2, "alert", "too long")
    );
}

#[test]
fn the_last_word_on_a_verdict_counts_and_pins_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut cursors = Cursors::open(folder.path(), 0).unwrap();
    let say = |right| [(7, "a".to_owned(), right)];
    cursors.judge(&say(Some(false))).unwrap();
    cursors.judge(&[(7, "b".to_owned(), Some(true))]).unwrap();
    assert_eq!(cursors.verdicts(7).unwrap(), Verdicts { labels: 2, errors: 1 });
    cursors.judge(&say(Some(true))).unwrap();
    assert_eq!(cursors.verdicts(7).unwrap(), Verdicts { labels: 2, errors: 0 });
    cursors.judge(&say(None)).unwrap();
    assert_eq!(cursors.verdicts(7).unwrap(), Verdicts { labels: 1, errors: 0 });
    let pin = Pin { digest: "d".into(), version: 7, reason: "misbehaved".into(), at_ms: 5 };
    cursors.pin(&pin).unwrap();
    assert_eq!(Cursors::open(folder.path(), 1).unwrap().pins().unwrap(), [pin]);
}

#[test]
fn a_database_of_a_later_release_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(Cursors::open(folder.path(), 0).unwrap());
    Connection::open(folder.path().join("sync.db")).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let fault = Cursors::open(folder.path(), 0).err().unwrap();
    assert_eq!(fault.exit_code(), 78);
    assert!(fault.to_string().contains("later release"), "{fault}");
}
