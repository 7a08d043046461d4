//! A folder that capture files are put into: each is read once, when whoever writes it has closed it or moved it there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use inotify::{EventMask, Inotify, WatchMask};

use super::files::FileSums;
use super::{Clock, Files, FilterCell, Pace, Polled, Seen};
use crate::fault::Fault;

/// What becomes of a file that has been read.
#[derive(Debug, Clone)]
pub enum Done {
    /// It is moved into this folder, which is on the same file system.
    MoveTo(PathBuf),
    /// It stays; its name, size and time are added to this list, so that it is not read again after a restart.
    Remember(PathBuf),
}

/// Room for the kernel's news; a name of the greatest length fits several times.
const NEWS_BYTES: usize = 4096;
/// A file that lay there at the start is complete when nobody has written to it for so long: who closed it is not known.
const SETTLED: Duration = Duration::from_secs(5);
/// How often files that had not settled are looked at again.
const LOOK_US: u64 = 1_000_000;
/// Done files that are remembered.
const REMEMBERED_MAX: usize = 1 << 20;

/// The folder at work.
pub(crate) struct Folder {
    path: PathBuf,
    done: Done,
    remembered: BTreeSet<String>,
    files: Files,
    reading: Option<PathBuf>,
    /// Complete and not read yet, by name: rotating writers name files in order of time.
    waiting: BTreeSet<PathBuf>,
    /// Not known to be complete, with the size last seen.
    unsettled: BTreeMap<PathBuf, u64>,
    news: Inotify,
    buffer: Box<[u8; NEWS_BYTES]>,
    clock: Clock,
    next_look_us: u64,
    /// The kernel had more news than it keeps (16,384 by default): the folder must be looked through.
    missed: bool,
}

impl Folder {
    /// Watches `path`, and takes up what lies there.
    ///
    /// # Errors
    /// The folder, or the place for done files, cannot be used.
    pub(crate) fn watch(
        path: &Path,
        done: &Done,
        pace: Arc<Pace>,
        clock: Clock,
        filter: Arc<FilterCell>,
    ) -> Result<Self, Fault> {
        let unusable = |what: &str, e: &dyn std::fmt::Display| {
            Fault::NoInput(format!("{}: {what} ({e}); name a folder that this user may read", path.display()))
        };
        let remembered = prepare(done)?;
        let news = Inotify::init().map_err(|e| unusable("cannot be watched", &e))?;
        // Links and renames within the folder come as moves; a file that is only opened and read does not come at all.
        let complete = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::ONLYDIR;
        news.watches().add(path, complete).map_err(|e| unusable("cannot be watched", &e))?;
        let mut folder = Self {
            path: path.to_owned(),
            done: done.clone(),
            remembered,
            files: Files::new(pace, clock.clone(), filter),
            reading: None,
            waiting: BTreeSet::new(),
            unsettled: BTreeMap::new(),
            news,
            buffer: Box::new([0; NEWS_BYTES]),
            clock,
            next_look_us: 0,
            missed: false,
        };
        folder.look_through().map_err(|e| unusable("cannot be read", &e))?;
        Ok(folder)
    }

