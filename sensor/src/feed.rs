//! What happens, told to whoever listens: numbered events, kept for a while so that a listener can pick up where it left.
//!
//! The recorder hands [`Notice`]s over through a bounded queue and never waits; one thread on the control side numbers
//! them, remembers the newest, and passes them on. A slow listener loses its place and is told so, nobody else.

mod sampling;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;

use crate::detection::Severity;
use sampling::Sampler;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A flow was scored. Sampled above a rate.
    Prediction,
    /// A detection is shown to people.
    Alert,
    /// An incident is new or has changed.
    Incident,
    /// The active model changed.
    ModelUpdated,
    /// The sensor's own state changed.
    Status,
    /// The verdict on whether the active model still fits changed.
    Drift,
    /// The appliance warns of something, or no longer does.
    Appliance,
    /// Something was blocked, or let through again.
    Block,
}

impl Topic {
    /// Every topic.
    pub const ALL: [Self; 8] = [
        Self::Prediction,
        Self::Alert,
        Self::Incident,
        Self::ModelUpdated,
        Self::Status,
        Self::Drift,
        Self::Appliance,
        Self::Block,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prediction => "prediction",
            Self::Alert => "alert",
            Self::Incident => "incident",
            Self::ModelUpdated => "model_updated",
            Self::Status => "status",
            Self::Drift => "drift",
            Self::Appliance => "appliance",
            Self::Block => "block",
        }
    }
}

impl std::str::FromStr for Topic {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("`{name}` is no type of event; known: {known}")
        })
    }
}

/// Something that happened, before it has a number.
#[derive(Debug, Clone)]
pub struct Notice {
    /// What it is about.
    pub topic: Topic,
    /// How much it matters; none for what is no alarm.
    pub severity: Option<Severity>,
    /// A JSON object; `type` and `sequence` are added to it.
    pub body: Value,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Grows by one from event to event, and over restarts.
    pub sequence: u64,
    /// What it is about.
    pub topic: Topic,
    /// How much it matters.
    pub severity: Option<Severity>,
    /// The object as JSON text, with `type` and `sequence`.
    pub json: Arc<str>,
}

/// The recorder's end: never waits.
#[derive(Debug, Clone)]
pub struct Telling {
    queue: Sender<Notice>,
    dropped: Arc<AtomicU64>,
}

impl Telling {
    /// Tells it, or counts that there was no room. Predictions, of which there can be any number, take half of the room.
    pub fn tell(&self, notice: Notice) {
        let crowded = notice.topic == Topic::Prediction && self.queue.len() > Feed::QUEUE / 2;
        if crowded || self.queue.try_send(notice).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Where listeners come.
pub struct Feed {
    kept: Mutex<Kept>,
    live: broadcast::Sender<Event>,
    dropped: Arc<AtomicU64>,
    predictions_per_s: AtomicU32,
}

struct Kept {
    next: u64,
    events: VecDeque<Event>,
}

/// A listener's place: what it missed, then what comes.
pub struct Listening {
    /// Events from the asked one on that are still kept, oldest first.
    pub missed: Vec<Event>,
    /// Some of what was asked for is no longer kept.
    pub gap: bool,
    /// What comes from now on, without a gap or a repeat after `missed`.
    pub live: broadcast::Receiver<Event>,
}

impl Feed {
    /// Notices that may wait for a number.
    const QUEUE: usize = 8192;
    /// Events kept for listeners that come back.
    pub const KEPT_MAX: usize = 16_384;
    /// Predictions told a second unless it is said; of more, some are left out and counted in the next one's `skipped`.
    pub const PREDICTIONS_PER_S: u32 = 200;
    /// Events a listener may be behind before it loses its place.
    pub const LAG_MAX: usize = 4096;

    /// A feed whose numbers begin at `first`. A number taken from the clock at start grows over restarts.
    #[must_use]
    pub fn new(first: u64) -> (Arc<Self>, Telling, Receiver<Notice>) {
        let (queue, notices) = bounded(Self::QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let feed = Self {
            kept: Mutex::new(Kept { next: first, events: VecDeque::new() }),
            live: broadcast::Sender::new(Self::LAG_MAX),
            dropped: Arc::clone(&dropped),
            predictions_per_s: AtomicU32::new(Self::PREDICTIONS_PER_S),
        };
        (Arc::new(feed), Telling { queue, dropped }, notices)
    }

    /// Numbers and passes on notices until nobody can tell any more. The work of one thread.
    pub fn pass_on(&self, notices: &Receiver<Notice>) {
        let mut sampler = Sampler::default();
        for mut notice in notices {
            if notice.topic == Topic::Prediction {
                #[allow(clippy::disallowed_methods)] // a rate towards listeners is in their time
                let now = std::time::Instant::now();
                match sampler.take(now, self.predictions_per_s.load(Ordering::Relaxed)) {
                    None => continue,
                    Some(0) => {}
                    Some(skipped) => notice.body["skipped"] = skipped.into(),
                }
            }
            self.publish(notice);
        }
    }

    /// Sets how many predictions a second are told.
    pub fn sample_predictions(&self, per_s: u32) {
        self.predictions_per_s.store(per_s, Ordering::Relaxed);
    }

    /// Numbers a notice and passes it on at once.
    pub fn publish(&self, notice: Notice) {
        let Notice { topic, severity, mut body } = notice;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let sequence = kept.next;
        kept.next += 1;
        body["type"] = topic.as_str().into();
        body["sequence"] = sequence.into();
        let event = Event { sequence, topic, severity, json: body.to_string().into() };
        if kept.events.len() == Self::KEPT_MAX {
            kept.events.pop_front();
        }
        kept.events.push_back(event.clone());
        // Sent under the lock, so that a listener finds each event in exactly one of `missed` and `live`.
        let _ = self.live.send(event);
    }

    /// A place from the event after `since` on; from now on without one.
    #[must_use]
    pub fn listen(&self, since: Option<u64>) -> Listening {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live.subscribe();
        let Some(since) = since else {
            return Listening { missed: Vec::new(), gap: false, live };
        };
        let oldest = kept.events.front().map_or(kept.next, |event| event.sequence);
        let missed = kept.events.iter().filter(|event| event.sequence > since).cloned().collect();
        Listening { missed, gap: since.saturating_add(1) < oldest, live }
    }

    /// The number of the newest event; none before the first.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).events.back().map(|event| event.sequence)
    }

    /// Listeners now.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.live.receiver_count()
    }

    /// Notices that found no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
