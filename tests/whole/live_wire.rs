//! Capture on real interfaces: every frame that a sender counts is accounted for, whatever happens to the wire.

pub(crate) mod sender;

use std::time::Duration;

use sensor::capture::{Input, InterfaceInput};
use sensor::live::{Alarm, LinkState, Live, LiveSettings, start};

use crate::live::{balanced, counting, ip, processor_seconds, ran_in_namespace, resident_kib, slot, wait_until};
use sender::{Conversations, Sender};

/// Settings for interface `far0`, with `rings`.
fn settings(rings: usize) -> LiveSettings {
    let interface = InterfaceInput { name: "far0".to_owned(), rings };
    LiveSettings::new(Input::Interfaces(vec![interface])).unwrap()
}

/// Frames that reached the sensor or were seen to be lost.
fn seen(live: &Live) -> u64 {
    let reports = balanced(live);
    reports.packets.received + reports.dropped().0
}

#[test]
fn what_is_sent_is_received_metered_scored_and_told() {
    if ran_in_namespace("live_wire::what_is_sent_is_received_metered_scored_and_told") {
        return;
    }
    for rings in [1, 2, 3] {
        let (recorder, told) = counting();
        let live = start(settings(rings), slot(), recorder).unwrap();
        let mut sender = Sender::on("near0");
        let sent = sender.send_all(Conversations::new(500));
        wait_until(&live, "all frames", 10, |r| r.packets.received + r.dropped().0 >= sent);
        let sums = live.stop().unwrap();
        assert!(sums.is_balanced(), "{sums:#?}");
        assert_eq!(sums.packets.received, sent, "{rings} rings");
        assert_eq!(sums.packets.metered, sent);
        assert_eq!((sums.packets.queued, sums.scores.queued, sums.flows.active), (0, 0, 0));
        assert_eq!(sums.flows.started, 500);
        assert_eq!(sums.scores.scored, 500);
        assert_eq!(told.finals.load(std::sync::atomic::Ordering::Relaxed), 500);
        println!("measured {rings} rings: {:?}", sums.queues);
    }
}

#[test]
fn idle_memory_and_time_to_start() {
    if ran_in_namespace("live_wire::idle_memory_and_time_to_start") {
        return;
    }
    let before = resident_kib();
    let (started, worked) = (crate::live::now(), processor_seconds());
    let slot = slot();
    let model_ms = started.elapsed().as_millis();
    let with_model = resident_kib();
    let live = start(settings(1), slot, counting().0).unwrap();
    wait_until(&live, "an open ring", 2, |r| r.rings[0].state == LinkState::Up);
    let (ready, worked) = (started.elapsed(), processor_seconds() - worked);
    std::thread::sleep(Duration::from_millis(1500));
    let resident = resident_kib();
    let ring = live.reports().rings[0].ring_bytes >> 10;
    println!(
        "measured idle: {resident} KiB resident ({before} before, {with_model} with the model, ring {ring} KiB), \
         ready after {worked:.2} s of work, {} ms by the clock (model {model_ms} ms)",
        ready.as_millis()
    );
    assert!(resident <= 64 << 10, "{resident} KiB");
    // By the clock it depends on who else uses the machine.
    assert!(worked <= 1.0, "{worked} s");
}
