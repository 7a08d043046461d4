//! `make bench-peers`: other people's flow meters beside ours, on the same captures, in one run.

use std::path::Path;
use std::process::Command;

use crate::measure::{Case, ROUNDS};

/// A program of others that meters a capture file.
struct Peer {
    name: &'static str,
    program: &'static str,
    /// Prints its version.
    version: &'static [&'static str],
    rounds: usize,
    arguments: fn(&str, &str) -> Vec<String>,
}

/// Each with as many flows in memory as the captures hold, and with as little output as it can be asked for, except where a
/// row says so. The arguments are the capture and a folder to write into.
const PEERS: [Peer; 7] = [
    Peer {
        name: "softflowd, no export",
        program: "softflowd",
        version: &["-h"],
        rounds: ROUNDS,
        // Without `-c none` it waits for somebody to speak to its control socket.
        arguments: |file, folder| {
            words(&[
                "-d",
                "-r",
                file,
                "-m",
                "2000000",
                "-c",
                "none",
                "-p",
                &format!("{folder}/softflowd.pid"),
            ])
        },
    },
    Peer {
        name: "nfpcapd, its own files",
        program: "nfpcapd",
        version: &["-V"],
        rounds: ROUNDS,
        arguments: |file, folder| words(&["-r", file, "-w", folder]),
    },
    Peer {
        name: "argus, records thrown away",
        program: "argus",
        version: &["-h"],
        rounds: ROUNDS,
        arguments: |file, _| words(&["-r", file, "-w", "/dev/null"]),
    },
    Peer {
        name: "suricata, flow log only",
        program: "suricata",
        version: &["-V"],
        rounds: ROUNDS,
        arguments: |file, folder| suricata(file, folder, "single"),
    },
    Peer {
        name: "suricata, 2 workers",
        program: "suricata",
        version: &["-V"],
        rounds: ROUNDS,
        arguments: |file, folder| suricata(file, folder, "autofp"),
    },
    Peer {
        name: "nfstream",
        program: ".venv/bin/python",
        version: &["-c", "import nfstream; print('nfstream', nfstream.__version__)"],
        rounds: 1,
        arguments: |file, _| {
            let flows = "sum(1 for _ in nfstream.NFStreamer(source=sys.argv[1], statistical_analysis=True, n_dissections=0))";
            words(&["-c", &format!("import nfstream, sys; print({flows})"), file])
        },
    },
    Peer {
        name: "tshark, conversations",
        program: "tshark",
        version: &["--version"],
        rounds: 1,
        arguments: |file, _| words(&["-n", "-q", "-z", "conv,tcp", "-z", "conv,udp", "-r", file]),
    },
];

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn suricata(file: &str, folder: &str, mode: &str) -> Vec<String> {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/suricata.yaml");
    words(&["-c", config, "-l", folder, "--runmode", mode, "-k", "none", "-S", "/dev/null", "-r", file])
}

/// Names, versions, and which are not here.
#[allow(clippy::print_stdout)]
pub(crate) fn print_versions() {
    for peer in &PEERS {
        match version(peer) {
            Some(version) => println!("{:<28} {version}", peer.name),
            None => println!("{:<28} SKIPPED: not installed (`scripts/setup peers`)", peer.name),
        }
    }
}

fn version(peer: &Peer) -> Option<String> {
    let output = Command::new(peer.program).args(peer.version).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.chars().any(|c| c.is_ascii_digit()))?;
    Some(line.trim().to_owned())
}

/// The peers that are installed, on one capture.
pub(crate) fn cases(file: &Path, folder: &Path, packets: u64, flows: u64) -> Vec<Case> {
    let text = |path: &Path| path.display().to_string();
    let installed = PEERS.iter().filter(|peer| version(peer).is_some());
    installed
        .map(|peer| {
            let mut command = vec![peer.program.to_owned()];
            command.extend((peer.arguments)(&text(file), &text(folder)));
            Case { name: peer.name.to_owned(), command, packets, flows, rounds: peer.rounds }
        })
        .collect()
}
