//! Power failures: of one run every write was recorded; at random moments the files are rebuilt as a disk might have kept them.
//!
//! What a file was synced with is there; of what was written to it since, any part may be missing, to the sector. Names of
//! files are taken to be kept. The making of the store, which is done with a rollback journal, is not looked at.

use std::path::Path;
use std::time::Duration;

use super::{Said, assert_sound, lost_us, random, rounds, shim, start};

const SECTOR: usize = 512;

enum Entry<'a> {
    Write { file: usize, offset: usize, bytes: &'a [u8] },
    Truncate { file: usize, length: usize },
    Sync { file: usize },
}

fn entries(mut recording: &[u8]) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    while let Some((head, rest)) = recording.split_at_checked(24) {
        let small = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap()) as usize;
        let large = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap()) as usize;
        let (file, offset, length) = (small(4), large(8), large(16));
        recording = rest;
        entries.push(match small(0) {
            0 => {
                // The last entry of a process that was killed may be cut.
                let Some((bytes, rest)) = recording.split_at_checked(length) else { break };
                recording = rest;
                Entry::Write { file, offset, bytes }
            }
            1 => Entry::Truncate { file, length: offset },
            _ => Entry::Sync { file },
        });
    }
    entries
}

/// Bytes at an offset, or a new length.
type Loose<'a> = (usize, Option<&'a [u8]>);

/// Applies what comes to the files; a power failure keeps a part of what was not synced.
#[derive(Default, Clone)]
struct Disk<'a> {
    /// Database and log as they are after their last sync.
    kept: [Vec<u8>; 2],
    /// What came since.
    loose: [Vec<Loose<'a>>; 2],
    said: Vec<u8>,
}

fn apply(file: &mut Vec<u8>, offset: usize, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            if file.len() < offset + bytes.len() {
                file.resize(offset + bytes.len(), 0);
            }
            file[offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        None => file.resize(offset, 0),
    }
}

impl<'a> Disk<'a> {
    fn take(&mut self, entry: &Entry<'a>) {
        match *entry {
            Entry::Write { file: 2, bytes, .. } => self.said.extend_from_slice(bytes),
            Entry::Write { file, offset, bytes } => self.loose[file].push((offset, Some(bytes))),
            Entry::Truncate { file, length } if file < 2 => self.loose[file].push((length, None)),
            Entry::Sync { file } if file < 2 => {
                for (offset, bytes) in self.loose[file].drain(..) {
                    apply(&mut self.kept[file], offset, bytes);
                }
            }
            _ => {}
        }
    }

    /// What is found afterwards. `odds` of 256 loose writes are kept, the others not or only in part.
    fn fail(&self, odds: u64, state: &mut u64) -> [Vec<u8>; 2] {
        let mut files = self.kept.clone();
        for (file, loose) in files.iter_mut().zip(&self.loose) {
            for (offset, bytes) in loose {
                if random(state) % 256 < odds {
                    apply(file, *offset, *bytes);
                } else if let Some(bytes) = bytes.filter(|_| random(state).is_multiple_of(4) && odds > 0) {
                    let sectors = random(state) as usize % bytes.len().div_ceil(SECTOR);
                    apply(file, *offset, Some(&bytes[..sectors * SECTOR]));
                }
            }
        }
        files
    }
}

fn record(folder: &Path) -> Vec<u8> {
    let recording = folder.join("recording");
    let mut child = start(
        &folder.join("t.db"),
        1_000_000,
        &[
            ("LD_PRELOAD", shim(folder)),
            ("STORE_RECORD", recording.clone()),
            ("STORE_SAYS", folder.join("says")),
        ],
    );
    std::thread::sleep(Duration::from_millis(rounds(3_000, 20_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::read(recording).unwrap()
}

#[test]
fn a_power_failure_loses_no_acknowledged_label_and_at_most_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let recording = record(folder.path());
    let entries = entries(&recording);
    let failures = rounds(30, 1_000);
    let mut state = u64::from(std::process::id()) << 20 | 1;
    // Until the store is made it has no log; what is looked at begins there.
    let made = entries.iter().position(|entry| matches!(entry, Entry::Write { file: 1, .. })).unwrap();
    let mut moments: Vec<usize> =
        (0..failures).map(|_| made + random(&mut state) as usize % (entries.len() - made)).collect();
    moments.sort_unstable();
    let after = tempfile::tempdir().unwrap();
    let path = after.path().join("t.db");
    let (mut disk, mut at, mut worst_us, mut labels) = (Disk::default(), 0, 0, 0);
    for (number, moment) in moments.into_iter().enumerate() {
        for entry in &entries[at..moment] {
            disk.take(entry);
        }
        at = moment;
        let odds = [0, 64, 128, 240, 256][number % 5];
        let [database, log] = disk.fail(odds, &mut state);
        for leftover in ["t.db", "t.db-wal", "t.db-shm"] {
            let _ = std::fs::remove_file(after.path().join(leftover));
        }
        std::fs::write(&path, database).unwrap();
        std::fs::write(after.path().join("t.db-wal"), log).unwrap();
        let text = String::from_utf8_lossy(&disk.said);
        let said = Said::of(text.lines());
        let held = assert_sound(&path, &said.labels, &format!("failure {number} at entry {moment}"));
        let end = said.offered.values().max().copied().unwrap_or(0);
        worst_us = worst_us.max(lost_us(&said, &held, end));
        labels = said.labels.len();
    }
    println!(
        "     counted store: {failures} power failures in {} recorded writes and syncs, {labels} acknowledged labels kept, worst loss {} ms",
        entries.len(),
        worst_us / 1_000
    );
    assert!(
        labels > 0 && entries.len() > 500,
        "{labels} labels in {} entries: the test saw nothing",
        entries.len()
    );
    assert!(worst_us <= 1_000_000, "lost {worst_us} us");
}
