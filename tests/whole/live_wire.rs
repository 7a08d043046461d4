//! Capture on real interfaces: every frame that a sender counts is accounted for, whatever happens to the wire.

pub(crate) mod rates;
pub(crate) mod sender;
mod trouble;
mod two_ways;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use flowmeter::EndReason;
use model::Thresholds;
use sensor::capture::{Input, InterfaceInput};
use sensor::live::{LinkState, Live, LiveSettings, start};
use sensor::scoring::Model;

use crate::live::{
    Counting, Told, balanced, counting, processor_seconds, ran_in_namespace, resident_kib, slot, wait_until,
};
use sender::{Conversations, Sender, tcp};

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

/// One conversation after another, without end, for [`Sender::send_at`].
fn endless() -> impl FnMut(&mut Sender) -> bool {
    let mut conversations = Conversations::new(u32::MAX);
    move |sender| sender.send(conversations.next_frame().unwrap())
}

#[test]
fn models_are_swapped_under_load_and_nothing_is_lost() {
    if ran_in_namespace("live_wire::models_are_swapped_under_load_and_nothing_is_lost") {
        return;
    }
    let slot = slot();
    let (recorder, told) = counting();
    let live = start(settings(1), slot.clone(), recorder).unwrap();
    let sending = std::thread::spawn(|| Sender::on("near0").send_at(10_000, 4.0, endless()).0);
    let [one, other] = [(); 2].map(|()| Arc::new(Model::load(None).unwrap()));
    let mut swaps = 0;
    while !sending.is_finished() {
        match swaps % 4 {
            0 => slot.set_shadow(Some(one.clone())),
            1 => slot.install(other.clone()),
            2 => slot.rollback().unwrap(),
            _ => slot.set_thresholds(Some(Thresholds { attack: 0.9, provisional: 0.95 })).unwrap(),
        }
        swaps += 1;
        balanced(&live);
        std::thread::sleep(Duration::from_millis(5));
    }
    // The last word: the shadow is the active model itself, and agrees with it.
    slot.set_thresholds(None).unwrap();
    slot.set_shadow(Some(one));
    let sent = sending.join().unwrap() + Sender::on("near0").send_all(Conversations::new(100));
    wait_until(&live, "all frames", 10, |r| r.packets.received + r.dropped().0 >= sent);
    let shadowed = wait_until(&live, "the shadow", 10, |r| r.shadow.scored > 0);
    assert_eq!(shadowed.shadow.agreement_share(), Some(1.0), "{:?}", shadowed.shadow);
    let sums = live.stop().unwrap();
    assert!(sums.is_balanced(), "{sums:#?}");
    assert_eq!((sums.packets.received, sums.dropped().0), (sent, 0));
    assert_eq!(sums.scores.scored, sums.flows.ended(), "{:?}", sums.scores);
    let told_finals = told.finals.load(Ordering::Relaxed);
    assert_eq!(told_finals, sums.flows.ended());
    let servings = told.servings.load(Ordering::Relaxed);
    assert!(swaps >= 40 && servings >= 20, "{swaps} swaps, {servings} of them seen");
    assert_eq!(slot.reap(), 0, "no data thread holds a retired model any more");
    println!("measured {swaps} swaps under load: {sent} frames, {told_finals} flows, none lost");
}

#[test]
fn a_slow_recorder_sheds_records_and_loses_no_packet() {
    if ran_in_namespace("live_wire::a_slow_recorder_sheds_records_and_loses_no_packet") {
        return;
    }
    let told = Arc::new(Told::default());
    let mut settings = settings(1);
    settings.records_waiting_max = 1024;
    let slow = Counting(told.clone(), Duration::from_millis(1));
    let live = start(settings, slot(), slow).unwrap();
    let mut sender = Sender::on("near0");
    let (sent, _) = sender.send_at(20_000, 3.0, endless());
    let sums = wait_until(&live, "all frames", 10, |r| r.packets.received + r.dropped().0 >= sent);
    assert_eq!((sums.packets.received, sums.packets.shed), (sent, 0));
    assert!(sums.scores.shed_unscored > 0, "{:?}", sums.scores);
    let sums = live.stop().unwrap();
    assert!(sums.is_balanced() && sums.scores.queued == 0, "{:?}", sums.scores);
    assert_eq!(told.finals.load(Ordering::Relaxed), sums.scores.scored);
}

#[test]
fn flows_end_on_a_quiet_wire() {
    if ran_in_namespace("live_wire::flows_end_on_a_quiet_wire") {
        return;
    }
    for rings in [1, 2] {
        let mut settings = settings(rings);
        settings.meter.idle_timeout_us = 500_000;
        let live = start(settings, slot(), counting().0).unwrap();
        let mut sender = Sender::on("near0");
        for port in 0..20 {
            let mut frame = tcp(true, 0x02, 1, 0, 0);
            frame[35] = port;
            sender.send(&frame);
        }
        wait_until(&live, "twenty flows", 5, |r| r.flows.started == 20);
        let idle = EndReason::ALL.iter().position(|r| *r == EndReason::Idle).unwrap();
        wait_until(&live, "their end", 5, |r| r.flows.ended_by[idle] == 20 && r.scores.scored == 20);
        live.stop().unwrap();
    }
}

#[test]
fn the_filter_changes_while_capturing() {
    if ran_in_namespace("live_wire::the_filter_changes_while_capturing") {
        return;
    }
    let mut settings = settings(1);
    settings.filter = Some("udp".to_owned());
    let live = start(settings, slot(), counting().0).unwrap();
    let mut sender = Sender::on("near0");
    sender.send_all(Conversations::new(10));
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(seen(&live), 0, "TCP does not pass a filter for UDP");
    live.set_filter(Some("tcp and net 10.0.0.0/8")).unwrap();
    // It is in force when the capture thread has looked.
    std::thread::sleep(Duration::from_millis(100));
    sender.send_all(Conversations::new(10));
    wait_until(&live, "what passes the new one", 5, |r| r.packets.received == 100);
    assert!(live.set_filter(Some("no such thing")).is_err());
    assert!(live.pause().is_err(), "a wire does not wait");
    live.set_filter(None).unwrap();
    assert_eq!(live.stop().unwrap().packets.metered, 100);
}

#[test]
fn two_sensors_on_one_host_do_not_share_frames() {
    if ran_in_namespace("live_wire::two_sensors_on_one_host_do_not_share_frames") {
        return;
    }
    let sensors: Vec<Live> =
        [1, 2, 2].into_iter().map(|rings| start(settings(rings), slot(), counting().0).unwrap()).collect();
    let sent = Sender::on("near0").send_all(Conversations::new(300));
    for live in sensors {
        wait_until(&live, "all frames", 10, |r| r.packets.received + r.dropped().0 >= sent);
        let sums = live.stop().unwrap();
        assert_eq!((sums.packets.metered, sums.flows.started), (sent, 300));
        if sums.rings.len() > 1 {
            assert!(sums.rings.iter().all(|ring| ring.received > 0), "both rings have work");
        }
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
