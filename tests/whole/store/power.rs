//! Power failures: of one run every write was recorded; at random moments the files are rebuilt as a disk might have kept them.
//!
//! What a file was synced with is there; of what was written to it since, any part may be missing, to the sector. The names of
//! files are kept, but a rollback journal (with which a store is made) that was removed since the last sync may be there again.

use std::path::Path;
use std::time::Duration;

use super::{Said, assert_sound, lost_us, random, rounds, shim, start};

const SECTOR: usize = 512;

enum Entry<'a> {
    Write { file: usize, offset: usize, bytes: &'a [u8] },
    Truncate { file: usize, length: usize },
    Sync { file: usize },
    Remove { file: usize },
}

/// Files of the recording: database, log, rollback journal, and what the process said.
const JOURNAL: usize = 2;
const SAYS: usize = 3;
/// Those that a power failure may hurt, behind the store's path.
const FILES: [&str; 3] = ["", "-wal", "-journal"];

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
            2 => Entry::Sync { file },
            _ => Entry::Remove { file },
        });
    }
    entries
}

/// Bytes at an offset, or a new length.
type Loose<'a> = (usize, Option<&'a [u8]>);

/// Applies what comes to the files; a power failure keeps a part of what was not synced.
#[derive(Default, Clone)]
struct Disk<'a> {
    /// The files as they are after their last sync.
    kept: [Vec<u8>; 3],
    /// What came since.
    loose: [Vec<Loose<'a>>; 3],
    /// The journal that was removed last, until the next sync of anything.
    ghost: Vec<u8>,
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
            Entry::Write { file: SAYS, bytes, .. } => self.said.extend_from_slice(bytes),
            Entry::Write { file, offset, bytes } => self.loose[file].push((offset, Some(bytes))),
            Entry::Truncate { file, length } if file < SAYS => self.loose[file].push((length, None)),
            Entry::Remove { file: JOURNAL } => {
                self.loose[JOURNAL].clear();
                self.ghost = std::mem::take(&mut self.kept[JOURNAL]);
            }
            Entry::Sync { file } if file < SAYS => {
                self.ghost.clear();
                for (offset, bytes) in self.loose[file].drain(..) {
                    apply(&mut self.kept[file], offset, bytes);
                }
            }
            _ => {}
        }
    }

    /// What is found afterwards. `odds` of 256 loose writes are kept, the others not or only in part.
    fn fail(&self, odds: u64, state: &mut u64) -> [Vec<u8>; 3] {
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
        if files[JOURNAL].is_empty() && random(state) % 256 >= odds {
            files[JOURNAL].clone_from(&self.ghost);
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
    // Until the store is made it has no log; a part of the failures comes before.
    let made = entries.iter().position(|entry| matches!(entry, Entry::Write { file: 1, .. })).unwrap();
    let making = rounds(10, 300);
    let mut moments: Vec<usize> = (0..making).map(|_| random(&mut state) as usize % made).collect();
    moments.extend((0..failures).map(|_| made + random(&mut state) as usize % (entries.len() - made)));
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
        for leftover in std::fs::read_dir(after.path()).unwrap() {
            std::fs::remove_file(leftover.unwrap().path()).unwrap();
        }
        for (bytes, ending) in disk.fail(odds, &mut state).iter().zip(FILES) {
            if !bytes.is_empty() {
                std::fs::write(after.path().join(format!("t.db{ending}")), bytes).unwrap();
            }
        }
        let text = String::from_utf8_lossy(&disk.said);
        let said = Said::of(text.lines());
        let held = assert_sound(&path, &said.labels, &format!("failure {number} at entry {moment}"));
        let end = said.offered.values().max().copied().unwrap_or(0);
        worst_us = worst_us.max(lost_us(&said, &held, end));
        labels = said.labels.len();
    }
    println!(
        "     counted store: {failures} power failures, and {making} while it was made ({made}), in {} recorded writes and syncs, {labels} acknowledged labels kept, worst loss {} ms",
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
