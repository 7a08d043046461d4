//! Days against dates known from elsewhere.

use super::*;

#[test]
fn days_are_those_of_the_calendar() {
    // `date -u -d DAY +%s`
    for (seconds, day) in [
        (0, "1970-01-01"),
        (951_782_399, "2000-02-28"),
        (951_782_400, "2000-02-29"),
        (951_868_800, "2000-03-01"),
        (1_763_683_200, "2025-11-21"),
        (4_107_542_399, "2100-02-28"),
        (4_107_542_400, "2100-03-01"),
        (253_402_300_799, "9999-12-31"),
    ] {
        assert_eq!(utc_day(seconds * 1000), day);
    }
}

#[test]
fn a_flow_lies_in_one_of_its_days_shards() {
    // Python: binascii.crc32(b"s1|10.0.0.1-10.0.0.2-1-2-6") % 16
    let shard = day_shard("s1|10.0.0.1-10.0.0.2-1-2-6", 1_763_683_200_000);
    assert!(day_shards(1_763_683_200_000).contains(&shard));
    assert_eq!(day_shard("123456789", 0), format!("1970-01-01#{:02}", 0xcbf4_3926_u32 % 16));
}
