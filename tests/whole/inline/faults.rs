//! `inline-queue` under each fault of its own: what is counted, and what becomes of packets under either policy.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use model::artifact::SecretKey;
use serde_json::Value;

use super::forged::syn;
use super::line::{Line, Side};
use super::queue::{count, queue_line, queue_settings};
use super::sensor;
use super::traffic::{Honest, conversation, serve};
use crate::commands::successor;
use crate::live::{deadline, now};
use crate::live_wire::sender::Sender;
use crate::run::{Daemon, Place};
use crate::taphound;

const PAUSE: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_millis(800);

fn undecided(status: &Value, cause: &str) -> u64 {
    let counts = &status["inline"]["queue_undecided"];
    counts[cause].as_u64().unwrap_or_else(|| panic!("no {cause}: {status:#}"))
}

/// How many of twenty questions on one connection were answered.
fn answered(line: &Line) -> usize {
    conversation(line, 20, PAUSE, PATIENCE).join().unwrap().len()
}

/// Packets that wait in the kernel's queue, that it dropped, and that it ever gave a number.
fn kernel_queue(line: &Line) -> [u64; 3] {
    let shown = line.exec("cat", &["/proc/net/netfilter/nfnetlink_queue"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let fields: Vec<u64> = text.split_whitespace().map(|field| field.parse().unwrap()).collect();
    assert_eq!(fields.len(), 9, "{text}");
    [fields[2], fields[5] + fields[6], fields[7]]
}

/// Packets that the rules handed to the queue, full or not.
fn handed(line: &Line) -> u64 {
    let shown = line.exec("iptables-nft", &["-t", "mangle", "-vxnL", "TAPHOUND"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    let rule = text.lines().find(|rule| rule.contains("NFQUEUE")).unwrap_or_else(|| panic!("{text}"));
    rule.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn a_full_queue_lets_pass_or_drops_as_it_was_told() {
    let Some(line) = queue_line("inline::faults::a_full_queue_lets_pass_or_drops_as_it_was_told") else {
        return;
    };
    serve(&line);
    for policy in ["fail_open", "fail_closed"] {
        let opens = policy == "fail_open";
        let rest = format!("[inline.queue]\npackets_max = 16\nqueue_full = \"{policy}\"\n");
        let place = Place::new(&queue_settings(&rest));
        let daemon = sensor(&line, &place);
        assert_eq!(answered(&line), 20, "with a sensor that works nothing is lost");
        let before = handed(&line);
        daemon.signal("STOP");
        // Whoever reads the queue stands still, and 64 packets come.
        line.on(Side::Client, || {
            let mut sender = Sender::on("eth0");
            (0..64).for_each(|n| assert!(sender.send(&syn(Ipv4Addr::new(10, 77, 0, 66), 20_000 + n, 9))));
        })
        .join()
        .unwrap();
        let [waiting, ..] = kernel_queue(&line);
        assert_eq!(waiting, 16, "it is full");
        let meanwhile = answered(&line);
        assert_eq!(meanwhile, if opens { 20 } else { 0 }, "{policy}");
        let [_, dropped, numbered] = kernel_queue(&line);
        let beyond = handed(&line) - numbered;
        assert_eq!(dropped, if opens { 0 } else { beyond }, "{policy}");
        assert!(beyond >= 48 && handed(&line) > before, "{beyond} packets found it full");
        daemon.signal("CONT");
        let until = deadline(20);
        while answered(&line) < 20 {
            assert!(now() < until, "{policy}: the line did not open again");
        }
        // A packet that was sent again may have found it full until it was read on.
        let [_, in_all, _] = kernel_queue(&line);
        assert_eq!(in_all > 0, !opens, "{policy}: {in_all} dropped by the kernel");
        let status =
            daemon.until("the kernel's count", 10, |status, _| undecided(status, "queue_full") == in_all);
        assert_eq!(count(&status, "failed_closed"), 0, "none of them came to us: {status:#}");
        println!(
            "measured queue_full {policy}: 16 of 16 waited, {beyond} more came, {} of them passed and {dropped} were dropped; {meanwhile} of 20 questions answered meanwhile, all when it read again",
            beyond - dropped
        );
        daemon.end();
    }
}

#[test]
fn without_a_model_what_would_wait_passes_or_is_dropped_until_one_is_installed() {
    let Some(line) = queue_line(
        "inline::faults::without_a_model_what_would_wait_passes_or_is_dropped_until_one_is_installed",
    ) else {
        return;
    };
    serve(&line);
    for policy in ["fail_open", "fail_closed"] {
        let opens = policy == "fail_open";
        let place = Place::new(&queue_settings(&format!("[inline.queue]\nmodel_missing = \"{policy}\"\n")));
        let key = SecretKey::from_entropy([9; 32]);
        let folder = place.path("state/models/7");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("model.taphound"), b"TAPHND01 and nothing that makes sense").unwrap();
        std::os::unix::fs::symlink("7", place.path("state/models/current")).unwrap();
        std::fs::create_dir(place.path("keys")).unwrap();
        std::fs::write(place.path("keys/ours.pub"), key.public().to_line()).unwrap();
        let daemon = sensor(&line, &place);
        let meanwhile = answered(&line);
        assert_eq!(meanwhile == 20, opens, "{policy}: {meanwhile}");
        assert!(meanwhile > 0, "the packets before the first score do not wait for it");
        let (status, code) = daemon.status();
        assert_eq!(code, 1, "{status:#}");
        assert!(status["reasons"].to_string().contains("inline.queue.model_missing"), "{status:#}");
        let unjudged = undecided(&status, "model_missing");
        let became = count(&status, if opens { "failed_open" } else { "failed_closed" });
        assert!(unjudged > 0 && became == unjudged, "{status:#}");
        assert_eq!((count(&status, "held"), count(&status, "dropped")), (0, 0), "{status:#}");

        println!(
            "measured model_missing {policy}: {unjudged} packets unjudged, {became} of them {}; {meanwhile} of 20 questions answered",
            if opens { "passed" } else { "dropped" }
        );
        if opens {
            daemon.end();
            continue;
        }
        let next = place.path("next.taphound");
        std::fs::write(&next, successor(&key).1).unwrap();
        let mut install = taphound();
        install.args(["model", "install"]).arg(&next).arg("--socket").arg(place.path("control.sock"));
        let done = install.output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert_eq!(answered(&line), 20, "a model judges");
        let (status, _) = daemon.status();
        assert!(count(&status, "held") > 0, "packets wait for it: {status:#}");
        println!("measured model_missing: 20 of 20 questions answered after a model was installed");
        daemon.end();
    }
}

/// A thread that does not run while this lives, by the kernel's freezer.
struct Frozen(PathBuf);

impl Frozen {
    /// None: this machine has no freezer for single threads.
    fn thread(daemon: &Daemon<'_>, name: &str) -> Option<Self> {
        let thread = daemon.thread(name);
        let group = PathBuf::from(format!("/sys/fs/cgroup/freezer/taphound-test-{thread}"));
        std::fs::create_dir(&group).ok()?;
        let frozen = Self(group);
        std::fs::write(frozen.0.join("tasks"), thread.to_string()).ok()?;
        std::fs::write(frozen.0.join("freezer.state"), "FROZEN").ok()?;
        Some(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("freezer.state"), "THAWED");
        if let Ok(threads) = std::fs::read_to_string(self.0.join("tasks")) {
            for thread in threads.lines() {
                let _ = std::fs::write("/sys/fs/cgroup/freezer/tasks", thread);
            }
        }
        let _ = std::fs::remove_dir(&self.0);
    }
}

#[test]
fn verdicts_that_do_not_come_let_pass_or_drop_and_come_again() {
    const NAME: &str = "inline::faults::verdicts_that_do_not_come_let_pass_or_drop_and_come_again";
    let Some(line) = queue_line(NAME) else { return };
    serve(&line);
    for policy in ["fail_open", "fail_closed"] {
        let opens = policy == "fail_open";
        let rest = format!("[inline.queue]\nheld_max = 2\noverload = \"{policy}\"\n");
        let place = Place::new(&queue_settings(&rest));
        let daemon = sensor(&line, &place);
        assert_eq!(answered(&line), 20);
        let (before, _) = daemon.status();
        let Some(frozen) = Frozen::thread(&daemon, "scorer-0") else {
            println!("SKIPPED {NAME}: this machine has no cgroup freezer (v1) for single threads");
            return;
        };
        // More conversations than packets may be held, and no score for any of them.
        let long = Duration::from_secs(10);
        let running: Vec<_> = (0..6).map(|_| conversation(&line, 20, PAUSE, long)).collect();
        let until = deadline(10);
        let status = loop {
            let (status, _) = daemon.status();
            let more = |cause: &str| undecided(&status, cause) > undecided(&before, cause);
            if more("late") && more("held_max") {
                break status;
            }
            assert!(now() < until, "{policy}: no verdict is missed: {status:#}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let over =
            |running: &[std::thread::JoinHandle<_>]| running.iter().filter(|one| one.is_finished()).count();
        if opens {
            while over(&running) < 6 {
                assert!(now() < until, "fail_open: conversations stand still");
                std::thread::sleep(Duration::from_millis(20));
            }
        } else {
            std::thread::sleep(Duration::from_millis(500));
        }
        let done_meanwhile = over(&running);
        assert_eq!(done_meanwhile, if opens { 6 } else { 0 }, "{policy}");
        drop(frozen);
        let answers: usize = running.into_iter().map(|one| one.join().unwrap().len()).sum();
        assert_eq!(answers, 6 * 20, "{policy}: what was dropped is sent again, and judged");
        let (after, _) = daemon.status();
        let since = |cause: &str| undecided(&after, cause) - undecided(&before, cause);
        let became = |name: &str| count(&after, name) - count(&before, name);
        let (passed, dropped) = (became("failed_open"), became("failed_closed"));
        assert_eq!(since("late") + since("held_max"), passed + dropped, "{after:#}");
        assert_eq!(if opens { dropped } else { passed }, 0, "{after:#}");
        assert_eq!(count(&after, "dropped"), 0, "{status:#}");
        println!(
            "measured overload {policy}: scoring stood still; {} packets waited longer than hold_ms, {} found held_max waiting, {passed} passed and {dropped} were dropped; {done_meanwhile} of 6 conversations went on meanwhile, 6 of 6 after it",
            since("late"),
            since("held_max")
        );
        daemon.end();
    }
}

#[test]
#[ignore = "a flood: make test-inline"]
fn a_sensor_that_is_flooded_holds_nobody_for_long() {
    let Some(line) = queue_line("inline::faults::a_sensor_that_is_flooded_holds_nobody_for_long") else {
        return;
    };
    serve(&line);
    let place = Place::new(&queue_settings(""));
    let daemon = sensor(&line, &place);
    let honest = Honest::at_work(&line);
    let (sent, seconds) = line
        .on(Side::Client, || {
            let mut n = 0_u32;
            Sender::on("eth0").send_at(100_000, 5.0, |sender| {
                n = n.wrapping_add(1);
                let source = Ipv4Addr::from(0x0b00_0000 | n.wrapping_mul(2_654_435_761) >> 8);
                sender.send(&syn(source, 1024 + (n % 60_000) as u16, 80))
            })
        })
        .join()
        .unwrap();
    let mut took = honest.end();
    let (status, _) = daemon.status();
    println!(
        "measured queue in a flood: {sent} forged SYNs in {seconds:.1} s ({:.0}/s); queued {}, held {}, undecided {}; {} questions answered and none lost, p50 {:?}, p99 {:?}",
        sent as f64 / seconds,
        count(&status, "packets"),
        count(&status, "held"),
        status["inline"]["queue_undecided"],
        took.len(),
        super::traffic::quantile(&mut took, 0.5),
        super::traffic::quantile(&mut took, 0.99)
    );
    daemon.end();
}
