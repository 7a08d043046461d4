//! What goes to the table and what only to Parquet: a table is dear, and a fleet is chatty.

use sha2::{Digest, Sha256};
use store::record::OutboxKind;

use super::encode::Parcel;
use crate::config::Up;

/// The policy.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    uncertain: [f64; 2],
    share: f64,
}

impl Policy {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &Up) -> Self {
        Self { uncertain: settings.uncertain, share: settings.table_flows_share }
    }

    /// Whether a parcel goes to the table: labels and alerts always, flows that the model was unsure of, and a share of the
    /// rest, chosen by their uid, so that every repetition chooses alike.
    #[must_use]
    pub fn wants_table(&self, kind: OutboxKind, parcel: &Parcel) -> bool {
        let Parcel::Item(item) = parcel else { return true };
        let [low, high] = self.uncertain;
        kind != OutboxKind::Flow || (low..=high).contains(&item.score) || place(&item.uid) < self.share
    }
}

/// Where a uid lies in \[0, 1). Not the sensor's own hash: what it chose by that is a sample already.
fn place(uid: &str) -> f64 {
    let digest = Sha256::digest(uid.as_bytes());
    f64::from(u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])) / (f64::from(u32::MAX) + 1.0)
}
