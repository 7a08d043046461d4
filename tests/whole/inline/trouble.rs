//! What goes wrong in the line's box, and that it does not take the line with it.

use std::time::Duration;

use super::line::{ATTACKER, Line};
use super::traffic::{Honest, guessing, reaches, serve};
use super::{block, in_force, sensor, settings};
use crate::live::{deadline, now};
use crate::run::{Daemon, Place};
use crate::store::shim;

/// Waits for something about the network, not about the sensor.
fn until(what: &str, seconds: u64, mut is: impl FnMut() -> bool) {
    let end = deadline(seconds);
    while !is() {
        assert!(now() < end, "waited {seconds} s for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn killed_it_leaves_traffic_flowing_and_its_blocks_expiring() {
    let Some(line) = Line::new("inline::trouble::killed_it_leaves_traffic_flowing_and_its_blocks_expiring")
    else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings(""));
    let daemon = sensor(&line, &place);
    let honest = Honest::at_work(&line);
    block(&place, &["add", ATTACKER, "--reason", "proof", "--seconds", "5"]).unwrap();
    assert!(!reaches(&line));
    let began = now();
    daemon.kill();
    assert!(line.has_table(), "the kernel keeps the rules");
    assert!(!reaches(&line), "and the block");
    let before = honest.answered();
    until("honest clients", 10, || honest.answered() > before + 20);
    until("the block's end", 30, || reaches(&line));
    let ended = began.elapsed();
    assert!(line.has_table());

    // What was in force is put back by the next start, and the old rules are replaced.
    let daemon = sensor(&line, &place);
    block(&place, &["add", ATTACKER, "--reason", "proof", "--seconds", "600"]).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    daemon.kill();
    let daemon = sensor(&line, &place);
    assert_eq!(in_force(&place)[0]["src"], ATTACKER);
    assert!(!reaches(&line));
    let took = honest.end();
    daemon.end();
    println!(
        "measured kill -9: traffic went on ({} questions answered, none lost), a block of 5 s ended {:.1} s after the kill; put back by the next start",
        took.len(),
        ended.as_secs_f64()
    );
}

#[test]
fn rules_flushed_by_a_third_party_are_noticed() {
    let Some(line) = Line::new("inline::trouble::rules_flushed_by_a_third_party_are_noticed") else { return };
    serve(&line);
    let place = Place::new(&settings(""));
    let daemon = sensor(&line, &place);
    block(&place, &["add", ATTACKER, "--reason", "proof", "--seconds", "600"]).unwrap();
    let ways = [
        &["flush", "ruleset"][..],
        &["flush", "chain", "bridge", "taphound", "verdicts"],
        &["flush", "set", "bridge", "taphound", "sources4"],
    ];
    for (flushed, what) in (1..).zip(ways) {
        let began = now();
        assert!(line.nft(what).status.success(), "{what:?}");
        daemon.until("the rules", 20, |s, _| s["inline"]["rules_flushed"] == flushed);
        assert!(!reaches(&line), "{what:?}: the block is back");
        println!(
            "measured nft {}: noticed and restored after {:.1} s",
            what.join(" "),
            began.elapsed().as_secs_f64()
        );
    }
    daemon.end();

    let place = Place::new(&settings("when_flushed = \"alarm\"\n"));
    let daemon = sensor(&line, &place);
    assert!(line.nft(&["flush", "ruleset"]).status.success());
    let status = daemon.until("an alarm", 20, |_, code| code == 2);
    assert!(status["reasons"].to_string().contains("somebody else has changed the table"), "{status:#}");
    assert!(!line.has_table(), "an alarm leaves the rules alone");
    daemon.end();
}

#[test]
fn a_port_that_flaps_and_a_full_disk_change_nothing_about_blocks() {
    let Some(line) =
        Line::new("inline::trouble::a_port_that_flaps_and_a_full_disk_change_nothing_about_blocks")
    else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings(""));
    std::fs::create_dir(place.path("state")).unwrap();
    let mut command = line.command(&place);
    command.env("LD_PRELOAD", shim(&place.path("."))).env("STORE_FAULT", place.path("state"));
    let mut daemon = Daemon::start_as(&place, &mut command);
    let both_up =
        |s: &serde_json::Value| s["sources"].as_array().unwrap().iter().all(|source| source["state"] == "up");
    daemon.until("open rings", 20, |s, _| both_up(s));
    std::fs::write(place.path("state/full"), "").unwrap();
    for port in ["p0", "p1"] {
        line.set_port(port, "down");
        daemon.until("a port that is down", 20, |s, _| !both_up(s));
        line.set_port(port, "up");
    }
    daemon.until("open rings", 20, |s, _| both_up(s));
    let honest = Honest::at_work(&line);
    let guessed = guessing(&line, 20, 40).join().unwrap();
    assert!(guessed.cut_after.is_some(), "{guessed:?}");
    let status = daemon.until("the store's trouble", 30, |s, _| s["store"]["writable"] == false);
    assert_eq!(status["inline"]["blocks"], 1, "{status:#}");
    std::fs::remove_file(place.path("state/full")).unwrap();
    daemon.hears("store_recovered", 30);
    let took = honest.end();
    daemon.end();
    println!(
        "measured flap and full disk: both ports down and up, the disk full; an attack was cut after {:.0} ms, {} questions answered",
        guessed.cut_after.unwrap_or_default().as_secs_f64() * 1e3,
        took.len()
    );
}
