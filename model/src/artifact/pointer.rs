//! Which model a channel runs: a small signed object that moves while artifacts stay. A rollback is a pointer with a
//! higher sequence to an older artifact.
//!
//! Same container as an artifact, magic `TAPHPTR1`, nothing after the signature block.

use super::container::{Kind, check_format, decode, encode, open, seal};
use super::digest::Digest;
use super::error::ArtifactError;
use super::keys::{SecretKey, Trust};
use super::{Artifact, FORMAT};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const KIND: Kind = Kind { name: "channel pointer", magic: "TAPHPTR1", head_bytes_max: 4096, format: FORMAT };

/// The lane a sensor listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// What the fleet runs.
    Production,
    /// What a part of the fleet tries first.
    Canary,
    /// What waits to be tried.
    Staging,
}

impl Channel {
    /// The spelling used in files and interfaces.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Production => "production",
            Channel::Canary => "canary",
            Channel::Staging => "staging",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Channel {
    type Err = crate::forest::UnknownSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Channel::Production, Channel::Canary, Channel::Staging]
            .into_iter()
            .find(|channel| channel.as_str() == text)
            .ok_or_else(|| Self::Err { text: text.to_owned(), known: "production, canary, staging" })
    }
}

/// The pointer. In the file it is a MessagePack map with these names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelPointer {
    /// Version of the file format.
    pub format: u32,
    /// The model's name.
    pub name: String,
    /// The channel.
    pub channel: Channel,
    /// SHA-256 of the artifact it points to.
    pub digest: Digest,
    /// Serial of that artifact.
    pub serial: u64,
    /// Grows with every pointer of a (name, channel).
    pub sequence: u64,
    /// Share of sensors the pointer is meant for, 0 to 100.
    pub cohort_percent: u8,
    /// From when on it is void, epoch seconds.
    pub not_after: u64,
}

/// What a reader of a channel expects.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The model's name.
    pub name: &'a str,
    /// The channel listened to.
    pub channel: Channel,
    /// The last sequence acted upon; 0 before the first.
    pub last_sequence: u64,
    /// Epoch seconds.
    pub now_s: u64,
}

impl ChannelPointer {
    /// The file's bytes. A pointer is always signed.
    ///
    /// # Errors
    /// The name is too long for a pointer.
    pub fn write(&self, key: &SecretKey) -> Result<Vec<u8>, ArtifactError> {
        seal(&KIND, &encode("channel pointer", self)?, Some(key))
    }

    /// Reads a pointer signed by a trusted key; digests in `trust` do not count.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn read(bytes: &[u8], trust: &Trust) -> Result<ChannelPointer, ArtifactError> {
        let keys_only = trust.keys().iter().fold(Trust::none(), |keys, key| keys.with_key(*key));
        let opened = open(&KIND, bytes, &keys_only)?;
        if !opened.rest.is_empty() {
            let fault = "there are bytes after it";
            return Err(ArtifactError::Layout { what: "end of file", offset: opened.rest_offset, fault });
        }
        check_format(&KIND, opened.head)?;
        let pointer: ChannelPointer = decode("channel pointer", opened.head)?;
        if pointer.cohort_percent > 100 {
            return Err(ArtifactError::Channel {
                field: "cohort percent",
                found: pointer.cohort_percent.to_string(),
                wanted: "0 to 100".to_owned(),
                remedy: "publish the pointer again",
            });
        }
        Ok(pointer)
    }

    /// Whether a sensor that expects this may act upon the pointer. An equal sequence is allowed: it is the pointer
    /// already acted upon.
    ///
    /// # Errors
    /// Another model or channel, a sequence that went back, or a pointer that is void.
    pub fn check(&self, expected: &Expectation<'_>) -> Result<(), ArtifactError> {
        let refuse = |field, found: String, wanted: String, remedy| {
            Err(ArtifactError::Channel { field, found, wanted, remedy })
        };
        if self.name != expected.name {
            let remedy = "check the configured model name";
            return refuse("model name", self.name.clone(), expected.name.to_owned(), remedy);
        }
        if self.channel != expected.channel {
            let remedy = "check the configured channel";
            return refuse("channel", self.channel.to_string(), expected.channel.to_string(), remedy);
        }
        if self.sequence < expected.last_sequence {
            let wanted = format!("{} or more", expected.last_sequence);
            let remedy = "an old pointer was replayed; publish anew";
            return refuse("sequence", self.sequence.to_string(), wanted, remedy);
        }
        if expected.now_s >= self.not_after {
            let wanted = format!("after {}", expected.now_s);
            return refuse("not after", self.not_after.to_string(), wanted, "publish a fresh pointer");
        }
        Ok(())
    }

    /// Whether `artifact` is what the pointer points to.
    ///
    /// # Errors
    /// Another digest, name or serial.
    pub fn admits(&self, artifact: &Artifact) -> Result<(), ArtifactError> {
        let manifest = artifact.manifest();
        let pairs = [
            ("digest", artifact.digest().to_string(), self.digest.to_string()),
            ("model name", manifest.name.clone(), self.name.clone()),
            ("serial", manifest.serial.to_string(), self.serial.to_string()),
        ];
        for (field, found, wanted) in pairs {
            if found != wanted {
                let remedy = "fetch the artifact that the pointer names";
                return Err(ArtifactError::Channel { field, found, wanted, remedy });
            }
        }
        Ok(())
    }

    /// Whether a sensor is among the share the pointer is meant for. The choice depends on model and sensor only, so
    /// a growing share keeps those that were in it.
    pub fn includes(&self, sensor_id: &str) -> bool {
        let digest = Digest::of(format!("{}\n{sensor_id}", self.name).as_bytes()).0;
        let place = u16::from_be_bytes([digest[0], digest[1]]);
        u32::from(place) * 100 < u32::from(self.cohort_percent) << 16
    }
}
