//! Frames of any link type with any bytes through the whole meter, as `flowmeter/tests/frames.rs` checks them.
#![no_main]

#[path = "../../flowmeter/tests/frames.rs"]
mod frames;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| frames::check(data));
