//! `taphound doctor`: what whoever helps would ask for, in one file: status, settings, model, machine, log. No secrets, no packets.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::check;
use crate::cli::DoctorArgs;
use crate::control::client::Client;
use crate::fault::Fault;
use crate::report::print;
use crate::scoring::Model;

/// Lines of the journal that go in.
const LOG_LINES: &str = "2000";
/// Bytes of anything that go in.
const PART_MAX: u64 = 4 << 20;

/// Gathers and writes the bundle.
///
/// # Errors
/// The file exists or cannot be written. What cannot be had is a line in the bundle, not a fault.
pub fn run(arguments: &DoctorArgs) -> Result<(), Fault> {
    let out = &arguments.out;
    let file = File::create_new(out).map_err(|e| Fault::creating(out, &e))?;
    let mut bundle = tar::Builder::new(GzEncoder::new(file, Compression::default()));
    let mut names = Vec::new();
    for (name, text) in parts(arguments) {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        bundle
            .append_data(&mut header, Path::new("taphound-doctor").join(name), text.as_bytes())
            .map_err(|e| Fault::writing(&out.display().to_string(), &e))?;
        names.push(name);
    }
    let written = bundle.into_inner().and_then(GzEncoder::finish).and_then(|file| file.sync_all());
    written.map_err(|e| Fault::writing(&out.display().to_string(), &e))?;
    print(&format!(
        "{}: {}\nRead it before you send it: the log names addresses.\n",
        out.display(),
        names.join(", ")
    ))
}

fn parts(arguments: &DoctorArgs) -> Vec<(&'static str, String)> {
    vec![
        ("version.txt", format!("taphound {}\n", env!("CARGO_PKG_VERSION"))),
        ("status.json", asked(arguments, "status")),
        ("models.json", asked(arguments, "model")),
        ("settings.json", settings(arguments)),
        ("embedded-model.json", embedded()),
        ("os-release.txt", read(Path::new("/etc/os-release"))),
        ("kernel.txt", read(Path::new("/proc/version"))),
        ("cpu.txt", read(Path::new("/proc/cpuinfo"))),
        ("memory.txt", read(Path::new("/proc/meminfo"))),
        ("interfaces.txt", read(Path::new("/proc/net/dev"))),
        ("packet-sockets.txt", read(Path::new("/proc/net/packet"))),
        ("unit.txt", ran("systemctl", &["status", "--no-pager", "--lines=0", "taphound"])),
        ("disk.txt", ran("df", &["-h"])),
        ("log.txt", ran("journalctl", &["--no-pager", "-u", "taphound", "-n", LOG_LINES])),
    ]
}

fn asked(arguments: &DoctorArgs, op: &str) -> String {
    let answer = Client::connect(&arguments.socket).and_then(|mut client| client.ask(op, Value::Null));
    answer.map_or_else(|fault| format!("{fault}\n"), |value| format!("{value:#}\n"))
}

/// What is in force. Settings name files of secrets and hold none; a name that sounds like one is masked all the same.
fn settings(arguments: &DoctorArgs) -> String {
    match check::settings(arguments.config.as_deref()) {
        Ok((config, path)) => {
            let mut value = serde_json::to_value(&config).unwrap_or_default();
            mask(&mut value);
            format!("{value:#}\n// from {}\n", path.display())
        }
        Err(fault) => format!("{fault}\n"),
    }
}

fn mask(value: &mut Value) {
    let Value::Object(map) = value else { return };
    for (name, value) in map {
        let secret = ["password", "secret", "token"].iter().any(|word| name.contains(word));
        match value {
            Value::String(text) if secret && !text.is_empty() => *text = "(removed)".to_owned(),
            inner => mask(inner),
        }
    }
}

fn embedded() -> String {
    match Model::load(None) {
        Ok(model) => {
            let manifest = serde_json::to_value(model.artifact().manifest()).unwrap_or_default();
            format!(
                "{:#}\n",
                serde_json::json!({"digest": model.artifact().digest().to_string(), "manifest": manifest})
            )
        }
        Err(fault) => format!("{fault}\n"),
    }
}

fn read(path: &Path) -> String {
    let mut text = String::new();
    match File::open(path).and_then(|file| file.take(PART_MAX).read_to_string(&mut text)) {
        Ok(_) => text,
        Err(e) => format!("{}: {e}\n", path.display()),
    }
}

fn ran(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
        Ok(output) => {
            let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.push_str(&String::from_utf8_lossy(&output.stderr));
            text
        }
        Err(e) => format!("{program}: {e}\n"),
    }
}

#[cfg(test)]
mod tests;
