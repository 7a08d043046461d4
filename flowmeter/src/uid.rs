//! A flow's id: the same for the same capture on every run, different for every flow of a sensor.

use std::fmt::{self, Write};
use std::str::FromStr;

use sha2::{Digest, Sha256};

use crate::key::FlowKey;

/// First 128 bits of SHA-256 over: sensor id (UTF-8) · `00` · canonical key bytes ([`FlowKey::to_bytes`]) · first start
/// (u64 BE, microseconds) · ordinal (u32 BE). Written as 32 hex digits.
///
/// The ordinal counts earlier flows of the key that began in the same microsecond; each epoch of the capture clock adds
/// 65536 to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 16]);

impl Uid {
    /// The id of the flow of `key` that began at `first_start_us`.
    pub fn new(sensor_id: &str, key: &FlowKey, first_start_us: u64, ordinal: u32) -> Self {
        let digest = Sha256::new()
            .chain_update(sensor_id.as_bytes())
            .chain_update([0])
            .chain_update(key.to_bytes())
            .chain_update(first_start_us.to_be_bytes())
            .chain_update(ordinal.to_be_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(bytes)
    }

    /// The 32 hex digits, for writers of many.
    pub fn hex(&self) -> [u8; 32] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit =
            |at: usize| DIGITS[usize::from(self.0[at / 2] >> if at.is_multiple_of(2) { 4 } else { 0 } & 15)];
        std::array::from_fn(digit)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for Uid {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.hex().iter().try_for_each(|&digit| f.write_char(char::from(digit)))
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}

/// Text that is no [`Uid`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a flow uid: expected 32 hex digits")]
pub struct UidParseError(String);

impl FromStr for Uid {
    type Err = UidParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || UidParseError(text.chars().take(64).collect());
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let bits = u128::from_str_radix(text, 16).map_err(|_| refused())?;
        Ok(Self(bits.to_be_bytes()))
    }
}
