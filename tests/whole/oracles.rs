//! Flows held against programs of others, as `bench/peers/flows.py` compares them.

use std::process::Command;

use crate::{capture, cases, repo, taphound};

/// `make oracles` asks the slower peers too, and outside captures.
#[test]
fn tshark_counts_the_same_packets_and_bytes_of_every_case() {
    const SKIPPED: i32 = 77;
    let missing = |program: &str| Command::new(program).arg("--version").output().is_err();
    if let Some(program) = ["python3", "zstd", "tshark"].into_iter().find(|program| missing(program)) {
        println!("SKIPPED flows against tshark: no {program}; `scripts/setup oracles` installs it");
        return;
    }
    let output = Command::new("python3")
        .arg(repo().join("bench/peers/flows.py"))
        .args(["--peer", "tshark", "--taphound"])
        .arg(taphound().get_program())
        .args(cases().iter().map(|case| capture(case)))
        .output()
        .unwrap();
    let (table, faults) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{table}");
    assert_ne!(output.status.code(), Some(SKIPPED), "tshark is there and was not asked: {table}");
    assert!(output.status.success(), "flows differ from tshark's:\n{table}{faults}");
    let all = table.lines().find(|line| line.starts_with("all ")).expect("a last row");
    let numbers: Vec<u64> = all.split_whitespace().skip(1).map(|n| n.parse().unwrap()).collect();
    let [flows, equal, explained, unexplained] = numbers[..] else { panic!("{all}") };
    assert_eq!((flows, unexplained), (equal + explained, 0), "{all}");
    assert!(equal > 10_000, "{all}");
}
