//! What becomes a sample, what does not, and that files lose nothing.

use super::*;
use fleet::log_table::{Key, LogItem, TrueLabel};

fn stored(label: &str, category: Option<&str>) -> StoredItem {
    let features =
        FEATURES.iter().enumerate().map(|(i, name)| ((*name).to_owned(), i as f64 / 3.0)).collect();
    StoredItem {
        item: LogItem {
            key: Key { flow_id: "s1|10.0.0.1-10.0.0.2-1-2-6".into(), timestamp_ms: 86_400_000 * 3 + 5 },
            uid: "ab".into(),
            rev: 1,
            sensor_id: "s1".into(),
            content: "x, \"y\"".into(),
            features,
            label: "attack".into(),
            category: "scan".into(),
            score: 0.9,
            confidence: 0.8,
            model_version: 4,
            schema: schema_id().into(),
            community_id: None,
            start_us: 0,
            end_us: 0,
            expires_at_s: None,
        },
        truth: Some(TrueLabel {
            label: label.into(),
            category: category.map(str::to_owned),
            source: "api".into(),
            by: "ann, o'b\"x".into(),
            at_ms: 9,
            reason: None,
        }),
    }
}

#[test]
fn items_become_samples_or_say_why_not() {
    let of = |item: &StoredItem| Sample::of(item, Category::Web).map(|sample| sample.truth);
    assert_eq!(of(&stored("attack", Some("c2"))), Ok(Category::C2));
    assert_eq!(of(&stored("attack", None)), Ok(Category::Scan), "the sensor's opinion");
    assert_eq!(of(&stored("benign", Some("scan"))), Ok(Category::Benign));
    assert_eq!(of(&stored("unsure", None)), Err(Unusable::Undecided));
    assert_eq!(of(&stored("unknown", None)), Err(Unusable::Undecided));
    assert_eq!(of(&stored("attack", Some("portscan"))), Err(Unusable::Malformed));
    let mut missed = stored("attack", None);
    missed.item.label = "benign".into();
    missed.item.category = "benign".into();
    assert_eq!(of(&missed), Ok(Category::Web), "nobody says which: the configured one");
    let mut other = stored("attack", None);
    other.item.schema = "cic20/2".into();
    assert_eq!(of(&other), Err(Unusable::Schema));
    other = stored("attack", None);
    other.item.features.remove("Flow Duration");
    assert_eq!(of(&other), Err(Unusable::Malformed));
    other = stored("attack", None);
    other.item.rev = 0;
    assert_eq!(of(&other), Err(Unusable::Provisional));
    other.truth = None;
    assert_eq!(of(&other), Err(Unusable::Undecided));
}

#[test]
fn a_file_gives_back_what_was_written() {
    let mut samples = vec![Sample::of(&stored("attack", Some("c2")), Category::Web).unwrap()];
    samples.push(Sample { uid: "b".into(), timestamp: 7, truth: Category::Benign, ..samples[0].clone() });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("drift_raw.csv");
    std::fs::write(&file, to_csv(&samples).unwrap()).unwrap();
    samples.reverse();
    assert_eq!(read_csv(&file).unwrap(), samples, "and in the order of time");
    assert_eq!(samples[1].run(), "s1/3");
    let rows = crate::dataset::Dataset::read(&[file]).unwrap().rows;
    let found: Vec<(&str, Category)> = rows.iter().map(|row| (&*row.run, row.truth)).collect();
    assert_eq!(
        found,
        [("s1/3", Category::C2), ("s1/0", Category::Benign)],
        "a data set keeps the file's order"
    );
}

#[test]
fn undecided_rows_are_left_out_and_bad_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rows.csv");
    std::fs::write(
        &file,
        "timestamp,label,true_label\n5,1,0\n3,0,unknown\n4,benign,attack\n6,attack,unsure\n",
    )
    .unwrap();
    let found = read_csv(&file).unwrap();
    assert_eq!(found.iter().map(|s| (s.timestamp, s.is_wrong())).collect::<Vec<_>>(), [(4, true), (5, true)]);
    std::fs::write(&file, "timestamp,label,true_label\nsoon,1,0\n").unwrap();
    let fault = read_csv(&file).unwrap_err().message;
    assert!(fault.contains(":2:") && fault.contains("`soon`"), "{fault}");
    std::fs::write(&file, "timestamp,label\n1,1\n").unwrap();
    assert!(read_csv(&file).unwrap_err().message.contains("`true_label` is missing"));
}
