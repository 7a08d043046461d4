//! The key that evidence is sealed with, and what is made of it: one key a segment file, one nonce a block.

use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};

use crate::fault::Fault;

/// Bytes of a key.
const KEY_BYTES: usize = 32;
/// Name of the credential that systemd hands over.
const CREDENTIAL: &str = "evidence.key";

/// The master key. It is never written anywhere, and no text shows it.
#[derive(Clone)]
pub struct Key {
    bytes: [u8; KEY_BYTES],
}

/// Seals and opens the blocks of one segment.
pub(super) struct SegmentKey(LessSafeKey);

/// Length of what HKDF gives for a key's name.
struct IdBytes;

impl KeyType for IdBytes {
    fn len(&self) -> usize {
        8
    }
}

impl Key {
    /// Reads a key from `file`, or, when that is empty, from the credentials of this service.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is no key.
    pub fn load(file: &Path) -> Result<Self, Fault> {
        let path = if file.as_os_str().is_empty() {
            // systemd's word, not a setting of ours.
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                Fault::Config(
                    "`evidence.mode` is on and there is no key: set `evidence.key_file`, or LoadCredential=evidence.key:FILE in the unit (docs/evidence.md)".into(),
                )
            })?;
            PathBuf::from(folder).join(CREDENTIAL)
        } else {
            file.to_owned()
        };
        let bytes = std::fs::read(&path).map_err(|e| Fault::opening(&path, &e))?;
        Self::parse(&bytes).ok_or_else(|| {
            Fault::Config(format!(
                "{}: is no key: 32 bytes, or 64 hex digits; make one: openssl rand -hex 32",
                path.display()
            ))
        })
    }

    /// A key from the bytes of its file.
    #[must_use]
    pub fn parse(file: &[u8]) -> Option<Self> {
        if let Ok(bytes) = file.try_into() {
            return Some(Self { bytes });
        }
        let text = std::str::from_utf8(file).ok()?.trim();
        if text.len() != 2 * KEY_BYTES || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self { bytes })
    }

    /// Tells keys apart without saying anything about them.
    pub(super) fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        let secret = Salt::new(HKDF_SHA256, b"taphound evidence").extract(&self.bytes);
        // Eight bytes are within what HKDF can give.
        let _ = secret.expand(&[b"key id"], IdBytes).and_then(|okm| okm.fill(&mut id));
        id
    }

    /// The key of the segment with this salt; none if the library refuses, which it does not for this length.
    pub(super) fn segment(&self, salt: &[u8; 16]) -> Option<SegmentKey> {
        let secret = Salt::new(HKDF_SHA256, salt).extract(&self.bytes);
        let okm = secret.expand(&[b"taphound evidence segment"], &CHACHA20_POLY1305).ok()?;
        Some(SegmentKey(LessSafeKey::new(UnboundKey::from(okm))))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl SegmentKey {
    /// Bytes that sealing adds.
    pub(super) const OVERHEAD: usize = 16;

    /// Seals block `number` of the segment in place; `head` is protected against change and stays readable.
    pub(super) fn seal(&self, number: u64, head: &[u8], block: &mut Vec<u8>) -> bool {
        self.0.seal_in_place_append_tag(nonce(number), Aad::from(head), block).is_ok()
    }

    /// The bytes of block `number`; none when they, or its head, are not what was sealed.
    pub(super) fn open<'a>(&self, number: u64, head: &[u8], block: &'a mut [u8]) -> Option<&'a [u8]> {
        self.0.open_in_place(nonce(number), Aad::from(head), block).ok().map(|plain| &*plain)
    }
}

/// A block's number is its nonce: each segment has a key of its own, and no number twice.
fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[NONCE_LEN - 8..].copy_from_slice(&number.to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}
