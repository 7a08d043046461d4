//! Any traffic through the meter and through the naive one of its tests: they must agree on every event, record and feature.
//!
//! Input: a configuration and steps of eight bytes, as `flowmeter/tests/draft.rs` reads them.
#![no_main]

#[path = "../../flowmeter/tests/agree.rs"]
mod agree;
#[allow(dead_code)]
#[path = "../../flowmeter/tests/build.rs"]
mod build;
#[path = "../../flowmeter/tests/draft.rs"]
mod draft;
#[path = "../../flowmeter/tests/naive.rs"]
mod naive;
#[allow(dead_code)]
#[path = "../../flowmeter/tests/run.rs"]
mod run;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(case) = draft::from_bytes(data) {
        agree::agree(&case.config, &case.steps, &case.cuts, &mut agree::Tally::new());
    }
});
