//! The head of a channel pointer, sealed with a trusted key; and the same bytes as a whole pointer file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use model::artifact::{Channel, ChannelPointer, Expectation};

fuzz_target!(|bytes: &[u8]| {
    let _ = ChannelPointer::read(bytes, &fuzz::trust());
    if let Ok(pointer) = ChannelPointer::read(&fuzz::seal(b"TAPHPTR1", bytes), &fuzz::trust()) {
        let expected =
            Expectation { name: "small", channel: Channel::Production, last_sequence: 1, now_s: 1 };
        let _ = pointer.check(&expected);
        assert!(!pointer.includes("sensor") || pointer.cohort_percent > 0);
        assert!(pointer.write(&fuzz::key()).is_ok());
    }
});
