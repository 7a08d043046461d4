//! The sensor in the line: a client, a bridge with the sensor on it, a server. Attacks are cut, everything else goes on.
//! `docs/inline.md` has the figures.

mod cost;
mod cut;
mod faults;
mod forged;
mod line;
mod load;
mod others;
mod queue;
mod sniffer;
mod traffic;
mod trouble;
mod verdict;

use std::process::Command;

use serde_json::Value;

use crate::run::{Daemon, Place};
use crate::taphound;
use line::Line;

/// Settings of a sensor on the line's bridge, from `[capture]` on.
fn settings(inline: &str) -> String {
    format!("interfaces = [\"p0\", \"p1\"]\n[inline]\nmode = \"inline-set\"\n{inline}")
}

/// A sensor on the bridge of `line`.
fn sensor<'a>(line: &Line, place: &'a Place) -> Daemon<'a> {
    let daemon = Daemon::start_as(place, &mut line.command(place));
    daemon.until("open rings", 20, |status, _| {
        let sources = status["sources"].as_array().map_or(&[][..], Vec::as_slice);
        sources.len() == 2 && sources.iter().all(|source| source["state"] == "up")
    });
    daemon
}

/// `taphound block ARGUMENTS`: its JSON, or what it says when it refuses.
fn block(place: &Place, arguments: &[&str]) -> Result<Value, String> {
    let mut command: Command = taphound();
    let output = command
        .arg("block")
        .args(arguments)
        .args(["--json", "--socket"])
        .arg(place.path("control.sock"))
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(serde_json::from_slice(&output.stdout).unwrap())
}

/// The blocks in force.
fn in_force(place: &Place) -> Vec<Value> {
    let list = block(place, &["list"]).unwrap();
    let items = list["items"].as_array().unwrap();
    items.iter().filter(|item| item["active"] == true).cloned().collect()
}
