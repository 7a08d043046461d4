//! What is refused, each with its reason.

use std::collections::BTreeMap;

use super::*;
use crate::log_table::Key;

fn item() -> LogItem {
    LogItem {
        key: Key { flow_id: "s1|a-b-1-2-6".into(), timestamp_ms: 1_763_683_200_000 },
        uid: "u".into(),
        rev: 1,
        sensor_id: "s1".into(),
        content: String::new(),
        features: BTreeMap::from([("Flow Duration".into(), 1.0)]),
        label: "benign".into(),
        category: "benign".into(),
        score: 0.1,
        confidence: 0.9,
        model_version: 1,
        schema: "cic20/1:00000000".into(),
        community_id: None,
        start_us: 1,
        end_us: 2,
        expires_at_s: None,
    }
}

#[test]
fn what_no_table_can_take_is_named() {
    type Change = fn(&mut LogItem);
    let cases: [(Change, &str); 7] = [
        (|i| i.key.flow_id.clear(), "flow_id has 0 bytes"),
        (|i| i.key.flow_id = "x".repeat(2049), "flow_id has 2049 bytes"),
        (|i| i.sensor_id.clear(), "sensor_id has 0 bytes"),
        (|i| i.key.timestamp_ms = u64::MAX, "after the year 9999"),
        (|i| i.model_version = u64::MAX, "63 bits"),
        (|i| *i.features.get_mut("Flow Duration").unwrap() = f64::NAN, "Flow Duration is NaN"),
        (|i| i.content = "x".repeat(400 * 1024), "an item has at most"),
    ];
    assert_eq!(fault(&item()), None);
    for (change, expected) in cases {
        let mut changed = item();
        change(&mut changed);
        let why = fault(&changed).unwrap_or_else(|| panic!("taken, but {expected} was expected"));
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn labels_are_words_of_the_list_and_short() {
    let truth = |label: &str, by: usize| TrueLabel {
        label: label.into(),
        category: None,
        source: "analyst".into(),
        by: "x".repeat(by),
        at_ms: 1,
        reason: None,
    };
    assert_eq!(label_fault(&truth("attack", 10)), None);
    assert!(label_fault(&truth("malicious", 10)).is_some());
    assert!(label_fault(&truth("benign", 5000)).is_some());
}
