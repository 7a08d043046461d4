//! Commands measured from outside: CPU time (user and system) and peak memory of a process and its children, run in turn.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// What one run of one command cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Cost {
    cpu_us: i64,
    peak_kib: i64,
}

/// A command to measure and what its rates are counted over.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
    pub(crate) packets: u64,
    pub(crate) flows: u64,
    /// How often it runs: what takes a minute runs once.
    pub(crate) rounds: usize,
}

/// Runs of a case that is quick enough.
pub(crate) const ROUNDS: usize = 5;

/// Runs the cases in turn, round by round, and prints the medians; the first case is what the others are compared with.
#[allow(clippy::print_stdout)]
pub(crate) fn compare(title: &str, cases: &[Case]) -> Result<()> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); cases.len()];
    for round in 0..ROUNDS {
        for (case, costs) in cases.iter().zip(&mut costs) {
            if round < case.rounds {
                costs.push(cost_of(&case.command)?);
            }
        }
    }
    println!(
        "\n{title:<32} {:>9} {:>10} {:>12} {:>10} {:>9} {:>9}",
        "CPU s", "ns/packet", "packets/CPUs", "flows/CPUs", "peak MiB", "x libpcap"
    );
    for (case, own) in cases.iter().zip(&costs) {
        let cpu_s = median(own.iter().map(|c| c.cpu_us as f64 / 1e6));
        let ratio = median(own.iter().zip(&costs[0]).map(|(c, base)| c.cpu_us as f64 / base.cpu_us as f64));
        let peak = own.iter().map(|c| c.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
        println!(
            "{:<32} {cpu_s:>9.3} {:>10.0} {:>12.0} {:>10.0} {peak:>9.1} {ratio:>9.2}",
            case.name,
            cpu_s * 1e9 / case.packets as f64,
            case.packets as f64 / cpu_s,
            case.flows as f64 / cpu_s,
        );
    }
    Ok(())
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Runs a command in a process of its own that does nothing else, so that its children's usage is the command's.
fn cost_of(command: &[String]) -> Result<Cost> {
    let output = Command::new(std::env::current_exe()?).arg("measured").args(command).output()?;
    if !output.status.success() {
        bail!("{}: {}", command.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process around a measured command: runs it and prints what it cost.
#[allow(clippy::print_stdout)]
pub(crate) fn measured(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("nothing to measure")?;
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status()?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_us = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    println!("{}", serde_json::to_string(&Cost { cpu_us, peak_kib: usage.max_rss() })?);
    Ok(())
}
