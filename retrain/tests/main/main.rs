//! `taphound-retrain` as people and workflows run it: the same bytes from any number of workers and slices, figures
//! that add up, and one-line faults with their exit codes.

mod circle;
mod datasets;
mod faults;
mod models;
mod real;
mod steps;
mod world;

#[path = "../../../fleet/tests/servers/mod.rs"]
mod servers;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn retrain(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taphound-retrain"))
        .args(args)
        .env_remove("SOURCE_DATE_EPOCH")
        .output()
        .expect("the program starts")
}

/// Runs a step that must succeed and returns its stdout.
#[track_caller]
fn succeed(args: &[&str]) -> String {
    let output = retrain(args);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{args:?}: {err}");
    out.into_owned()
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).to_str().expect("temporary folders have plain names").to_owned()
}

/// Labelled flows of three kinds, made by arithmetic: the same in every run.
fn flows(rows: u64) -> String {
    let mut text = model::FEATURES.join(",") + ",true_category,split,provisional,run\n";
    for i in 0..rows {
        let noise = |salt: u64| (i.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(salt) >> 33) % 1000;
        let category = ["benign", "benign", "benign", "scan", "dos"][(noise(1) % 5) as usize];
        let scale = match category {
            "benign" => 1000,
            "scan" => 1,
            _ => 60,
        };
        for feature in 0..20 {
            let _ = write!(text, "{},", noise(feature * 977 + 5) * scale / (feature % 3 + 1));
        }
        let split = ["train", "train", "train", "validation", "test"][(i % 5) as usize];
        let provisional = if i % 11 == 0 { "8" } else { "" };
        let _ = writeln!(text, "{category},{split},{provisional},run-{}", i % 7);
    }
    text
}

fn write_flows(folder: &Path, rows: u64) -> PathBuf {
    let file = folder.join("flows.csv");
    std::fs::write(&file, flows(rows)).expect("the temporary folder can be written");
    file
}
