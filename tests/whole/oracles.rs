//! Flows held against programs of others, as `bench/peers/flows.py` compares them.

use std::process::Command;

use crate::{capture, cases, repo, taphound};

/// `make oracles` asks the slower peers too, and outside captures.
#[test]
fn tshark_counts_the_same_packets_and_bytes_of_every_case() {
    all_flows_agree("tshark", &["python3", "zstd", "tshark"]);
}

#[test]
fn suricata_counts_the_same_packets_of_every_case() {
    all_flows_agree("suricata", &["python3", "zstd", "editcap", "suricata"]);
}

fn all_flows_agree(peer: &str, programs: &[&str]) {
    const SKIPPED: i32 = 77;
    let missing = |program: &str| Command::new(program).arg("--version").output().is_err();
    if let Some(program) = programs.iter().find(|program| missing(program)) {
        println!("SKIPPED flows against {peer}: no {program}; `scripts/setup peers` installs it");
        return;
    }
    let output = Command::new("python3")
        .arg(repo().join("bench/peers/flows.py"))
        .args(["--peer", peer, "--taphound"])
        .arg(taphound().get_program())
        .args(cases().iter().map(|case| capture(case)))
        .output()
        .unwrap();
    let (table, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{table}");
    assert_ne!(output.status.code(), Some(SKIPPED), "{peer} is there and was not asked: {table}");
    assert!(output.status.success(), "flows differ from {peer}'s:\n{table}{faults}");
    let all = table.lines().find(|line| line.starts_with("all ")).expect("a last row");
    let numbers: Vec<u64> = all.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
    let [flows, equal, explained, unexplained] = numbers[..] else { panic!("{all}") };
    assert_eq!((flows, unexplained), (equal + explained, 0), "{all}");
    assert!(equal > 10_000, "{all}");
}
