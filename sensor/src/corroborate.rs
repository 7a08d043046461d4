//! Another engine's alerts: Suricata's `eve.json`, followed as it grows, so that both may be witnesses of one incident.
//!
//! A thread of its own reads and parses; the recorder takes what it has read without ever waiting for it, and joins
//! (`detection::incidents`). When the recorder falls behind, the file waits.

mod alert;
mod tail;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::detection::witness::{Heard, Joining, WitnessSums};
use crate::fault::Fault;
use alert::Line;
use tail::{LineReader, Tail};

/// `[corroborate]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorroborateConfig {
    /// Suricata's `eve.json`; empty: nobody else is listened to.
    pub eve: PathBuf,
    /// An alert may be so many seconds before or after the packets of an incident.
    pub window_s: u32,
    /// Rules of this severity or graver (1 is the gravest) confirm what the forest suspects of the same conversation; 0: none.
    pub confirm_severity: u8,
}

impl Default for CorroborateConfig {
    fn default() -> Self {
        Self { eve: PathBuf::new(), window_s: 60, confirm_severity: 2 }
    }
}

impl CorroborateConfig {
    /// Whether another engine is listened to.
    #[must_use]
    pub fn listens(&self) -> bool {
        !self.eve.as_os_str().is_empty()
    }

    /// How alerts are joined.
    #[must_use]
    pub fn joining(&self) -> Joining {
        Joining { window_us: u64::from(self.window_s) * 1_000_000, confirm_severity: self.confirm_severity }
    }

    /// What is wrong with it, a line each. `own`: the EVE file that this sensor writes.
    #[must_use]
    pub fn faults(&self, own: &Path) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.listens() && self.eve == own {
            wrong.push(
                "`corroborate.eve` and `eve.path` are the same file: a sensor is no witness of itself"
                    .to_owned(),
            );
        }
        if !(1..=3600).contains(&self.window_s) {
            wrong.push(format!("`corroborate.window_s` is {}: use a value from 1 to 3600", self.window_s));
        }
        wrong
    }
}

/// What became of the lines that were read.
#[derive(Debug, Default)]
struct Counts {
    lines: AtomicU64,
    malformed: AtomicU64,
    too_long: AtomicU64,
    reopened: AtomicU64,
    truncated: AtomicU64,
    reading: AtomicBool,
    fault: Mutex<Option<String>>,
}

/// The other engine as `status` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CorroborationStatus {
    /// The file that is followed; empty: none.
    pub file: String,
    /// It is there and can be read.
    pub reading: bool,
    /// What is the matter with it.
    pub fault: Option<String>,
    /// Lines read.
    pub lines: u64,
    /// Lines that are no JSON object of Suricata's, or an alert without addresses.
    pub malformed: u64,
    /// Lines longer than are read.
    pub too_long: u64,
    /// Times that another file had taken the place of the one that was followed.
    pub reopened: u64,
    /// Times that the file had become shorter.
    pub truncated: u64,
    /// Alerts that came.
    pub heard: u64,
    /// Alerts that became part of an incident. The others are Suricata's alone.
    pub joined: u64,
    /// Incidents with two witnesses.
    pub incidents: u64,
    /// Incidents that the forest suspected and that Suricata confirmed.
    pub confirmed: u64,
}

impl CorroborationStatus {
    /// A line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let count = crate::status::count;
        let state = match (&self.fault, self.reading) {
            (Some(fault), _) => format!("waiting ({fault})"),
            (None, true) => "reading".to_owned(),
            (None, false) => "waiting".to_owned(),
        };
        format!(
            "suricata {} {state}, {} alerts, {} of them joined to {} incidents ({} confirmed by it), {} malformed lines",
            self.file,
            count(self.heard),
            count(self.joined),
            count(self.incidents),
            count(self.confirmed),
            count(self.malformed + self.too_long)
        )
    }
}

/// The recorder's end: alerts to take, and where it says what became of them.
pub struct Hearing {
    alerts: Receiver<Heard>,
    sums: Arc<Sums>,
}

/// Alerts heard, alerts joined, incidents with a witness, incidents confirmed.
type Sums = [AtomicU64; 4];

impl Hearing {
    /// Alerts that the recorder takes at once: it has packets to judge, too.
    const AT_ONCE: usize = 64;

    /// What has been read, a few at a time; never waits.
    pub fn take(&self) -> impl Iterator<Item = Heard> {
        self.alerts.try_iter().take(Self::AT_ONCE)
    }

    /// Says what became of them.
    pub fn note(&self, sums: WitnessSums) {
        let numbers = [sums.heard, sums.joined, sums.incidents, sums.confirmed];
        for (noted, number) in self.sums.iter().zip(numbers) {
            noted.store(number, Ordering::Relaxed);
        }
    }
}

