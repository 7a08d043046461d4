//! A model as a file (`*.taphound`): signed, verified before anything is unpacked, bounded at every step, and tested
//! against its maker's results before it is used. It holds numbers only; nothing in it can execute.
//!
//! ```text
//! TAPHND01 | manifest length, u32 LE | manifest, MessagePack | key id, 8 | Ed25519 signature, 64 | sections
//! ```
//! The signature covers everything before the key id; the manifest names each section's length and SHA-256; nothing
//! may follow the last section. A signature block of zeros means unsigned: such a file is trusted by its digest only.

mod container;
pub mod digest;
mod error;
pub mod keys;
mod lean;
mod manifest;
pub mod pointer;
mod read;
mod sections;
mod write;

pub use digest::Digest;
pub use error::ArtifactError;
pub use keys::{KeyError, KeyId, PublicKey, SIGNATURE_BLOCK_BYTES, SecretKey, Trust, TrustedBy};
pub use lean::without_learner;
pub use manifest::{Manifest, Section};
pub use pointer::{Channel, ChannelPointer, Expectation};
pub use read::Artifact;
pub use write::Draft;

use container::Kind;

/// The newest format this program writes and reads.
pub const FORMAT: u32 = 1;
/// The most bytes an artifact may have.
pub const ARTIFACT_BYTES_MAX: usize = 256 << 20;

const KIND: Kind = Kind { name: "model", magic: "TAPHND01", head_bytes_max: 4 << 20, format: FORMAT };
const BODY: &str = "body";
const SELF_TEST: &str = "selftest";
const LEARNER: &str = "learner";
