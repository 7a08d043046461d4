//! A backup is the store of one moment, whole and sound, while the writer goes on.

use std::sync::atomic::{AtomicBool, Ordering};

use store::record::Batch;
use store::{Store, StoreError};

use crate::rows::{self, T0};

fn flows(range: std::ops::Range<u64>) -> Batch {
    Batch { flows: range.map(rows::flow).collect(), ..Batch::default() }
}

#[test]
fn a_backup_is_whole_while_the_writer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    for round in 0..20 {
        store.commit(&flows(round * 500..round * 500 + 500), T0).unwrap();
    }
    let copy = folder.path().join("copy.db");
    let done = AtomicBool::new(false);
    let (mut steps, mut last) = (0, 0);
    let committed = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut next = 10_000;
            while !done.load(Ordering::Relaxed) {
                store.commit(&flows(next..next + 50), T0).unwrap();
                next += 50;
            }
            next
        });
        rows::reader_of(&folder)
            .backup(&copy, |progress| {
                steps += 1;
                assert!(progress.done >= last && progress.done <= progress.total);
                last = progress.done;
                std::thread::sleep(std::time::Duration::from_millis(50));
            })
            .unwrap();
        done.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    assert!(steps > 0 && committed > 10_000, "{steps} steps, {committed} flows: nothing went on meanwhile");
    assert_eq!(rows::integrity(&copy), "ok");
    let held = Store::open(&copy).unwrap().classes()[store::Class::PlainFlows as usize].rows;
    assert!((10_000..committed).contains(&held), "{held} of {committed}");
    let raw = rusqlite::Connection::open(&copy).unwrap();
    let counted: i64 = raw.query_row("SELECT count(*) FROM flows", [], |row| row.get(0)).unwrap();
    assert_eq!(counted as u64, held, "the copy is of one moment");
}

#[test]
fn a_backup_never_overwrites_and_leaves_nothing_half() {
    let folder = tempfile::tempdir().unwrap();
    let store = rows::store(&folder);
    let copy = folder.path().join("copy.db");
    store.backup(&copy, |_| {}).unwrap();
    assert!(matches!(store.backup(&copy, |_| {}), Err(StoreError::Backup { .. })));
    assert!(store.backup(&folder.path().join("no/such/folder.db"), |_| {}).is_err());
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .flatten()
        .map(|f| f.file_name().into_string().unwrap())
        .collect();
    assert!(!files.iter().any(|name| name.contains("part")), "{files:?}");
}
