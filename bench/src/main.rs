//! `make bench`: CPU time, rates and peak memory of the sensor beside a bare libpcap loop over the same file, in one run.
//!
//! Every figure is of a whole process, measured from outside (user + system time, peak resident memory), several runs in
//! turn, the median printed. Seconds drift with the machine; the ratio to the libpcap loop of the same round does not.

mod capture;
mod cases;
mod forest;

use std::path::{Path, PathBuf};
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
struct Case {
    name: &'static str,
    command: Vec<String>,
    packets: u64,
    flows: u64,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => run(),
        ["measured", ..] => measured(&arguments[1..]),
        ["libpcap", file] => cases::libpcap(Path::new(file)),
        ["read", file] => cases::read(Path::new(file)),
        ["meter", file] => cases::meter(Path::new(file)),
        ["score", file] => cases::score(Path::new(file)),
        ["forest", base, folder] => forest::run(Path::new(base), Path::new(folder), false),
        ["forest", base, folder, "--json"] => forest::run(Path::new(base), Path::new(folder), true),
        _ => bail!("usage: bench (no arguments; it makes its own captures under target/bench)"),
    }
}

const ROUNDS: usize = 5;
const MIX_PACKETS: u64 = 1_200_000;
const FLOOD_FLOWS: u64 = 200_000;

#[allow(clippy::print_stdout)]
fn run() -> Result<()> {
    let here = std::env::current_exe()?;
    let programs = here.parent().context("the bench runs from target/release")?;
    let folder = programs.parent().context("the bench runs from target/release")?.join("bench");
    std::fs::create_dir_all(&folder)?;
    let (mix, flood, out) = (folder.join("mix.pcap"), folder.join("flood.pcap"), folder.join("flows.csv"));
    let (packets, flows) = capture::write_mix(&mix, MIX_PACKETS).context("writing the mix")?;
    capture::write_syn_flood(&flood, FLOOD_FLOWS).context("writing the flood")?;
    let size = std::fs::metadata(&mix)?.len() / 1_000_000;
    println!(
        "mix: {packets} packets, {flows} conversations, {size} MB; flood: {FLOOD_FLOWS} SYNs; median of {ROUNDS} rounds"
    );

    let text = |path: &PathBuf| path.display().to_string();
    let bench = |what: &str, file: &PathBuf| vec![text(&here), what.to_owned(), text(file)];
    let taphound = |file: &PathBuf, more: &[&str]| {
        let mut command = vec![text(&programs.join("taphound")), "replay".to_owned(), text(file)];
        command.extend(more.iter().map(|m| (*m).to_owned()));
        command
    };
    let on_mix = |name, command| Case { name, command, packets, flows };
    let on_flood = |name, command| Case { name, command, packets: FLOOD_FLOWS, flows: FLOOD_FLOWS };
    compare(
        "mix",
        &[
            on_mix("libpcap read loop", bench("libpcap", &mix)),
            on_mix("our reader", bench("read", &mix)),
            on_mix("reader + meter", bench("meter", &mix)),
            on_mix("replay, 1 worker", taphound(&mix, &["--workers", "1"])),
            on_mix("replay, 2 workers", taphound(&mix, &["--workers", "2"])),
            on_mix("replay, 2 workers, CSV", taphound(&mix, &["--workers", "2", "--out", &text(&out)])),
        ],
    )?;
    compare(
        "flood",
        &[
            on_flood("libpcap read loop", bench("libpcap", &flood)),
            on_flood("reader + meter", bench("meter", &flood)),
            on_flood("replay, 2 workers", taphound(&flood, &["--workers", "2"])),
        ],
    )?;
    cases::score(&mix)
}

/// Runs the cases in turn, round by round, and prints the medians; the first case is what the others are compared with.
#[allow(clippy::print_stdout)]
fn compare(title: &str, cases: &[Case]) -> Result<()> {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for (case, costs) in cases.iter().zip(&mut costs) {
            costs.push(cost_of(&case.command)?);
        }
    }
    println!(
        "\n{title:<26} {:>9} {:>10} {:>12} {:>10} {:>9} {:>9}",
        "CPU s", "ns/packet", "packets/CPUs", "flows/CPUs", "peak MiB", "x libpcap"
    );
    for (case, own) in cases.iter().zip(&costs) {
        let cpu_s = median(own.iter().map(|c| c.cpu_us as f64 / 1e6));
        let ratio = median(own.iter().zip(&costs[0]).map(|(c, base)| c.cpu_us as f64 / base.cpu_us as f64));
        let peak = own.iter().map(|c| c.peak_kib).max().unwrap_or(0) as f64 / 1024.0;
        println!(
            "{:<26} {cpu_s:>9.3} {:>10.0} {:>12.0} {:>10.0} {peak:>9.1} {ratio:>9.2}",
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

#[allow(clippy::print_stdout)]
fn measured(command: &[String]) -> Result<()> {
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
