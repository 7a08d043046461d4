//! `taphound replay` on the captures of this repository: what it finds, that it adds up, and that it is the same every time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{assert_accounted, capture, cases, replay, repo, summary};

fn path(case: &str) -> String {
    capture(case).display().to_string()
}

/// The case's packets as its own capture tool counted them stand in its README; here it is enough that all are received.
#[test]
fn every_case_is_accounted_for() {
    for case in cases() {
        let summary = summary(&[&path(&case)]);
        assert_accounted(&summary);
        assert!(summary["packets"].as_u64().unwrap() > 0, "{case}");
        assert_eq!(
            summary["accounting"]["packets"]["malformed"], 0,
            "{case}: our own captures are well-formed"
        );
    }
}

#[test]
fn attacks_are_found_and_calm_is_left_alone() {
    let expected: BTreeMap<&str, &[&str]> = [
        ("scan-syn", ["scan"].as_slice()),
        ("scan-connect", &["scan"]),
        ("scan-udp", &["scan"]),
        ("flood-syn", &["dos"]),
        ("flood-udp", &["dos"]),
        ("flood-http", &["dos"]),
        ("slow-http", &["dos"]),
        ("bruteforce-ssh", &["bruteforce"]),
        ("bruteforce-ftp", &["bruteforce"]),
        ("attack-day", &["scan", "dos", "bruteforce"]),
        ("web-attack", &["web"]),
        ("spread", &["spread"]),
        ("amplification", &["amplification"]),
        ("c2-beacon", &["c2"]),
        ("dns-tunnel", &["tunnel"]),
        ("exfiltration", &["exfiltration"]),
        ("benign-browsing", &[]),
        ("benign-ssh", &[]),
        ("benign-dns", &[]),
        ("benign-bulk", &[]),
        ("benign-mixed", &[]),
    ]
    .into();
    for case in cases() {
        let wanted = expected.get(case.as_str()).unwrap_or_else(|| panic!("{case} has no expectation here"));
        let found: Vec<String> = incidents(&case)
            .iter()
            .filter(|i| i["revised"] == false)
            .map(|i| i["category"].as_str().unwrap().to_owned())
            .collect();
        for category in *wanted {
            assert!(found.iter().any(|f| f == category), "{case}: no {category} among {found:?}");
        }
        assert!(!wanted.is_empty() || found.is_empty(), "{case}: false incidents {found:?}");
    }
}

/// The incidents of a case, as `--json` prints them.
pub(crate) fn incidents(case: &str) -> Vec<Value> {
    let output = crate::taphound().args(["replay", "--json", &path(case)]).output().unwrap();
    assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|object| object["type"] == "incident")
        .collect()
}

#[test]
fn a_budget_holds_back_and_says_how_much() {
    let whole = summary(&[&path("attack-day")]);
    let part = summary(&[&path("attack-day"), "--budget", "1"]);
    assert_eq!((&whole["incidents"], &part["incidents"]), (&Value::from(3), &Value::from(1)));
    assert_eq!(part["held_back"]["over_budget"], 2, "{part}");
    assert_eq!(whole["detections"], part["detections"], "what is held back is still detected and stored");
    assert_accounted(&part);
}

#[test]
fn a_flood_of_ten_thousand_flows_is_one_incident() {
    let found = incidents("flood-syn");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["category"], "dos");
    let flows = summary(&[&path("flood-syn")])["flows"].as_u64().unwrap();
    assert!(flows >= 10_000, "{flows} flows");
}

#[test]
fn results_are_the_same_on_any_number_of_workers_at_any_speed_and_however_packed() {
    let folder = tempfile::tempdir().unwrap();
    let source = path("attack-day");
    let run = |name: &str, file: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let out_text = out.display().to_string();
        let mut arguments = vec![file, "--out", &out_text, "--provisional"];
        arguments.extend(more);
        let mut summary = summary(&arguments);
        for noise in ["seconds", "packets_per_second"] {
            summary.as_object_mut().unwrap().remove(noise).unwrap();
        }
        (summary, std::fs::read(out).unwrap())
    };
    let one = run("one.csv", &source, &["--workers", "1"]);
    for (name, more) in [
        ("two.csv", ["--workers", "2"]),
        ("five.csv", ["--workers", "5"]),
        ("sixteen.csv", ["--workers", "16"]),
        ("paced.csv", ["--speed", "2000"]),
    ] {
        assert!(one == run(name, &source, &more), "{more:?} differs");
    }
}

