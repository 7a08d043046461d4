//! A model's way from the centre to the sensor: fetched into a file of ours, verified, tried as a shadow if asked, installed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleet::{DoorError, keys};
use model::Artifact;
use model::artifact::{ArtifactError, ChannelPointer, Digest, Trust};
use serde_json::{Value, json};

use super::Follower;
use super::gate::Watch;
use crate::control::{ControlError, SensorStatus};
use crate::fault::Fault;
use crate::up::Trouble;

/// Models that came down, by digest: what is wanted now, and what was at work before.
pub struct Shelf(PathBuf);

impl Shelf {
    /// How many are kept.
    const KEPT: usize = 4;

    /// The shelf in `folder`, which is made. What a crash left half-way goes.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(folder: &Path) -> Result<Self, Fault> {
        std::fs::create_dir_all(folder).map_err(|e| {
            Fault::CannotCreate(format!(
                "{}: cannot be made ({e}); check `agent.state_dir`",
                folder.display()
            ))
        })?;
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|ending| ending == "incoming") {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        Ok(Self(folder.to_owned()))
    }

    fn file(&self, digest: &str) -> PathBuf {
        self.0.join(format!("{digest}.taphound"))
    }

    /// The bytes of a model that is here and whole.
    #[must_use]
    pub fn find(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = std::fs::read(self.file(digest)).ok()?;
        (Digest::of(&bytes).to_string() == digest).then_some(bytes)
    }

    /// Keeps a downloaded file under its digest, and lets the oldest go.
    fn keep(&self, from: &Path, digest: &str) -> std::io::Result<()> {
        std::fs::File::open(from)?.sync_all()?;
        std::fs::rename(from, self.file(digest))?;
        let mut files: Vec<_> = std::fs::read_dir(&self.0)?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        files.sort();
        let surplus = files.len().saturating_sub(Self::KEPT);
        for (_, path) in files.iter().take(surplus) {
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }
}

/// Whether a file is the model that the pointer names, and may be put to work.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    bytes: &[u8],
    pointer: &ChannelPointer,
    trust: &Trust,
    now_s: u64,
) -> Result<(), ArtifactError> {
    let artifact = Artifact::read(bytes, trust)?;
    pointer.admits(&artifact)?;
    artifact.installable(now_s)
}

impl Follower {
    /// What fits into a frame of the control socket, which is the only way to the sensor (a model travels as base64). Sensors' models leave the
    /// learning state to the centre: a retrained one has some 3 MiB.
    pub(super) const MODEL_BYTES_MAX: usize = 11 << 20;