/// A thread that follows the file.
pub struct Corroboration {
    file: PathBuf,
    counts: Arc<Counts>,
    sums: Arc<Sums>,
    stop: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Corroboration {
    /// Alerts that may wait for the recorder.
    const QUEUE: usize = 1024;
    /// The file is looked at so often.
    const LOOK: Duration = Duration::from_millis(250);

    /// Starts following the file, from its last mebibyte on: what is older fits no incident of this run.
    ///
    /// # Errors
    /// The operating system has no thread left.
    pub fn start(config: &CorroborateConfig) -> Result<(Self, Hearing), Fault> {
        let (alerts, heard) = bounded(Self::QUEUE);
        let (counts, sums, stop) =
            (Arc::<Counts>::default(), Arc::<Sums>::default(), Arc::<AtomicBool>::default());
        let (tail, seen, stopping) = (Tail::new(&config.eve), Arc::clone(&counts), Arc::clone(&stop));
        let thread = std::thread::Builder::new()
            .name("corroborate".into())
            .spawn(move || follow(tail, &seen, &alerts, &stopping))
            .map_err(|e| Fault::Software(format!("no thread can be started ({e})")))?;
        let hearing = Hearing { alerts: heard, sums: Arc::clone(&sums) };
        let file = config.eve.clone();
        Ok((Self { file, counts, sums, stop, thread: Mutex::new(Some(thread)) }, hearing))
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> CorroborationStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let [heard, joined, incidents, confirmed] = self.sums.each_ref().map(read);
        CorroborationStatus {
            file: self.file.display().to_string(),
            reading: self.counts.reading.load(Ordering::Relaxed),
            fault: self.counts.fault.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            lines: read(&self.counts.lines),
            malformed: read(&self.counts.malformed),
            too_long: read(&self.counts.too_long),
            reopened: read(&self.counts.reopened),
            truncated: read(&self.counts.truncated),
            heard,
            joined,
            incidents,
            confirmed,
        }
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn follow(mut tail: Tail, counts: &Counts, alerts: &Sender<Heard>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let looked = tail.look(|line| {
            if let Some(heard) = count_line(counts, line) {
                pass_on(heard, alerts, stop)
            } else {
                !stop.load(Ordering::Relaxed)
            }
        });
        counts.reopened.store(tail.reopened(), Ordering::Relaxed);
        counts.truncated.store(tail.truncated(), Ordering::Relaxed);
        let fault = looked.as_ref().err().map(|e| e.kind().to_string());
        counts.reading.store(looked.is_ok(), Ordering::Relaxed);
        let mut told = counts.fault.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != fault {
            let file = tail.path().display();
            match &fault {
                Some(reason) => {
                    tracing::warn!(event = "corroborate", %file, reason, "the other engine's alerts cannot be read; the file is tried again")
                }
                None => tracing::info!(event = "corroborate", %file, "the other engine's alerts are read"),
            }
            *told = fault;
        }
        drop(told);
        std::thread::sleep(Corroboration::LOOK);
    }
}

/// Waits for room, as a file can. False when nobody wants to know any more.
fn pass_on(heard: Heard, alerts: &Sender<Heard>, stop: &AtomicBool) -> bool {
    let mut heard = heard;
    loop {
        match alerts.try_send(heard) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) if !stop.load(Ordering::Relaxed) => heard = back,
            Err(TrySendError::Full(_)) => return false,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn count_line(counts: &Counts, line: tail::Read<'_>) -> Option<Heard> {
    counts.lines.fetch_add(1, Ordering::Relaxed);
    let tail::Read::Line(line) = line else {
        counts.too_long.fetch_add(1, Ordering::Relaxed);
        return None;
    };
    match alert::parse(line) {
        Line::Alert(heard) => Some(*heard),
        Line::Other => None,
        Line::Malformed => {
            counts.malformed.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

/// Every alert of a finished file, and how many lines made no sense: for a replay.
///
/// # Errors
/// The file cannot be read.
pub fn read_all(path: &Path) -> Result<(Vec<Heard>, u64), Fault> {
    let mut file = File::open(path).map_err(|e| Fault::opening(path, &e))?;
    let (counts, mut heard) = (Counts::default(), Vec::new());
    let mut lines = LineReader::default();
    let mut block = vec![0; 256 << 10];
    loop {
        let length = file.read(&mut block).map_err(|e| Fault::opening(path, &e))?;
        if length == 0 {
            break;
        }
        lines.feed(&block[..length], |line| {
            heard.extend(count_line(&counts, line));
            true
        });
    }
    Ok((heard, counts.malformed.into_inner() + counts.too_long.into_inner()))
}
