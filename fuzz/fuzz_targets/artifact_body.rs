//! The unpacked body (first byte even) or learner (odd) of an otherwise sound, signed model file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::artifact::Artifact;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, plain)) = bytes.split_first() else { return };
    let file = fuzz::with_section(if choice % 2 == 0 { 0 } else { 2 }, plain);
    if let Ok(artifact) = Artifact::read(&file, &fuzz::trust()) {
        fuzz::exercise(&artifact);
    }
});
