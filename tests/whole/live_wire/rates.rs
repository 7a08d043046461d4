//! How much the live pipeline takes: at rising rates until frames are lost, and under a flood that never ends.

use std::collections::BTreeMap;
use std::time::Duration;

use sensor::live::{LinkState, start};

use super::sender::{Sender, tcp};
use super::{endless, settings};
use crate::live::{balanced, counting, ran_in_namespace, resident_kib, slot, wait_until};

/// Seconds of processor time by thread name, for the threads that live now.
fn work_by_thread() -> BTreeMap<String, f64> {
    let mut work = BTreeMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).unwrap();
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        *work.entry(name.to_owned()).or_default() += ticks / 100.0;
    }
    work
}

/// Sends at each rate for `seconds`; says what came of it. Every frame is accounted for at every rate. Gives the highest rate
/// (reached, not only asked for) up to which nothing was lost.
fn climb(rates: &[u64], seconds: f64, ring_bytes: Option<u64>) -> f64 {
    let mut lossless = 0.0f64;
    let mut lost_once = false;
    for &rate in rates {
        let mut settings = settings(1);
        settings.wire.ring_bytes = ring_bytes;
        settings.wire.snaplen = 256;
        let live = start(settings, slot(), counting().0).unwrap();
        wait_until(&live, "an open ring", 5, |r| r.rings[0].state == LinkState::Up);
        let before = work_by_thread();
        let sending = std::thread::Builder::new()
            .name("sender".to_owned())
            .spawn(move || {
                let outcome = Sender::on("near0").send_at(rate, seconds, endless());
                (outcome, work_by_thread())
            })
            .unwrap();
        while !sending.is_finished() {
            balanced(&live);
            std::thread::sleep(Duration::from_millis(1));
        }
        let ((sent, took), work) = sending.join().unwrap();
        let sums = wait_until(&live, "every frame", 20, |r| r.packets.received + r.dropped().0 >= sent);
        assert_eq!(sums.packets.received + sums.dropped().0, sent, "{sums:#?}");
        let sums = live.stop().unwrap();
        assert!(sums.is_balanced() && sums.scores.queued == 0, "{sums:#?}");
        let (dropped, _) = sums.dropped();
        let reached = sent as f64 / took;
        let lost = dropped + sums.packets.shed + sums.scores.shed_unscored;
        lost_once |= lost > 0;
        if !lost_once {
            lossless = lossless.max(reached);
        }
        let spent = |name: &str| {
            let since = work.get(name).unwrap_or(&0.0) - before.get(name).unwrap_or(&0.0);
            since * 1e6 / sent as f64
        };
        println!(
            "measured {rate}/s asked: {reached:.0}/s sent, {dropped} dropped by the kernel, {} packets and {} flows shed, \
             {} flows scored; processor time in us a frame: sender {:.2}, capture {:.2}, scorer {:.2}, recorder {:.2}; \
             us from wire to metered p50 {} p99 {}, to scored p99 {}",
            sums.packets.shed,
            sums.scores.shed_unscored,
            sums.scores.scored,
            spent("sender"),
            spent("capture-0"),
            spent("scorer-0"),
            spent("recorder"),
            sums.latencies.wire_to_metered.quantile_us(0.5),
            sums.latencies.wire_to_metered.quantile_us(0.99),
            sums.latencies.metered_to_scored.quantile_us(0.99),
        );
    }
    lossless
}

#[test]
fn every_frame_is_accounted_for_even_when_the_ring_is_too_small() {
    if ran_in_namespace("live_wire::rates::every_frame_is_accounted_for_even_when_the_ring_is_too_small") {
        return;
    }
    climb(&[5_000, 1_000_000], 1.5, Some(2 << 20));
}

#[test]
#[ignore = "minutes; `make proof-capture` runs it, built for speed"]
fn proof_of_the_rate_without_loss() {
    if ran_in_namespace("live_wire::rates::proof_of_the_rate_without_loss") {
        return;
    }
    let rates = [50_000, 100_000, 150_000, 200_000, 250_000, 300_000, 350_000, 400_000, 500_000, 2_000_000];
    let lossless = climb(&rates, 5.0, Some(64 << 20));
    println!("measured lossless: {lossless:.0} frames/s of 406 bytes, sender and sensor on one machine");
    assert!(lossless > 0.0);
}

/// SYNs from ever new addresses.
pub(crate) fn flood() -> impl FnMut(&mut Sender) -> bool {
    let mut frame = tcp(true, 0x02, 1, 0, 0);
    let mut n = 0u32;
    move |sender| {
        n = n.wrapping_add(1);
        frame[26..30].copy_from_slice(&(0x0a00_0000 | n.wrapping_mul(2_654_435_761) >> 8).to_be_bytes());
        frame[34..36].copy_from_slice(&(n as u16).to_be_bytes());
        sender.send(&frame)
    }
}

/// Floods for `seconds`; once the table is full, memory must not grow any more.
fn withstand_flood(rate: u64, seconds: f64, flows_max: usize) {
    let mut settings = settings(1);
    settings.meter.flows_max = flows_max;
    settings.wire.snaplen = 256;
    let live = start(settings, slot(), counting().0).unwrap();
    let sending = std::thread::spawn(move || Sender::on("near0").send_at(rate, seconds, flood()).0);
    wait_until(&live, "a full table", 120, |r| r.flows.ended() > 2 * flows_max as u64);
    let (warm, warm_flows) = (resident_kib(), live.reports().flows.started);
    let mut most = warm;
    while !sending.is_finished() {
        balanced(&live);
        most = most.max(resident_kib());
        std::thread::sleep(Duration::from_millis(20));
    }
    let sent = sending.join().unwrap();
    wait_until(&live, "every frame", 20, |r| r.packets.received + r.dropped().0 >= sent);
    let sums = live.stop().unwrap();
    assert!(sums.is_balanced(), "{sums:#?}");
    let flows = sums.flows.started - warm_flows;
    println!(
        "measured flood: {sent} SYNs in {seconds:.0} s, {} dropped by the kernel, {} flows scored, {} shed; \
         {warm} KiB when the table was full, at most {most} KiB over {flows} flows after it",
        sums.dropped().0,
        sums.scores.scored,
        sums.scores.shed_unscored
    );
    assert!(flows > 3 * flows_max as u64, "{flows} flows are too few to show anything");
    assert!(most <= warm + warm / 10 + 8192, "memory grew from {warm} to {most} KiB");
}

#[test]
fn memory_stays_flat_under_a_flood() {
    if ran_in_namespace("live_wire::rates::memory_stays_flat_under_a_flood") {
        return;
    }
    withstand_flood(8_000, 8.0, 4_096);
}

#[test]
#[ignore = "ten minutes (or FLOOD_SECONDS); `make proof-capture` runs it, built for speed"]
fn proof_of_flat_memory_under_a_flood_of_ten_minutes() {
    if ran_in_namespace("live_wire::rates::proof_of_flat_memory_under_a_flood_of_ten_minutes") {
        return;
    }
    let seconds = std::env::var("FLOOD_SECONDS").map_or(600.0, |seconds| seconds.parse().unwrap());
    withstand_flood(50_000, seconds, 1_000_000);
}
