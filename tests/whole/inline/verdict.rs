//! A flow that the forest calls an attack while it runs is stopped by that verdict alone: its packets do not come out of the queue.

use std::time::Duration;

use super::line::{Side, has};
use super::queue::{count, queue_line, queue_settings};
use super::sniffer::Sniffer;
use super::traffic::{Honest, quantile, serve};
use super::{in_force, sensor};
use crate::live::{deadline, now};
use crate::run::Place;

/// No incident blocks anybody: what is dropped here, a verdict on the flow dropped.
const NO_BLOCKS: &str = "[inline.scope]\nscan = \"off\"\ndos = \"off\"\nbruteforce = \"off\"\nweb = \"off\"\nc2 = \"off\"\n\
    exfiltration = \"off\"\ntunnel = \"off\"\namplification = \"off\"\nspread = \"off\"\n";

#[test]
#[ignore = "a real attack tool: make test-inline"]
fn a_running_attack_is_dropped_because_of_the_forest_and_nothing_else() {
    const NAME: &str = "inline::verdict::a_running_attack_is_dropped_because_of_the_forest_and_nothing_else";
    let Some(line) = queue_line(NAME) else { return };
    if let Some(missing) = ["slowhttptest", "python3"].into_iter().find(|tool| !has(tool)) {
        println!("SKIPPED {NAME}: needs the program `{missing}` (scripts/setup inline)");
        return;
    }
    serve(&line);
    let place = Place::new(&queue_settings(NO_BLOCKS));
    let _web = line.spawn(Side::Server, "python3", &["-m", "http.server", "80", "--bind", "10.77.0.3"]);
    let daemon = sensor(&line, &place);
    let honest = Honest::at_work(&line);
    let (near, far) = (Sniffer::at(&line, Side::Client), Sniffer::at(&line, Side::Server));
    let attack = line.spawn(
        Side::Client,
        "slowhttptest",
        &"-c 60 -H -i 2 -r 20 -l 30 -p 3 -x 24 -u http://10.77.0.3:80/".split(' ').collect::<Vec<_>>(),
    );
    let until = deadline(40);
    let status = loop {
        let (status, _) = daemon.status();
        if count(&status, "dropped") > 20 {
            break status;
        }
        assert!(now() < until, "the forest drops nothing: {:#}", status["inline"]);
        std::thread::sleep(Duration::from_millis(200));
    };
    // What is still held has come out, or has not.
    drop(attack);
    std::thread::sleep(Duration::from_millis(500));
    let (sent, arrived) = (near.end(), far.end());
    let attacker = [10, 77, 0, 66];
    let began_us = *sent.values().min().expect("packets of the attack");
    let ended_us = *sent.values().max().unwrap();
    let lost: Vec<u64> = sent
        .iter()
        .filter(|(packet, at_us)| {
            packet[4..8] == attacker && !arrived.contains_key(*packet) && **at_us + 300_000 < ended_us
        })
        .map(|(_, at_us)| *at_us)
        .collect();
    let first_us =
        lost.iter().min().unwrap_or_else(|| panic!("every packet arrived: {:#}", status["inline"]));
    assert!(in_force(&place).is_empty(), "no list had a part in it");
    assert_eq!(status["inline"]["dropped_packets"], 0, "{status:#}");
    let mut took = honest.end();
    let whole = sent.keys().filter(|packet| packet[4..8] == attacker).count();
    println!(
        "measured verdict: slowhttptest, {whole} packets of the attacker; first packet dropped by the forest's verdict {:.0} ms after the first packet of the attack, {} of the attacker's packets never arrived ({} drops counted so far), no block in force; {} questions of an honest client answered, none lost, p50 {:?}, p99 {:?}",
        (first_us - began_us) as f64 / 1e3,
        lost.len(),
        count(&status, "dropped"),
        took.len(),
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99)
    );
    daemon.end();
}
