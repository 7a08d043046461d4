//! Data sets from one form into the other, and held-out rows.

use crate::{flows, path, retrain, succeed, write_flows};
use serde_json::Value;

#[test]
fn parquet_keeps_every_row_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let csv = write_flows(folder, 3000);
    let csv = csv.to_str().unwrap();
    let (parquet, again) = (path(folder, "a.parquet"), path(folder, "b.parquet"));
    let (text, packed) = (path(folder, "a.csv"), path(folder, "a.csv.zst"));
    succeed(&["dataset", "build", csv, "--out", &parquet]);
    let facts: Value =
        serde_json::from_str(&succeed(&["dataset", "export", &parquet, "--out", &text, "--json"])).unwrap();
    assert_eq!(facts["rows"], 3000);
    let lines = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    for (written, read) in lines(&flows(3000)).iter().zip(lines(&std::fs::read_to_string(&text).unwrap())) {
        // The generator writes ...,truth,split,stage,run; an export ...,truth,stage,run,tool,split.
        let w: Vec<&str> = written.split(',').collect();
        let r: Vec<&str> = read.split(',').collect();
        assert_eq!(w[..21], r[..21]);
        assert_eq!((w[21], w[22], w[23], ""), (r[24], r[21], r[22], r[23]));
    }
    succeed(&["dataset", "export", &parquet, "--out", &packed]);
    succeed(&["dataset", "build", &packed, "--out", &again]);
    assert_eq!(std::fs::read(&parquet).unwrap(), std::fs::read(&again).unwrap(), "the way back is the same");

    let train = |data: &str| {
        let out = path(folder, "m.taphound");
        let args = ["train", "--data", data, "--out", &out, "--created", "1", "--n-models", "3", "--json"];
        let facts: Value = serde_json::from_str(&succeed(&args)).unwrap();
        facts["metrics"].clone()
    };
    assert_eq!(train(csv), train(&parquet));
}

#[test]
fn damaged_and_foreign_parquet_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = path(folder, "a.parquet");
    succeed(&["dataset", "build", write_flows(folder, 500).to_str().unwrap(), "--out", &data]);
    let sound = std::fs::read(&data).unwrap();
    let renamed: Vec<u8> = {
        let mut bytes = sound.clone();
        let name = b"Flow IAT Max";
        while let Some(at) = bytes.windows(name.len()).position(|window| window == name) {
            bytes[at..at + 4].copy_from_slice(b"Flux");
        }
        bytes
    };
    for (bytes, word) in [
        (sound[..sound.len() / 2].to_vec(), "not a sound Parquet file"),
        (b"PAR1".to_vec(), "not a sound Parquet file"),
        (renamed, "`Flow IAT Max` is missing"),
    ] {
        std::fs::write(&data, bytes).unwrap();
        let output = retrain(&["dataset", "export", &data, "--out", &path(folder, "never.csv")]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(65), "{message}");
        assert!(message.contains(word) && message.contains("a.parquet"), "{message}");
    }
}

#[test]
fn rows_are_held_out_by_run_tool_and_stage() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut text = flows(2000).replace(",test,", ",test-tool,").replacen("run\n", "run,tool\n", 1);
    text = text
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { format!("{line}\n") } else { format!("{line},tool-{}\n", n % 2) })
        .collect();
    let data = path(folder, "flows.csv");
    std::fs::write(&data, text).unwrap();
    let out = path(folder, "m.taphound");
    let rows = |more: &[&str]| {
        let mut args = vec!["train", "--data", &data, "--out", &out, "--n-models", "2", "--json"];
        args.extend(more);
        let facts: Value = serde_json::from_str(&succeed(&args)).unwrap();
        facts["training_rows"].as_u64().unwrap()
    };
    let all = rows(&[]);
    assert_eq!(all, 1200);
    assert!((500..700).contains(&rows(&["--without-tool", "tool-1"])));
    assert!((1050..1150).contains(&rows(&["--final-only"])), "one row in eleven is of a living flow");
    let judged = |what: &str| {
        let args = ["evaluate", "--model", &out, "--data", &data, "--held-out", what, "--json"];
        let output = retrain(&args);
        let facts: Option<Value> = serde_json::from_slice(&output.stdout).ok();
        facts.map(|facts| facts["rows"].as_u64().unwrap())
    };
    assert_eq!(judged("tools"), Some(364), "the test-tool rows that are final");
    assert_eq!(judged("runs"), None, "no row is of the split `test`");
}

#[test]
fn disturbed_rows_are_judged_worse_and_scored_files_alike() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 3000);
    let data = data.to_str().unwrap();
    let (slice, out) = (path(folder, "m.slice"), path(folder, "m.taphound"));
    succeed(&[
        "train",
        "--data",
        data,
        "--out",
        &slice,
        "--slice",
        "1/1",
        "--n-models",
        "5",
        "--created",
        "1",
    ]);
    succeed(&["join", &slice, "--data", data, "--out", &out]);
    let args = ["evaluate", "--model", &out, "--data", data, "--robustness", "--curves", "--json"];
    let facts: Value = serde_json::from_str(&succeed(&args)).unwrap();
    let disturbed = facts["robustness"].as_array().unwrap();
    assert_eq!(disturbed.len(), 24, "three noises, outliers, and each feature missing");
    let f1 = |value: &Value| value["f1"].as_f64().unwrap();
    let clean = f1(&facts["binary"]);
    assert!(disturbed.iter().all(|one| f1(one) <= clean + 0.02), "{clean}: {disturbed:?}");
    assert!(disturbed.iter().any(|one| f1(one) < clean), "something must hurt");
    let points = facts["binary"]["curves"]["roc"].as_array().unwrap();
    assert_eq!(points.last().unwrap(), &serde_json::json!([1.0, 1.0]));

    // With a threshold of 1 hardly anything is an attack; the forest stays as it was.
    succeed(&["join", &slice, "--data", data, "--out", &out, "--threshold", "1"]);
    let args = ["evaluate", "--model", &out, "--data", data, "--json"];
    let strict: Value = serde_json::from_str(&succeed(&args)).unwrap();
    assert_eq!(strict["binary"]["roc_auc"], facts["binary"]["roc_auc"]);
    assert!(strict["binary"]["recall"].as_f64() < facts["binary"]["recall"].as_f64());

    let scored = path(folder, "scored.csv");
    std::fs::write(
        &scored,
        "true_category,category,score\nbenign,benign,0.1\nscan,dos,0.9\ndos,benign,0.4\n",
    )
    .unwrap();
    let facts: Value = serde_json::from_str(&succeed(&["evaluate", "--scored", &scored, "--json"])).unwrap();
    assert_eq!(facts["binary"]["recall"], 0.5);
    assert_eq!(facts["binary"]["roc_auc"], 1.0);
    std::fs::write(&scored, "true_category,category,score\nbenign,benign,much\n").unwrap();
    let output = retrain(&["evaluate", "--scored", &scored]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("scored.csv:2: column `score`: `much`"));
}
