//! The ring on disk: blocks are sealed and appended, and the oldest segment goes before the quota would be passed.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Counts;
use super::key::{Key, SegmentKey};
use super::segment::{self, BLOCK_HEAD, BlockHead, HEAD, Segment, SegmentReader};
use super::tap::Block;
use crate::fault::Fault;

/// Writes the ring.
pub(super) struct RingWriter {
    folder: PathBuf,
    quota_bytes: u64,
    segment_bytes: u64,
    key: Key,
    counts: Arc<Counts>,
    /// Whole segments, oldest first.
    segments: VecDeque<Segment>,
    open: Option<Open>,
    next: u64,
    failing: bool,
    /// Number of the oldest segment when it was last looked into, and the time of its first packet.
    oldest: (u64, u64),
}

/// The segment that is being written.
struct Open {
    file: File,
    segment: Segment,
    key: SegmentKey,
    blocks: u64,
}

impl RingWriter {
    /// Largest segment, and how many a ring has at least: what goes at once is a sixteenth of it.
    const SEGMENT_MAX: u64 = 64 << 20;
    const SEGMENTS: u64 = 16;

    /// A ring over what lies in `folder` already.
    pub(super) fn open(
        folder: &Path,
        quota_bytes: u64,
        key: Key,
        counts: Arc<Counts>,
    ) -> Result<Self, Fault> {
        let found = segment::list(folder).map_err(|e| Fault::opening(folder, &e))?;
        let next = found.last().map_or(1, |newest| newest.number + 1);
        let mut ring = Self {
            folder: folder.to_owned(),
            quota_bytes,
            segment_bytes: (quota_bytes / Self::SEGMENTS).min(Self::SEGMENT_MAX),
            key,
            counts,
            segments: found.into(),
            open: None,
            next,
            failing: false,
            oldest: (0, 0),
        };
        ring.make_room(0);
        ring.note();
        Ok(ring)
    }

    /// Appends a block. One that the disk does not take is counted, and the next one is tried again.
    pub(super) fn write(&mut self, block: &mut Block) {
        let packets = u64::from(block.packets);
        let (first_us, last_us) = (block.first_us, block.last_us);
        match self.append(block, first_us, last_us) {
            Ok(()) => {
                self.counts.kept.fetch_add(packets, Ordering::Relaxed);
                self.counts.newest_us.fetch_max(last_us, Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(event = "evidence_recovered", "evidence is written again");
                }
            }
            Err(e) => {
                self.counts.failed.fetch_add(packets, Ordering::Relaxed);
                // What was half written is no block; the file ends before it.
                self.close();
                if e.kind() == std::io::ErrorKind::StorageFull
                    && let Some(oldest) = self.segments.pop_front()
                {
                    // Others fill the disk: the newest packets are worth more than the oldest.
                    let _ = std::fs::remove_file(&oldest.path);
                }
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(event = "evidence_failing", folder = %self.folder.display(), error = %e, "evidence cannot be written; it will be tried again");
                }
            }
        }
        self.note();
    }

    fn append(&mut self, block: &mut Block, first_us: u64, last_us: u64) -> std::io::Result<()> {
        let length = block.bytes.len() + SegmentKey::OVERHEAD;
        let more = (BLOCK_HEAD + length) as u64;
        let is_full = |open: &Open| open.segment.bytes + more > self.segment_bytes.max(more + HEAD as u64);
        if self.open.as_ref().is_some_and(is_full) {
            self.close();
        }
        if self.open.is_none() {
            self.make_room(more + HEAD as u64);
            self.begin()?;
        }
        self.make_room(more);
        let Some(open) = &mut self.open else { return Ok(()) };
        let head = BlockHead { length: length as u32, packets: block.packets, first_us, last_us }.to_bytes();
        if !open.key.seal(open.blocks, &head, &mut block.bytes) {
            return Err(std::io::Error::other("a block cannot be sealed"));
        }
        let written = open.file.write_all(&head).and_then(|()| open.file.write_all(&block.bytes));
        if let Err(e) = written {
            let _ = open.file.set_len(open.segment.bytes);
            return Err(e);
        }
        open.segment.bytes += more;
        open.blocks += 1;
        Ok(())
    }

    fn begin(&mut self) -> std::io::Result<()> {
        use std::os::unix::fs::OpenOptionsExt;
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(std::io::Error::other)?;
        let key = self.key.segment(&salt).ok_or_else(|| std::io::Error::other("no key can be derived"))?;
        let number = self.next;
        let path = segment::path(&self.folder, number);
        let mut file = File::options().create_new(true).append(true).mode(0o600).open(&path)?;
        self.next += 1;
        let segment = Segment { number, path, bytes: HEAD as u64 };
        if let Err(e) = file.write_all(&segment::head(&self.key, &salt)) {
            let _ = std::fs::remove_file(&segment.path);
            return Err(e);
        }
        self.open = Some(Open { file, segment, key, blocks: 0 });
        Ok(())
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            // Evidence is for the time after a crash, too.
            let _ = open.file.sync_data();
            self.segments.push_back(open.segment);
        }
    }

    /// Forgets the oldest until `more` bytes fit.
    fn make_room(&mut self, more: u64) {
        while self.bytes() + more > self.quota_bytes {
            let Some(oldest) = self.segments.pop_front() else { return };
            if let Err(e) = std::fs::remove_file(&oldest.path)
                && e.kind() != std::io::ErrorKind::NotFound
            {
                tracing::error!(event = "evidence_failing", file = %oldest.path.display(), error = %e, "an old segment cannot be removed");
                // It still counts, and nothing else would help.
                self.segments.push_front(oldest);
                return;
            }
        }
    }

    fn bytes(&self) -> u64 {
        let open = self.open.as_ref().map_or(0, |open| open.segment.bytes);
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() + open
    }

    /// Publishes how the ring is.
    fn note(&mut self) {
        let all = self.segments.len() + usize::from(self.open.is_some());
        self.counts.bytes.store(self.bytes(), Ordering::Relaxed);
        self.counts.segments.store(all as u64, Ordering::Relaxed);
        let oldest = self.segments.front().or(self.open.as_ref().map(|open| &open.segment));
        let Some(oldest) = oldest else { return };
        if self.oldest.0 != oldest.number || self.oldest.1 == 0 {
            self.oldest = (oldest.number, first_time(&oldest.path, &self.key).unwrap_or(0));
            self.counts.oldest_us.store(self.oldest.1, Ordering::Relaxed);
        }
    }
}

/// Time of a segment's first packet.
fn first_time(path: &Path, key: &Key) -> Option<u64> {
    let mut reader = SegmentReader::open(path, key).ok()?;
    reader.next(|_| true).ok().map(|(head, _)| head.first_us)
}

impl Drop for RingWriter {
    fn drop(&mut self) {
        self.close();
    }
}
