//! What tests of the running pipeline share: a recorder that counts, and wires in network namespaces of their own.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flowmeter::{Context, FlowEvent, FlowRecord};
use sensor::fault::Fault;
use sensor::live::{Live, Reports};
use sensor::pipeline::Recorder;
use sensor::scoring::{Model, Scored};
use sensor::slot::{ModelSlot, Serving};

/// What a counting recorder has been told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) events: AtomicU64,
    pub(crate) finals: AtomicU64,
    pub(crate) attacks: AtomicU64,
    pub(crate) servings: AtomicU64,
}

/// Counts, and takes as long for each final record as it is told to.
pub(crate) struct Counting(pub(crate) Arc<Told>, pub(crate) Duration);

impl Recorder for Counting {
    fn event(
        &mut self,
        _: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        _: Option<&Context>,
    ) -> Result<(), Fault> {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        if let Some((record, scored)) = scored
            && record.end_reason.is_some()
        {
            self.0.finals.fetch_add(1, Ordering::Relaxed);
            self.0.attacks.fetch_add(u64::from(scored.prediction.attack), Ordering::Relaxed);
            if !self.1.is_zero() {
                std::thread::sleep(self.1);
            }
        }
        Ok(())
    }

    fn batch_ended(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn serving_changed(&mut self, _: &Arc<Serving>) {
        self.0.servings.fetch_add(1, Ordering::Relaxed);
    }
}

/// A recorder that only counts, and its counts.
pub(crate) fn counting() -> (Counting, Arc<Told>) {
    let told = Arc::new(Told::default());
    (Counting(told.clone(), Duration::ZERO), told)
}

/// The embedded model at work.
pub(crate) fn slot() -> Arc<ModelSlot> {
    Arc::new(ModelSlot::new(Model::load(None).unwrap()))
}

/// Looks again and again until `is` holds of the reports, for at most `seconds`; every look must balance.
pub(crate) fn wait_until(live: &Live, what: &str, seconds: u64, is: impl Fn(&Reports) -> bool) -> Reports {
    let until = deadline(seconds);
    loop {
        let reports = balanced(live);
        if is(&reports) {
            return reports;
        }
        assert!(now() < until, "waited {seconds} s for {what}: {reports:#?}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The reports, whose identities hold.
pub(crate) fn balanced(live: &Live) -> Reports {
    let reports = live.reports();
    assert!(reports.is_balanced(), "{reports:#?}");
    reports
}

#[allow(clippy::disallowed_methods)] // a test has to give up some time
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn deadline(seconds: u64) -> Instant {
    now() + Duration::from_secs(seconds)
}

/// Runs test `name` (its path within this program) again inside a network namespace of its own, in which there are two
/// interfaces, `near0` and `far0`, joined by a wire. True outside, when it is over; false inside, where the work is to be done. Says
/// so and does nothing without the rights or the tools for it.
pub(crate) fn ran_in_namespace(name: &str) -> bool {
    const INSIDE: &str = "TAPHOUND_TEST_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let ip = |arguments: &str| {
        Command::new("ip").args(arguments.split(' ')).output().is_ok_and(|out| out.status.success())
    };
    let namespace = Namespace(format!("wire-{}-{}", std::process::id(), name.rsplit("::").next().unwrap()));
    let inside = &namespace.0;
    if !ip(&format!("netns add {inside}")) {
        println!("SKIPPED {name}: needs root, network namespaces and the program `ip`");
        return true;
    }
    for command in [
        "link add near0 type veth peer name far0",
        "link set near0 addrgenmode none up",
        "link set far0 addrgenmode none up",
    ] {
        assert!(ip(&format!("-n {inside} {command}")), "ip -n {inside} {command}");
    }
    let output = Command::new("ip")
        .args(["netns", "exec", inside])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--include-ignored", "--test-threads=1"])
        .env(INSIDE, inside)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The harness leaves its own words on the first line that a test prints.
    for line in out.lines() {
        if let Some(at) = line.find("measured ").or(line.find("SKIPPED ")) {
            println!("{}", &line[at..]);
        }
    }
    assert!(output.status.success(), "{name} in {inside}:\n{out}\n{err}");
    assert!(out.contains("1 passed"), "{name} did not run inside: {out}");
    true
}

/// Removed when it goes.
pub(crate) struct Namespace(pub(crate) String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// `ip` inside the namespace of this test.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// Resident memory of this process in KiB.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Processor time that this process has used, in seconds: user and system.
pub(crate) fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = after_name[11].parse::<f64>().unwrap() + after_name[12].parse::<f64>().unwrap();
    ticks / 100.0
}