#[test]
fn every_flow_has_one_row_and_every_row_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("flows.csv");
    let labels = repo().join("tests/pcaps/attack-day/labels.csv").display().to_string();
    let summary = summary(&[&path("attack-day"), "--out", out.to_str().unwrap(), "--labels", &labels]);
    let mut reader = csv::Reader::from_path(&out).unwrap();
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let features = flowmeter::schema::FEATURES;
    let mut expected: Vec<&str> =
        "uid,segment,flow_id,community_id,src_ip,src_port,dst_ip,dst_port,protocol,vlan,start_us,end_us,\
         end_reason,fwd_packets,bwd_packets,fwd_bytes,bwd_bytes,fwd_flags,bwd_flags"
            .split(',')
            .collect();
    expected.extend(features);
    expected.extend([
        "prediction",
        "category",
        "score",
        "novelty",
        "model_version",
        "true_label",
        "true_category",
    ]);
    assert_eq!(header, expected);
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len() as u64, summary["flows"].as_u64().unwrap());
    let uids: std::collections::BTreeSet<(String, String)> =
        rows.iter().map(|r| (r[0].to_owned(), r[1].to_owned())).collect();
    assert_eq!(uids.len(), rows.len(), "uid and segment name a row");
    for row in &rows {
        let packets: u64 = row[13].parse::<u64>().unwrap() + row[14].parse::<u64>().unwrap();
        assert!(packets > 0);
        for value in row.iter().skip(19).take(20) {
            assert!(value.parse::<f64>().unwrap().is_finite());
        }
    }
    let metered: u64 =
        rows.iter().map(|r| r[13].parse::<u64>().unwrap() + r[14].parse::<u64>().unwrap()).sum();
    assert_eq!(
        summary["accounting"]["packets"]["metered"].as_u64().unwrap(),
        metered,
        "every packet is in one row"
    );
}

#[test]
fn several_files_are_one_capture_in_time_order() {
    let (a, b) = (path("benign-dns"), path("scan-syn"));
    let (first, second) = (summary(&[&a]), summary(&[&b]));
    let both = summary(&[&b, &a]);
    assert_eq!(
        both["packets"].as_u64().unwrap(),
        first["packets"].as_u64().unwrap() + second["packets"].as_u64().unwrap()
    );
    assert_accounted(&both);
}

#[test]
fn a_filter_keeps_what_it_names_and_counts_the_rest() {
    let all = summary(&[&path("attack-day")]);
    let udp = summary(&[&path("attack-day"), "--bpf", "udp"]);
    assert_accounted(&udp);
    let (filtered, metered) =
        (&udp["accounting"]["packets"]["filtered"], &udp["accounting"]["packets"]["metered"]);
    assert_eq!(all["packets"], udp["packets"]);
    assert!(filtered.as_u64().unwrap() > 0 && metered.as_u64().unwrap() > 0, "{udp}");
}

#[test]
fn a_store_on_disk_holds_what_was_detected() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("t.db");
    let summary = summary(&[&path("attack-day"), "--store", store.to_str().unwrap()]);
    let (detections, incidents) = store::Store::open(&store).unwrap().counts().unwrap();
    assert_eq!(summary["detections"], detections);
    assert_eq!(summary["incidents"], incidents);
    assert_accounted(&summary);
}

#[test]
fn the_report_shows_who_whom_what_and_why() {
    let labels = repo().join("tests/pcaps/attack-day/labels.csv").display().to_string();
    let output = replay(&[&path("attack-day"), "--labels", &labels]);
    let text = String::from_utf8_lossy(&output.stdout);
    for word in ["severity", "bruteforce", "scan", "dos", "truth", "recall"] {
        assert!(text.contains(word), "`{word}` is not in the report:\n{text}");
    }
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_two_libraries_name_the_same_features() {
    assert_eq!(flowmeter::schema::FEATURES, model::FEATURES);
    assert_eq!(flowmeter::schema::SCHEMA_ID, model::schema_id());
}

#[test]
fn the_model_inside_the_program_says_what_it_is() {
    let output = crate::taphound().args(["model", "show", "--json"]).output().unwrap();
    assert!(output.status.success());
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let digest = std::fs::read_to_string(repo().join("data/default.taphound.sha256")).unwrap();
    assert_eq!(shown["digest"], digest.trim());
    assert_eq!(shown["manifest"]["schema"], flowmeter::schema::SCHEMA_ID);
    // By itself the same file is trusted by that digest; one byte more and nobody vouches for it.
    let file = repo().join("data/default.taphound");
    let verify =
        |path: &std::path::Path| crate::taphound().args(["model", "verify"]).arg(path).output().unwrap();
    assert!(verify(&file).status.success());
    let folder = tempfile::tempdir().unwrap();
    let longer = folder.path().join("longer.taphound");
    std::fs::write(&longer, [std::fs::read(&file).unwrap(), vec![0]].concat()).unwrap();
    assert_eq!(verify(&longer).status.code(), Some(65));
}

#[test]
fn a_model_against_itself_changes_nothing() {
    let model = repo().join("data/default.taphound").display().to_string();
    let summary = summary(&[&path("attack-day"), "--versus", &model]);
    let versus = &summary["versus"];
    assert_eq!((&versus["flows"], &versus["changed"]), (&summary["flows"], &Value::from(0)));
    let matrix = versus["matrix"].as_object().unwrap();
    assert!(matrix.len() > 2, "the capture has attacks: {matrix:?}");
    let judged: u64 = matrix.iter().map(|(from, row)| row[from].as_u64().unwrap()).sum();
    assert_eq!(judged, summary["flows"].as_u64().unwrap());
    assert!(crate::summary(&[&path("scan-syn")]).get("versus").is_none(), "only where it was asked for");
}
