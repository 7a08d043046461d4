//! A disk that fails under the sensor: packets are counted as before, the status says what is the matter, and it passes.

use super::scans::Scans;
use super::{Daemon, Place, form};
use crate::live::ran_in_namespace;
use crate::live_wire::sender::Sender;
use crate::store::shim;

#[test]
fn a_failing_disk_costs_history_and_no_packet() {
    if ran_in_namespace("run::disk::a_failing_disk_costs_history_and_no_packet") {
        return;
    }
    let place = Place::new("interfaces = [\"far0\"]");
    std::fs::create_dir(place.path("state")).unwrap();
    let shim = shim(place.0.path());
    let mut command = place.command();
    command.env("LD_PRELOAD", shim).env("STORE_FAULT", place.path("state"));
    let mut daemon = Daemon::start_as(&place, &mut command);
    daemon.until("an open ring", 10, |status, _| status["sources"][0]["state"] == "up");
    let mut scans = Scans::default();
    let mut sender = Sender::on("near0");
    let mut sent = 0;
    let mut send = |seconds| sent += sender.send_at(600, seconds, |sender| scans.send(sender)).0;
    send(0.5);
    for fault in form(&["full"][..], &["full", "readonly"][..]) {
        std::fs::write(place.path("state").join(fault), "").unwrap();
        send(1.0);
        let status = daemon.until("the store's trouble", 20, |_, code| code == 2);
        assert!(status["reasons"].to_string().contains("the store takes no rows"), "{status:#}");
        assert_eq!(status["store"]["writable"], false);
        daemon.hears("store_failing", 5);
        send(form(0.5, 20.0));
        std::fs::remove_file(place.path("state").join(fault)).unwrap();
        let recovered = daemon.hears("store_recovered", 20);
        daemon.until("ok again", 10, |_, code| code == 0);
        println!("measured disk {fault}: {recovered}");
    }
    std::fs::write(place.path("state/slow"), "").unwrap();
    send(form(1.0, 20.0));
    let status = daemon.until("every frame", 10, |status, _| {
        let packets = &status["accounting"]["packets"];
        packets["received"].as_u64().unwrap() + packets["kernel_dropped"].as_u64().unwrap() >= sent
    });
    let packets = &status["accounting"]["packets"];
    assert_eq!(
        (packets["received"].as_u64(), packets["kernel_dropped"].as_u64()),
        (Some(sent), Some(0)),
        "{packets}"
    );
    assert_eq!(
        (packets["shed"].as_u64(), status["accounting"]["flows"]["shed_unscored"].as_u64()),
        (Some(0), Some(0))
    );
    std::fs::remove_file(place.path("state/slow")).unwrap();
    let last = daemon.end();
    println!(
        "measured disk: {sent} frames through full, read-only (full form) and slow disks, none lost; {} flows, {} on the disk, {} alerts",
        last["flows"],
        place.count("SELECT count(*) FROM flows"),
        last["alerts"]
    );
    // The outage was shorter than what the writer can hold: nothing was lost at all.
    assert_eq!(last["flows"].as_u64(), Some(place.count("SELECT count(*) FROM flows")));
    assert_eq!(last["alerts"].as_u64(), Some(place.count("SELECT count(*) FROM alerts")));
}
