//! Several capture files as one stream in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use flowmeter::Frame;

use super::capture_file::{CaptureError, CaptureFile};

/// Capture files merged by time: each is read in its own order, and the earliest head comes first (equal times: the
/// file named first). A file that fails ends there; the others go on.
pub struct MergedFiles {
    files: Vec<CaptureFile>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    current: Option<usize>,
    faults: Vec<CaptureError>,
}

impl MergedFiles {
    /// Reads the first frame of every file.
    #[must_use]
    pub fn new(files: Vec<CaptureFile>) -> Self {
        let mut merged =
            Self { heads: BinaryHeap::with_capacity(files.len()), files, current: None, faults: Vec::new() };
        for index in 0..merged.files.len() {
            merged.queue_head(index);
        }
        merged
    }

    /// The next frame in time, and the number of its link type as capture files write it.
    pub fn next_frame(&mut self) -> Option<(Frame<'_>, u32)> {
        if let Some(index) = self.current.take() {
            self.queue_head(index);
        }
        let Reverse((_, index)) = self.heads.pop()?;
        self.current = Some(index);
        Some((self.files[index].frame(), self.files[index].link_number()))
    }

    /// The frame that [`MergedFiles::next_frame`] gave last.
    #[must_use]
    pub fn current_frame(&self) -> Option<(Frame<'_>, u32)> {
        let file = &self.files[self.current?];
        Some((file.frame(), file.link_number()))
    }

    /// What ended a file before its time.
    #[must_use]
    pub fn into_faults(self) -> Vec<CaptureError> {
        self.faults
    }

    fn queue_head(&mut self, index: usize) {
        match self.files[index].advance() {
            Ok(true) => self.heads.push(Reverse((self.files[index].frame().time_us, index))),
            Ok(false) => {}
            Err(fault) => self.faults.push(fault),
        }
    }
}
