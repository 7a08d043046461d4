//! Ways to run steps and frames through the meter, and to read what came out.

use flowmeter::{
    Context, EventBatch, EventKind, FlowEvent, FlowRecord, Frame, Intake, Meter, MeterConfig, Packet,
    PacketSink,
};

use crate::build::{Step, whole};

/// An event with its record resolved (its place in a batch means nothing outside it).
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    pub event: FlowEvent,
    pub record: Option<FlowRecord>,
}

impl Told {
    pub fn kind(&self) -> EventKind {
        self.event.kind
    }
}

pub fn told(batch: &EventBatch) -> Vec<Told> {
    let resolve = |event: &FlowEvent| Told {
        event: FlowEvent { record: None, ..*event },
        record: batch.record(event).cloned(),
    };
    batch.events.iter().map(resolve).collect()
}

/// All events of some steps, with a batch ended after each step whose number is in `cuts`.
pub fn meter_with_cuts(
    config: &MeterConfig,
    steps: &[Step],
    cuts: impl Fn(usize) -> bool,
) -> (Vec<Told>, Meter) {
    let mut meter = Meter::new(config).unwrap();
    let mut all = Vec::new();
    let mut out = EventBatch::default();
    for (number, step) in steps.iter().enumerate() {
        meter.accept(&whole(step.time_us, &step.frame()), &mut out);
        if cuts(number) {
            meter.flush(&mut out);
            all.extend(told(&out));
            out.clear();
        }
    }
    meter.finish(&mut out);
    all.extend(told(&out));
    assert!(meter.packets().is_balanced(), "{:?}", meter.packets());
    assert!(meter.flows().is_balanced(), "{:?}", meter.flows());
    assert_eq!(meter.flows().active, 0);
    (all, meter)
}

pub fn meter_with(config: &MeterConfig, steps: &[Step]) -> Vec<Told> {
    meter_with_cuts(config, steps, |_| false).0
}

pub fn meter(steps: &[Step]) -> Vec<Told> {
    meter_with(&MeterConfig::default(), steps)
}

/// The final records, in order.
pub fn records(all: &[Told]) -> Vec<FlowRecord> {
    let is_final = |it: &&Told| matches!(it.kind(), EventKind::Ended(_));
    all.iter().filter(is_final).map(|it| it.record.clone().unwrap()).collect()
}

pub fn kinds(all: &[Told]) -> Vec<EventKind> {
    all.iter().map(Told::kind).collect()
}

/// Packets as they leave the intake.
#[derive(Default)]
pub struct Collected {
    pub packets: Vec<Packet>,
    pub contexts: Vec<(u64, Context)>,
    /// Epoch, its final watermark, and how many packets came before its end.
    pub epochs: Vec<(u32, u64, usize)>,
}

impl PacketSink for Collected {
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        self.packets.push(*packet);
        self.contexts.extend(context.map(|it| (packet.seq, *it)));
    }

    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64) {
        self.epochs.push((epoch, watermark_us, self.packets.len()));
    }
}

/// What an intake makes of some frames, the input ended.
pub fn intake<'a>(config: &MeterConfig, frames: impl IntoIterator<Item = Frame<'a>>) -> (Collected, Intake) {
    let mut intake = Intake::new(config).unwrap();
    let mut out = Collected::default();
    for frame in frames {
        intake.accept(&frame, &mut out);
        assert!(intake.accounting().is_balanced(), "{:?}", intake.accounting());
    }
    intake.finish(&mut out);
    assert!(intake.accounting().is_balanced(), "{:?}", intake.accounting());
    assert_eq!(intake.accounting().queued, 0);
    (out, intake)
}
