//! What a sensor costs and how soon it tells: memory, start, and the time from a packet to its alert's row.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::scans::Scans;
use super::{Daemon, Place, form, wall_us};
use crate::live::{now, ran_in_namespace};
use crate::live_wire::rates::flood;
use crate::live_wire::sender::Sender;

#[test]
fn an_idle_sensor_is_small_and_ready_soon() {
    if ran_in_namespace("run::figures::an_idle_sensor_is_small_and_ready_soon") {
        return;
    }
    let place = Place::new("interfaces = [\"far0\"]");
    let mut starts = Vec::new();
    // The first start makes the store.
    for _ in 0..form(3, 20) {
        let started = now();
        let daemon = Daemon::start(&place);
        starts.push((started.elapsed().as_millis(), daemon.footprint().1));
        std::thread::sleep(Duration::from_millis(1500));
        let (resident_kib, _) = daemon.footprint();
        // Unoptimised code is larger.
        let most_mib = if cfg!(debug_assertions) { 96 } else { 64 };
        assert!(resident_kib <= most_mib << 10, "{resident_kib} KiB");
        if starts.len() == 1 {
            println!("measured idle sensor: {resident_kib} KiB resident after 1.5 s");
        }
        daemon.end();
    }
    let work = starts.iter().map(|(_, work)| *work).fold(0.0, f64::max);
    starts.sort_unstable_by_key(|(ms, _)| *ms);
    let slowest_ms = starts[starts.len() - 1].0;
    println!(
        "measured {} starts until ready: median {} ms, slowest {slowest_ms} ms by the clock; at most {work:.2} s of processor time",
        starts.len(),
        starts[starts.len() / 2].0
    );
    // By the clock it depends on who else uses the machine.
    assert!(work <= 1.0, "{work} s");
}

