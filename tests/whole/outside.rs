//! Captures that nobody here made, where `TAPHOUND_CAPTURES` names their folder: found, accounted for, never fatal.

use std::path::{Path, PathBuf};

use crate::{assert_accounted, last_line, replay, summary, taphound};

/// The folder of outside captures, or a visible skip.
fn captures(test: &str) -> Option<PathBuf> {
    match std::env::var_os("TAPHOUND_CAPTURES").map(PathBuf::from) {
        Some(folder) if folder.is_dir() => Some(folder),
        _ => {
            println!("SKIPPED {test}: TAPHOUND_CAPTURES names no folder");
            None
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

#[test]
fn a_real_syn_flood_is_one_incident_and_adds_up() {
    let Some(folder) = captures("real SYN flood") else { return };
    let file = folder.join("attack/CIC-DDoS-2019-SynFlood.pcap").display().to_string();
    let out = tempfile::tempdir().unwrap();
    let run = |name: &str, workers: &str| {
        let csv = out.path().join(name);
        let mut summary = summary(&[&file, "--workers", workers, "--out", csv.to_str().unwrap()]);
        for noise in ["seconds", "packets_per_second"] {
            summary.as_object_mut().unwrap().remove(noise).unwrap();
        }
        (summary, std::fs::read(csv).unwrap())
    };
    let (first, rows) = run("a.csv", "1");
    assert_accounted(&first);
    assert_eq!(first["packets"], 26_316);
    assert_eq!(first["incidents"], 1, "{first}");
    assert!(first["by_category"]["dos"].as_u64().unwrap() >= 1, "{first}");
    for (name, workers) in [("b.csv", "1"), ("c.csv", "2")] {
        assert!((first.clone(), rows.clone()) == run(name, workers), "{name} with {workers} workers differs");
    }
}

#[test]
fn odd_broken_and_exotic_files_end_in_a_count_or_a_clean_error() {
    let Some(folder) = captures("robustness") else { return };
    let (mut clean, mut refused) = (0, 0);
    for file in files(&folder.join("robustness")) {
        let output = replay(&[file.to_str().unwrap()]);
        let message = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {
                assert_accounted(&last_line(&output));
                clean += 1;
            }
            Some(65) => {
                assert!(message.contains(file.file_name().unwrap().to_str().unwrap()), "{message}");
                refused += 1;
            }
            other => panic!("{}: exit {other:?}: {message}", file.display()),
        }
        assert!(!message.contains("panicked"), "{}: {message}", file.display());
    }
    println!("counted robustness: {clean} read to the end, {refused} refused or cut off, 0 crashed");
    assert!(clean + refused > 0);
}

#[test]
fn every_labelled_capture_is_accounted_for() {
    let Some(folder) = captures("labelled captures") else { return };
    let mut packets = 0;
    for part in ["attack", "benign"] {
        for file in files(&folder.join(part)) {
            let output = taphound().args(["replay", "--summary", "json"]).arg(&file).output().unwrap();
            let code = output.status.code();
            assert!(matches!(code, Some(0 | 65)), "{}: {code:?}", file.display());
            let summary = last_line(&output);
            assert_accounted(&summary);
            packets += summary["packets"].as_u64().unwrap();
        }
    }
    println!("counted labelled captures: {packets} packets accounted for");
    assert!(packets > 0);
}
