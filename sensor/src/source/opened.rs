//! Opening an input: a file or standard input, plain, gzip or zstd, with a count of the bytes read from disk.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fault::Fault;

/// How far reading has come, in bytes as they lie on disk (compressed ones count as they are).
#[derive(Debug, Default, Clone)]
pub struct Progress {
    read: Arc<AtomicU64>,
    total: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes read so far, over all inputs.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of all inputs whose size is known (standard input adds nothing).
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.progress.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Opens `path` (`-` is standard input) and looks through gzip and zstd by their magic numbers, whatever the name says.
///
/// # Errors
/// A missing file, a directory or a forbidden one, each with its remedy.
pub fn open(path: &Path, progress: &Progress) -> Result<Box<dyn Read + Send>, Fault> {
    let raw: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(Counted { inner: io::stdin(), progress: progress.clone() })
    } else {
        let file = File::open(path).map_err(|e| Fault::opening(path, &e))?;
        let about = file.metadata().map_err(|e| Fault::opening(path, &e))?;
        if about.is_dir() {
            return Err(Fault::is_directory(path));
        }
        progress.total.fetch_add(about.len(), Ordering::Relaxed);
        Box::new(Counted { inner: file, progress: progress.clone() })
    };
    unpacked(raw).map_err(|e| Fault::opening(path, &e))
}

/// Looks through gzip and zstd by their magic numbers; anything else is given back as it came.
///
/// # Errors
/// The first bytes cannot be read.
pub fn unpacked(mut raw: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    let mut head = Vec::with_capacity(4);
    raw.by_ref().take(4).read_to_end(&mut head)?;
    let (gzip, zstd) = (head.starts_with(&GZIP), head == ZSTD);
    let whole = io::Cursor::new(head).chain(raw);
    Ok(if gzip {
        Box::new(flate2::read::MultiGzDecoder::new(whole))
    } else if zstd {
        Box::new(zstd::stream::read::Decoder::new(whole)?)
    } else {
        Box::new(whole)
    })
}
