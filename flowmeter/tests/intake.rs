//! Repeats and fragments, frame by frame.

use flowmeter::{Frame, MeterConfig};

use crate::build::{Ipv4, Pair, SYN, cat, ethernet, hex, ipv6, tag, udp_of_len, whole};
use crate::run::{Collected, intake};

const T: u64 = 1_700_000_000_000_000;

fn run(config: &MeterConfig, frames: &[(u64, Vec<u8>)]) -> (Collected, flowmeter::Intake) {
    intake(config, frames.iter().map(|(time_us, bytes)| -> Frame<'_> { whole(*time_us, bytes) }))
}

#[test]
fn exact_repeats_are_counted_and_removed_on_demand() {
    let step = Pair::tcp(1).up(T, SYN, 1, 0, 300);
    let packet = step.frame()[14..].to_vec();
    let copy = cat(&[&hex("0a0000000002 0a0000000001 8100"), &tag(9, 0x0800, &packet)]);
    let other_id = crate::build::Step { id: step.id + 1, ..step.clone() }.frame();
    let mut last_byte = step.frame();
    *last_byte.last_mut().unwrap() ^= 1;
    let padded = cat(&[&step.frame(), &[0; 9]]);
    for (name, second, at, repeats) in [
        ("the same", step.frame(), 1, 1),
        ("at once", step.frame(), 0, 1),
        ("from another port of the switch", copy, 10, 1),
        ("padded", padded, 10, 1),
        ("at the window's end", step.frame(), 5000, 1),
        ("later", step.frame(), 5001, 0),
        ("sent again", other_id, 1, 0),
        ("another payload", last_byte, 1, 0),
    ] {
        for dedupe in [false, true] {
            let config = MeterConfig { dedupe, ..MeterConfig::default() };
            let frames = [(T, step.frame()), (T + at, second.clone())];
            let (out, intake) = run(&config, &frames);
            assert_eq!(intake.counters().duplicates_seen, repeats, "{name}");
            let removed = if dedupe { repeats } else { 0 };
            assert_eq!(intake.accounting().duplicates_removed, removed, "{name}");
            assert_eq!(out.packets.len() as u64, 2 - removed, "{name}");
        }
    }
}

/// A datagram of 8 + 40 bytes in pieces: offset, length, more.
fn fragment(id: u16, offset: u16, len: usize, more: bool) -> Vec<u8> {
    let datagram = udp_of_len((1000, 53), 48, &[5; 40]);
    let flags = if more { 0x2000 } else { 0 } | (offset / 8);
    let header = Ipv4 { id, protocol: 17, fragment: flags, ..Ipv4::default() };
    let offset = usize::from(offset);
    ethernet(0x0800, &header.with(&datagram[offset..offset + len]))
}

#[test]
fn later_fragments_join_the_flow_of_the_first() {
    let frames = [
        (T, fragment(1, 0, 24, true)),
        (T + 1, fragment(1, 24, 16, true)),
        (T + 2, fragment(1, 40, 8, false)),
    ];
    let (out, intake) = run(&MeterConfig::default(), &frames);
    let lens: Vec<_> = out.packets.iter().map(|it| (it.payload_len, it.header_len)).collect();
    assert_eq!(lens, [(16, 28), (16, 20), (8, 20)]);
    assert!(out.packets.iter().all(|it| it.key == out.packets[0].key && it.tcp.is_none()));
    assert_eq!(out.packets[0].key.tuple(true).to_string(), "10.0.0.1-10.0.0.2-1000-53-17");
    assert_eq!(intake.counters().fragments, 3);
    assert_eq!(intake.counters().fragments_overlapping, 0);
}

#[test]
fn orphans_are_counted() {
    let elsewhere = Ipv4 { id: 1, protocol: 17, fragment: 3, source: crate::build::v4(9), ..Ipv4::default() };
    let elsewhere = ethernet(0x0800, &elsewhere.with(&[0; 8]));
    let frames = [
        (T, fragment(1, 24, 16, true)), // before its first, and matched when it comes
        (T + 1, fragment(1, 0, 24, true)),
        (T + 2, fragment(2, 24, 16, true)), // another datagram
        (T + 3, elsewhere),
        (T + 4, fragment(1, 40, 8, false)),
    ];
    let (out, intake) = run(&MeterConfig::default(), &frames);
    let accounting = intake.accounting();
    assert_eq!((out.packets.len(), accounting.fragments_unmatched, accounting.queued), (3, 2, 0));
    let none = MeterConfig { fragments_max: 0, ..MeterConfig::default() };
    assert_eq!(run(&none, &frames).1.accounting().fragments_unmatched, 4);
}

#[test]
fn fragments_before_their_first_one_find_its_flow_when_it_comes() {
    let frames = [
        (T, fragment(1, 40, 8, false)),
        (T + 2, fragment(2, 40, 8, false)),
        (T + 5, fragment(1, 24, 16, true)),
        (T + 9, fragment(1, 0, 24, true)),
        (T + 11, fragment(1, 16, 8, true)), // over the first
    ];
    let (out, intake) = run(&MeterConfig::default(), &frames);
    let seen: Vec<_> = out.packets.iter().map(|it| (it.time_us - T, it.payload_len, it.header_len)).collect();
    assert_eq!(
        seen,
        [(0, 8, 20), (5, 16, 20), (9, 16, 28), (11, 8, 20)],
        "in their order, at their own times"
    );
    assert!(out.packets.iter().all(|it| it.key == out.packets[0].key && it.from_lower));
    assert!(out.packets.is_sorted_by_key(|it| (it.seq, it.watermark_us)));
    let (accounting, counters) = (intake.accounting(), intake.counters());
    assert_eq!((accounting.metered, accounting.fragments_unmatched, accounting.queued), (4, 1, 0));
    assert_eq!((counters.fragments, counters.fragments_overlapping), (5, 1));
}

#[test]
fn a_first_one_is_waited_for_a_second_and_by_256_fragments() {
    let other = Pair::udp(1).up(0, 0, 0, 0, 1).frame();
    for (wait_us, matched) in [(1_000_000, 1), (1_000_001, 0)] {
        let frames = [(T, fragment(1, 24, 24, false)), (T + wait_us, fragment(1, 0, 24, true))];
        let (out, intake) = run(&MeterConfig::default(), &frames);
        assert_eq!(
            (out.packets.len(), intake.accounting().fragments_unmatched),
            (1 + matched, 1 - matched as u64)
        );
        // Any other packet tells that the time is over, and so does a quiet wire.
        let mut intake = flowmeter::Intake::new(&MeterConfig::default()).unwrap();
        let mut out = Collected::default();
        for _ in 0..2 {
            intake.accept(&whole(T, &fragment(1, 24, 24, false)), &mut out);
            assert_eq!(intake.accounting().queued, 1);
            intake.accept(&whole(T + wait_us, &other), &mut out);
            assert_eq!(intake.accounting().queued, matched as u64);
            intake.advance(T + wait_us + 1_000_001, &mut out);
            assert_eq!(intake.accounting().queued, 0);
            assert!(intake.accounting().is_balanced());
        }
    }
    let mut frames: Vec<_> = (0..300).map(|id| (T + u64::from(id), fragment(id, 24, 24, false))).collect();
    frames.extend((0..300).map(|id| (T + 400 + u64::from(id), fragment(id, 0, 24, true))));
    let (out, intake) = run(&MeterConfig::default(), &frames);
    assert_eq!((out.packets.len(), intake.accounting().fragments_unmatched), (300 + 256, 44));
}

#[test]
fn fragments_that_wait_are_let_go_of_when_the_clock_steps_back() {
    let frames = [
        (T, Pair::udp(1).up(0, 0, 0, 0, 1).frame()),
        (T + 1, fragment(1, 24, 24, false)),
        (T - 3_600_000_000, Pair::udp(1).up(0, 0, 0, 0, 1).frame()),
        (T - 3_599_999_999, fragment(1, 0, 24, true)),
        (T - 3_599_999_998, fragment(1, 24, 24, false)),
    ];
    let (out, intake) = run(&MeterConfig::default(), &frames);
    assert_eq!((out.packets.len(), intake.accounting().fragments_unmatched), (4, 1));
    assert!(intake.accounting().is_balanced());
}

#[test]
fn overlaps_are_counted_and_still_count() {
    let frames = [
        (T, fragment(1, 0, 24, true)),
        (T + 1, fragment(1, 40, 8, false)),
        (T + 2, fragment(1, 16, 16, true)),     // over the first
        (T + 3, fragment(1, 32, 8, true)),      // fits exactly
        (T + 10_000, fragment(1, 24, 8, true)), // inside
    ];
    let (out, intake) = run(&MeterConfig::default(), &frames);
    assert_eq!((out.packets.len(), intake.counters().fragments_overlapping), (5, 2));
}

#[test]
fn the_oldest_datagrams_are_forgotten_and_the_late_ones_too() {
    let config = MeterConfig { fragments_max: 2, ..MeterConfig::default() };
    let mut frames: Vec<_> = (1..=3).map(|id| (T + u64::from(id), fragment(id, 0, 24, true))).collect();
    frames.extend((1..=3).map(|id| (T + 10 + u64::from(id), fragment(id, 24, 24, false))));
    let (_, intake) = run(&config, &frames);
    assert_eq!((intake.accounting().fragments_unmatched, intake.counters().fragments_evicted), (1, 1));

    let late = [
        (T, fragment(1, 0, 24, true)),
        (T + 30_000_000, Pair::udp(1).up(0, 0, 0, 0, 1).frame()),
        (T + 30_000_000, fragment(1, 24, 16, true)),
        (T + 30_000_001, Pair::udp(1).up(0, 0, 0, 0, 2).frame()),
        (T + 30_000_002, fragment(1, 40, 8, false)),
        (T + 31_000_003, fragment(1, 0, 24, true)), // the number comes round again
        (T + 31_000_004, fragment(1, 24, 24, false)),
    ];
    let (out, intake) = run(&MeterConfig::default(), &late);
    assert_eq!((intake.accounting().fragments_unmatched, intake.counters().fragments_overlapping), (1, 0));
    assert_eq!(out.packets.len(), 6);
}

#[test]
fn ipv6_fragments() {
    let piece = |offset_more: u16, payload: &[u8]| {
        ethernet(0x86dd, &ipv6(44, &cat(&[&[17, 0], &offset_more.to_be_bytes(), &[0, 0, 0, 9], payload])))
    };
    let datagram = udp_of_len((1000, 53), 48, &[5; 40]);
    let frames = [(T, piece(1, &datagram[..24])), (T + 1, piece(24, &datagram[24..]))];
    let (out, _) = run(&MeterConfig::default(), &frames);
    let lens: Vec<_> = out.packets.iter().map(|it| (it.payload_len, it.header_len)).collect();
    assert_eq!(lens, [(16, 56), (24, 48)]);
    assert_eq!(out.packets[0].key, out.packets[1].key);
}

#[test]
fn what_the_caller_filters_and_sheds_is_accounted() {
    let mut intake = flowmeter::Intake::new(&MeterConfig::default()).unwrap();
    let mut out = Collected::default();
    intake.count_filtered();
    intake.accept(&whole(T, &Pair::udp(1).up(T, 0, 0, 0, 1).frame()), &mut out);
    intake.accept(&whole(T, &Pair::udp(2).up(T, 0, 0, 0, 1).frame()), &mut out);
    assert_eq!(out.packets[0].seq, 1, "a filtered frame has a number too");
    intake.count_shed(1);
    let accounting = intake.accounting();
    assert_eq!((accounting.received, accounting.metered, accounting.filtered, accounting.shed), (3, 1, 1, 1));
    assert!(accounting.is_balanced());
}

#[test]
fn vlans_keep_flows_apart_if_tracked() {
    let packet = Pair::udp(1).up(T, 0, 0, 0, 1).frame()[14..].to_vec();
    let tagged = |number: u16| ethernet(0x8100, &tag(number, 0x0800, &packet));
    let frames = [(T, tagged(5)), (T + 10_000, tagged(6)), (T + 20_000, ethernet(0x0800, &packet))];
    for (track_vlan, flows) in [(true, 3), (false, 1)] {
        let config = MeterConfig { track_vlan, ..MeterConfig::default() };
        let mut meter = flowmeter::Meter::new(&config).unwrap();
        let mut out = flowmeter::EventBatch::default();
        frames.iter().for_each(|(time_us, bytes)| meter.accept(&whole(*time_us, bytes), &mut out));
        meter.finish(&mut out);
        assert_eq!(out.records.len(), flows);
        assert_eq!(out.records[0].vlan, Some(5), "shown either way");
        assert_eq!(out.records[0].key.vlan(), track_vlan.then_some(5));
    }
}
