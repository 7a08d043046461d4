//! The container that artifacts and channel pointers share: magic, length, MessagePack, signature block, rest.

use super::digest::Digest;
use super::error::ArtifactError;
use super::keys::{Distrust, SIGNATURE_BLOCK_BYTES, SecretKey, Trust, TrustedBy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How one kind of file begins and how long its head may be.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) magic: &'static str,
    pub(crate) head_bytes_max: usize,
    pub(crate) format: u32,
}

/// The parts of a file whose head may be trusted.
pub(crate) struct Opened<'a> {
    pub(crate) head: &'a [u8],
    pub(crate) rest: &'a [u8],
    pub(crate) rest_offset: usize,
    pub(crate) trusted_by: TrustedBy,
    pub(crate) digest: Digest,
}

/// Writes magic, length, head and signature block.
pub(crate) fn seal(kind: &Kind, head: &[u8], key: Option<&SecretKey>) -> Result<Vec<u8>, ArtifactError> {
    let length = u32::try_from(head.len()).ok().filter(|_| head.len() <= kind.head_bytes_max);
    let length = length.ok_or(ArtifactError::TooLarge {
        what: "manifest",
        bytes: head.len(),
        most: kind.head_bytes_max,
    })?;
    let mut bytes = Vec::with_capacity(12 + head.len() + SIGNATURE_BLOCK_BYTES);
    bytes.extend_from_slice(kind.magic.as_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(head);
    let block = key.map_or([0; SIGNATURE_BLOCK_BYTES], |key| key.block(&bytes));
    bytes.extend_from_slice(&block);
    Ok(bytes)
}

/// Finds the parts and checks the signature, before anything is decoded.
pub(crate) fn open<'a>(kind: &Kind, bytes: &'a [u8], trust: &Trust) -> Result<Opened<'a>, ArtifactError> {
    if !bytes.starts_with(kind.magic.as_bytes()) {
        return Err(ArtifactError::Magic { kind: kind.name, magic: kind.magic });
    }
    let truncated =
        |what, offset| ArtifactError::Layout { what, offset, fault: "the file ends before it does" };
    let length = bytes.get(8..12).ok_or(truncated("manifest length", 8))?;
    let length = length.iter().rev().fold(0usize, |value, byte| value << 8 | usize::from(*byte));
    if length > kind.head_bytes_max {
        return Err(ArtifactError::Layout { what: "manifest", offset: 12, fault: "its length is absurd" });
    }
    let end = 12 + length;
    let head = bytes.get(12..end).ok_or(truncated("manifest", 12))?;
    let rest_offset = end + SIGNATURE_BLOCK_BYTES;
    let block = bytes.get(end..rest_offset).ok_or(truncated("signature", end))?;
    let mut signature = [0; SIGNATURE_BLOCK_BYTES];
    signature.copy_from_slice(block);
    let digest = Digest::of(bytes);
    let trusted_by = match trust.check(&bytes[..end], &signature) {
        Ok(key) => TrustedBy::Key(key),
        Err(_) if trust.lists(&digest) => TrustedBy::Digest,
        Err(Distrust::Unsigned) => return Err(ArtifactError::Unsigned { digest }),
        Err(Distrust::UnknownKey(key)) => return Err(ArtifactError::UnknownKey { key }),
        Err(Distrust::BadSignature(key)) => return Err(ArtifactError::BadSignature { key }),
    };
    Ok(Opened { head, rest: &bytes[rest_offset..], rest_offset, trusted_by, digest })
}

/// MessagePack with field names, so that fields can be added.
pub(crate) fn encode<T: Serialize>(part: &'static str, value: &T) -> Result<Vec<u8>, ArtifactError> {
    rmp_serde::to_vec_named(value).map_err(|fault| ArtifactError::Decode { part, fault: fault.to_string() })
}

/// Decodes exactly one value: nothing may follow it.
pub(crate) fn decode<T: DeserializeOwned>(part: &'static str, bytes: &[u8]) -> Result<T, ArtifactError> {
    let mut rest = bytes;
    let mut decoder = rmp_serde::Deserializer::new(&mut rest);
    decoder.set_max_depth(32);
    let value = T::deserialize(&mut decoder)
        .map_err(|fault| ArtifactError::Decode { part, fault: fault.to_string() })?;
    if !rest.is_empty() {
        return Err(ArtifactError::Decode { part, fault: "bytes after its end".to_owned() });
    }
    Ok(value)
}

/// Refuses a head of a newer format before the rest of it is decoded.
pub(crate) fn check_format(kind: &Kind, head: &[u8]) -> Result<(), ArtifactError> {
    #[derive(Deserialize)]
    struct Probe {
        format: u32,
    }
    let probe: Probe = decode("manifest", head)?;
    if probe.format > kind.format {
        return Err(ArtifactError::Newer { found: probe.format, known: kind.format });
    }
    Ok(())
}
