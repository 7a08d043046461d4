//! What is held out stays out, sides reach parity, and bad data stops everything.

use super::*;
use crate::dataset::Dataset;
use model::{Category, N_FEATURES};
use std::collections::HashSet;
use std::path::PathBuf;

/// A possible vector; `n` makes it unique.
fn vector(n: u64, scale: f64) -> [f64; N_FEATURES] {
    let noise = |salt: u64| {
        let mixed = (n * 16 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) as f64 % 1000.0
    };
    let (duration, low) = (1e6 + noise(1) * scale, 10.0 + noise(2) / 100.0);
    let mut x = [0.0; N_FEATURES];
    x[0] = duration;
    (x[1], x[2]) = (2.0 + noise(3), 1.0 + noise(4));
    (x[3], x[4]) = (scale * (500.0 + noise(5)), 300.0 + noise(6));
    (x[5], x[6], x[7], x[8]) = (low + 900.0, low, low + 300.0, 100.0 + noise(7) / 10.0);
    (x[9], x[10], x[11]) = (low + 700.0, low + 200.0, 50.0 + noise(8) / 10.0);
    (x[12], x[13], x[14]) = (noise(9) * scale, noise(10), noise(11));
    (x[15], x[16], x[17], x[18], x[19]) = (1000.0, 9000.0 + noise(12), 3000.0, 500.0, 2500.0);
    x
}

fn row(n: u64, truth: Category, source: &str, run: String) -> Row {
    Row {
        features: vector(n, if truth.is_attack() { 5.0 } else { 1.0 }),
        truth,
        split: Split::Train,
        stage: "".into(),
        run: run.into(),
        tool: "".into(),
        source: source.into(),
        labeller: "".into(),
    }
}

fn merged() -> Vec<Row> {
    let mut rows: Vec<Row> =
        (0..600).map(|n| row(n, Category::Benign, "BASE", format!("run-{}", n % 30))).collect();
    rows.extend((600..800).map(|n| row(n, Category::Dos, "BASE", format!("run-{}", n % 30))));
    rows.extend((800..1000).map(|n| row(n, Category::Benign, "DRIFT", "s/20000".to_owned())));
    rows.extend((1000..1040).map(|n| row(n, Category::C2, "DRIFT", "s/20000".to_owned())));
    rows
}

fn prepare(rows: Vec<Row>) -> Result<(Vec<Row>, Vec<Row>, Value), Failure> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (data, train, holdout, report) = (path("m.parquet"), path("t.csv"), path("h.csv"), path("r.json"));
    let mut writer = RowWriter::create(&data).unwrap();
    rows.into_iter().for_each(|row| writer.write(row).unwrap());
    writer.finish().unwrap();
    let paths = Paths { data: &data, train: &train, holdout: &holdout, report: &report };
    let facts = preprocess(&paths, &Preprocess::default(), 20_001 * 86_400_000)?;
    let read = |path: &PathBuf| Dataset::read(std::slice::from_ref(path)).unwrap().rows;
    Ok((read(&train), read(&holdout), facts))
}

#[test]
fn nothing_is_learned_that_judges_and_every_class_judges() {
    let (train, holdout, facts) = prepare(merged()).unwrap();
    let hashes = |rows: &[Row]| rows.iter().map(|row| vector_hash(&row.features)).collect::<HashSet<u64>>();
    assert!(hashes(&train).is_disjoint(&hashes(&holdout)));
    let real = train.iter().filter(|row| &*row.source != "SMOTE").count();
    assert_eq!((real + holdout.len(), &facts["leaked"]), (1040, &0.into()), "{facts}");
    for (category, source, all) in [
        (Category::Benign, "BASE", 600),
        (Category::Dos, "BASE", 200),
        (Category::Benign, "DRIFT", 200),
        (Category::C2, "DRIFT", 40),
    ] {
        let held = holdout.iter().filter(|row| row.truth == category && &*row.source == source).count();
        let share = held as f64 / f64::from(all);
        assert!((0.15..0.32).contains(&share), "{category} {source}: {held} of {all}; {facts}");
    }
    let again = prepare(merged()).unwrap();
    assert_eq!((train, holdout), (again.0, again.1), "the same data, the same split");
}

