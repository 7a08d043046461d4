//! `taphound-retrain compact`, killed at any moment and run again: each row is in the files as often as before.

use std::process::Stdio;
use std::time::Duration;

use ::fleet::log_table::StoredItem;
use ::fleet::objects::PutIf;
use ::fleet::{ObjectsSettings, keys, log_file};

use super::{trials, week};
use crate::program;
use crate::run::{form, wall_us};

/// Uids of every row below `logs/`, and the number of files.
fn rows_of(folder: &std::path::Path) -> (Vec<String>, usize) {
    let (mut uids, mut files, mut folders) = (Vec::new(), 0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().extension().is_some_and(|ending| ending == "parquet") {
                let rows = log_file::decode("a file", std::fs::read(entry.path()).unwrap()).unwrap();
                uids.extend(rows.into_iter().map(|row| row.item.uid));
                files += 1;
            }
        }
    }
    uids.sort();
    (uids, files)
}

#[test]
fn compaction_that_is_killed_again_and_again_loses_and_doubles_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let word = format!("file:{}", folder.path().display());
    let settings: ObjectsSettings = word.parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let objects = runtime.block_on(settings.open()).unwrap();
    let begin_us = wall_us() - 9 * 86_400_000_000;
    let mut wanted = Vec::new();
    // Five days of two sensors, six files each.
    for file in 0..60_u64 {
        let at_us = begin_us + file % 5 * 86_400_000_000;
        let rows: Vec<StoredItem> = (0..40)
            .map(|n| StoredItem { item: trials::item(&week::flow(file * 100 + n, at_us)), truth: None })
            .collect();
        wanted.extend(rows.iter().map(|row| row.item.uid.clone()));
        let day = ::fleet::log_table::utc_day(at_us / 1_000);
        let key = keys::log_file(
            "cic20/1",
            ["tap-1", "tap-2"][usize::from(file % 2 == 1)],
            &day,
            &format!("flow-{file:04}"),
        );
        runtime.block_on(objects.write(&key, log_file::encode(&rows).unwrap(), PutIf::Absent)).unwrap();
    }
    wanted.sort();
    let compact = || {
        let mut command = program("taphound-retrain");
        command.args(["compact", "--json", "--objects", &word]).stdout(Stdio::piped());
        command
    };
    let kills = form(5_u64, 100);
    let mut cut = 0;
    for round in 0..kills {
        let mut child = compact().stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(4 + round * 7 % 60));
        cut += u64::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        let (mut here, _) = rows_of(&folder.path().join("logs"));
        here.dedup();
        assert_eq!(here, wanted, "a row is lost after kill {round}");
    }
    let output = compact().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (here, files) = rows_of(&folder.path().join("logs"));
    assert_eq!(here, wanted, "a row is there twice");
    assert_eq!(files, 10, "one file a day and sensor");
    assert!(cut > 0, "it was never cut off");
    println!(
        "counted compaction: killed {cut} times, 60 files became {files}, {} rows each there once",
        wanted.len()
    );
}
