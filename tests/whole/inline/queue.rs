//! `inline-queue`: the first packets of a flow wait for its verdict, the rest goes by, and each cause has its policy.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::line::Line;
use super::traffic::{Honest, guessing, quantile, serve};
use super::{sensor, settings};
use crate::live::{deadline, now};
use crate::run::Place;

/// A line whose bridge shows its packets to iptables; none, and says so, where that cannot be had.
pub(super) fn queue_line(test: &str) -> Option<Line> {
    if !Command::new("iptables-nft").arg("-V").output().is_ok_and(|out| out.status.success()) {
        println!("SKIPPED {test}: needs the program `iptables-nft`");
        return None;
    }
    let line = Line::new(test)?;
    let switches = ["net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1"];
    if switches.iter().any(|switch| !line.exec("sysctl", &["-w", switch]).status.success()) {
        println!("SKIPPED {test}: this kernel has no br_netfilter");
        return None;
    }
    let probe = "-t mangle -A FORWARD -m connmark --mark 0x1/0x1 -j NFQUEUE --queue-num 9 --queue-bypass";
    if !line.exec("iptables-nft", &probe.split(' ').collect::<Vec<_>>()).status.success() {
        println!("SKIPPED {test}: this kernel has no NFQUEUE");
        return None;
    }
    line.exec("iptables-nft", &["-t", "mangle", "-F"]);
    Some(line)
}

pub(super) fn queue_settings(rest: &str) -> String {
    settings(&format!("provisional = true\n{rest}")).replace("inline-set", "inline-queue")
}

pub(super) fn count(status: &Value, name: &str) -> u64 {
    status["inline"]["queue"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {status:#}"))
}

fn for_a_while(line: &Line) -> Vec<Duration> {
    let honest = Honest::at_work(line);
    std::thread::sleep(Duration::from_secs(3));
    honest.end()
}

#[test]
fn first_packets_wait_for_their_verdict_and_benign_flows_go_by() {
    let Some(line) = queue_line("inline::queue::first_packets_wait_for_their_verdict_and_benign_flows_go_by")
    else {
        return;
    };
    serve(&line);
    let mut bare = for_a_while(&line);
    let place = Place::new(&queue_settings(""));
    let daemon = sensor(&line, &place);
    let mut queued = for_a_while(&line);
    let (status, _) = daemon.status();
    assert!(count(&status, "held") > 0 && count(&status, "flows_bypassed") > 0, "{status:#}");
    assert_eq!((count(&status, "failed_closed"), count(&status, "scores_unheard")), (0, 0), "{status:#}");
    println!(
        "measured queue: {} packets queued, {} held, {} flows bypassed, {} failed open; a question took p50 {:?}, p99 {:?} on the bare bridge, p50 {:?}, p99 {:?} through the queue",
        status["inline"]["queue"]["packets"],
        status["inline"]["queue"]["held"],
        status["inline"]["queue"]["flows_bypassed"],
        status["inline"]["queue"]["failed_open"],
        quantile(&mut bare, 0.5),
        quantile(&mut bare, 0.99),
        quantile(&mut queued, 0.5),
        quantile(&mut queued, 0.99)
    );
    let guessed = guessing(&line, 20, 60).join().unwrap();
    assert!(guessed.cut_after.is_some(), "{guessed:?}");
    let (status, _) = daemon.status();
    println!(
        "measured queue cut: after {:.0} ms and {} answered guesses; {} packets dropped by a verdict, {} blocks",
        guessed.cut_after.unwrap_or_default().as_secs_f64() * 1e3,
        guessed.answered,
        count(&status, "dropped"),
        status["inline"]["blocks"]
    );

    // Its death opens the line: that is what the settings say.
    let honest = Honest::at_work(&line);
    daemon.kill();
    let before = honest.answered();
    let until = deadline(30);
    while honest.answered() <= before + 40 {
        assert!(now() < until, "traffic stopped with the sensor");
        std::thread::sleep(Duration::from_millis(20));
    }
    honest.end();
}

#[test]
fn a_line_that_fails_closed_stops_with_the_sensor_and_opens_at_a_clean_stop() {
    let Some(line) =
        queue_line("inline::queue::a_line_that_fails_closed_stops_with_the_sensor_and_opens_at_a_clean_stop")
    else {
        return;
    };
    serve(&line);
    let place = Place::new(&queue_settings("[inline.queue]\nsensor_dead = \"fail_closed\"\n"));
    let daemon = sensor(&line, &place);
    assert!(super::traffic::reaches(&line), "with the sensor traffic flows");
    daemon.kill();
    assert!(!super::traffic::reaches(&line), "without it nothing new passes");
    // The next start takes over, and a clean stop takes the rules away.
    let daemon = sensor(&line, &place);
    assert!(super::traffic::reaches(&line), "the next start opens the line again");
    daemon.end();
    assert!(super::traffic::reaches(&line), "a clean stop leaves a bare bridge");
    let rules = line.exec("iptables-nft", &["-t", "mangle", "-S"]);
    assert!(!String::from_utf8_lossy(&rules.stdout).contains("TAPHOUND"), "{rules:?}");
}