    /// Fetches, verifies and installs. The inner error is a refusal: it is told, and the model before goes on.
    pub(super) async fn take(
        &mut self,
        pointer: &ChannelPointer,
        before: &SensorStatus,
        trust: &Trust,
        now_s: u64,
    ) -> Result<Result<(), String>, Trouble> {
        let digest = pointer.digest.to_string();
        let bytes = match self.fetch(pointer).await? {
            Ok(bytes) => bytes,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Err(e) = tokio::task::block_in_place(|| verify(&bytes, pointer, trust, now_s)) {
            return Ok(Err(e.to_string()));
        }
        let file = json!({"bytes": STANDARD.encode(&bytes)});
        if self.settings.shadow_minutes > 0
            && let Err(reason) = self.shadow(pointer, before, &file, now_s)?
        {
            return Ok(reason.map_or(Ok(()), Err));
        }
        // On the disk before the sensor is asked: whatever happens to us, the model that is put to work is watched.
        let watch = Watch::begin(&self.settings.gate, pointer, before, now_s);
        self.cursors().keep(Watch::FACT, &watch)?;
        let answer = tokio::task::block_in_place(|| self.sensor.ask::<Value>("model/install", file));
        match answer {
            Ok(_) => {
                tracing::info!(event = "model_installed", serial = pointer.serial, digest, channel = %pointer.channel, sequence = pointer.sequence, "a model was put to work");
                self.facts.lock().down.installed += 1;
                let status = tokio::task::block_in_place(|| self.sensor.status())?;
                self.note(&status);
                Ok(Ok(()))
            }
            Err(ControlError::Refused { code, message, .. }) if code != "unavailable" => {
                self.cursors().drop_fact(Watch::FACT)?;
                Ok(Err(format!("the sensor does not take it: {message}")))
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Lets the model score beside the active one first. `Ok`: it has, and may take its place. The inner error says why not
    /// yet, or (with a reason) why not at all.
    fn shadow(
        &mut self,
        pointer: &ChannelPointer,
        status: &SensorStatus,
        file: &Value,
        now_s: u64,
    ) -> Result<Result<(), Option<String>>, Trouble> {
        let digest = pointer.digest.to_string();
        let since: Option<(String, u64)> = self.cursors().fact("shadow")?;
        let began =
            since.filter(|(d, _)| *d == digest && status.model.shadow_version == Some(pointer.serial));
        let Some((_, began_s)) = began else {
            tokio::task::block_in_place(|| self.sensor.ask::<Value>("model/shadow", file))?;
            self.cursors().keep("shadow", &(digest, now_s))?;
            return Ok(Err(None));
        };
        if now_s < began_s + u64::from(self.settings.shadow_minutes) * 60 {
            return Ok(Err(None));
        }
        match status.model.agreement {
            // Without traffic there is nothing to compare, and nothing to lose.
            None => Ok(Ok(())),
            Some(share) if share >= self.settings.shadow_agreement_min => Ok(Ok(())),
            Some(share) => Ok(Err(Some(format!(
                "as a shadow it agreed with the model at work in {:.1} % of the verdicts, less than {:.1} %",
                share * 100.0,
                self.settings.shadow_agreement_min * 100.0
            )))),
        }
    }

    /// The model's bytes, whose digest is the pointer's. The inner error is a refusal.
    async fn fetch(&mut self, pointer: &ChannelPointer) -> Result<Result<Vec<u8>, String>, Trouble> {
        let digest = pointer.digest.to_string();
        if let Some(bytes) = self.shelf.find(&digest) {
            return Ok(Ok(bytes));
        }
        let incoming = self.shelf.0.join(format!("{digest}.incoming"));
        let _ = std::fs::remove_file(&incoming);
        let fetched = self.download(pointer, &digest, &incoming).await;
        let read = match fetched {
            Ok(()) => std::fs::read(&incoming),
            // What is too large, or damaged on its way, is refused and told; a link that is away is tried again.
            Err(e @ (DoorError::Absent { .. } | DoorError::Damaged { .. } | DoorError::Invalid { .. })) => {
                return Ok(Err(e.to_string()));
            }
            Err(e) => return Err(e.into()),
        };
        let failed = |e: std::io::Error| {
            Fault::CannotCreate(format!("{}: {e}; check the free space and the rights", incoming.display()))
        };
        let bytes = read.map_err(failed)?;
        let found = Digest::of(&bytes).to_string();
        if found != digest {
            let _ = std::fs::remove_file(&incoming);
            return Ok(Err(format!(
                "its {} bytes have digest {found}, the pointer names {digest}: it was changed or cut on its way",
                bytes.len()
            )));
        }
        self.shelf.keep(&incoming, &digest).map_err(failed)?;
        Ok(Ok(bytes))
    }

    async fn download(&self, pointer: &ChannelPointer, digest: &str, to: &Path) -> Result<(), DoorError> {
        let key = keys::model(&pointer.name, pointer.serial, digest);
        let most = Self::MODEL_BYTES_MAX as u64;
        let from_objects = self.objects.download(&key, to, most).await;
        let Err(absent @ DoorError::Absent { .. }) = from_objects else { return from_objects.map(|_| ()) };
        let Some(registry) = &self.registry else { return Err(absent) };
        let versions = registry.versions(&pointer.name).await?;
        match versions.iter().find(|v| v.tags.get("digest").is_some_and(|d| d == digest)) {
            Some(version) => registry.download(version, to, most).await,
            None => Err(absent),
        }
    }

    /// Takes the watched model back: by the sensor's own memory, or by installing what was at work before.
    pub(super) fn take_back(&mut self, watch: &Watch) -> Result<(), Trouble> {
        let active = |answer: &Value| answer["active"]["digest"].as_str().map(str::to_owned);
        let answer = tokio::task::block_in_place(|| self.sensor.ask::<Value>("model/rollback", Value::Null));
        if let Ok(answer) = &answer
            && active(answer).as_deref() == Some(&watch.before.digest)
        {
            return Ok(());
        }
        if let Err(e @ ControlError::Away { .. }) = answer {
            return Err(e.into());
        }
        let bytes = self.shelf.find(&watch.before.digest).ok_or_else(|| {
            Fault::TryAgain(format!(
                "model {} cannot be taken back: the sensor has no model before it, and {} is not kept here; install one by `taphound model install`",
                watch.version, watch.before.digest
            ))
        })?;
        let file = json!({"bytes": STANDARD.encode(&bytes)});
        tokio::task::block_in_place(|| self.sensor.ask::<Value>("model/install", file))?;
        Ok(())
    }
}

/// How long between two looks at a shadow.
#[must_use]
pub fn until_next_look(poll: Duration, shadow_minutes: u32) -> Duration {
    if shadow_minutes == 0 { poll } else { poll.min(Duration::from_secs(60)) }
}
