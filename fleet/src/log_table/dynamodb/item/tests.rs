//! Items of the earlier system, which knew fewer attributes.

use super::*;

#[test]
fn an_item_of_the_earlier_system_is_read() {
    let mut attributes = key(&Key { flow_id: "10.0.0.1-10.0.0.2-1-2-6".into(), timestamp_ms: 1000 });
    for (name, text) in [
        ("content", "flow"),
        ("features_json", r#"{"Flow Duration": 5, "Flow Bytes/s": 0.5}"#),
        ("label", "attack"),
        ("true_label", "benign"),
    ] {
        attributes.insert(name.into(), s(text));
    }
    let stored = read(&attributes).unwrap();
    assert_eq!(stored.item.features["Flow Duration"], 5.0);
    assert_eq!((stored.item.uid.as_str(), stored.item.start_us), ("", 1_000_000));
    assert_eq!(stored.truth.unwrap().label, "benign");
    attributes.insert("true_label".into(), s(UNKNOWN));
    assert_eq!(read(&attributes).unwrap().truth, None);
    attributes.insert("features_json".into(), s("[1, 2"));
    let (thing, _) = read(&attributes).unwrap_err();
    assert_eq!(thing, "features_json of 10.0.0.1-10.0.0.2-1-2-6");
    attributes.remove("timestamp");
    assert!(read(&attributes).is_err());
}

#[test]
fn floats_come_back_as_they_were_and_none_is_too_small_for_the_table() {
    for number in [0.1 + 0.2, 1.0 / 3.0, 1e-20, 123_456_789.123_456_78, 1.797e300] {
        assert_eq!(float(number).as_n().unwrap().parse::<f64>().unwrap().to_bits(), number.to_bits());
    }
    assert_eq!(float(1e-200), n(0.0));
}
