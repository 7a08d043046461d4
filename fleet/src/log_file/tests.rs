//! Log files there and back, and damaged ones.

use super::*;

fn row(n: u64) -> StoredItem {
    let item = LogItem {
        key: Key { flow_id: format!("s1|größe-{n}"), timestamp_ms: 1_763_683_200_000 + n },
        uid: format!("{n:032x}"),
        rev: u32::try_from(n % 2).unwrap(),
        sensor_id: "s1".into(),
        content: "a \"line\"".into(),
        features: BTreeMap::from([("Flow Duration".into(), 0.1 + n as f64), ("Bwd IAT Mean".into(), 1e-300)]),
        label: "attack".into(),
        category: "scan".into(),
        score: 0.1 + 0.2,
        confidence: 1.0,
        model_version: 7,
        schema: "cic20/1:0123abcd".into(),
        community_id: n.is_multiple_of(3).then(|| "1:x=".into()),
        start_us: 1_763_683_200_000_123,
        end_us: 1_763_683_201_000_456,
        expires_at_s: n.is_multiple_of(2).then_some(1_800_000_000),
    };
    let truth = n.is_multiple_of(5).then(|| TrueLabel {
        label: "benign".into(),
        category: None,
        source: "centre".into(),
        by: "ann".into(),
        at_ms: 1_763_683_999_000,
        reason: Some("looked".into()),
    });
    StoredItem { item, truth }
}

#[test]
fn items_come_back_as_they_were() {
    for count in [0, 1, 1000] {
        let items: Vec<StoredItem> = (0..count).map(row).collect();
        assert_eq!(decode("f", encode(&items).unwrap()), Ok(items));
    }
}

#[test]
fn items_may_have_different_features() {
    let mut items = vec![row(0), row(1)];
    items[1].item.features = BTreeMap::from([("Another".into(), 2.0)]);
    assert_eq!(decode("f", encode(&items).unwrap()), Ok(items.clone()));
    items[1].item.features = BTreeMap::from([("LABEL".into(), 2.0)]);
    assert!(matches!(encode(&items), Err(DoorError::Invalid { .. })));
}

#[test]
fn damaged_files_are_errors() {
    let whole = encode(&(0..50).map(row).collect::<Vec<_>>()).unwrap();
    for end in [0, 1, 4, whole.len() / 2, whole.len() - 1] {
        let error = decode("f", whole[..end].to_vec()).unwrap_err();
        assert!(matches!(error, DoorError::Damaged { .. }), "{error}");
    }
    assert!(decode("f", b"PAR1 and nothing else PAR1".to_vec()).is_err());
}
