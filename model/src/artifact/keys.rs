//! Who may speak for a model: Ed25519 keys with ids, the set of keys and digests a reader trusts, and the signature
//! block that artifacts and channel pointers share.

use super::digest::{BadHex, Digest, from_hex, to_hex};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::fmt;
use std::str::FromStr;

/// Length of a signature block: key id and Ed25519 signature; all zero means unsigned.
pub const SIGNATURE_BLOCK_BYTES: usize = 8 + 64;

const SECRET_PREFIX: &str = "taphound-secret-key-1:";
const PUBLIC_PREFIX: &str = "taphound-public-key-1:";

/// The first 8 bytes of SHA-256 over a public key: which of several keys signed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// A key text that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Another kind of text.
    #[error(
        "this is no {wanted}: it should be one line that starts with `{prefix}`; \
         make one with `taphound-retrain keygen`"
    )]
    Kind {
        /// What was wanted.
        wanted: &'static str,
        /// How it starts.
        prefix: &'static str,
    },
    /// The digits are damaged.
    #[error("the key is damaged: {0}")]
    Digits(#[from] BadHex),
    /// The digits are no point of the curve.
    #[error("the public key is damaged: it is no point of the curve; copy the key file again")]
    Point,
}

/// A key that signs. Its text form is one line; keep it secret.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}

impl SecretKey {
    /// The key made of 32 bytes from the operating system's random generator.
    pub fn from_entropy(entropy: [u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(&entropy))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The line to keep in a key file.
    pub fn to_line(&self) -> String {
        format!("{SECRET_PREFIX}{}", to_hex(self.0.as_bytes()))
    }

    /// The signature block for some bytes: key id and signature.
    pub fn block(&self, signed: &[u8]) -> [u8; SIGNATURE_BLOCK_BYTES] {
        let mut block = [0; SIGNATURE_BLOCK_BYTES];
        block[..8].copy_from_slice(&self.public().id().0);
        block[8..].copy_from_slice(&self.0.sign(signed).to_bytes());
        block
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text
            .trim()
            .strip_prefix(SECRET_PREFIX)
            .ok_or(KeyError::Kind { wanted: "secret key", prefix: SECRET_PREFIX })?;
        // The digits stay out of the message: it may end up in a log.
        let entropy =
            from_hex(digits).map_err(|_| KeyError::Kind { wanted: "secret key", prefix: SECRET_PREFIX })?;
        Ok(SecretKey::from_entropy(entropy))
    }
}

/// A key that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key's id.
    pub fn id(&self) -> KeyId {
        let digest = Digest::of(self.0.as_bytes()).0;
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
    }

    /// The line to keep in a key file.
    pub fn to_line(&self) -> String {
        format!("{PUBLIC_PREFIX}{}", to_hex(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let digits = text
            .trim()
            .strip_prefix(PUBLIC_PREFIX)
            .ok_or(KeyError::Kind { wanted: "public key", prefix: PUBLIC_PREFIX })?;
        VerifyingKey::from_bytes(&from_hex(digits)?).map(PublicKey).map_err(|_| KeyError::Point)
    }
}

/// What a reader trusts: any of several keys (so that they can be rotated), and single files by their digest.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: Vec<PublicKey>,
    digests: Vec<Digest>,
}

/// How a file came to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedBy {
    /// Signed by this key.
    Key(KeyId),
    /// Its digest is on the list.
    Digest,
}

/// Why a signature block does not make a file trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Distrust {
    Unsigned,
    UnknownKey(KeyId),
    BadSignature(KeyId),
}

impl Trust {
    /// Trusts nothing.
    pub fn none() -> Trust {
        Trust::default()
    }

    /// Trusts what this key signed, too.
    pub fn with_key(mut self, key: PublicKey) -> Trust {
        self.keys.push(key);
        self
    }

    /// Trusts the file with this digest, signed or not, too.
    pub fn with_digest(mut self, digest: Digest) -> Trust {
        self.digests.push(digest);
        self
    }

    /// The trusted keys.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The trusted key whose signature block this is over the bytes; none when there is no such key.
    pub fn signer(&self, signed: &[u8], block: &[u8; SIGNATURE_BLOCK_BYTES]) -> Option<KeyId> {
        self.check(signed, block).ok()
    }

    pub(crate) fn lists(&self, digest: &Digest) -> bool {
        self.digests.contains(digest)
    }

    /// Holds a signature block against the bytes it should cover.
    pub(crate) fn check(
        &self,
        signed: &[u8],
        block: &[u8; SIGNATURE_BLOCK_BYTES],
    ) -> Result<KeyId, Distrust> {
        if block.iter().all(|byte| *byte == 0) {
            return Err(Distrust::Unsigned);
        }
        let mut id = KeyId([0; 8]);
        id.0.copy_from_slice(&block[..8]);
        let mut signature = [0; 64];
        signature.copy_from_slice(&block[8..]);
        let key = self.keys.iter().find(|key| key.id() == id).ok_or(Distrust::UnknownKey(id))?;
        let valid = key.0.verify_strict(signed, &Signature::from_bytes(&signature)).is_ok();
        if valid { Ok(id) } else { Err(Distrust::BadSignature(id)) }
    }
}