    /// Gives frames of the file at hand, or of the next one.
    pub(crate) fn poll(&mut self, limit: usize, wait_ms: u16, give: impl FnMut(Seen<'_>)) -> Polled {
        self.hear();
        if self.reading.is_none() {
            let Some(next) = self.waiting.pop_first() else {
                std::thread::sleep(Duration::from_millis(wait_ms.into()));
                return Polled::Quiet;
            };
            // A file that cannot even be opened is counted by `begin`, and is done with.
            if self.files.begin(std::slice::from_ref(&next)).is_err() {
                self.finish(&next);
                return Polled::Gave;
            }
            self.reading = Some(next);
        }
        match self.files.poll(limit, wait_ms, give) {
            Polled::Ended => {
                if let Some(read) = self.reading.take() {
                    self.finish(&read);
                }
                Polled::Gave
            }
            other => other,
        }
    }

    pub(crate) fn sums(&self) -> &FileSums {
        self.files.sums()
    }

    fn hear(&mut self) {
        // Nothing new is an error, too.
        let mut complete = Vec::new();
        while let Ok(events) = self.news.read_events(self.buffer.as_mut_slice()) {
            for event in events {
                self.missed |= event.mask.contains(EventMask::Q_OVERFLOW);
                complete.extend(event.name.map(|name| self.path.join(name)));
            }
        }
        for path in complete {
            if self.is_wanted(&path) {
                self.unsettled.remove(&path);
                self.waiting.insert(path);
            }
        }
        let now_us = self.clock.monotonic_us();
        if now_us < self.next_look_us || (self.unsettled.is_empty() && !self.missed) {
            return;
        }
        self.next_look_us = now_us + LOOK_US;
        if std::mem::take(&mut self.missed) && self.look_through().is_err() {
            self.missed = true;
        }
        self.settle();
    }

    /// Takes up every file of the folder that is not known yet.
    fn look_through(&mut self) -> std::io::Result<()> {
        for entry in fs::read_dir(&self.path)?.flatten() {
            let path = entry.path();
            let known = self.waiting.contains(&path) || self.reading.as_ref() == Some(&path);
            if self.is_wanted(&path) && !known {
                self.unsettled.entry(path).or_insert(u64::MAX);
            }
        }
        self.settle();
        Ok(())
    }

    /// Files whose size stays and that were last written a while ago are complete.
    fn settle(&mut self) {
        let now_us = self.clock.wall_us();
        let waiting = &mut self.waiting;
        self.unsettled.retain(|path, size| {
            let Ok(about) = fs::metadata(path) else { return false };
            let written = about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let age_us = written.map_or(u128::MAX, |t| u128::from(now_us).saturating_sub(t.as_micros()));
            let same = std::mem::replace(size, about.len()) == about.len() || *size == u64::MAX;
            let long_ago = age_us > 10 * SETTLED.as_micros();
            let complete = long_ago || (same && age_us > SETTLED.as_micros());
            if complete {
                waiting.insert(path.clone());
            }
            !complete
        });
    }

    /// A plain file with a capture's ending that has not been read before. Hidden files are somebody's unfinished work.
    fn is_wanted(&self, path: &Path) -> bool {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let bare = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        let capture = [".pcap", ".pcapng", ".cap"].iter().any(|ending| bare.ends_with(ending))
            // Rotating writers put a number behind: `trace.pcap12`.
            || bare.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with(".pcap");
        capture
            && !name.starts_with('.')
            && path.is_file()
            && !self.remembered.contains(&identity(path).unwrap_or_default())
    }

    /// Puts a read file where done files go. One that cannot be put there is remembered until the next restart at least.
    fn finish(&mut self, path: &Path) {
        let Some(identity) = identity(path) else { return };
        let kept = match &self.done {
            Done::MoveTo(folder) => {
                let name = path.file_name().unwrap_or_default();
                fs::rename(path, free_name(&folder.join(name)))
            }
            Done::Remember(list) => fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(list)
                .and_then(|mut list| writeln!(list, "{identity}")),
        };
        match kept {
            Ok(()) if matches!(self.done, Done::MoveTo(_)) => return,
            Ok(()) => {}
            Err(e) => {
                let sums = self.files.sums_mut();
                sums.last_fault = Some(format!(
                    "{}: was read, but cannot be put among the done files ({e}); it will be read again after a restart",
                    path.display()
                ));
            }
        }
        if self.remembered.len() == REMEMBERED_MAX {
            self.remembered.pop_first();
        }
        self.remembered.insert(identity);
    }
}

/// Name, size and time of last writing: another file of the same name is read again.
fn identity(path: &Path) -> Option<String> {
    let about = fs::metadata(path).ok()?;
    let written = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    let name = path.file_name()?.to_string_lossy().replace(['\t', '\n'], "?");
    Some(format!("{name}\t{}\t{written}", about.len()))
}

/// `path`, with a number behind it when something lies there already.
fn free_name(path: &Path) -> PathBuf {
    let numbered = |n: u32| PathBuf::from(format!("{}.{n}", path.display()));
    if !path.exists() {
        return path.to_owned();
    }
    (1..u32::MAX).map(numbered).find(|name| !name.exists()).unwrap_or_else(|| path.to_owned())
}

/// Checks the place for done files; gives what was remembered there.
fn prepare(done: &Done) -> Result<BTreeSet<String>, Fault> {
    match done {
        Done::MoveTo(folder) => {
            fs::create_dir_all(folder).map_err(|e| Fault::creating(folder, &e))?;
            Ok(BTreeSet::new())
        }
        Done::Remember(list) => match fs::read_to_string(list) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(e) => Err(Fault::opening(list, &e)),
        },
    }
}
