//! Keys as they are written, and back.

use super::*;

#[test]
fn keys_are_what_the_documents_say() {
    assert_eq!(channel("ARF Baseline Model", "canary"), "channels/ARF Baseline Model/canary");
    assert_eq!(model("m", 7, "ab12"), "models/m/7/ab12.taphound");
    assert_eq!(learner("m", 7, "cd34"), "models/m/7/cd34.learner.taphound");
    assert_eq!(
        log_file("cic20/1:0123abcd", "tap-1", "2026-11-21", "0007"),
        "logs/schema=cic20%2F1%3A0123abcd/sensor=tap-1/date=2026-11-21/0007.parquet"
    );
}

#[test]
fn every_name_is_one_part_and_comes_back() {
    for original in ["..", ".", "a/../b", "a%2Fb", "ARF Baseline Model", "größe", "cic20/1:0", "a\0b", "x=y"]
    {
        let as_part = part(original);
        assert!(!as_part.contains(['/', '\0']) && as_part != ".." && as_part != ".", "{as_part}");
        assert_eq!(name(&as_part).as_deref(), Some(original));
    }
    assert_eq!(name("%2"), None);
    assert_eq!(name("%FF"), None);
}
