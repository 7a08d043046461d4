//! What lies in the sections of an artifact: zstd frames of MessagePack, bounded before they are unpacked.

use super::container::{decode, encode};
use super::digest::Digest;
use super::error::ArtifactError;
use super::manifest::Section;
use crate::category::Category;
use crate::flat::columns::ForestColumns;
use crate::novelty::IsolationColumns;
use crate::schema::N_FEATURES;
use crate::scorer::{Scorer, Transform};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Read;

/// The most a section may unpack to.
pub(crate) const PLAIN_BYTES_MAX: u64 = 512 << 20;
/// The most a section may grow by unpacking, times its own size.
const RATIO_MAX: u64 = 256;
/// How hard a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Once for all: the model inside the sensor.
    Small,
    /// Whatever goes on learning is packed at each retrain, and the level above takes longer than learning does, for 9 % of the bytes.
    Quick,
}

impl Packing {
    fn level(self) -> i32 {
        match self {
            Packing::Small => 19,
            Packing::Quick => 6,
        }
    }
}

/// The model itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Body {
    pub(crate) transform: Transform,
    pub(crate) forest: ForestColumns,
    #[serde(default)]
    pub(crate) novelty: Option<IsolationColumns>,
}

/// One vector and what the maker's machine computed for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SelfTest {
    pub(crate) features: [f64; N_FEATURES],
    pub(crate) category: Category,
    pub(crate) score: f64,
    pub(crate) confidence: f64,
    pub(crate) novelty: f64,
    pub(crate) base: f64,
}

impl SelfTest {
    pub(crate) fn of(scorer: &Scorer, features: &[f64; N_FEATURES]) -> SelfTest {
        let prediction = scorer.predict(features);
        SelfTest {
            features: *features,
            category: prediction.category,
            score: prediction.score,
            confidence: prediction.confidence,
            novelty: scorer.novelty(features),
            base: scorer.explain(features).base,
        }
    }

    /// Every figure must come out bit for bit, and an explanation must add up.
    pub(crate) fn check(&self, case: usize, scorer: &Scorer) -> Result<(), ArtifactError> {
        let now = SelfTest::of(scorer, &self.features);
        let figures = [
            ("score", now.score, self.score),
            ("confidence", now.confidence, self.confidence),
            ("novelty", now.novelty, self.novelty),
            ("base", now.base, self.base),
            ("category", now.category.index() as f64, self.category.index() as f64),
        ];
        for (what, found, wanted) in figures {
            if found.to_bits() != wanted.to_bits() {
                return Err(ArtifactError::SelfTest { case, what, found, wanted });
            }
        }
        let explanation = scorer.explain(&self.features);
        let sum = explanation.contributions.iter().fold(explanation.base, |sum, part| sum + part);
        if (sum - explanation.score).abs() > 1e-6 {
            let (found, wanted) = (sum, explanation.score);
            return Err(ArtifactError::SelfTest { case, what: "explanation's sum", found, wanted });
        }
        Ok(())
    }
}

/// Packs a value; the result names its own digest and lengths.
pub(crate) fn pack<T: Serialize>(
    name: &'static str,
    value: &T,
    packing: Packing,
) -> Result<(Section, Vec<u8>), ArtifactError> {
    let plain = encode(name, value)?;
    if plain.len() as u64 > PLAIN_BYTES_MAX {
        return Err(ArtifactError::TooLarge {
            what: name,
            bytes: plain.len(),
            most: PLAIN_BYTES_MAX as usize,
        });
    }
    // In one piece, so that the encoder knows the length and asks for no larger window.
    let packed = zstd::bulk::compress(&plain, packing.level())
        .map_err(|fault| ArtifactError::Decode { part: name, fault: fault.to_string() })?;
    let section = Section {
        name: name.to_owned(),
        length: packed.len() as u64,
        plain_length: plain.len() as u64,
        sha256: Digest::of(&packed),
    };
    Ok((section, packed))
}

/// Unpacks a section whose digest has been checked.
pub(crate) fn unpack<T: DeserializeOwned>(
    name: &'static str,
    section: &Section,
    packed: &[u8],
) -> Result<T, ArtifactError> {
    let fault = |fault: String| ArtifactError::Decode { part: name, fault };
    let allowed = (packed.len() as u64).saturating_mul(RATIO_MAX).saturating_add(4096).min(PLAIN_BYTES_MAX);
    if section.plain_length > allowed {
        return Err(fault(format!("{} bytes of it would unpack to {}", packed.len(), section.plain_length)));
    }
    let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(|e| fault(e.to_string()))?;
    // A frame may not ask for a larger window than its content justifies.
    let window_log = 64 - section.plain_length.max(1024).leading_zeros();
    decoder.window_log_max(window_log.clamp(10, 29)).map_err(|e| fault(e.to_string()))?;
    let mut plain = Vec::new();
    decoder.take(section.plain_length + 1).read_to_end(&mut plain).map_err(|e| fault(e.to_string()))?;
    if plain.len() as u64 != section.plain_length {
        return Err(fault("its length is not what the manifest names".to_owned()));
    }
    decode(name, &plain)
}
