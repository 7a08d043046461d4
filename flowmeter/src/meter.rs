//! Driving tables: batches of packets for workers, a worker's shards, and the whole meter in one thread.

use crate::accounting::{FlowAccounting, IntakeCounters, PacketAccounting, TableCounters};
use crate::config::{ConfigError, MeterConfig};
use crate::context::Context;
use crate::event::{EndReason, EventBatch};
use crate::frame::Frame;
use crate::intake::{Intake, PacketSink};
use crate::packet::{Packet, SHARDS};
use crate::table::FlowTable;

/// Packets for one worker, and the clock at the batch's end. Made to be cleared and used again.
///
/// A batch must not span epochs: at [`PacketSink::epoch_ended`] close the batch with that epoch and clock.
#[derive(Clone, Debug, Default)]
pub struct PacketBatch {
    /// Epoch of all its packets.
    pub epoch: u32,
    /// The capture clock at its end, on every worker the same.
    pub watermark_us: u64,
    packets: Vec<Packet>,
    /// Names, each with the index of its packet.
    contexts: Vec<(u32, Context)>,
}

impl PacketBatch {
    /// Adds a packet.
    #[inline]
    pub fn push(&mut self, packet: &Packet, context: Option<&Context>) {
        if let Some(context) = context {
            self.contexts.push((self.packets.len() as u32, *context));
        }
        self.packets.push(*packet);
    }

    /// The packets.
    pub fn packets(&self) -> &[Packet] {
        &self.packets
    }

    /// Number of packets.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// No packets.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.contexts.clear();
    }

    /// Copies packet `at` to the end of `to`, as one that arrives when the clock is at `watermark_us`, with its name. `names`: how
    /// many names of this batch have been passed on; packets are asked for in their order.
    ///
    /// # Panics
    /// There is no such packet.
    #[inline]
    pub fn copy_to(&self, to: &mut Self, at: usize, names: &mut usize, watermark_us: u64) {
        let name = self.contexts.get(*names).filter(|(of, _)| *of as usize == at);
        *names += usize::from(name.is_some());
        let packet = Packet { watermark_us, ..self.packets[at] };
        to.push(&packet, name.map(|(_, name)| name));
    }

    /// Moves the batch from its intake's clock into that of tables which several intakes feed: epoch `epoch`, the clock at
    /// `watermark_us` or later, and packets numbered `seq * intakes + intake`. With `late`, its packets count as come at
    /// `watermark_us`, whatever they say. Gives the clock at the batch's end.
    pub fn rebase(
        &mut self,
        (epoch, watermark_us): (u32, u64),
        late: bool,
        (intake, intakes): (u64, u64),
    ) -> u64 {
        let own_us = if late { 0 } else { self.watermark_us };
        self.epoch = epoch;
        self.watermark_us = watermark_us.max(own_us);
        for packet in &mut self.packets {
            if late {
                packet.time_us = watermark_us;
                packet.watermark_us = watermark_us;
            }
            packet.epoch = epoch;
            packet.watermark_us = packet.watermark_us.max(watermark_us);
            packet.seq = packet.seq.wrapping_mul(intakes).wrapping_add(intake);
        }
        self.watermark_us
    }
}

/// The shards of one worker: of the 16, those with `shard % workers == worker`.
#[derive(Clone, Debug)]
pub struct Shards {
    tables: Vec<FlowTable>,
    /// By shard: where its table is, if it is this worker's.
    table_of: [u8; SHARDS],
    /// Once a drain has begun: number of the first packet, table and place of the flows that remain, the last to go first.
    leaving: Option<Vec<(u64, u8, u32)>>,
}

/// Packets looked at ahead of being metered, and flows ahead of being ended. Their cache lines fit the smallest of
/// first-level caches in use.
pub(crate) const AHEAD: usize = 32;

impl Shards {
    /// The tables of `worker`, counted from 0, of `workers` (1 to 16).
    pub fn new(config: &MeterConfig, worker: usize, workers: usize) -> Result<Self, ConfigError> {
        let (value, max) = (workers as u64, SHARDS as u64);
        if !(1..=max).contains(&value) {
            return Err(ConfigError::OutOfRange { name: "the number of workers", value, min: 1, max });
        }
        if worker >= workers {
            let (value, max) = (worker as u64, workers as u64 - 1);
            return Err(ConfigError::OutOfRange { name: "a worker's number", value, min: 0, max });
        }
        let tables = (worker..SHARDS).step_by(workers).map(|_| FlowTable::new(config));
        Ok(Self {
            table_of: std::array::from_fn(|shard| (shard / workers) as u8),
            tables: tables.collect::<Result<_, _>>()?,
            leaving: None,
        })
    }

    /// Meters a batch: its packets, then what expires by its clock. Events are added to `out` and `out` is sorted.
    pub fn meter(&mut self, batch: &PacketBatch, out: &mut EventBatch) {
        self.leaving = None;
        let mut contexts = batch.contexts.iter();
        let mut context = contexts.next();
        let mut at = 0;
        let mut places = [0; AHEAD];
        for group in batch.packets.chunks(AHEAD) {
            // In a large table every packet's flow is a cache miss. Lookups do not wait for one another, packets do.
            let mut touched = 0;
            for (packet, place) in group.iter().zip(&mut places) {
                let table = &self.tables[usize::from(self.table_of[packet.shard()])];
                let (found, word) = table.look_up(packet);
                *place = found;
                touched ^= word;
            }
            std::hint::black_box(touched);
            for (packet, &place) in group.iter().zip(&places) {
                let table = &mut self.tables[usize::from(self.table_of[packet.shard()])];
                table.observe_at(packet, place, out);
                if let Some((_, name)) = context.filter(|(of, _)| *of == at) {
                    table.annotate(packet, name);
                    context = contexts.next();
                }
                at += 1;
            }
        }
        for table in &mut self.tables {
            table.expire(batch.epoch, batch.watermark_us, out);
        }
        out.sort();
    }

