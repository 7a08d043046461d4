//! A sensor on a wire: a scan is told of within seconds, and a wire that is cut makes the sensor say so until it is whole again.

use super::scans::Scans;
use super::{Daemon, Place, wall_us};
use crate::live::{ip, ran_in_namespace};
use crate::live_wire::sender::Sender;

#[test]
fn a_scan_is_told_of_at_once_and_a_cut_wire_until_it_is_whole() {
    if ran_in_namespace("run::wire::a_scan_is_told_of_at_once_and_a_cut_wire_until_it_is_whole") {
        return;
    }
    let place = Place::new("interfaces = [\"far0\"]");
    let mut daemon = Daemon::start(&place);
    let status = daemon.until("an open ring", 10, |status, _| status["sources"][0]["state"] == "up");
    assert_eq!(status["health"], "ok", "{status:#}");

    let began_us = wall_us();
    let mut scans = Scans::default();
    let (sent, _) = Sender::on("near0").send_at(400, 1.5, |sender| scans.send(sender));
    daemon.until("an alert", 10, |status, _| status["traffic"]["alerts"].as_u64() > Some(0));
    let told_ms = (wall_us() - began_us) / 1000;
    let incidents = daemon.ask("incidents");
    assert!(incidents.iter().any(|row| row["category"] == "scan"), "{incidents:#?}");
    println!(
        "measured first look that showed an alert: {told_ms} ms after the scan's first packet, which went on for 1,500 ms"
    );
    assert!(told_ms < 10_000, "{told_ms} ms");

    ip("link del far0");
    let cut = daemon.until("critical", 10, |_, code| code == 2);
    assert_eq!(cut["health"], "critical");
    let reason = cut["reasons"][0].as_str().unwrap();
    assert!(reason.contains("far0"), "{reason}");
    assert_eq!(cut["sources"][0]["state"], "down", "{cut:#}");
    assert_eq!(daemon.hears("health", 5)["health"], "critical");

    ip("link add near0 type veth peer name far0");
    ip("link set near0 addrgenmode none up");
    ip("link set far0 addrgenmode none up");
    daemon.until("ok", 15, |_, code| code == 0);
    assert_eq!(daemon.hears("health", 5)["health"], "ok");
    let (more, _) = Sender::on("near0").send_at(400, 0.5, |sender| scans.send(sender));
    daemon.until("frames on the new wire", 10, |status, _| {
        status["accounting"]["packets"]["received"].as_u64() == Some(sent + more)
    });
    let last = daemon.end();
    assert_eq!(last["packets"].as_u64(), Some(sent + more));
    assert_eq!(last["flows"].as_u64(), Some(place.count("SELECT count(*) FROM flows")));
    assert_eq!(last["alerts"].as_u64(), Some(place.count("SELECT count(*) FROM alerts")));
}
