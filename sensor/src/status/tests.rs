//! The status object: its words, and that it survives a round trip.

use super::{Health, HostStatus, Status, count, short, span};

#[test]
fn the_worst_complaint_decides_and_all_are_told() {
    let mut status = Status::default();
    status.complain(Health::Critical, "eth0 is down");
    status.complain(Health::Degraded, "the disk is slow");
    assert_eq!((status.health, status.health.exit_code()), (Health::Critical, 2));
    let text = status.describe();
    assert!(text.contains("eth0 is down") && text.contains("the disk is slow"), "{text}");
}

#[test]
fn what_is_written_is_read_back_and_unknown_fields_are_left_alone() {
    let status = Status { sensor_id: "a".into(), ..Status::default() };
    let mut value = serde_json::to_value(&status).unwrap();
    value["from_a_later_release"] = 1.into();
    assert_eq!(serde_json::from_value::<Status>(value).unwrap(), status);
}

#[test]
fn numbers_are_short_enough_to_read() {
    assert_eq!([count(0), count(999), count(1_000), count(12_345_678)], ["0", "999", "1,000", "12,345,678"]);
    assert_eq!([short(12.0), short(1_234.0), short(5.6e9)], ["12", "1.2k", "5.6G"]);
    assert_eq!([span(5_000_000), span(125_000_000), span(90_061_000_000)], ["5 s", "2 min", "1 d 1 h"]);
}

#[test]
fn this_process_holds_memory() {
    let host = HostStatus::now();
    assert!(host.rss_bytes > 1 << 20 && host.threads >= 1, "{host:?}");
}
