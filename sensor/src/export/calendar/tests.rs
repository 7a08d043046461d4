//! Dates checked against `date -u -d @N`.

use super::{eve_time, zeek_date};

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00"),
        (951_782_399, "2000-02-28T23:59:59"),
        (951_782_400, "2000-02-29T00:00:00"),
        (951_868_800, "2000-03-01T00:00:00"),
        (1_709_164_800, "2024-02-29T00:00:00"),
        (1_735_689_599, "2024-12-31T23:59:59"),
        (1_795_262_706, "2026-11-21T12:05:06"),
        (4_107_542_400, "2100-03-01T00:00:00"),
    ] {
        assert_eq!(eve_time(seconds * 1_000_000 + 7), format!("{expected}.000007+0000"));
        assert_eq!(zeek_date(seconds * 1_000_000), expected.replace(['T', ':'], "-"));
    }
}

#[test]
fn no_timestamp_is_too_large_for_a_date() {
    assert!(eve_time(u64::MAX).ends_with("+0000"));
}
