//! Models and labels come down: a signed pointer says which model, and nothing unverified ever reaches the sensor.
//!
//! The pointer's sequence only grows, its artifact is named by digest, both are signed by keys of this machine's own
//! folder. A model that misbehaves on this sensor is taken back by [`gate`] without anybody's help, and never comes again.

pub mod gate;
pub mod labels;
pub mod models;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleet::objects::{ETag, Polled};
use fleet::{ObjectStore, Registry, keys};
use model::artifact::{Channel, ChannelPointer, Expectation, PublicKey, Trust};

use crate::config::Down;
use crate::control::{Sensor, SensorStatus};
use crate::cursors::Cursors;
use crate::fault::Fault;
use crate::status::Facts;
use crate::up::Trouble;
use models::Shelf;

/// A pointer is never longer.
const POINTER_BYTES_MAX: u64 = 16 << 10;

/// The way down.
pub struct Follower {
    sensor: Sensor,
    objects: Arc<dyn ObjectStore>,
    registry: Option<Arc<dyn Registry>>,
    settings: Down,
    shelf: Shelf,
    cursors: Arc<Mutex<Cursors>>,
    facts: Arc<Facts>,
    seen: BTreeMap<&'static str, ETag>,
    pointers: BTreeMap<&'static str, ChannelPointer>,
    /// Refusals that have been logged.
    told: BTreeSet<String>,
}

/// Something that was not taken.
#[derive(Debug, Clone, PartialEq)]
struct Refusal {
    what: String,
    /// Which one of its kind.
    of: String,
    reason: String,
}

impl Refusal {
    /// What stays the same while time goes on.
    fn shape(&self) -> String {
        let reason: String = self.reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        format!("{} {}: {reason}", self.what, self.of)
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)
    }
}

impl Follower {
    /// Follows what `objects` points to; models come from there or from `registry`.
    ///
    /// # Errors
    /// The agent's own folder or database cannot be used.
    pub fn new(
        sensor: Sensor,
        objects: Arc<dyn ObjectStore>,
        registry: Option<Arc<dyn Registry>>,
        settings: &Down,
        state_dir: &Path,
        cursors: Arc<Mutex<Cursors>>,
        facts: Arc<Facts>,
    ) -> Result<Self, Fault> {
        let shelf = Shelf::open(&state_dir.join("models"))?;
        let mut follower = Self {
            sensor,
            objects,
            registry,
            settings: settings.clone(),
            shelf,
            cursors,
            facts,
            seen: BTreeMap::new(),
            pointers: BTreeMap::new(),
            told: BTreeSet::new(),
        };
        for channel in follower.channels() {
            let known: Option<ChannelPointer> =
                follower.cursors().fact(&fact_of(&follower.settings.model, channel))?;
            if let Some(pointer) = known {
                follower.pointers.insert(channel.as_str(), pointer);
            }
        }
        Ok(follower)
    }

    /// The channel of the settings; who follows production looks at the canary's too.
    fn channels(&self) -> Vec<Channel> {
        match self.settings.channel.parse() {
            Ok(Channel::Production) | Err(_) => vec![Channel::Production, Channel::Canary],
            Ok(other) => vec![other],
        }
    }

    /// Looks at the channels, and puts to work what they name. `now_s` is the time at the centre as far as it is known.
    ///
    /// # Errors
    /// The sensor or the centre does not answer. A model that is refused is no error: it is told, and the old one goes on.
    pub async fn poll(&mut self, now_s: u64) -> Result<(), Trouble> {
        let status = tokio::task::block_in_place(|| self.sensor.status())?;
        self.note(&status);
        let trust = trust(&self.settings.keys_dir)?;
        let mut refusals = Vec::new();
        for channel in self.channels() {
            if let Err((etag, reason)) = self.look(channel, &trust, now_s).await? {
                refusals.push(Refusal { what: format!("{channel} pointer"), of: etag.0, reason });
            }
        }
        let wanted = self.wanted(&status.sensor_id, now_s).cloned();
        {
            let mut facts = self.facts.lock();
            facts.down.polled_us = Some(now_s * 1_000_000);
            facts.down.wanted_version = wanted.as_ref().map(|p| p.serial);
            facts.down.channel =
                wanted.as_ref().map_or_else(|| self.settings.channel.clone(), |p| p.channel.to_string());
            facts.down.sequences = self.pointers.iter().map(|(c, p)| ((*c).to_owned(), p.sequence)).collect();
        }
        if let Some(pointer) = wanted
            && pointer.digest.to_string() != status.model.digest
            && !self.is_pinned(&pointer)?
            && let Err(reason) = self.take(&pointer, &status, &trust, now_s).await?
        {
            let (what, of) = (format!("model {}", pointer.serial), pointer.sequence.to_string());
            refusals.push(Refusal { what, of, reason });
        }
        // All of them: a bad pointer must not hide behind a bad model that was wanted before it.
        self.tell_refusals(&refusals);
        Ok(())
    }

