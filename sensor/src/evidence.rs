//! Evidence: the newest packets on disk, encrypted, within a byte quota, so that an alert's packets are there when they are asked for.
//!
//! ```text
//! capture 0..n ── Tap: copies into a block ──blocks──> evidence thread: seals, appends, forgets the oldest ──> segment files
//!                     └─<── empty blocks ──┘
//! ```
//!
//! A capture thread takes no lock and no memory for it: when no empty block is left, packets are shed here, and counted; they
//! are metered and judged all the same. Off unless asked for. [`find`] gives the packets of a conversation back.

pub mod find;
mod headers;
mod key;
mod pcap_file;
mod ring;
mod segment;
mod tap;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::fault::Fault;
pub use key::Key;
pub use tap::{Tap, Taps};

/// What is kept of each frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = EvidenceMode)]
pub enum Mode {
    /// Nothing.
    #[default]
    Off,
    /// Link, network and transport headers: who, when, how much, and nothing of what was said.
    Headers,
    /// All that was captured of it (`capture.snaplen`).
    Full,
}

/// `[evidence]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvidenceConfig {
    /// What is kept of each frame.
    pub mode: Mode,
    /// Most that the ring may take on disk, in MiB.
    pub quota_mib: u64,
    /// 32 bytes, raw or as 64 hex digits. Empty: the credential `evidence.key` that systemd hands over.
    pub key_file: PathBuf,
    /// Folder of the ring; empty: `evidence` in the state folder.
    pub directory: PathBuf,
}

impl Default for EvidenceConfig {
    fn default() -> Self {
        Self { mode: Mode::Off, quota_mib: 1024, key_file: PathBuf::new(), directory: PathBuf::new() }
    }
}

impl EvidenceConfig {
    /// What is wrong with it, a line each.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        if (8..=16 << 20).contains(&self.quota_mib) {
            return Vec::new();
        }
        vec![format!("`evidence.quota_mib` is {}: use a value from 8 to 16777216", self.quota_mib)]
    }

    /// Where the ring lies.
    #[must_use]
    pub fn folder(&self, state_dir: &Path) -> PathBuf {
        match self.directory.as_os_str().is_empty() {
            true => state_dir.join("evidence"),
            false => self.directory.clone(),
        }
    }
}

/// What the ring counts.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) bytes: AtomicU64,
    pub(crate) segments: AtomicU64,
    pub(crate) kept: AtomicU64,
    pub(crate) shed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) oldest_us: AtomicU64,
    pub(crate) newest_us: AtomicU64,
}

/// The ring as `status` shows it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct EvidenceStatus {
    /// What is kept of each frame.
    pub mode: Mode,
    /// Bytes on disk.
    pub bytes: u64,
    /// Most that they may be.
    pub quota_bytes: u64,
    /// Files.
    pub segments: u64,
    /// Packets written since the start.
    pub packets: u64,
    /// Packets that found no room in memory since the start; they were judged and not kept.
    pub shed: u64,
    /// Packets that the disk did not take since the start.
    pub failed: u64,
    /// Time of the oldest packet there, microseconds since the epoch; none when it is empty.
    pub oldest_us: Option<u64>,
    /// Time of the newest packet written since the start.
    pub newest_us: Option<u64>,
}

/// A ring at work, for whoever asks.
#[derive(Clone)]
pub struct Evidence {
    mode: Mode,
    quota_bytes: u64,
    folder: PathBuf,
    key: Key,
    counts: Arc<Counts>,
}

/// A ring that is about to be written.
pub struct Opened {
    evidence: Evidence,
    writer: ring::RingWriter,
    taps: Taps,
    blocks: tap::Blocks,
}

/// Opens the ring that the settings ask for; none when it is off. What an earlier run left in it stays.
///
/// # Errors
/// No key, or a folder that cannot be written.
pub fn open(config: &EvidenceConfig, state_dir: &Path) -> Result<Option<Opened>, Fault> {
    if config.mode == Mode::Off {
        return Ok(None);
    }
    let key = Key::load(&config.key_file)?;
    let folder = config.folder(state_dir);
    std::fs::create_dir_all(&folder).map_err(|e| Fault::creating(&folder, &e))?;
    let counts = Arc::new(Counts::default());
    let quota_bytes = config.quota_mib << 20;
    let writer = ring::RingWriter::open(&folder, quota_bytes, key.clone(), Arc::clone(&counts))?;
    let (taps, blocks) = tap::channel(config.mode, Arc::clone(&counts));
    let evidence = Evidence { mode: config.mode, quota_bytes, folder, key, counts };
    Ok(Some(Opened { evidence, writer, taps, blocks }))
}

impl Opened {
    /// Begins to write. The thread ends when every tap has been dropped, after the last block.
    ///
    /// # Errors
    /// No thread can be started.
    pub fn start(self) -> Result<(Evidence, Taps, JoinHandle<()>), Fault> {
        let Self { evidence, mut writer, taps, blocks } = self;
        let thread = std::thread::Builder::new()
            .name("evidence".into())
            .spawn(move || blocks.for_each(|block| writer.write(block)))
            .map_err(|e| {
                Fault::Software(format!("no thread can be started ({e}); raise the limit on tasks"))
            })?;
        Ok((evidence, taps, thread))
    }
}

impl Evidence {
    /// How the ring is.
    #[must_use]
    pub fn status(&self) -> EvidenceStatus {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let time = |count: &AtomicU64| Some(of(count)).filter(|us| *us > 0);
        EvidenceStatus {
            mode: self.mode,
            bytes: of(&self.counts.bytes),
            quota_bytes: self.quota_bytes,
            segments: of(&self.counts.segments),
            packets: of(&self.counts.kept),
            shed: of(&self.counts.shed),
            failed: of(&self.counts.failed),
            oldest_us: time(&self.counts.oldest_us),
            newest_us: time(&self.counts.newest_us),
        }
    }

    /// The packets that `wanted` describes, as a capture file of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn packets(&self, wanted: &find::Wanted, bytes_max: usize) -> Result<find::Found, Fault> {
        find::packets(&self.folder, &self.key, wanted, bytes_max)
    }
}
