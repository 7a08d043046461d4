//! What the table promises of its memory; its semantics are tested from outside, against the naive model.

use super::FlowTable;
use super::age::{AgeQueue, Standing};
use super::flow::Flow;
use crate::config::MeterConfig;
use crate::context::{Context, ContextKind};
use crate::event::EventBatch;
use crate::key::{Endpoint, FlowKey};
use crate::packet::{Packet, TcpFlags, TcpSegment};

#[test]
fn a_flow_fits_320_bytes_and_a_packet_128() {
    assert!(size_of::<Flow>() <= 320, "{}", size_of::<Flow>());
    assert!(size_of::<Packet>() <= 128, "{}", size_of::<Packet>());
}

/// A SYN of the `n`th of endless sources, or the answer to it.
fn packet(n: u64, answer: bool) -> Packet {
    let end = |address: u32, port| Endpoint { address: std::net::Ipv4Addr::from(address).into(), port };
    let (source, destination) = (end(0x0a00_0000 + n as u32, 1024), end(0x0900_0000, 80));
    let (key, from_lower) = FlowKey::new(source, destination, 6, None, None, false);
    let flags = if answer { TcpFlags::SYN | TcpFlags::ACK } else { TcpFlags::SYN };
    let time_us = 1_000_000_000 + n;
    Packet {
        key,
        vlan: 0xffff,
        from_lower: from_lower != answer,
        tcp: Some(TcpSegment { seq: 1, ack: 0, flags }),
        payload_len: 0,
        header_len: 40,
        epoch: 0,
        hash: n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        seq: 2 * n + u64::from(answer),
        time_us,
        watermark_us: time_us,
    }
}

/// Everything that could grow.
fn capacities(table: &FlowTable, out: &EventBatch) -> [usize; 7] {
    [
        table.flows.capacity(),
        table.index.capacity(),
        table.unreplied.capacity(),
        table.replied.capacity(),
        table.contexts.capacity(),
        out.events.capacity(),
        out.records.capacity(),
    ]
}

/// Floods of every kind, far beyond the limit: after the first rounds nothing is allocated any more.
#[test]
fn memory_stays_where_it_is() {
    let config = MeterConfig { flows_max: 16_000, contexts_max: 1600, ..MeterConfig::default() };
    let mut table = FlowTable::new(&config).unwrap();
    let mut out = EventBatch::default();
    let name = Context::new(ContextKind::HttpHost, b"example.org");
    let mut settled = None;
    for n in 0..200_000u64 {
        table.observe(&packet(n, false), &mut out);
        if n % 3 == 0 {
            table.observe(&packet(n, true), &mut out);
            table.annotate(&packet(n, true), &name);
        }
        if n % 100 == 0 {
            table.expire(0, packet(n, false).watermark_us, &mut out);
            out.clear();
        }
        if n == 20_000 {
            settled = Some(capacities(&table, &out));
        }
    }
    assert_eq!(settled, Some(capacities(&table, &out)));
    assert!(table.active() <= 1000);
    assert!(table.unreplied.capacity() <= 4096 && table.replied.capacity() <= 4096);
    assert!(table.contexts.len() <= 100);
    assert!(table.counters().contexts_dropped > 0);
    table.drain(crate::EndReason::EndOfInput, &mut out);
    assert_eq!((table.active(), table.contexts.len()), (0, 0));
    assert!(table.accounting().is_balanced());
}

/// An idle sensor stays small: places are reserved, not touched, until flows come.
#[test]
fn an_empty_table_has_touched_no_flow() {
    let table = FlowTable::new(&MeterConfig::default()).unwrap();
    assert_eq!((table.flows.all().len(), table.flows.capacity()), (0, 62_500));
}

/// One long-lived unanswered flow at the front of the queue, and endless short ones behind it.
#[test]
fn the_age_queue_does_not_grow_behind_a_long_lived_flow() {
    let config = MeterConfig { flows_max: 16_000, ..MeterConfig::default() };
    let mut table = FlowTable::new(&config).unwrap();
    let mut out = EventBatch::default();
    let mut first = packet(0, false);
    for n in 0..200_000u64 {
        let mut short = packet(n + 1, false);
        short.time_us = 1_000_000_000 + n * 10_000;
        short.watermark_us = short.time_us;
        (first.time_us, first.watermark_us, first.seq) = (short.time_us, short.time_us, 2 * n);
        table.observe(&first, &mut out);
        short.tcp = Some(TcpSegment { seq: 1, ack: 0, flags: TcpFlags::RST });
        table.observe(&short, &mut out);
        out.clear();
    }
    assert!(table.unreplied.capacity() <= 2048, "{}", table.unreplied.capacity());
}

/// Eight flows are passed over because they had a packet since they were queued; the ninth goes although it had one too.
#[test]
fn second_chances_are_limited() {
    let now = |last_us: u64| move |place: u32| Some(Standing { first_seq: place.into(), last_us });
    let mut queue = AgeQueue::default();
    for place in 0..20 {
        queue.push(place, Standing { first_seq: place.into(), last_us: 0 }, now(0));
    }
    assert_eq!(queue.oldest(now(0)), Some(0));
    assert_eq!(queue.oldest(now(1)), Some(8));
    // Those passed over are at the back with their new times; the rest are judged in turn.
    assert_eq!(queue.oldest(now(1)), Some(16));
    assert_eq!(queue.oldest(now(1)), Some(0));
    // A place that has another flow now is no longer the queue's.
    let another = |place: u32| Some(Standing { first_seq: 100 + u64::from(place), last_us: 1 });
    assert_eq!(queue.oldest(another), None);
}
