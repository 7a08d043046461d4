//! What can be wrong with an artifact or a channel pointer: each message names the fault, the place and the remedy.

use super::digest::Digest;
use super::keys::KeyId;
use crate::scorer::ScorerError;

/// Why a file is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArtifactError {
    /// Another kind of file.
    #[error(
        "not a Taphound {kind}: it does not start with `{magic}`; give a file that `taphound-retrain` wrote"
    )]
    Magic {
        /// What was wanted.
        kind: &'static str,
        /// How it would start.
        magic: &'static str,
    },
    /// The file ends early, goes on too long, or a length in it is absurd.
    #[error("{what} at byte {offset}: {fault}; the file is damaged, fetch it again")]
    Layout {
        /// Which part.
        what: &'static str,
        /// Where it starts.
        offset: usize,
        /// What is wrong.
        fault: &'static str,
    },
    /// Neither signed nor listed.
    #[error(
        "unsigned, and its digest {digest} is not trusted; sign it with `taphound-retrain`, or trust the digest"
    )]
    Unsigned {
        /// The file's digest.
        digest: Digest,
    },
    /// Signed by a stranger.
    #[error(
        "signed by key {key}, which is not trusted; put its public key into the keys folder if it should be"
    )]
    UnknownKey {
        /// The key's id.
        key: KeyId,
    },
    /// The signature does not fit the bytes.
    #[error(
        "the signature of key {key} does not match: the file was altered; fetch it again from its source"
    )]
    BadSignature {
        /// The key's id.
        key: KeyId,
    },
    /// Written by a newer program.
    #[error("format {found} is newer than this program's {known}; update Taphound to use this file")]
    Newer {
        /// Its format.
        found: u32,
        /// The newest format known here.
        known: u32,
    },
    /// The bytes of a part do not decode.
    #[error(
        "the {part} cannot be read ({fault}); the file is damaged or from another program, fetch it again"
    )]
    Decode {
        /// Which part.
        part: &'static str,
        /// The decoder's words.
        fault: String,
    },
    /// A section's bytes are not those the manifest names.
    #[error("section `{section}` does not have the digest that the manifest names; fetch the file again")]
    SectionDigest {
        /// Its name.
        section: String,
    },
    /// Sections missing, doubled or unknown.
    #[error("section `{section}` is {fault}; the file is damaged or from a newer program")]
    Sections {
        /// Its name.
        section: String,
        /// What is wrong.
        fault: &'static str,
    },
    /// For other features than ours.
    #[error(
        "made for feature schema `{found}`, this program meters `{wanted}`; retrain the model for `{wanted}`"
    )]
    Schema {
        /// The model's.
        found: String,
        /// Ours.
        wanted: String,
    },
    /// The parts do not make a model.
    #[error(transparent)]
    Model(#[from] ScorerError),
    /// The model does not compute what its maker computed.
    #[error(
        "self-test {case} failed: {what} is {found}, expected {wanted}; do not use this model, report it"
    )]
    SelfTest {
        /// Number of the vector.
        case: usize,
        /// Which figure.
        what: &'static str,
        /// What this program computes.
        found: f64,
        /// What the maker computed.
        wanted: f64,
    },
    /// Too old to install.
    #[error("expired at {expires} (epoch seconds), it is {now}; install a newer model")]
    Expired {
        /// Its expiry.
        expires: u64,
        /// The time given.
        now: u64,
    },
    /// The channel says something else.
    #[error("channel pointer: {field} is `{found}`, expected `{wanted}`; {remedy}")]
    Channel {
        /// Which field.
        field: &'static str,
        /// What it says.
        found: String,
        /// What was expected.
        wanted: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Too large.
    #[error(
        "{what} of {bytes} bytes is larger than the {most} a model file may hold; train a smaller forest"
    )]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The limit.
        most: usize,
    },
}
