//! The part of an artifact that anyone can read: what the model is, where it came from, how good it was, and what
//! was normal when it was made.

use super::digest::Digest;
use crate::category::Category;
use crate::quantiles::ReferenceQuantiles;
use crate::scorer::Thresholds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One section of the file, in the order in which they lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// `body`, `selftest` or `learner`.
    pub name: String,
    /// Bytes in the file.
    pub length: u64,
    /// Bytes once decompressed.
    pub plain_length: u64,
    /// SHA-256 of the bytes in the file.
    pub sha256: Digest,
}

/// The manifest. In the file it is a MessagePack map with these names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the file format.
    pub format: u32,
    /// The model's name, the same for all its versions.
    pub name: String,
    /// The version: an ever-growing number of our own, shown as `model_version`.
    pub serial: u64,
    /// Id of the feature schema.
    pub schema: String,
    /// Feature names in order.
    pub features: Vec<String>,
    /// Categories by the forest's class number.
    pub classes: Vec<Category>,
    /// Scores that make a verdict "attack".
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Serial of the model this one was made from.
    #[serde(default)]
    pub parent: Option<u64>,
    /// SHA-256 of the training data.
    pub training_data: Digest,
    /// Figures of merit by name, such as `test.f1`.
    pub metrics: BTreeMap<String, f64>,
    /// What was normal when the model was made.
    pub quantiles: ReferenceQuantiles,
    /// When it was made, epoch seconds.
    pub created: u64,
    /// From when on it must not be installed any more, epoch seconds.
    #[serde(default)]
    pub expires: Option<u64>,
    /// The sections.
    pub sections: Vec<Section>,
}
