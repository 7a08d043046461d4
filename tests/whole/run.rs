//! The sensor as its users run it: `taphound run` as a process of its own, asked over its socket, told by signals, killed.

mod disk;
mod evidence;
mod figures;
mod files;
mod kill;
mod refused;
mod scans;
mod second_witness;
mod wire;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sensor::control::client::Client;
use serde_json::{Value, json};

use crate::live::{deadline, now};
use crate::taphound;

/// A folder with everything that one sensor owns.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    /// `settings`: TOML behind what names the places. It begins within `[capture]`.
    pub(crate) fn new(settings: &str) -> Self {
        let place = Self(tempfile::Builder::new().prefix("run-").tempdir().unwrap());
        std::fs::create_dir(place.path("in")).unwrap();
        place.set(settings);
        place
    }

    fn set(&self, settings: &str) {
        let path = |name| self.path(name).display().to_string();
        let text = format!(
            "[sensor]\nid = \"proof\"\nstate_dir = \"{}\"\n[model]\nkeys_dir = \"{}\"\n[control]\nsocket = \"{}\"\n\
             [eve]\npath = \"{}\"\n[log]\nformat = \"json\"\n[store]\nflows_per_second = 1000000\n[capture]\n{settings}\n",
            path("state"),
            path("keys"),
            path("control.sock"),
            path("eve.json")
        );
        std::fs::write(self.path("taphound.toml"), text).unwrap();
    }

    /// Settings of a place whose folder `in` is the source.
    pub(crate) fn watching(rest: &str) -> Self {
        let place = Self::new("");
        place.set(&format!("directory = \"{}\"\n{rest}", place.path("in").display()));
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = taphound();
        command.arg("run").arg("--config").arg(self.path("taphound.toml"));
        command
    }

    /// Runs a sensor that is expected not to start.
    fn refused(&self) -> (i32, String) {
        told(&self.command().output().unwrap())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("state/taphound.db")
    }

    /// A number from the database.
    pub(crate) fn count(&self, query: &str) -> u64 {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database
            .query_row(query, [], |row| row.get(0).map(i64::cast_unsigned))
            .unwrap_or_else(|e| panic!("{query}: {e}"))
    }

    /// The lines of the EVE file; what a killed sensor has left of one is none.
    fn eve(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

fn told(output: &Output) -> (i32, String) {
    (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// A sensor at work in a place; killed when it goes.
pub(crate) struct Daemon<'a> {
    place: &'a Place,
    child: Child,
    log: Arc<Mutex<Vec<Value>>>,
    /// Lines of the log that have been waited for.
    heard: usize,
}

impl<'a> Daemon<'a> {
    pub(crate) fn start(place: &'a Place) -> Self {
        Self::start_as(place, &mut place.command())
    }

    /// Waits until it is ready.
    pub(crate) fn start_as(place: &'a Place, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let entry =
                    serde_json::from_str(&line).unwrap_or_else(|_| json!({"event": "raw", "message": line}));
                heard.lock().unwrap().push(entry);
            }
        });
        let mut daemon = Self { place, child, log, heard: 0 };
        daemon.hears("ready", 60);
        daemon
    }

    /// Waits for an event of the log that has not been waited past.
    pub(crate) fn hears(&mut self, event: &str, seconds: u64) -> Value {
        let until = deadline(seconds);
        loop {
            let log = self.log.lock().unwrap();
            if let Some(at) = log[self.heard..].iter().position(|entry| entry["event"] == event) {
                self.heard += at + 1;
                return log[self.heard - 1].clone();
            }
            assert!(now() < until, "{event} was not logged within {seconds} s: {log:#?}");
            drop(log);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What `taphound status --json` says, and its exit code. Every identity must hold.
    pub(crate) fn status(&self) -> (Value, i32) {
        let mut command = taphound();
        let output =
            command.args(["status", "--json", "--socket"]).arg(self.place.path("control.sock")).output();
        let output = output.unwrap();
        let status: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {:?} {:?}", told(&output), self.log.lock().unwrap()));
        assert_sums(&status["accounting"]);
        (status, output.status.code().unwrap())
    }

    /// Looks until `is` holds of status and exit code.
    pub(crate) fn until(&self, what: &str, seconds: u64, is: impl Fn(&Value, i32) -> bool) -> Value {
        let until = deadline(seconds);
        loop {
            let (status, code) = self.status();
            if is(&status, code) {
                return status;
            }
            assert!(now() < until, "waited {seconds} s for {what}: {code} {status:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Rows that the control socket gives for `operation`.
    pub(crate) fn ask(&self, operation: &str) -> Vec<Value> {
        let mut client = Client::connect(&self.place.path("control.sock")).unwrap();
        let (mut rows, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let page = match &cursor {
                Value::Null => json!({"limit": 1_000}),
                next => json!({"limit": 1_000, "cursor": next}),
            };
            let answer = client.ask(operation, page).unwrap();
            rows.extend(answer["items"].as_array().unwrap_or_else(|| panic!("{answer}")).clone());
            cursor = answer["next"].clone();
            if cursor.is_null() {
                return rows;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent =
            Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status().unwrap();
        assert!(sent.success());
    }

    /// The kernel's number of the thread that is called this.
    pub(crate) fn thread(&self, name: &str) -> u32 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let called = |task: &std::fs::DirEntry| {
            std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
        };
        let found = tasks.flatten().find(called).unwrap_or_else(|| panic!("no thread {name}"));
        found.file_name().to_str().unwrap().parse().unwrap()
    }

    /// SIGKILL, and the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM: it must drain and end well. Gives its last words.
    pub(crate) fn end(mut self) -> Value {
        self.signal("TERM");
        let last = self.hears("stopped", 60);
        let until = deadline(30);
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(now() < until, "did not end"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{status}: {:#?}", self.log.lock().unwrap());
        assert_eq!(last["balanced"], true, "{last}");
        last
    }

    /// Resident memory in KiB, and processor time in seconds.
    fn footprint(&self) -> (u64, f64) {
        let (status, _) = self.status();
        (status["host"]["rss_bytes"].as_u64().unwrap() >> 10, status["host"]["cpu_seconds"].as_f64().unwrap())
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The three identities, as `status --json` gives their terms.
fn assert_sums(accounting: &Value) {
    let term = |block: &str, name: &str| {
        accounting[block][name].as_u64().unwrap_or_else(|| panic!("no {block}.{name}: {accounting:#}"))
    };
    let sum = |block: &str, names: &[&str]| names.iter().map(|name| term(block, name)).sum::<u64>();
    if accounting["packets"].as_object().is_some_and(|block| !block.is_empty()) {
        let elsewhere = [
            "metered",
            "filtered",
            "duplicates_removed",
            "not_ip",
            "unsupported_link",
            "malformed",
            "fragments_unmatched",
            "shed",
            "queued",
        ];
        assert_eq!(term("packets", "received"), sum("packets", &elsewhere), "{accounting:#}");
        assert_eq!(term("flows", "started"), sum("flows", &["ended", "active"]), "{accounting:#}");
        let scored = sum("flows", &["scored", "shed_unscored", "queued"]);
        assert_eq!(term("flows", "ended"), scored, "{accounting:#}");
    }
    let kept = ["stored", "dropped_at_queue", "store_failed", "queued"];
    assert_eq!(term("detections", "made"), sum("detections", &kept), "{accounting:#}");
}

/// The wall clock in microseconds: packets on a wire carry it.
#[allow(clippy::disallowed_methods)] // the test is about time
pub(crate) fn wall_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

/// Seconds, rounds: the full form of a proof is asked for by `SENSOR_PROOF=full`.
pub(crate) fn form<T>(short: T, full: T) -> T {
    if std::env::var("SENSOR_PROOF").is_ok_and(|form| form == "full") { full } else { short }
}
