//! Ranges of addresses as people write them, and how addresses are kept.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::flow::NotOne;

/// All addresses that share a prefix. A single address is one with the longest prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    base: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The range; bits of `base` beyond the prefix are cleared. None when the prefix is longer than the address.
    #[must_use]
    pub fn new(base: IpAddr, prefix: u8) -> Option<Self> {
        let base = match base {
            IpAddr::V4(v4) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((v4.to_bits() & mask).into())
            }
            IpAddr::V6(v6) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((v6.to_bits() & mask).into())
            }
            _ => return None,
        };
        Some(Self { base, prefix })
    }

    /// Its first address.
    #[must_use]
    pub fn base(&self) -> IpAddr {
        self.base
    }

    /// It is one address.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.prefix == if self.base.is_ipv4() { 32 } else { 128 }
    }

    /// Whether `address` is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.base.is_ipv4() && Self::new(address, self.prefix) == Some(*self)
    }

    /// Whether the two have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        if self.prefix <= other.prefix { self.contains(other.base) } else { other.contains(self.base) }
    }

    /// First and last address as they are kept: 4 or 16 bytes.
    pub(crate) fn bounds(&self) -> (Vec<u8>, Vec<u8>) {
        let low = address_bytes(self.base);
        let mut high = low.clone();
        for (index, byte) in high.iter_mut().enumerate() {
            let kept = usize::from(self.prefix).saturating_sub(index * 8).min(8);
            *byte |= 0xffu8.checked_shr(u32::try_from(kept).unwrap_or(8)).unwrap_or(0);
        }
        (low, high)
    }
}

impl From<IpAddr> for Cidr {
    fn from(base: IpAddr) -> Self {
        Self { base, prefix: if base.is_ipv4() { 32 } else { 128 } }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.base.is_ipv4() { 32 } else { 128 };
        if self.prefix == whole { self.base.fmt(f) } else { write!(f, "{}/{}", self.base, self.prefix) }
    }
}

impl FromStr for Cidr {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let refused = || NotOne::of(text, "address or range: write 10.0.0.7, 10.0.0.0/8 or 2001:db8::/32");
        match text.trim().split_once('/') {
            None => text.trim().parse::<IpAddr>().map(Self::from).map_err(|_| refused()),
            Some((base, prefix)) => base
                .parse()
                .ok()
                .zip(prefix.parse().ok())
                .and_then(|(base, prefix)| Self::new(base, prefix))
                .ok_or_else(refused),
        }
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// An address as it is kept.
pub(crate) fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// The address in bytes that [`address_bytes`] made.
pub(crate) fn address_of(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
