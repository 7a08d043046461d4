//! A segment file of the ring: a head, then sealed blocks one behind the other, as many as were written whole.
//!
//! ```text
//! TAPEVD01 · key id 8 · salt 16          block: length u32 · packets u32 · first_us u64 · last_us u64 · ciphertext and tag
//! ```
//!
//! Numbers are little-endian. A block's head is readable without the key and cannot be changed without it. The end of a file
//! that a crash cut off in the middle of a block is no block.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::key::{Key, SegmentKey};
use super::tap::BLOCK_BYTES;

const MAGIC: &[u8; 8] = b"TAPEVD01";
/// Bytes before the first block.
pub(super) const HEAD: usize = 32;
/// Bytes before a block's ciphertext.
pub(super) const BLOCK_HEAD: usize = 24;
/// Ending of segment files.
const ENDING: &str = "evidence";

/// The head of a new segment.
pub(super) fn head(key: &Key, salt: &[u8; 16]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..16].copy_from_slice(&key.id());
    head[16..].copy_from_slice(salt);
    head
}

/// What can be read of a block without its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) length: u32,
    pub(super) packets: u32,
    pub(super) first_us: u64,
    pub(super) last_us: u64,
}

impl BlockHead {
    pub(super) fn to_bytes(self) -> [u8; BLOCK_HEAD] {
        let mut bytes = [0; BLOCK_HEAD];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.packets.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_us.to_le_bytes());
        bytes[16..].copy_from_slice(&self.last_us.to_le_bytes());
        bytes
    }

    fn read(bytes: &[u8; BLOCK_HEAD]) -> Self {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        Self {
            length: u32::from_le_bytes(std::array::from_fn(|i| bytes[i])),
            packets: u32::from_le_bytes(std::array::from_fn(|i| bytes[4 + i])),
            first_us: number(8),
            last_us: number(16),
        }
    }
}

/// One segment file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

/// The path of segment `number`.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.{ENDING}"))
}

/// The segments of a folder, oldest first. Files of other names are nobody's business here.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (Some(number), true) = (number, path.extension().is_some_and(|e| e == ENDING)) {
            // A file that has just made room is no segment any more.
            if let Ok(about) = entry.metadata() {
                found.push(Segment { number, path, bytes: about.len() });
            }
        }
    }
    found.sort_by_key(|segment| segment.number);
    Ok(found)
}

/// Why a segment gives no more blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// It is over.
    Whole,
    /// It breaks off, or holds what was not sealed with its key.
    Damaged,
    /// It was sealed with another key.
    OtherKey,
}

/// Reads a segment block by block.
pub(super) struct SegmentReader {
    file: io::BufReader<std::fs::File>,
    key: SegmentKey,
    number: u64,
    sealed: Vec<u8>,
}

impl SegmentReader {
    /// Opens a segment.
    pub(super) fn open(path: &Path, key: &Key) -> Result<Self, End> {
        let file = std::fs::File::open(path).map_err(|_| End::Whole)?;
        let mut file = io::BufReader::new(file);
        let mut start = [0; HEAD];
        file.read_exact(&mut start).map_err(|_| End::Damaged)?;
        if start[..8] != *MAGIC {
            return Err(End::Damaged);
        }
        if start[8..16] != key.id() {
            return Err(End::OtherKey);
        }
        let salt = std::array::from_fn(|i| start[16 + i]);
        let key = key.segment(&salt).ok_or(End::Damaged)?;
        Ok(Self { file, key, number: 0, sealed: Vec::new() })
    }

    /// The next block that `wanted` wants by its head: its head and its packets.
    pub(super) fn next(&mut self, wanted: impl Fn(&BlockHead) -> bool) -> Result<(BlockHead, &[u8]), End> {
        loop {
            let mut start = [0; BLOCK_HEAD];
            match self.file.read(&mut start[..1]) {
                Ok(0) => return Err(End::Whole),
                Ok(_) => {}
                Err(_) => return Err(End::Damaged),
            }
            self.file.read_exact(&mut start[1..]).map_err(|_| End::Damaged)?;
            let head = BlockHead::read(&start);
            let length = head.length as usize;
            if length > BLOCK_BYTES + SegmentKey::OVERHEAD {
                return Err(End::Damaged);
            }
            let number = self.number;
            self.number += 1;
            if !wanted(&head) {
                self.file.seek_relative(i64::from(head.length)).map_err(|_| End::Damaged)?;
                continue;
            }
            self.sealed.resize(length, 0);
            self.file.read_exact(&mut self.sealed).map_err(|_| End::Damaged)?;
            return match self.key.open(number, &start, &mut self.sealed) {
                Some(plain) => Ok((head, plain)),
                None => Err(End::Damaged),
            };
        }
    }
}
