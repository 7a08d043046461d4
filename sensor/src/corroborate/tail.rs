//! A growing file, line by line: under its name, over rotation and truncation, with a bound on what a line may take.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What a line turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// Its bytes, without the end.
    Line(&'a [u8]),
    /// It was longer than [`LineReader::LINE_MAX`], and is passed over.
    TooLong,
}

/// Puts lines together from blocks.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    partial: Vec<u8>,
    too_long: bool,
}

impl LineReader {
    /// Longest line that is read. Suricata's own alerts with payload and packet stay below.
    pub(super) const LINE_MAX: usize = 256 << 10;

    /// Takes a block; gives every line that it ends. Stops early when `take` says that it has enough.
    pub(super) fn feed(&mut self, block: &[u8], mut take: impl FnMut(Read<'_>) -> bool) -> bool {
        let mut pieces = block.split_inclusive(|byte| *byte == b'\n');
        pieces.all(|piece| match piece.strip_suffix(b"\n") {
            None => {
                self.keep(piece);
                true
            }
            Some(end) => self.end_line(end, &mut take),
        })
    }

    fn end_line(&mut self, end: &[u8], take: &mut impl FnMut(Read<'_>) -> bool) -> bool {
        if self.partial.is_empty() && !self.too_long && end.len() <= Self::LINE_MAX {
            // Mostly a line lies whole in its block.
            return end.is_empty() || take(Read::Line(end));
        }
        self.keep(end);
        let more = take(if self.too_long { Read::TooLong } else { Read::Line(&self.partial) });
        self.forget();
        more
    }

    fn keep(&mut self, piece: &[u8]) {
        self.too_long |= self.partial.len() + piece.len() > Self::LINE_MAX;
        if self.too_long {
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(piece);
        }
    }

    /// What was begun will not be ended.
    fn forget(&mut self) {
        self.partial.clear();
        self.too_long = false;
    }
}

/// A file that is followed under its name.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    open: Option<Open>,
    begun: bool,
    reopened: u64,
    truncated: u64,
    block: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    file: File,
    identity: (u64, u64),
    position: u64,
    lines: LineReader,
}

impl Tail {
    /// What is read of a file that is there at the start.
    const BEGIN_BYTES: u64 = 1 << 20;

    pub(super) fn new(path: &Path) -> Self {
        let block = vec![0; 256 << 10];
        Self { path: path.to_owned(), open: None, begun: false, reopened: 0, truncated: 0, block }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn reopened(&self) -> u64 {
        self.reopened
    }

    pub(super) fn truncated(&self) -> u64 {
        self.truncated
    }

    /// Reads what has come since the last look. Of a file that was moved away the rest is read before its successor.
    ///
    /// # Errors
    /// It is not there, or cannot be read. The next look tries again.
    pub(super) fn look(&mut self, mut take: impl FnMut(Read<'_>) -> bool) -> io::Result<()> {
        if !self.drain(&mut take)? {
            return Ok(());
        }
        let there = std::fs::metadata(&self.path)?;
        let same = self.open.as_ref().is_some_and(|open| open.identity == identity(&there));
        if !same {
            // Between the two calls its writer may have ended a line there.
            if !self.drain(&mut take)? {
                return Ok(());
            }
            self.open_anew()?;
            self.drain(&mut take)?;
        }
        Ok(())
    }

    fn open_anew(&mut self) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        let skip = if self.begun { 0 } else { found.len().saturating_sub(Self::BEGIN_BYTES) };
        self.reopened += u64::from(self.begun && self.open.is_some());
        self.begun = true;
        // One byte earlier: a line that begins just there is whole. What is cut is passed over as no line.
        let mut position = skip;
        if skip > 0 {
            position = file.seek(SeekFrom::Start(skip - 1))?;
        }
        let mut open = Open { file, identity: identity(&found), position, lines: LineReader::default() };
        if skip > 0 {
            open.skip_line(&mut self.block)?;
        }
        self.open = Some(open);
        Ok(())
    }

    /// Reads to the end of what is open. False when `take` has enough.
    fn drain(&mut self, take: &mut impl FnMut(Read<'_>) -> bool) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(true) };
        let length = open.file.metadata()?.len();
        if length < open.position {
            self.truncated += 1;
            open.position = open.file.seek(SeekFrom::Start(0))?;
            open.lines.forget();
        }
        loop {
            let read = open.file.read(&mut self.block)?;
            if read == 0 {
                return Ok(true);
            }
            open.position += read as u64;
            if !open.lines.feed(&self.block[..read], &mut *take) {
                return Ok(false);
            }
        }
    }
}

impl Open {
    fn skip_line(&mut self, block: &mut [u8]) -> io::Result<()> {
        loop {
            let read = self.file.read(block)?;
            let end = block[..read].iter().position(|byte| *byte == b'\n').map_or(read, |at| at + 1);
            self.position = self.file.seek(SeekFrom::Start(self.position + end as u64))?;
            if read == 0 || end < read || block[end - 1] == b'\n' {
                return Ok(());
            }
        }
    }
}

fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
