//! The programs as their users run them, on captures of this repository and, where they lie, of others.

#![allow(clippy::print_stdout)] // skips and counts are for whoever runs the tests

mod api;
mod bad_input;
mod commands;
mod corroboration;
mod dependencies;
mod ecs;
mod exports;
mod fleet;
mod formats;
mod inline;
mod judgement;
mod live;
mod live_replay;
mod live_wire;
mod oracles;
mod outside;
mod packaging;
mod prompt;
mod replay;
mod run;
mod store;
mod tidy;

#[path = "../../fleet/tests/servers/mod.rs"]
mod servers;

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

/// Root of the repository.
fn repo() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A capture case of this repository: its capture file.
fn capture(case: &str) -> PathBuf {
    let folder = repo().join("tests/pcaps").join(case);
    std::fs::read_dir(&folder)
        .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
        .flatten()
        .map(|f| f.path())
        .find(|p| p.file_name().unwrap().to_string_lossy().starts_with("capture."))
        .unwrap_or_else(|| panic!("{} holds no capture", folder.display()))
}

/// Names of the capture cases.
fn cases() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(repo().join("tests/pcaps"))
        .unwrap()
        .flatten()
        .filter(|c| c.path().is_dir())
        .map(|c| c.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// `taphound`, as built beside this test.
fn taphound() -> Command {
    program("taphound")
}

fn program(name: &str) -> Command {
    let here = std::env::current_exe().unwrap();
    let built = here.parent().unwrap().parent().unwrap().join(name);
    assert!(built.exists(), "{} is missing: `cargo build --workspace --bins` makes it", built.display());
    let mut command = Command::new(built);
    command.env_remove("RUST_BACKTRACE").current_dir(repo());
    command
}

/// Runs `taphound replay --summary json` and gives the summary; the run must succeed.
fn summary(arguments: &[&str]) -> Value {
    let output = replay(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    last_line(&output)
}

fn replay(arguments: &[&str]) -> Output {
    taphound().arg("replay").args(arguments).args(["--summary", "json"]).output().unwrap()
}

/// The summary: the last line of standard output.
fn last_line(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().last().unwrap_or_else(|| panic!("nothing was printed"));
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// Every identity of the accounting holds, and the terms are those that are documented.
fn assert_accounted(summary: &Value) {
    let number = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("{v} is no count"));
    let block = |name: &str, expected: &[&str]| {
        let terms =
            summary["accounting"][name].as_object().unwrap_or_else(|| panic!("no accounting of {name}"));
        let mut found: Vec<&str> = terms.keys().map(String::as_str).collect();
        found.sort_unstable();
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "terms of {name}");
        terms.clone()
    };
    let packets = block(
        "packets",
        &[
            "received",
            "metered",
            "filtered",
            "duplicates_removed",
            "not_ip",
            "unsupported_link",
            "malformed",
            "fragments_unmatched",
            "shed",
            "queued",
        ],
    );
    let parts: u64 = packets.iter().filter(|(k, _)| *k != "received").map(|(_, v)| number(v)).sum();
    assert_eq!(number(&packets["received"]), parts, "packets: {packets:?}");
    assert_eq!(packets["received"], summary["packets"]);

    let flows =
        block("flows", &["started", "ended", "active", "scored", "shed_unscored", "queued", "ended_by"]);
    assert_eq!(number(&flows["started"]), number(&flows["ended"]) + number(&flows["active"]), "{flows:?}");
    let scored = number(&flows["scored"]) + number(&flows["shed_unscored"]) + number(&flows["queued"]);
    assert_eq!(number(&flows["ended"]), scored, "{flows:?}");
    let reasons: u64 = flows["ended_by"].as_object().unwrap().values().map(number).sum();
    assert_eq!(number(&flows["ended"]), reasons, "{flows:?}");

    let detections = block("detections", &["made", "stored", "dropped_at_queue", "store_failed", "queued"]);
    let parts: u64 = detections.iter().filter(|(k, _)| *k != "made").map(|(_, v)| number(v)).sum();
    assert_eq!(number(&detections["made"]), parts, "{detections:?}");
    assert_eq!(detections["made"], summary["detections"]);
}
