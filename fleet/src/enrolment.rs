//! How a sensor joins and leaves the fleet without a server: signed objects under agreed keys, claimed once.
//!
//! `enrolment/<token>.json` is a [`Signed`] [`Grant`]; whoever redeems it first puts a [`Claim`] at
//! `enrolment/<token>.claimed.json`, on condition that there is none. `revoked/<sensor>.json` is a [`Signed`] [`Revocation`].
//! This library carries the signature and does not check it: who is trusted is the programs' business.

use serde::{Deserialize, Serialize};

/// What is signed begins with these bytes, so that no signature of another kind of file fits.
pub const DOMAIN: &[u8] = b"taphound-enrolment-1\n";
/// An object of this kind is never longer.
pub const BYTES_MAX: u64 = 64 << 10;

/// A text and the signature over [`DOMAIN`] and the text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
    /// JSON of the thing itself, byte for byte what was signed.
    pub body: String,
    /// Key id (8 bytes) and Ed25519 signature (64 bytes), hex.
    pub signature: String,
}

impl Signed {
    /// The bytes that are signed.
    #[must_use]
    pub fn signed_bytes(body: &str) -> Vec<u8> {
        [DOMAIN, body.as_bytes()].concat()
    }
}

/// What a new sensor is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Id of the token: 32 hex digits.
    pub token: String,
    /// Name of the sensor in the fleet.
    pub sensor_id: String,
    /// When it was made, epoch seconds.
    pub issued_s: u64,
    /// From when on it is void, epoch seconds.
    pub not_after_s: u64,
    /// Public keys that may sign models, a line each.
    pub keys: Vec<String>,
    /// Settings of the sensor (TOML).
    pub sensor_settings: String,
    /// Settings of the sync agent (TOML).
    pub sync_settings: String,
}

/// Who redeemed a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Id of the token.
    pub token: String,
    /// The sensor.
    pub sensor_id: String,
    /// Public half of the identity key that the sensor made for itself, as a line.
    pub public_key: String,
    /// When, epoch seconds by the sensor's clock.
    pub at_s: u64,
}

/// A sensor that no longer belongs to the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The sensor.
    pub sensor_id: String,
    /// When, epoch seconds.
    pub at_s: u64,
    /// Why.
    pub reason: String,
}

/// Key of a grant's object.
#[must_use]
pub fn grant_key(token: &str) -> String {
    format!("enrolment/{token}.json")
}

/// Key of a claim's object.
#[must_use]
pub fn claim_key(token: &str) -> String {
    format!("enrolment/{token}.claimed.json")
}

/// Key of a revocation's object.
#[must_use]
pub fn revocation_key(sensor_id: &str) -> String {
    format!("revoked/{sensor_id}.json")
}
