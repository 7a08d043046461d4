//! Where batches are cut and how many workers there are changes nothing.

use flowmeter::{
    Context, EndReason, EventBatch, Frame, Intake, MeterConfig, Packet, PacketBatch, PacketSink, Shards,
};

use crate::build::{ACK, FIN, PSH, Pair, RST, SYN, Step, v4, whole};
use crate::run::{Told, meter_with_cuts, told};

/// Some thousand packets of some hundred flows, with everything that ends one, from a small generator of its own.
fn traffic() -> Vec<Step> {
    let mut state = 42u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut time_us = 1_700_000_000_000_000;
    let made = (0..6000).map(|id| {
        time_us = match random(1500) {
            0 => time_us + 2_500_000,
            1 => time_us - 2_500_000,
            2 => time_us - 100_000,
            _ => time_us + random(5_000),
        };
        let port = 1000 + (random(30) * random(30) / 30) as u16;
        let pair = if random(4) == 0 { Pair::udp(port) } else { Pair::tcp(port) };
        let pair = Pair { client: (v4(1 + random(3) as u8).into(), port), ..pair };
        let flags = match random(40) {
            0 => RST,
            at => [SYN, SYN | ACK, ACK, PSH | ACK, FIN | ACK, FIN | ACK, ACK][at as usize % 7],
        };
        let (seq, ack, len) = (random(60) as u32, random(4000) as u32, random(1600) as u16);
        let step = match random(2) {
            0 => pair.up(time_us, flags, seq, ack, len),
            _ => pair.down(time_us, flags, seq, ack, len),
        };
        Step { id, ..step }
    });
    made.collect()
}

/// Timeouts that six thousand packets of twenty seconds meet.
fn large_table() -> MeterConfig {
    MeterConfig {
        idle_timeout_us: 2_000_000,
        active_timeout_us: 3_000_000,
        linger_us: 200_000,
        emergency_timeout_us: 100_000,
        ..MeterConfig::default()
    }
}

fn small_table() -> MeterConfig {
    MeterConfig { flows_max: 16 * 6, ..large_table() }
}

#[test]
fn cuts_change_nothing() {
    let steps = traffic();
    for config in [large_table(), small_table()] {
        let (whole, meter) = meter_with_cuts(&config, &steps, |_| false);
        let unused = EndReason::ALL.iter().zip(meter.flows().ended_by).filter(|(_, n)| *n == 0);
        let unused: Vec<_> = unused.map(|it| it.0).filter(|_| config == small_table()).collect();
        assert!(unused.is_empty(), "the traffic meets {unused:?}");
        for every in [1, 7, 100, 4096] {
            let (cut, _) = meter_with_cuts(&config, &steps, |number| number % every == 0);
            assert!(cut.windows(2).all(|pair| pair[0].event.order < pair[1].event.order), "canonical order");
            assert!(cut == whole, "cut every {every}");
        }
    }
}

/// The sensor's pipeline in one thread: packets split over workers, each batch's events merged by order.
struct Pipeline {
    batches: Vec<PacketBatch>,
    shards: Vec<Shards>,
    all: Vec<Told>,
}

impl Pipeline {
    fn cut(&mut self, epoch: u32, watermark_us: u64) {
        let mut merged = Vec::new();
        for (batch, shards) in self.batches.iter_mut().zip(&mut self.shards) {
            (batch.epoch, batch.watermark_us) = (epoch, watermark_us);
            let mut out = EventBatch::default();
            shards.meter(batch, &mut out);
            merged.extend(told(&out));
            batch.clear();
        }
        self.merge(merged);
    }

    fn merge(&mut self, mut merged: Vec<Told>) {
        merged.sort_by_key(|it| it.event.order);
        self.all.extend(merged);
    }
}

impl PacketSink for Pipeline {
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        let worker = packet.shard() % self.shards.len();
        self.batches[worker].push(packet, context);
    }

    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64) {
        self.cut(epoch, watermark_us);
    }
}

#[test]
fn workers_change_nothing() {
    let steps = traffic();
    let frames: Vec<Vec<u8>> = steps.iter().map(Step::frame).collect();
    for config in [large_table(), small_table()] {
        let (alone, _) = meter_with_cuts(&config, &steps, |number| number % 500 == 0);
        for workers in [1, 2, 3, 16] {
            let shards = (0..workers).map(|worker| Shards::new(&config, worker, workers).unwrap());
            let mut pipeline = Pipeline {
                batches: vec![PacketBatch::default(); workers],
                shards: shards.collect(),
                all: Vec::new(),
            };
            let mut intake = Intake::new(&config).unwrap();
            for (number, (step, bytes)) in steps.iter().zip(&frames).enumerate() {
                let frame: Frame<'_> = whole(step.time_us, bytes);
                intake.accept(&frame, &mut pipeline);
                if number % 333 == 0 {
                    pipeline.cut(intake.epoch(), intake.watermark_us());
                }
            }
            intake.finish(&mut pipeline);
            pipeline.cut(intake.epoch(), intake.watermark_us());
            for seq in (1000..=intake.accounting().received + 999).step_by(1000) {
                let mut portion = Vec::new();
                for shards in &mut pipeline.shards {
                    let mut out = EventBatch::default();
                    shards.drain_before(seq, EndReason::EndOfInput, &mut out);
                    portion.extend(told(&out));
                }
                pipeline.merge(portion);
            }
            assert!(pipeline.all == alone, "{workers} workers");
        }
    }
}