#[test]
fn a_vector_of_both_sides_leaves_the_hold_out_and_is_counted() {
    let mut rows = merged();
    let twins: Vec<Row> = rows[..200]
        .iter()
        .map(|row| Row { run: format!("{}-twin", row.run).into(), ..row.clone() })
        .collect();
    rows.extend(twins);
    let (train, holdout, facts) = prepare(rows).unwrap();
    let learned: HashSet<u64> = train.iter().map(|row| vector_hash(&row.features)).collect();
    assert!(holdout.iter().all(|row| !learned.contains(&vector_hash(&row.features))), "{facts}");
    let real = train.iter().filter(|row| &*row.source != "SMOTE").count() as u64;
    let leaked = facts["leaked"].as_u64().unwrap();
    assert!(leaked > 0, "{facts}");
    assert_eq!(real + holdout.len() as u64 + leaked, 1240, "no row is lost uncounted: {facts}");
}

#[test]
fn a_group_of_the_base_is_on_one_side_but_for_what_is_held_out_for_ever() {
    let (train, holdout, facts) = prepare(merged()).unwrap();
    assert!(facts["split"]["test_groups"].as_u64().unwrap() >= 2, "{facts}");
    let forever = |row: &Row| vector_hash(&row.features) % 100 < 5;
    assert!(train.iter().filter(|row| &*row.source != "SMOTE").all(|row| !forever(row)));
    assert!(holdout.iter().any(forever));
}

#[test]
fn the_rarer_side_grows_between_its_neighbours_and_not_beyond_the_factor() {
    let (train, _, _) = prepare(merged()).unwrap();
    let of = |category: Category, smote: bool| {
        train
            .iter()
            .filter(|row| row.truth == category && (&*row.source == "SMOTE") == smote)
            .collect::<Vec<_>>()
    };
    let attacks = of(Category::Dos, false).len() + of(Category::C2, false).len();
    let benign = of(Category::Benign, false).len();
    let made: Vec<&Row> = of(Category::Dos, true).into_iter().chain(of(Category::C2, true)).collect();
    assert!(of(Category::Benign, true).is_empty() && !made.is_empty());
    assert!(attacks + made.len() <= benign);
    assert!(
        of(Category::C2, true).len() <= of(Category::C2, false).len() * 3,
        "factor 4 is three new for each"
    );
    let reals = of(Category::C2, false);
    for row in of(Category::C2, true).iter().take(40) {
        let between = reals
            .iter()
            .any(|a| reals.iter().any(|b| oversample::on_one_line(&row.features, &a.features, &b.features)));
        assert!(between, "{row:?}");
        assert_eq!(checks::fault_of(&row.features), None, "what is possible stays possible");
    }
}

#[test]
fn bad_data_stops_with_the_check_that_failed() {
    let one_sided: Vec<Row> = merged().into_iter().filter(|row| !row.truth.is_attack()).collect();
    assert!(prepare(one_sided).unwrap_err().message.contains("check `balance` failed"));
    let mut impossible = merged();
    for row in impossible.iter_mut().take(50) {
        row.features[6] = row.features[5] + 1.0;
    }
    let fault = prepare(impossible).unwrap_err().message;
    assert!(
        fault.contains("check `ranges` failed") && fault.contains("Fwd Packet Length Min exceeds"),
        "{fault}"
    );
    let mut torn = merged();
    let twins: Vec<Row> = torn[..200].iter().map(|row| Row { truth: Category::Dos, ..row.clone() }).collect();
    torn.extend(twins);
    assert!(prepare(torn).unwrap_err().message.contains("check `labels` failed"));
    let mut few = merged();
    few[0].features[0] = -1.0;
    let (train, holdout, _) = prepare(few).unwrap();
    let real = train.iter().filter(|row| &*row.source != "SMOTE").count();
    assert_eq!(real + holdout.len(), 1039, "one impossible row is left out");
}