    /// What is refused is read again at every look, and logged once: in its reason time may go on.
    fn tell_refusals(&mut self, refusals: &[Refusal]) {
        let shapes: BTreeSet<String> = refusals.iter().map(Refusal::shape).collect();
        for refusal in refusals.iter().filter(|refusal| !self.told.contains(&refusal.shape())) {
            let reason = refusal.to_string();
            tracing::error!(event = "model_refused", reason, "a model was not taken");
        }
        if shapes.is_empty() && !self.told.is_empty() {
            tracing::info!(event = "model_refused_no_more", "nothing is refused any more");
        }
        self.told = shapes;
        let all: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
        self.facts.lock().down.refused = (!all.is_empty()).then(|| all.join("; "));
    }

    /// Reads one channel's pointer, and keeps it when it may be acted upon. The inner error is a refusal.
    async fn look(
        &mut self,
        channel: Channel,
        trust: &Trust,
        now_s: u64,
    ) -> Result<Result<(), (ETag, String)>, Trouble> {
        let key = keys::channel(&self.settings.model, channel.as_str());
        let seen = self.seen.get(channel.as_str());
        let object = match self.objects.poll(&key, seen, POINTER_BYTES_MAX).await? {
            Polled::Unchanged => return Ok(Ok(())),
            Polled::Absent => {
                // Nobody tries a canary that is gone; what production last said stands.
                self.seen.remove(channel.as_str());
                if channel == Channel::Canary {
                    self.pointers.remove(channel.as_str());
                }
                return Ok(Ok(()));
            }
            Polled::Changed(object) => object,
        };
        let name = fact_of(&self.settings.model, channel);
        let last: Option<ChannelPointer> = self.cursors().fact(&name)?;
        match accept(&object.bytes, &self.settings.model, channel, last.as_ref(), trust, now_s) {
            Ok(pointer) => {
                if last.as_ref() != Some(&pointer) {
                    self.cursors().keep(&name, &pointer)?;
                    tracing::info!(event = "pointer", channel = %channel, sequence = pointer.sequence, serial = pointer.serial, digest = %pointer.digest, "the channel moved");
                }
                self.pointers.insert(channel.as_str(), pointer);
                self.seen.insert(channel.as_str(), object.etag);
                Ok(Ok(()))
            }
            // It is read again at the next look: its time may come, and its refusal stays in sight.
            Err(reason) => Ok(Err((object.etag, reason))),
        }
    }

    /// The pointer to act upon: the canary's while it is meant for this sensor and is ahead of production.
    fn wanted(&self, sensor_id: &str, now_s: u64) -> Option<&ChannelPointer> {
        let own = self.channels()[0];
        let first =
            self.pointers.get(own.as_str()).filter(|p| own != Channel::Canary || p.includes(sensor_id));
        let canary = self
            .pointers
            .get(Channel::Canary.as_str())
            .filter(|p| own == Channel::Production && now_s < p.not_after && p.includes(sensor_id))
            .filter(|p| first.is_none_or(|first| p.serial > first.serial))
            .filter(|p| !self.is_pinned(p).unwrap_or(true));
        canary.or(first)
    }

    fn is_pinned(&self, pointer: &ChannelPointer) -> Result<bool, Fault> {
        let digest = pointer.digest.to_string();
        Ok(self.cursors().pins()?.iter().any(|pin| pin.digest == digest))
    }

    fn note(&self, status: &SensorStatus) {
        let mut facts = self.facts.lock();
        facts.sensor_id.clone_from(&status.sensor_id);
        facts.down.model_version = status.model.version;
        facts.down.model_digest.clone_from(&status.model.digest);
    }

    fn cursors(&self) -> MutexGuard<'_, Cursors> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last pointer acted upon is kept under this name.
fn fact_of(model: &str, channel: Channel) -> String {
    format!("pointer {channel} {model}")
}

/// The pointer in `bytes`, if it may be acted upon after `last`.
///
/// # Errors
/// Why not: signature, model, channel, sequence, time.
pub fn accept(
    bytes: &[u8],
    model: &str,
    channel: Channel,
    last: Option<&ChannelPointer>,
    trust: &Trust,
    now_s: u64,
) -> Result<ChannelPointer, String> {
    let pointer = ChannelPointer::read(bytes, trust).map_err(|e| e.to_string())?;
    let last_sequence = last.map_or(0, |p| p.sequence);
    pointer.check(&Expectation { name: model, channel, last_sequence, now_s }).map_err(|e| e.to_string())?;
    if let Some(last) = last.filter(|last| last.sequence == pointer.sequence && **last != pointer) {
        return Err(format!(
            "sequence {} already points to model {} ({}); publish with a higher sequence",
            last.sequence, last.serial, last.digest
        ));
    }
    Ok(pointer)
}

/// The public keys in a folder.
///
/// # Errors
/// A file named `*.pub` that is no key.
pub fn trust(folder: &Path) -> Result<Trust, Fault> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut trust = Trust::none();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "pub")) {
        let text = std::fs::read_to_string(file).map_err(|e| {
            Fault::Config(format!("{}: cannot be read ({e}); check its owner and mode", file.display()))
        })?;
        let key: PublicKey = text.parse().map_err(|e| Fault::Config(format!("{}: {e}", file.display())))?;
        trust = trust.with_key(key);
    }
    Ok(trust)
}

#[cfg(test)]
mod tests;
