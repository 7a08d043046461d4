//! A sensor, its agent and a centre as they run together: real programs, the embedded doors, faults and kills in between.
//!
//! What counts afterwards: every label exactly once at the centre, every flow exactly once, nothing left in the outbox.

mod centre;
mod compaction;
mod enrolment;
mod faults;
mod models;
pub(crate) mod receivers;
mod rows;
mod trials;
mod week;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::live::{deadline, now};
use crate::run::{Daemon, Place};
use crate::{capture, program};

/// A place whose sensor queues every flow for the centre. It has no HTTP: these tests run at the same time on one host.
fn place() -> Place {
    Place::watching("[outbox]\nenabled = true\nflows_share = 1.0\n[api]\nlisten = []\n")
}

/// Puts a capture into the folder of the sensor as a whole.
fn drop_in(place: &Place, case: &str, name: &str) {
    let file = capture(case);
    let name = file.file_name().unwrap().to_string_lossy().replacen("capture", name, 1);
    let beside = place.path(&name);
    std::fs::copy(&file, &beside).unwrap();
    std::fs::rename(&beside, place.path("in").join(&name)).unwrap();
}

/// When the first packet of a capture was taken, epoch seconds.
fn begins_s(case: &str) -> u32 {
    let bytes = zstd::decode_all(std::fs::File::open(capture(case)).unwrap()).unwrap();
    u32::from_le_bytes(bytes[24..28].try_into().unwrap())
}

/// Puts a capture into the folder as if it had been taken `later_s` seconds later: a sensor's time goes on.
fn drop_in_later(place: &Place, case: &str, name: &str, later_s: u32) {
    let mut bytes = zstd::decode_all(std::fs::File::open(capture(case)).unwrap()).unwrap();
    let number = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(number(&bytes, 0), 0xa1b2_c3d4, "{case}: little-endian pcap with microseconds");
    let mut at = 24;
    while at < bytes.len() {
        let (seconds, captured) = (number(&bytes, at), number(&bytes, at + 8));
        bytes[at..at + 4].copy_from_slice(&seconds.wrapping_add(later_s).to_le_bytes());
        at += 16 + captured as usize;
    }
    let beside = place.path(&format!("{name}.pcap"));
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(&beside, place.path("in").join(format!("{name}.pcap"))).unwrap();
}

/// The centre of a place: a table in a file, objects in a folder.
fn table(place: &Place) -> PathBuf {
    place.path("centre.db")
}

/// Settings of the agent of a place; `rest` is TOML behind them.
pub(crate) fn configure(place: &Place, rest: &str) {
    let path = |name| place.path(name).display().to_string();
    let text = format!(
        "[agent]\nstate_dir = \"{}\"\nsocket = \"{}\"\n[centre]\ntable = \"sqlite:{}\"\nobjects = \"file:{}\"\n[log]\nformat = \"json\"\n\
         [report]\ninterval_s = 1\n{rest}\n",
        path("sync"),
        path("control.sock"),
        table(place).display(),
        path("objects"),
    );
    std::fs::write(place.path("sync.toml"), text).unwrap();
}

/// An agent at work in a place; killed when it goes.
pub(crate) struct Agent<'a> {
    place: &'a Place,
    child: Child,
}

impl<'a> Agent<'a> {
    fn command(place: &Place, what: &str) -> Command {
        let mut command = program("taphound-sync");
        command.arg(what).arg("--config").arg(place.path("sync.toml"));
        command
    }

    pub(crate) fn start(place: &'a Place) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(place.path("sync.log")).unwrap();
        let child = Self::command(place, "run").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        Self { place, child }
    }

    /// What `taphound-sync status --json` says, and its exit code; none before it has said anything.
    fn status(place: &Place) -> Option<(Value, i32)> {
        let output = Self::command(place, "status").arg("--json").output().unwrap();
        Some((serde_json::from_slice(&output.stdout).ok()?, output.status.code()?))
    }

    pub(crate) fn until(&self, what: &str, seconds: u64, is: impl Fn(&Value) -> bool) -> Value {
        let until = deadline(seconds);
        loop {
            let status = Self::status(self.place);
            if let Some((status, _)) = &status
                && is(status)
            {
                return status.clone();
            }
            let log = || std::fs::read_to_string(self.place.path("sync.log")).unwrap_or_default();
            assert!(now() < until, "waited {seconds} s for {what}: {status:#?}\n{}", log());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rows(status: &Value, class: &str) -> u64 {
    status["store"]["rows"][class].as_u64().unwrap_or(0)
}

/// Waits until the sensor has read `captures` files and written every row of them down.
fn settled(sensor: &Daemon<'_>) {
    let mut before = Value::Null;
    let mut still = 0;
    let until = deadline(120);
    while still < 5 {
        let (status, _) = sensor.status();
        let now_at = serde_json::json!([
            status["accounting"],
            status["store"]["rows"]["plain_flows"],
            status["store"]["rows"]["alerted"]
        ]);
        let busy = status["store"]["queued"] != 0
            || status["accounting"]["flows"]["queued"] != 0
            || rows(&status, "plain_flows") == 0;
        still = if busy || now_at != before { 0 } else { still + 1 };
        before = now_at;
        assert!(now() < until, "the sensor does not come to rest: {status:#}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// Waits until the outbox is empty. The rows themselves are counted: the status tells a count that may be from before the
/// newest of them.
fn drained(place: &Place, seconds: u64) {
    let until = deadline(seconds);
    loop {
        let waiting = place.count("SELECT count(*) FROM outbox");
        if waiting == 0 {
            return;
        }
        assert!(now() < until, "waited {seconds} s for an empty outbox: {waiting} rows wait");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

/// Ids of flows in the sensor's store.
fn flows_of(place: &Place) -> Vec<String> {
    let database = rusqlite::Connection::open(place.database()).unwrap();
    let mut select = database.prepare("SELECT lower(hex(uid)), segment FROM flows ORDER BY 1, 2").unwrap();
    let named = |row: &rusqlite::Row<'_>| {
        let (uid, segment): (String, u32) = (row.get(0)?, row.get(1)?);
        Ok(if segment > 0 { format!("{uid}.{segment}") } else { uid })
    };
    let mut ids: Vec<String> = select.query_map([], named).unwrap().map(Result::unwrap).collect();
    ids.sort();
    ids
}

/// Ids of flows at the centre, with their labels.
fn at_the_centre(place: &Place) -> Vec<(String, Option<String>)> {
    let database = rusqlite::Connection::open(table(place)).unwrap();
    let mut select = database.prepare("SELECT uid, true_label FROM items ORDER BY uid").unwrap();
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}

/// The centre has exactly the flows of the sensor.
fn assert_same_flows(place: &Place) {
    let here = flows_of(place);
    let mut there: Vec<String> = at_the_centre(place).into_iter().map(|(uid, _)| uid).collect();
    there.sort();
    let missing: Vec<_> = here.iter().filter(|uid| there.binary_search(uid).is_err()).collect();
    let strange: Vec<_> = there.iter().filter(|uid| here.binary_search(uid).is_err()).collect();
    assert!(
        missing.is_empty() && strange.is_empty(),
        "missing at the centre: {missing:?}; only there: {strange:?}"
    );
    assert_eq!(here.len(), there.len(), "a flow is there twice");
}
