//! The feature contract `cic20/1` as the model sees it: twenty names in a fixed order, and their id.

/// How many features a flow vector has.
pub const N_FEATURES: usize = 20;

/// CICFlowMeter's column names of the twenty features, in the order every vector uses.
///
/// Durations and gaps are microseconds, lengths are layer-4 payload bytes, rates are per second.
pub const FEATURES: [&str; N_FEATURES] = [
    "Flow Duration",
    "Total Fwd Packets",
    "Total Backward Packets",
    "Total Length of Fwd Packets",
    "Total Length of Bwd Packets",
    "Fwd Packet Length Max",
    "Fwd Packet Length Min",
    "Fwd Packet Length Mean",
    "Fwd Packet Length Std",
    "Bwd Packet Length Max",
    "Bwd Packet Length Mean",
    "Bwd Packet Length Std",
    "Flow Bytes/s",
    "Fwd Packets/s",
    "Bwd Packets/s",
    "Flow IAT Std",
    "Flow IAT Max",
    "Fwd IAT Mean",
    "Fwd IAT Std",
    "Bwd IAT Mean",
];

const SCHEMA_ID: &str = "cic20/1:e5f8fd59";

/// `cic20/1:` and the first 8 hex digits of SHA-256 over the names joined by newlines.
///
/// Artifacts, records and stored rows carry it, and a reader refuses another one.
pub fn schema_id() -> &'static str {
    SCHEMA_ID
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn the_id_is_the_digest_of_the_names() {
        let digest = Sha256::digest(FEATURES.join("\n"));
        let hex: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(schema_id(), format!("cic20/1:{hex}"));
    }
}
