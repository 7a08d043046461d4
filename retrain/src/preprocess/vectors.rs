//! Which vectors occur more than once, found without holding them all: their hashes go to files by their first bits, and one such
//! file at a time is looked at. In memory are a buffer a file, and a 256th of the hashes.

use crate::failure::{Failure, read_file};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const PARTS: usize = 256;
const ENTRY_BYTES: usize = 16;

/// One occurrence of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) hash: u64,
    /// Number of the row in its file.
    pub(super) row: u64,
    /// What the caller wants to know again.
    pub(super) mark: bool,
}

/// Occurrences on disk, until they are looked at.
pub(super) struct Vectors {
    folder: PathBuf,
    parts: Vec<BufWriter<File>>,
}

impl Vectors {
    /// Room for them beside `file`; it goes with its value.
    pub(super) fn beside(file: &Path, name: &str) -> Result<Vectors, Failure> {
        let mut part = file.file_name().unwrap_or_default().to_owned();
        part.push(format!(".{name}.part"));
        let folder = file.with_file_name(part);
        let fault = |fault| Failure::cannot_create(&folder, fault);
        std::fs::create_dir_all(&folder).map_err(fault)?;
        let open = |at: usize| File::create(folder.join(at.to_string())).map(BufWriter::new);
        let parts = (0..PARTS).map(open).collect::<Result<_, _>>().map_err(fault)?;
        Ok(Vectors { folder, parts })
    }

    pub(super) fn note(&mut self, entry: Entry) -> Result<(), Failure> {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..8].copy_from_slice(&entry.hash.to_le_bytes());
        bytes[8..].copy_from_slice(&(entry.row << 1 | u64::from(entry.mark)).to_le_bytes());
        // The hold-out for ever is chosen by the hash's last digits; its first bits are free.
        let part = &mut self.parts[(entry.hash >> 56) as usize];
        part.write_all(&bytes).map_err(|fault| Failure::cannot_create(&self.folder, fault))
    }

    /// Shows the occurrences of each vector together, in the order of their rows.
    pub(super) fn each(mut self, mut look: impl FnMut(&[Entry])) -> Result<(), Failure> {
        for at in 0..PARTS {
            self.parts[at].flush().map_err(|fault| Failure::cannot_create(&self.folder, fault))?;
            let bytes = read_file(&self.folder.join(at.to_string()))?;
            let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
            let mut entries: Vec<Entry> = bytes
                .chunks_exact(ENTRY_BYTES)
                .map(|entry| {
                    let row = number(&entry[8..]);
                    Entry { hash: number(&entry[..8]), row: row >> 1, mark: row & 1 == 1 }
                })
                .collect();
            entries.sort_unstable();
            entries.chunk_by(|a, b| a.hash == b.hash).for_each(&mut look);
        }
        Ok(())
    }
}

impl Drop for Vectors {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A bit a row.
#[derive(Default)]
pub(super) struct Rows(Vec<u64>);

impl Rows {
    pub(super) fn insert(&mut self, row: u64) {
        let at = (row / 64) as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] |= 1 << (row % 64);
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        self.0.get((row / 64) as usize).is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn occurrences_come_together_and_nothing_stays_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let mut vectors = Vectors::beside(&folder.path().join("train.csv"), "seen").unwrap();
        let hash = |row: u64| (row % 100).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for row in 0..1000 {
            vectors.note(Entry { hash: hash(row), row, mark: row == 107 }).unwrap();
        }
        let mut seen = 0;
        let mut marked = Rows::default();
        vectors
            .each(|entries| {
                seen += 1;
                let rows: Vec<u64> = entries.iter().map(|entry| entry.row).collect();
                assert_eq!(rows, (0..10).map(|i| rows[0] + i * 100).collect::<Vec<_>>());
                entries.iter().filter(|entry| entry.mark).for_each(|entry| marked.insert(entry.row));
            })
            .unwrap();
        assert_eq!(seen, 100);
        assert!((0..1000).all(|row| marked.contains(row) == (row == 107)));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
