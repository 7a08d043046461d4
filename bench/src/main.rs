//! `make bench`: CPU time, rates and peak memory of the sensor beside a bare libpcap loop over the same file, in one run;
//! `make bench-peers`: other people's flow meters beside it.
//!
//! Every figure is of a whole process, measured from outside (user + system time, peak resident memory), several runs in
//! turn, the median printed. Seconds drift with the machine; the ratio to the libpcap loop of the same round does not.

mod capture;
mod cases;
mod forest;
mod measure;
mod peers;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use measure::{Case, ROUNDS, compare};

const MIX_PACKETS: u64 = 1_200_000;
const FLOOD_FLOWS: u64 = 200_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            let bench = Bench::prepare()?;
            bench.compare(false)?;
            cases::score(&bench.mix)
        }
        ["peers"] => {
            peers::print_versions();
            Bench::prepare()?.compare(true)
        }
        ["measured", ..] => measure::measured(&arguments[1..]),
        ["libpcap", file] => cases::libpcap(Path::new(file)),
        ["read", file] => cases::read(Path::new(file)),
        ["meter", file] => cases::meter(Path::new(file)),
        ["write", file, out] => cases::write(Path::new(file), Path::new(out), false),
        ["write", file, out, "--scored"] => cases::write(Path::new(file), Path::new(out), true),
        ["score", file] => cases::score(Path::new(file)),
        ["forest", base, folder] => forest::run(Path::new(base), Path::new(folder), false),
        ["forest", base, folder, "--json"] => forest::run(Path::new(base), Path::new(folder), true),
        _ => bail!("usage: bench [peers] (it makes its own captures under target/bench)"),
    }
}

/// The captures, and where everything lies.
struct Bench {
    here: PathBuf,
    folder: PathBuf,
    mix: PathBuf,
    flood: PathBuf,
    packets: u64,
    flows: u64,
}

impl Bench {
    /// Writes the captures.
    #[allow(clippy::print_stdout)]
    fn prepare() -> Result<Self> {
        let here = std::env::current_exe()?;
        let target = here.parent().and_then(Path::parent).context("the bench runs from target/release")?;
        let folder = target.join("bench");
        std::fs::create_dir_all(&folder)?;
        let (mix, flood) = (folder.join("mix.pcap"), folder.join("flood.pcap"));
        let (packets, flows) = capture::write_mix(&mix, MIX_PACKETS).context("writing the mix")?;
        capture::write_syn_flood(&flood, FLOOD_FLOWS).context("writing the flood")?;
        let size = std::fs::metadata(&mix)?.len() / 1_000_000;
        println!(
            "mix: {packets} packets, {flows} conversations, {size} MB; flood: {FLOOD_FLOWS} SYNs; median of {ROUNDS} rounds"
        );
        Ok(Self { here, folder, mix, flood, packets, flows })
    }

    fn compare(&self, with_peers: bool) -> Result<()> {
        let (packets, flows) = (self.packets, self.flows);
        self.compare_on("mix", &self.mix, packets, flows, with_peers)?;
        self.compare_on("flood", &self.flood, FLOOD_FLOWS, FLOOD_FLOWS, with_peers)
    }

    fn compare_on(&self, title: &str, file: &Path, packets: u64, flows: u64, with_peers: bool) -> Result<()> {
        let text = |path: &Path| path.display().to_string();
        let case = |name: &str, command| Case { name: name.into(), command, packets, flows, rounds: ROUNDS };
        let out = text(&self.folder.join("flows.csv"));
        let bench = |name, what: &str, more: &[&str]| {
            let mut command = vec![text(&self.here), what.to_owned(), text(file)];
            command.extend(more.iter().map(|&word| word.to_owned()));
            case(name, command)
        };
        let replay = |name, more: &[&str]| {
            let mut command = vec![text(&self.here.with_file_name("taphound")), "replay".into(), text(file)];
            command.extend(more.iter().map(|&word| word.to_owned()));
            case(name, command)
        };
        let mut cases = vec![
            bench("libpcap read loop", "libpcap", &[]),
            bench("our reader", "read", &[]),
            bench("reader + meter", "meter", &[]),
            bench("reader + meter + CSV, unscored", "write", &[&out]),
            bench("reader + meter + scores + CSV", "write", &[&out, "--scored"]),
            replay("replay, 1 worker", &["--workers", "1"]),
            replay("replay, 2 workers", &["--workers", "2"]),
            replay("replay, 2 workers, CSV", &["--workers", "2", "--out", &out]),
        ];
        if with_peers {
            let folder = self.folder.join("peers");
            std::fs::create_dir_all(&folder)?;
            cases.extend(peers::cases(file, &folder, packets, flows));
            compare(title, &cases)?;
            std::fs::remove_dir_all(&folder)?;
            return Ok(());
        }
        compare(title, &cases)
    }
}
