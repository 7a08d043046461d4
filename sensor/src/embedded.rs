//! The default model, inside the program: unsigned, trusted by its digest, and rebuilt byte for byte by `make model`.

use model::artifact::Digest;

/// The file.
pub static BYTES: &[u8] = include_bytes!("../../data/default.taphound");
/// SHA-256 of the file above, as `scripts/model --replace` wrote it beside it.
static DIGEST: &str = include_str!("../../data/default.taphound.sha256");

/// The digest that the default model is trusted by.
#[must_use]
pub fn digest() -> Digest {
    // A build with another text in that file fails its tests; it must not trust anything at run time.
    DIGEST.trim().parse().unwrap_or(Digest([0; 32]))
}
