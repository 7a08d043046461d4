//! A whole model file, trusted by its digest: container, manifest and sections.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::artifact::{Artifact, Digest, Trust};

fuzz_target!(|bytes: &[u8]| {
    let trust = Trust::none().with_digest(Digest::of(bytes));
    if let Ok(artifact) = Artifact::read(bytes, &trust) {
        fuzz::exercise(&artifact);
    }
});
