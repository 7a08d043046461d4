//! A model for sensors out of one that can go on learning: sensors only judge, and what a forest learns from is many times as large.

use super::container;
use super::error::ArtifactError;
use super::keys::{SecretKey, Trust};
use super::manifest::Manifest;
use super::read::cut_sections;
use super::{KIND, LEARNER};

/// The same model without its learning state: every other section byte for byte, the manifest but for that one line, signed by `key` or
/// unsigned. The same file and key give the same bytes.
///
/// # Errors
/// A file that is not trusted, is of a newer format, or is damaged.
pub fn without_learner(
    bytes: &[u8],
    trust: &Trust,
    key: Option<&SecretKey>,
) -> Result<Vec<u8>, ArtifactError> {
    let opened = container::open(&KIND, bytes, trust)?;
    container::check_format(&KIND, opened.head)?;
    let mut manifest: Manifest = container::decode("manifest", opened.head)?;
    let parts = cut_sections(&manifest, opened.rest, opened.rest_offset)?;
    let kept: Vec<&[u8]> =
        parts.iter().filter(|(section, _)| section.name != LEARNER).map(|(_, packed)| *packed).collect();
    let kept = kept.concat();
    manifest.sections.retain(|section| section.name != LEARNER);
    let mut lean = container::seal(&KIND, &container::encode("manifest", &manifest)?, key)?;
    lean.extend_from_slice(&kept);
    Ok(lean)
}
