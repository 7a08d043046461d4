//! The feature contract `cic20/1`: names in order, and the id that records and models are compared by.

/// Number of features.
pub const FEATURE_COUNT: usize = 20;

/// One value per name in [`FEATURES`], every one finite.
pub type FeatureVector = [f64; FEATURE_COUNT];

/// The features' names, in order. The names are CICFlowMeter's; what they mean is in [`crate::FlowRecord::features`].
pub const FEATURES: [&str; FEATURE_COUNT] = [
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

/// `cic20/1:` and the first 8 hex digits of the SHA-256 of the names joined by newlines.
pub const SCHEMA_ID: &str = "cic20/1:e5f8fd59";

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    #[test]
    fn id_is_the_hash_of_the_names() {
        let digest = Sha256::digest(super::FEATURES.join("\n"));
        let hex: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(super::SCHEMA_ID, format!("cic20/1:{hex}"));
    }
}
