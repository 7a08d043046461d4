//! From a model to the bytes of its file.

use super::digest::Digest;
use super::error::ArtifactError;
use super::keys::SecretKey;
use super::manifest::Manifest;
use super::sections::{Body, Packing, SelfTest, pack};
use super::{ARTIFACT_BYTES_MAX, BODY, FORMAT, KIND, LEARNER, SELF_TEST, container};
use crate::forest::AdaptiveRandomForest;
use crate::novelty::IsolationForest;
use crate::quantiles::ReferenceQuantiles;
use crate::schema::{FEATURES, N_FEATURES, schema_id};
use crate::scorer::Scorer;
use std::collections::BTreeMap;

/// What a new artifact is made of.
#[derive(Clone, Debug)]
pub struct Draft<'a> {
    /// The model's name.
    pub name: String,
    /// Its serial.
    pub serial: u64,
    /// Serial of the model it was made from.
    pub parent: Option<u64>,
    /// SHA-256 of the training data.
    pub training_data: Digest,
    /// Figures of merit by name.
    pub metrics: BTreeMap<String, f64>,
    /// What is normal.
    pub quantiles: ReferenceQuantiles,
    /// Epoch seconds.
    pub created: u64,
    /// Epoch seconds.
    pub expires: Option<u64>,
    /// The model.
    pub scorer: &'a Scorer,
    /// The state to go on learning from, if it shall travel along.
    pub learner: Option<&'a AdaptiveRandomForest>,
    /// Vectors whose results readers must reproduce.
    pub self_test: Vec<[f64; N_FEATURES]>,
}

impl Draft<'_> {
    /// The file's bytes, signed by `key` or unsigned. The same draft and key give the same bytes.
    ///
    /// # Errors
    /// A part that is too large for a model file.
    pub fn write(&self, key: Option<&SecretKey>) -> Result<Vec<u8>, ArtifactError> {
        let scorer = self.scorer;
        let body = Body {
            transform: scorer.transform().clone(),
            forest: scorer.forest().to_columns(),
            novelty: scorer.novelty_forest().map(IsolationForest::to_columns),
        };
        let tests: Vec<SelfTest> =
            self.self_test.iter().map(|features| SelfTest::of(scorer, features)).collect();
        let packing = if self.learner.is_some() { Packing::Quick } else { Packing::Small };
        let mut packed = vec![pack(BODY, &body, packing)?, pack(SELF_TEST, &tests, packing)?];
        if let Some(learner) = self.learner {
            packed.push(pack(LEARNER, learner, packing)?);
        }
        let manifest = Manifest {
            format: FORMAT,
            name: self.name.clone(),
            serial: self.serial,
            schema: schema_id().to_owned(),
            features: FEATURES.iter().map(|name| (*name).to_owned()).collect(),
            classes: scorer.classes().to_vec(),
            thresholds: *scorer.thresholds(),
            parent: self.parent,
            training_data: self.training_data,
            metrics: self.metrics.clone(),
            quantiles: self.quantiles.clone(),
            created: self.created,
            expires: self.expires,
            sections: packed.iter().map(|(section, _)| section.clone()).collect(),
        };
        let mut bytes = container::seal(&KIND, &container::encode("manifest", &manifest)?, key)?;
        for (_, section) in &packed {
            bytes.extend_from_slice(section);
        }
        if bytes.len() > ARTIFACT_BYTES_MAX {
            return Err(ArtifactError::TooLarge {
                what: "file",
                bytes: bytes.len(),
                most: ARTIFACT_BYTES_MAX,
            });
        }
        Ok(bytes)
    }
}
