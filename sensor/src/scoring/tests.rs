//! A batch gives what its records give one by one, twins or not.

use flowmeter::{
    EndReason, EventBatch, Frame, Intake, LinkType, MeterConfig, Packet, PacketBatch, PacketSink, Shards,
};

use super::{Model, ScoringDesk};

struct Gather(PacketBatch);

impl PacketSink for Gather {
    fn packet(&mut self, packet: &Packet, context: Option<&flowmeter::Context>) {
        self.0.push(packet, context);
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

/// The first bytes of an IPv4 SYN or UDP datagram, as a raw IP frame.
fn frame(udp: bool, source: u32, payload: u16) -> Vec<u8> {
    let header: u16 = if udp { 8 } else { 20 };
    let mut bytes = vec![0x45, 0];
    bytes.extend((20 + header + payload).to_be_bytes());
    bytes.extend([0, 1, 0, 0, 64, if udp { 17 } else { 6 }, 0, 0]);
    bytes.extend(source.to_be_bytes());
    bytes.extend([10, 0, 0, 1, 0x30, 0x39, 0, 80]);
    if udp {
        bytes.extend((8 + payload).to_be_bytes());
        bytes.extend([0, 0]);
    } else {
        bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 4, 0, 0, 0, 0, 0]);
    }
    bytes.resize(usize::from(20 + header + payload), 0);
    bytes
}

/// Floods of like flows, ones that differ in size, and flows of two packets; drained twice over, alive and ended.
fn records() -> EventBatch {
    let meter = MeterConfig::default();
    let mut intake = Intake::new(&meter).unwrap();
    let mut shards = Shards::new(&meter, 0, 1).unwrap();
    let mut gather = Gather(PacketBatch::default());
    for n in 0..3_000_u32 {
        let (udp, payload) = (n % 3 == 0, if n % 3 == 0 { (n / 3 % 50) as u16 } else { 0 });
        for again in 0..=u32::from(n % 5 == 0) {
            let bytes = frame(udp, 0x0a01_0000 + n, payload);
            let time_us = 1_000_000 + u64::from(n * 10 + again * 7);
            let wire_len = bytes.len() as u32;
            intake.accept(&Frame { link: LinkType::RawIp, time_us, wire_len, bytes: &bytes }, &mut gather);
        }
    }
    let mut events = EventBatch::default();
    shards.meter(&gather.0, &mut events);
    shards.drain_before(u64::MAX, EndReason::EndOfInput, &mut events);
    events
}

#[test]
fn a_batch_with_twins_gives_the_bits_that_each_record_gives_by_itself() {
    let model = Model::load(None).unwrap();
    let events = records();
    assert!(events.records.len() >= 3_000, "{} records", events.records.len());
    let (mut desk, mut scores) = (ScoringDesk::default(), Vec::new());
    // A desk is used again and again.
    for records in [&events.records[..], &events.records[7..2_000], &[], &events.records[..1]] {
        model.score_batch(records, &mut desk, &mut scores);
        assert_eq!(scores.len(), records.len());
        for (record, batched) in records.iter().zip(&scores) {
            let alone = model.score(record);
            assert_eq!(alone.prediction, batched.prediction);
            assert_eq!(alone.novelty.map(f64::to_bits), batched.novelty.map(f64::to_bits));
        }
    }
    model.score_batch(&events.records[..1_000], &mut desk, &mut scores);
    assert!(desk.vectors.len() < 500, "{} of 1,000 vectors were judged", desk.vectors.len());
}
