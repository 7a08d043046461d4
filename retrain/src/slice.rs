//! A slice: some trees of a forest, trained apart, with the recipe they belong to.

use crate::failure::Failure;
use crate::recipe::Recipe;
use model::forest::TreeTrainer;
use serde::{Deserialize, Serialize};
use std::path::Path;

const MAGIC: &[u8; 8] = b"TAPHSLC1";
const LEVEL: i32 = 6;

/// Trees of one recipe.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Slice {
    pub(crate) recipe: Recipe,
    pub(crate) trainers: Vec<TreeTrainer>,
}

impl Slice {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Failure> {
        let plain = rmp_serde::to_vec_named(self).map_err(Failure::software)?;
        let packed = zstd::stream::encode_all(plain.as_slice(), LEVEL).map_err(Failure::software)?;
        Ok([MAGIC.as_slice(), &packed].concat())
    }

    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Slice, Failure> {
        let fault =
            |what: String| Failure::data(format!("{}: {what}; train the slice again", path.display()));
        let packed = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| fault("not a slice that `taphound-retrain train --slice` wrote".to_owned()))?;
        let plain = zstd::stream::decode_all(packed).map_err(|e| fault(format!("damaged ({e})")))?;
        rmp_serde::from_slice(&plain).map_err(|e| fault(format!("damaged ({e})")))
    }

    /// The tree numbers of slice `i` of `n` (from 1) of a forest of `trees`.
    pub(crate) fn range(i: usize, n: usize, trees: usize) -> std::ops::Range<usize> {
        (i - 1) * trees / n..i * trees / n
    }
}