    /// Ends every flow at the end of the input, after the last batch. Events are added to `out` and `out` is sorted.
    ///
    /// Each flow's record takes some 550 bytes of `out`: with very many flows, [`Shards::drain_before`] ends them in portions.
    pub fn drain(&mut self, reason: EndReason, out: &mut EventBatch) {
        self.drain_before(u64::MAX, reason, out);
    }

    /// Ends, at the end of the input, the flows whose first packet has a number below `seq`. Called on every worker with the
    /// same ascending numbers, up to the number of packets received, each call gives the next part of the canonical order.
    pub fn drain_before(&mut self, seq: u64, reason: EndReason, out: &mut EventBatch) {
        self.drain_some(seq, usize::MAX, reason, out);
    }

    /// As [`Shards::drain_before`], but ends about `most` flows at most; true when none is left below `seq`.
    pub fn drain_some(&mut self, seq: u64, most: usize, reason: EndReason, out: &mut EventBatch) -> bool {
        let tables = &mut self.tables;
        let leaving = self.leaving.get_or_insert_with(|| {
            let mut all = Vec::with_capacity(tables.iter().map(FlowTable::active).sum());
            for (table, number) in tables.iter().zip(0..) {
                all.extend(table.standing().map(|(first_seq, place)| (first_seq, number, place)));
            }
            all.sort_unstable_by(|a, b| b.cmp(a));
            all
        });
        let mut ended = 0;
        let all = loop {
            if ended >= most {
                break false;
            }
            let group = leaving.iter().rev().take(AHEAD).take_while(|(first_seq, ..)| *first_seq < seq);
            let len = group.clone().count();
            if len == 0 {
                break true;
            }
            ended += len;
            let touched = group.map(|&(_, table, place)| tables[usize::from(table)].touch(place));
            std::hint::black_box(touched.fold(0, |all, one| all ^ one));
            for (_, table, place) in leaving.drain(leaving.len() - len..).rev() {
                tables[usize::from(table)].drain_one(place, reason, out);
            }
        };
        out.sort();
        all
    }

    /// Flows in the tables.
    pub fn active(&self) -> usize {
        self.tables.iter().map(FlowTable::active).sum()
    }

    /// Where every flow went.
    pub fn accounting(&self) -> FlowAccounting {
        let mut sum = FlowAccounting::default();
        self.tables.iter().for_each(|table| sum += table.accounting());
        sum
    }

    /// What full tables did.
    pub fn counters(&self) -> TableCounters {
        let mut sum = TableCounters::default();
        self.tables.iter().for_each(|table| sum += table.counters());
        sum
    }
}

/// The whole meter in one thread, packet by packet: for tests, for fuzzing, and to hold other arrangements against.
#[derive(Clone, Debug)]
pub struct Meter {
    intake: Intake,
    shards: Shards,
    batch: PacketBatch,
}

/// Puts packets into the batch, and meters it where an epoch ends.
struct Driver<'a> {
    shards: &'a mut Shards,
    batch: &'a mut PacketBatch,
    out: &'a mut EventBatch,
}

impl PacketSink for Driver<'_> {
    #[inline]
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        self.batch.push(packet, context);
        self.batch.epoch = packet.epoch;
    }

    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64) {
        self.batch.epoch = epoch;
        self.batch.watermark_us = watermark_us;
        self.shards.meter(self.batch, self.out);
        self.batch.clear();
    }
}

impl Meter {
    /// A meter at the beginning of its input.
    pub fn new(config: &MeterConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            intake: Intake::new(config)?,
            shards: Shards::new(config, 0, 1)?,
            batch: PacketBatch::default(),
        })
    }

    /// Takes the next frame. Its packet waits in the current batch.
    #[inline]
    pub fn accept(&mut self, frame: &Frame<'_>, out: &mut EventBatch) {
        let mut driver = Driver { shards: &mut self.shards, batch: &mut self.batch, out };
        self.intake.accept(frame, &mut driver);
    }

    /// Ends a batch here: its packets are metered and what has expired ends. Events are added to `out` and `out` is sorted.
    pub fn flush(&mut self, out: &mut EventBatch) {
        self.batch.epoch = self.intake.epoch();
        self.batch.watermark_us = self.intake.watermark_us();
        self.shards.meter(&self.batch, out);
        self.batch.clear();
    }

    /// Ends the input: every flow ends.
    pub fn finish(&mut self, out: &mut EventBatch) {
        let mut driver = Driver { shards: &mut self.shards, batch: &mut self.batch, out };
        self.intake.finish(&mut driver);
        self.flush(out);
        self.shards.drain(EndReason::EndOfInput, out);
    }

    /// The intake, for its counts.
    pub fn intake(&self) -> &Intake {
        &self.intake
    }

    /// The tables, for their counts.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// Where every frame went.
    pub fn packets(&self) -> PacketAccounting {
        self.intake.accounting()
    }

    /// Where every flow went.
    pub fn flows(&self) -> FlowAccounting {
        self.shards.accounting()
    }

    /// What else was noticed at intake.
    pub fn counters(&self) -> IntakeCounters {
        self.intake.counters()
    }
}
