//! A capture file of any bytes, plain or packed, as `sensor/src/source/reading.rs` checks it.
#![no_main]

#[path = "../../sensor/src/source/reading.rs"]
mod reading;

use libfuzzer_sys::fuzz_target;
use sensor::source::{CaptureFile, MergedFiles, unpacked};

fuzz_target!(|data: &[u8]| reading::check(data));
