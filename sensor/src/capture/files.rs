//! Capture files as a live source: merged by time, paced by a virtual clock, filtered here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::pace::VirtualClock;
use super::{Clock, FilterCell, Pace, Polled, Seen};
use crate::fault::Fault;
use crate::source::filter::Filter;
use crate::source::{CaptureFile, MergedFiles, Progress, open};

/// Capture files that are being read.
pub(crate) struct Files {
    merged: Option<MergedFiles>,
    /// The files' next frame has been looked at, and is not due yet.
    held: bool,
    follows: VirtualClock,
    pace: Arc<Pace>,
    clock: Clock,
    filter_cell: Arc<FilterCell>,
    filter: (Option<Filter>, Option<u64>),
    sums: FileSums,
}

/// What became of capture files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileSums {
    /// Read to their end.
    pub read: u64,
    /// Not captures, or broken: what came before the fault was read.
    pub bad: u64,
    /// What was wrong with the last of these.
    pub last_fault: Option<String>,
}

impl FileSums {
    pub(super) fn fault(&mut self, fault: &impl ToString) {
        self.bad += 1;
        self.last_fault = Some(fault.to_string());
    }
}

impl Files {
    pub(crate) fn new(pace: Arc<Pace>, clock: Clock, filter_cell: Arc<FilterCell>) -> Self {
        Self {
            merged: None,
            held: false,
            follows: VirtualClock::default(),
            pace,
            clock,
            filter_cell,
            filter: (None, None),
            sums: FileSums::default(),
        }
    }

    /// Begins with `paths`. Those that cannot be opened are counted, with what was wrong.
    ///
    /// # Errors
    /// The first fault, when not one of them can be read.
    pub(crate) fn begin(&mut self, paths: &[PathBuf]) -> Result<(), Fault> {
        let opened = |path: &Path| -> Result<CaptureFile, Fault> {
            let reader = open(path, &Progress::default())?;
            Ok(CaptureFile::new(path.display().to_string(), reader)?)
        };
        let (mut files, mut first) = (Vec::new(), None);
        for path in paths {
            match opened(path) {
                Ok(file) => {
                    files.push(file);
                    self.sums.read += 1;
                }
                Err(fault) => {
                    self.sums.fault(&fault);
                    first.get_or_insert(fault);
                }
            }
        }
        match first {
            Some(fault) if files.is_empty() => Err(fault),
            _ => {
                self.merged = Some(MergedFiles::new(files));
                self.held = false;
                Ok(())
            }
        }
    }

    /// Gives frames that are due, at most `limit`; waits for the first at most `wait_ms`.
    pub(crate) fn poll(&mut self, limit: usize, wait_ms: u16, mut give: impl FnMut(Seen<'_>)) -> Polled {
        let rest = |wait_us: u64| {
            std::thread::sleep(Duration::from_micros(wait_us.min(u64::from(wait_ms) * 1_000)));
            Polled::Quiet
        };
        self.follow_filter();
        self.follows.turn(&self.pace, self.clock.monotonic_us());
        if self.pace.is_paused() {
            return rest(u64::MAX);
        }
        let Some(merged) = &mut self.merged else { return Polled::Ended };
        for given in 0..limit {
            let next = if self.held { merged.current_frame() } else { merged.next_frame() };
            let Some((frame, link)) = next else {
                self.end();
                return Polled::Ended;
            };
            if !self.held {
                self.follows.packet(frame.time_us);
            }
            let wait_us = self.follows.wait_us(&self.pace);
            self.held = wait_us > 0;
            if self.held {
                return if given == 0 { rest(wait_us) } else { Polled::Gave };
            }
            let kept = self.filter.0.as_mut().is_none_or(|filter| filter.keeps(link, frame.bytes));
            give(if kept { Seen::Frame(frame) } else { Seen::Filtered });
        }
        Polled::Gave
    }

    pub(crate) fn sums(&self) -> &FileSums {
        &self.sums
    }

    pub(super) fn sums_mut(&mut self) -> &mut FileSums {
        &mut self.sums
    }

    fn end(&mut self) {
        let faults = self.merged.take().map(MergedFiles::into_faults).unwrap_or_default();
        for fault in faults {
            self.sums.read -= 1;
            self.sums.fault(&fault);
        }
    }

    fn follow_filter(&mut self) {
        let wanted = self.filter_cell.load();
        if self.filter.1 != Some(wanted.version) {
            // It has been compiled before, so it compiles.
            let filter = wanted.expression.as_deref().and_then(|text| Filter::new(text).ok());
            self.filter = (filter, Some(wanted.version));
        }
    }
}