/// Watches the store as another process would, and says how long after its packet each alert could be read, us.
fn watch(database: &std::path::Path, over: &AtomicBool) -> Vec<u64> {
    let store =
        rusqlite::Connection::open_with_flags(database, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut query = store.prepare("SELECT seq, shown_us FROM alerts WHERE seq > ?1 ORDER BY seq").unwrap();
    let (mut newest, mut delays) = (0i64, Vec::new());
    while !over.load(Ordering::Relaxed) {
        let rows = query
            .query_map([newest], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
            .unwrap();
        let rows: Vec<(i64, u64)> = rows.map(Result::unwrap).collect();
        let seen_us = wall_us();
        for (seq, shown_us) in rows {
            newest = seq;
            delays.push(seen_us.saturating_sub(shown_us));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    delays
}

/// Sends scans so fast that about `alerts_per_second` come of them, and measures. Gives the alerts a second and the delays, sorted.
fn alerts_under_load(alerts_per_second: u64, seconds: f64) -> (f64, Vec<u64>) {
    let place = Place::new("interfaces = [\"far0\"]");
    let daemon = Daemon::start(&place);
    daemon.until("an open ring", 10, |status, _| status["sources"][0]["state"] == "up");
    let over = Arc::new(AtomicBool::new(false));
    let (told, database) = (Arc::clone(&over), place.database());
    let watching = std::thread::spawn(move || watch(&database, &told));
    let mut scans = Scans::default();
    // Each probe is two frames and, once its scanner is known for one, an alert.
    let (sent, took) =
        Sender::on("near0").send_at(2 * alerts_per_second, seconds, |sender| scans.send(sender));
    let status = daemon.until("every frame", 20, |status, _| {
        let packets = &status["accounting"]["packets"];
        packets["received"].as_u64().unwrap() + packets["kernel_dropped"].as_u64().unwrap() >= sent
            && status["store"]["queued"] == 0
    });
    std::thread::sleep(Duration::from_millis(200));
    over.store(true, Ordering::Relaxed);
    let mut delays = watching.join().unwrap();
    delays.sort_unstable();
    let packets = &status["accounting"]["packets"];
    println!("measured stages: {}; packets {packets}", status["latency"]);
    assert_eq!(packets["kernel_dropped"].as_u64(), Some(0), "{packets}");
    daemon.end();
    (delays.len() as f64 / took, delays)
}

fn tell(rate: f64, delays: &[u64]) -> u64 {
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    println!(
        "measured alerts: {rate:.0}/s, {} in all; from the deciding packet to a row that another process reads: \
         p50 {} us, p90 {} us, p99 {} us, longest {} us",
        delays.len(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0)
    );
    at(0.99)
}

#[test]
fn alerts_are_on_the_disk_soon() {
    if ran_in_namespace("run::figures::alerts_are_on_the_disk_soon") {
        return;
    }
    let (rate, delays) = alerts_under_load(150, 3.0);
    assert!(delays.len() > 100, "{} alerts at {rate:.0}/s", delays.len());
    // How soon exactly depends on who else uses the machine: `proof_...` measures it where it is quiet.
    assert!(tell(rate, &delays) < 5_000_000);
}

#[test]
#[ignore = "half a minute on a quiet machine; `make proof-sensor` runs it, built for speed"]
fn proof_of_fifty_milliseconds_from_packet_to_row() {
    if ran_in_namespace("run::figures::proof_of_fifty_milliseconds_from_packet_to_row") {
        return;
    }
    let (rate, delays) = alerts_under_load(1_200, 20.0);
    let p99_us = tell(rate, &delays);
    assert!(rate >= 1_000.0, "only {rate:.0} alerts a second came of it");
    assert!(p99_us <= 50_000, "p99 {p99_us} us");
}

/// Floods the whole sensor, store and page and all, with `rate` SYNs a second of ever new addresses: nothing is shed, and once its
/// table has been full twice over, memory does not grow.
fn stands_a_flood(rate: u64, seconds: f64, flows_max: u64) {
    let place =
        Place::new(&format!("interfaces = [\"far0\"]\nsnaplen = 256\n[meter]\nflows_max = {flows_max}"));
    // As many rows as by default; the other proofs keep every one.
    let daemon = Daemon::start_as(&place, place.command().env("TAPHOUND__STORE__FLOWS_PER_SECOND", "2000"));
    daemon.until("an open ring", 10, |status, _| status["sources"][0]["state"] == "up");
    let sending = std::thread::spawn(move || Sender::on("near0").send_at(rate, seconds, flood()).0);
    let ended = |status: &serde_json::Value| status["accounting"]["flows"]["ended"].as_u64().unwrap_or(0);
    daemon.until("a full table", 120, |status, _| ended(status) > 2 * flows_max);
    // What the flood fills besides the table: rows that wait, the log of the database, pages of it.
    std::thread::sleep(Duration::from_secs_f64(seconds / 10.0));
    let (warm_kib, _) = daemon.footprint();
    let (mut most_kib, mut sums_hold) = (warm_kib, 0);
    while !sending.is_finished() {
        most_kib = most_kib.max(daemon.footprint().0);
        sums_hold += 1;
        std::thread::sleep(Duration::from_millis(250));
    }
    let sent = sending.join().unwrap();
    let status = daemon.until("every frame", 60, |status, _| {
        let packets = &status["accounting"]["packets"];
        packets["received"].as_u64().unwrap() + packets["kernel_dropped"].as_u64().unwrap() >= sent
    });
    let (packets, flows) = (&status["accounting"]["packets"], &status["accounting"]["flows"]);
    println!(
        "measured flood of the whole sensor: {sent} SYNs in {seconds:.0} s, {} dropped by the kernel, flows {flows}; the sums held {sums_hold} times; \
         {warm_kib} KiB once the table was full, at most {most_kib} KiB; {}, {:?}",
        packets["kernel_dropped"], status["health"], status["reasons"]
    );
    assert!(
        most_kib <= warm_kib + warm_kib / 10 + (24 << 10),
        "memory grew from {warm_kib} to {most_kib} KiB"
    );
    daemon.end();
}

#[test]
fn a_flood_leaves_the_memory_of_the_whole_sensor_flat() {
    if ran_in_namespace("run::figures::a_flood_leaves_the_memory_of_the_whole_sensor_flat") {
        return;
    }
    stands_a_flood(5_000, 8.0, 4_096);
}

#[test]
#[ignore = "ten minutes (or FLOOD_SECONDS); `make proof-sensor` runs it, built for speed"]
fn proof_of_flat_memory_of_the_whole_sensor_for_ten_minutes() {
    if ran_in_namespace("run::figures::proof_of_flat_memory_of_the_whole_sensor_for_ten_minutes") {
        return;
    }
    let seconds = std::env::var("FLOOD_SECONDS").map_or(600.0, |seconds| seconds.parse().unwrap());
    stands_a_flood(50_000, seconds, 1_000_000);
}
