//! Counting distinct things in a few bytes.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// A bitmap that counts distinct keys: exact for few, a lower bound for many, saturating at its number of bits.
#[derive(Debug, Clone)]
pub(super) struct Distinct<const WORDS: usize> {
    bits: [u64; WORDS],
    set: u32,
}

impl<const WORDS: usize> Default for Distinct<WORDS> {
    fn default() -> Self {
        Self { bits: [0; WORDS], set: 0 }
    }
}

impl<const WORDS: usize> Distinct<WORDS> {
    pub(super) fn insert(&mut self, hash: u64) {
        let bit = (hash % (WORDS as u64 * 64)) as usize;
        let mask = 1 << (bit % 64);
        self.set += u32::from(self.bits[bit / 64] & mask == 0);
        self.bits[bit / 64] |= mask;
    }

    /// Keys seen, estimated by linear counting (Whang et al. 1990): `-m ln(1 - set/m)`.
    pub(super) fn estimate(&self) -> u32 {
        let bits = (WORDS * 64) as f64;
        let clear = bits - f64::from(self.set).min(bits - 1.0);
        libm::round(bits * libm::log(bits / clear)) as u32
    }

    /// Keys seen, at least.
    pub(super) fn count(&self) -> u32 {
        self.set
    }

    /// No more keys can be told apart.
    pub(super) fn is_saturated(&self) -> bool {
        self.set as usize * 8 >= WORDS * 64 * 7
    }
}

/// A stable hash of an address and a port.
pub(super) fn hash_of(endpoint: flowmeter::Endpoint) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x5441_5048_4f55_4e44, 0x6265_6861_7669_6f72);
    match endpoint.address {
        std::net::IpAddr::V4(ip) => hasher.write(&ip.octets()),
        std::net::IpAddr::V6(ip) => hasher.write(&ip.octets()),
    }
    hasher.write_u16(endpoint.port);
    hasher.finish()
}

/// A stable hash of a port alone.
pub(super) fn hash_of_port(port: u16) -> u64 {
    u64::from(port).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// How often the commonest of many values came, from below: Misra and Gries' counters (1982).
#[derive(Debug, Clone)]
pub(super) struct Commonest<const KEPT: usize> {
    counters: [(u64, u32); KEPT],
}

impl<const KEPT: usize> Default for Commonest<KEPT> {
    fn default() -> Self {
        Self { counters: [(0, 0); KEPT] }
    }
}

impl<const KEPT: usize> Commonest<KEPT> {
    pub(super) fn insert(&mut self, value: u64) {
        if let Some((_, count)) = self.counters.iter_mut().find(|(v, count)| *count > 0 && *v == value) {
            *count += 1;
        } else if let Some(free) = self.counters.iter_mut().find(|(_, count)| *count == 0) {
            *free = (value, 1);
        } else {
            self.counters.iter_mut().for_each(|(_, count)| *count -= 1);
        }
    }

    /// The commonest value came at least so often.
    pub(super) fn most(&self) -> u32 {
        self.counters.iter().map(|(_, count)| *count).max().unwrap_or(0)
    }
}
