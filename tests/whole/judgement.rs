//! A sensor's incidents held against the truth, in short: replay, then `taphound-retrain evaluate --replays`.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{capture, program, repo, taphound};

/// Replays a case, degraded by `how` when that is not `clean`; gives its line of the list.
fn replayed(folder: &Path, case: &str, how: &str) -> String {
    let labels = repo().join("tests/pcaps").join(case).join("labels.csv");
    let place = |ending: &str| folder.join(format!("{case}-{how}.{ending}")).display().to_string();
    let (flows, findings) = (place("csv"), place("jsonl"));
    let mut file = capture(case);
    if how != "clean" {
        let made = place("pcap");
        let done =
            Command::new("python3").arg(repo().join("lab/degrade")).arg(how).arg(&file).arg(&made).output();
        assert!(done.unwrap().status.success(), "lab/degrade {how}");
        file = made.into();
    }
    let output = taphound()
        .args(["replay", "--json", "--out", &flows, "--labels"])
        .arg(&labels)
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::write(&findings, output.stdout).unwrap();
    format!("{case},cases,{how},{flows},{findings},{}\n", labels.display())
}

#[test]
fn what_was_found_how_soon_and_what_falsely() {
    let folder = tempfile::tempdir().unwrap();
    let mut list = "case,group,variant,flows,findings,labels\n".to_owned();
    for (case, how) in
        [("scan-syn", "clean"), ("benign-dns", "clean"), ("scan-syn", "loss"), ("scan-syn", "snaplen")]
    {
        list.push_str(&replayed(folder.path(), case, how));
    }
    let path = folder.path().join("list.csv");
    std::fs::write(&path, list).unwrap();
    let evaluate = |json: &[&str]| {
        let mut command = program("taphound-retrain");
        let output = command.args(["evaluate", "--replays"]).arg(&path).args(json).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let groups: Vec<Value> = serde_json::from_str(&evaluate(&["--json"])).unwrap();
    assert_eq!(groups.len(), 3, "a group a variant");
    for group in &groups {
        let attacks = group["attacks"].as_array().unwrap();
        assert_eq!(attacks.len(), 1, "one scan: {attacks:?}");
        assert_eq!(
            (&attacks[0]["category"], &attacks[0]["found"]),
            (&Value::from("scan"), &Value::from(true))
        );
        let waited = attacks[0]["seconds_to_alert"].as_f64().unwrap();
        assert!((0.0..=5.0).contains(&waited), "a fast scan is called within seconds, not after {waited}");
        assert_eq!(group["false_incidents"].as_array().unwrap().len(), 0, "{group}");
    }
    let clean = &groups[0];
    assert_eq!((clean["variant"].as_str(), clean["benign_cases"].as_u64()), (Some("clean"), Some(1)));
    assert!(clean["benign_active_hours"].as_f64().unwrap() > 0.0);
    let recall = |opinion: &str| clean["opinions"][opinion]["binary"]["recall"].as_f64().unwrap();
    assert!(recall("together") >= recall("behaviour").max(recall("forest")), "together is never less");
    assert!(recall("behaviour") > 0.9, "the episode covers the scan");
    assert!(evaluate(&[]).contains("1 of 1 attacks found"));
}
