//! The ring of packets on a wire that floods: within its quota at every moment, and readable after a restart.

use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sensor::control::client::Client;
use serde_json::json;

use super::{Daemon, Place};
use crate::live::ran_in_namespace;
use crate::live_wire::sender::{Conversations, Sender};
use crate::taphound;

const QUOTA_MIB: u64 = 8;

fn fetch(place: &Place, id: &str, out: &str) -> Output {
    let mut command = taphound();
    command.arg("evidence").arg(id).arg("--out").arg(place.path(out));
    command.arg("--socket").arg(place.path("control.sock")).output().unwrap()
}

fn bytes_in(folder: &std::path::Path) -> u64 {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|found| found.len()).sum()
}

#[test]
fn the_ring_keeps_its_quota_while_a_flood_comes_in_and_is_read_after_a_restart() {
    if ran_in_namespace(
        "run::evidence::the_ring_keeps_its_quota_while_a_flood_comes_in_and_is_read_after_a_restart",
    ) {
        return;
    }
    let place = Place::new("interfaces = [\"far0\"]");
    std::fs::write(place.path("key"), [7; 32]).unwrap();
    place.set(&format!(
        "interfaces = [\"far0\"]\n[evidence]\nmode = \"full\"\nquota_mib = {QUOTA_MIB}\nkey_file = \"{}\"",
        place.path("key").display()
    ));
    let daemon = Daemon::start(&place);
    daemon.until("an open ring", 10, |status, _| status["sources"][0]["state"] == "up");
    let (largest, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let watching = std::thread::spawn({
        let (folder, largest, ended) = (place.path("state/evidence"), largest.clone(), ended.clone());
        move || {
            while !ended.load(Ordering::Relaxed) {
                largest.fetch_max(bytes_in(&folder), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let mut conversations = Conversations::new(u32::MAX);
    let (sent, seconds) =
        Sender::on("near0").send_at(60_000, 3.0, |sender| sender.send(conversations.next_frame().unwrap()));
    let status = daemon.until("all of it", 30, |status, _| {
        let e = &status["evidence"];
        let seen: u64 = ["packets", "shed", "failed"].iter().map(|name| e[name].as_u64().unwrap()).sum();
        let source = &status["sources"][0];
        seen == source["received"].as_u64().unwrap()
            && seen + source["kernel_dropped"].as_u64().unwrap() >= sent
            && status["store"]["queued"] == 0
    });
    ended.store(true, Ordering::Relaxed);
    watching.join().unwrap();
    let (e, largest) = (&status["evidence"], largest.load(Ordering::Relaxed));
    let kept = e["packets"].as_u64().unwrap();
    // An average frame has 406 bytes: much more came than there is room for.
    assert!(kept * 406 > 2 * (QUOTA_MIB << 20), "{kept} packets are no flood: {status:#}");
    assert!(largest <= QUOTA_MIB << 20, "{largest} bytes at some moment");
    assert!(largest > (QUOTA_MIB << 20) / 2, "{largest} bytes at most: the ring was never full");
    println!(
        "measured {sent} frames in {seconds:.1} s, {kept} kept, {} shed, {} failed: at most {:.2} MiB of {QUOTA_MIB} on disk",
        e["shed"],
        e["failed"],
        largest as f64 / f64::from(1 << 20)
    );
    daemon.end();

    // After a restart the newest conversations can still be had, by the ids that the store gives them.
    let daemon = Daemon::start(&place);
    let mut client = Client::connect(&place.path("control.sock")).unwrap();
    let newest = client.ask("flows", json!({"limit": 1})).unwrap()["items"][0].clone();
    let id = newest["id"].as_str().unwrap();
    let fetched = fetch(&place, id, "newest.pcap");
    assert!(fetched.status.success(), "{}", String::from_utf8_lossy(&fetched.stderr));
    let mut file = pcap::Capture::from_file(place.path("newest.pcap")).unwrap();
    let mut packets = 0;
    while file.next_packet().is_ok() {
        packets += 1;
    }
    let of_flow: u64 =
        ["forward", "backward"].iter().map(|way| newest[way]["packets"].as_u64().unwrap()).sum();
    assert!(packets > 0 && packets <= of_flow, "{packets} of {of_flow}: {newest:#}");
    assert_eq!(place.count("SELECT count(*) FROM audit WHERE action = 'evidence fetch'"), 1);
    daemon.kill();
}
