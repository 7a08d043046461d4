//! The EVE file of a running sensor: lines from the recorder, written by a thread of its own, turned over by size or on demand.

#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::fault::Fault;

enum Order {
    Lines(Vec<u8>),
    Reopen,
}

/// The recorder's end of the file: never waits.
#[derive(Clone)]
pub struct EveHandle {
    orders: Sender<Order>,
    counts: Arc<EveCounts>,
}

/// Where lines went.
#[derive(Debug, Default)]
pub struct EveCounts {
    /// Blocks of lines that found the queue full.
    pub dropped: AtomicU64,
    /// Writes that failed.
    pub failed: AtomicU64,
}

impl EveHandle {
    /// Blocks of lines that may wait for the disk.
    const QUEUE: usize = 1024;

    /// Writes whole lines, or counts that there was no room.
    pub fn write(&self, lines: Vec<u8>) {
        if self.orders.try_send(Order::Lines(lines)).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew under its name: somebody has moved it (logrotate and SIGUSR1).
    pub fn reopen(&self) {
        let _ = self.orders.try_send(Order::Reopen);
    }

    /// Where lines went.
    #[must_use]
    pub fn counts(&self) -> &EveCounts {
        &self.counts
    }
}

/// The file, open and without a thread yet.
pub struct Opened(Turned);

/// Opens `path` for appending.
///
/// # Errors
/// The file cannot be created.
pub fn open(path: &Path, rotate_bytes: u64, keep: u32) -> Result<Opened, Fault> {
    Turned::open(path.to_owned(), rotate_bytes, keep).map(Opened).map_err(|e| Fault::creating(path, &e))
}

impl Opened {
    /// Starts the thread that writes. It ends when the last handle is dropped.
    ///
    /// # Errors
    /// The operating system has no thread left.
    pub fn start(self) -> Result<(EveHandle, JoinHandle<()>), Fault> {
        let Self(mut file) = self;
        let (orders, todo) = bounded(EveHandle::QUEUE);
        let handle = EveHandle { orders, counts: Arc::default() };
        let counts = Arc::clone(&handle.counts);
        let thread = std::thread::Builder::new()
            .name("eve".into())
            .spawn(move || write_all(&mut file, &todo, &counts))
            .map_err(|e| Fault::Software(format!("the thread of the EVE file cannot be started: {e}")))?;
        Ok((handle, thread))
    }
}

fn write_all(file: &mut Turned, todo: &Receiver<Order>, counts: &EveCounts) {
    let mut failing = false;
    for order in todo {
        let written = match order {
            Order::Lines(lines) => file.append(&lines),
            Order::Reopen => file.reopen(),
        };
        // Nothing more waits: what is written should be seen.
        let written = written.and_then(|()| if todo.is_empty() { file.out.flush() } else { Ok(()) });
        match written {
            Ok(()) if failing => {
                failing = false;
                tracing::info!(path = %file.path.display(), "the EVE file takes lines again");
            }
            Ok(()) => {}
            Err(e) => {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                if !failing {
                    failing = true;
                    tracing::error!(path = %file.path.display(), error = %e, "the EVE file takes no lines; check the free space");
                }
                let _ = file.reopen();
            }
        }
    }
    let _ = file.out.flush();
}

/// A file that is moved to `name.1` (and so on) when it has grown enough.
struct Turned {
    path: PathBuf,
    out: BufWriter<File>,
    length: u64,
    rotate_bytes: u64,
    keep: u32,
}

impl Turned {
    fn open(path: PathBuf, rotate_bytes: u64, keep: u32) -> io::Result<Self> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(&path)?;
        let mut length = file.metadata()?.len();
        if !ends_with_a_line(&mut file, length)? {
            // Whoever wrote last was killed within a line: only that line is lost, not the next one too.
            file.write_all(b"\n")?;
            length += 1;
        }
        Ok(Self { path, out: BufWriter::with_capacity(64 << 10, file), length, rotate_bytes, keep })
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.rotate_bytes > 0 && self.length > 0 && self.length + lines.len() as u64 > self.rotate_bytes {
            self.out.flush()?;
            self.turn()?;
            self.reopen()?;
        }
        self.out.write_all(lines)?;
        self.length += lines.len() as u64;
        Ok(())
    }

    fn reopen(&mut self) -> io::Result<()> {
        let _ = self.out.flush();
        *self = Self::open(self.path.clone(), self.rotate_bytes, self.keep)?;
        Ok(())
    }

    fn turn(&self) -> io::Result<()> {
        if self.keep == 0 {
            return std::fs::remove_file(&self.path);
        }
        for n in (1..self.keep).rev() {
            match std::fs::rename(self.turned(n), self.turned(n + 1)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        std::fs::rename(&self.path, self.turned(1))
    }

    fn turned(&self, n: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        name.into()
    }
}

fn ends_with_a_line(file: &mut File, length: u64) -> io::Result<bool> {
    // Pipes and terminals have no length, and nothing to be read back.
    if length == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
