//! From the bytes of a file to a model that may be used.

use super::digest::Digest;
use super::error::ArtifactError;
use super::keys::{Trust, TrustedBy};
use super::manifest::{Manifest, Section};
use super::sections::{Body, SelfTest, unpack};
use super::{ARTIFACT_BYTES_MAX, BODY, KIND, LEARNER, SELF_TEST, container};
use crate::category::Category;
use crate::explain::Explanation;
use crate::flat::FlatForest;
use crate::forest::AdaptiveRandomForest;
use crate::novelty::IsolationForest;
use crate::schema::{FEATURES, N_FEATURES, schema_id};
use crate::scorer::{Prediction, Scorer, ScorerError};

/// A model that has passed every check but expiry.
#[derive(Clone, Debug)]
pub struct Artifact {
    manifest: Manifest,
    digest: Digest,
    trusted_by: TrustedBy,
    scorer: Scorer,
    /// The learner's section, still packed.
    learner: Option<(Section, Vec<u8>)>,
}

impl Artifact {
    /// Reads a file: trust first, then format, schema, sections, structure, self-test. Expiry is
    /// [`Artifact::installable`]'s question, because an installed model goes on running.
    ///
    /// # Errors
    /// The first check that fails. Hostile bytes give an error, never a panic.
    pub fn read(bytes: &[u8], trust: &Trust) -> Result<Artifact, ArtifactError> {
        if bytes.len() > ARTIFACT_BYTES_MAX {
            return Err(ArtifactError::TooLarge {
                what: "file",
                bytes: bytes.len(),
                most: ARTIFACT_BYTES_MAX,
            });
        }
        let opened = container::open(&KIND, bytes, trust)?;
        container::check_format(&KIND, opened.head)?;
        let manifest: Manifest = container::decode("manifest", opened.head)?;
        let features_fit = manifest.features.iter().map(String::as_str).eq(FEATURES);
        if manifest.schema != schema_id() || !features_fit {
            let (found, wanted) = (manifest.schema.clone(), schema_id().to_owned());
            return Err(ArtifactError::Schema { found, wanted });
        }
        let parts = cut_sections(&manifest, opened.rest, opened.rest_offset)?;
        let part = |name: &str| parts.iter().find(|(section, _)| section.name == name).copied();
        let missing = |name: &str| ArtifactError::Sections { section: name.to_owned(), fault: "missing" };
        let (section, packed) = part(BODY).ok_or_else(|| missing(BODY))?;
        let body: Body = unpack(BODY, section, packed)?;
        let classes = manifest.classes.clone();
        let forest = FlatForest::try_from(body.forest).map_err(ScorerError::from)?;
        let novelty = body.novelty.map(|columns| IsolationForest::from_columns(columns, N_FEATURES));
        let novelty = novelty.transpose().map_err(ScorerError::Novelty)?;
        let scorer = Scorer::new(body.transform, forest, novelty, classes, manifest.thresholds)?;
        let (section, packed) = part(SELF_TEST).ok_or_else(|| missing(SELF_TEST))?;
        let tests: Vec<SelfTest> = unpack(SELF_TEST, section, packed)?;
        for (case, test) in tests.iter().enumerate() {
            test.check(case, &scorer)?;
        }
        let learner = part(LEARNER).map(|(section, packed)| (section.clone(), packed.to_vec()));
        Ok(Artifact { digest: opened.digest, trusted_by: opened.trusted_by, scorer, learner, manifest })
    }

    /// Whether the model may be installed at `now_s` (epoch seconds).
    ///
    /// # Errors
    /// It has expired.
    pub fn installable(&self, now_s: u64) -> Result<(), ArtifactError> {
        match self.manifest.expires {
            Some(expires) if now_s >= expires => Err(ArtifactError::Expired { expires, now: now_s }),
            _ => Ok(()),
        }
    }

    /// SHA-256 of the whole file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Why the file is trusted.
    pub fn trusted_by(&self) -> TrustedBy {
        self.trusted_by
    }

    /// What the model says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model at work.
    pub fn scorer(&self) -> &Scorer {
        &self.scorer
    }

    /// The frozen forest.
    pub fn forest(&self) -> &FlatForest {
        self.scorer.forest()
    }

    /// Categories by the forest's class number.
    pub fn classes(&self) -> &[Category] {
        self.scorer.classes()
    }

    /// Judges a final record's features. Allocates nothing.
    pub fn predict(&self, features: &[f64; N_FEATURES]) -> Prediction {
        self.scorer.predict(features)
    }

    /// Judges the features of a flow that still lives.
    pub fn predict_provisional(&self, features: &[f64; N_FEATURES]) -> Prediction {
        self.scorer.predict_provisional(features)
    }

    /// Says what each feature added to the score.
    pub fn explain(&self, features: &[f64; N_FEATURES]) -> Explanation {
        self.scorer.explain(features)
    }

    /// How unlike benign training traffic a vector is, in [0, 1].
    pub fn novelty(&self, features: &[f64; N_FEATURES]) -> f64 {
        self.scorer.novelty(features)
    }

    /// Whether the file carries the state to go on learning.
    pub fn can_learn(&self) -> bool {
        self.learner.is_some()
    }

    /// Whether both files hold the same model, learning state, name and signature aside: their bodies are the same bytes.
    pub fn judges_as(&self, other: &Artifact) -> bool {
        let body = |artifact: &Artifact| {
            artifact.manifest.sections.iter().find(|section| section.name == BODY).map(|body| body.sha256)
        };
        body(self).is_some() && body(self) == body(other)
    }

    /// The forest in its learning form, if the file carries it.
    ///
    /// # Errors
    /// The section does not decode to a sound forest.
    pub fn learner(&self) -> Result<Option<AdaptiveRandomForest>, ArtifactError> {
        let Some((section, packed)) = &self.learner else {
            return Ok(None);
        };
        let mut forest: AdaptiveRandomForest = unpack(LEARNER, section, packed)?;
        let decode = |fault: &str| ArtifactError::Decode { part: LEARNER, fault: fault.to_owned() };
        forest.restore().map_err(decode)?;
        Ok(Some(forest))
    }
}

/// Cuts the rest of the file into sections and checks each one's digest. Nothing may be left over.
pub(super) fn cut_sections<'a>(
    manifest: &'a Manifest,
    rest: &'a [u8],
    rest_offset: usize,
) -> Result<Vec<(&'a Section, &'a [u8])>, ArtifactError> {
    let mut parts: Vec<(&Section, &[u8])> = Vec::new();
    let mut left = rest;
    for section in &manifest.sections {
        let sections_fault = |fault| ArtifactError::Sections { section: section.name.clone(), fault };
        if ![BODY, SELF_TEST, LEARNER].contains(&section.name.as_str()) {
            return Err(sections_fault("unknown"));
        }
        if parts.iter().any(|(known, _)| known.name == section.name) {
            return Err(sections_fault("there twice"));
        }
        let length = usize::try_from(section.length).unwrap_or(usize::MAX);
        if length > left.len() {
            let offset = rest_offset + rest.len() - left.len();
            let fault = "the file ends before it does";
            return Err(ArtifactError::Layout { what: "section", offset, fault });
        }
        let (bytes, after) = left.split_at(length);
        if Digest::of(bytes) != section.sha256 {
            return Err(ArtifactError::SectionDigest { section: section.name.clone() });
        }
        parts.push((section, bytes));
        left = after;
    }
    if !left.is_empty() {
        let offset = rest_offset + rest.len() - left.len();
        return Err(ArtifactError::Layout { what: "end of file", offset, fault: "there are bytes after it" });
    }
    Ok(parts)
}
