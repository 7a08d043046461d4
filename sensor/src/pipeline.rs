//! The data plane: one reader feeds workers that meter and score, and one recorder sees every event in canonical order.
//!
//! Channels are bounded and batches are recycled through them: a slow stage makes the one before it wait, and in steady
//! state nothing is allocated. Every batch goes to every worker, so that the recorder can merge batch by batch; since no
//! event of a later batch sorts before one of an earlier batch, sorting each batch gives the one order of the whole run.

use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use flowmeter::{
    Context, EndReason, EventBatch, FlowAccounting, FlowEvent, FlowRecord, Frame, Intake, IntakeCounters,
    MeterConfig, Packet, PacketAccounting, PacketBatch, PacketSink, Shards, TableCounters,
};

use crate::fault::Fault;
use crate::scoring::{Model, Scored, ScoringDesk};
use crate::slot::Serving;

/// Takes every event of a run, in canonical order.
pub trait Recorder: Send {
    /// One event; with its record, the forest's opinion and the flow's name when it has them.
    ///
    /// # Errors
    /// Ends the run.
    fn event(
        &mut self,
        event: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        context: Option<&Context>,
    ) -> Result<(), Fault>;

    /// All events of a batch have been told.
    ///
    /// # Errors
    /// Ends the run.
    fn batch_ended(&mut self) -> Result<(), Fault>;

    /// The events from here on were scored by other models or thresholds than those before. A running sensor says so before
    /// its first event, too; a replay has one model and never does.
    fn serving_changed(&mut self, _serving: &Arc<Serving>) {}

    /// A running sensor has nothing to tell just now. Comes several times a second while it is so.
    ///
    /// # Errors
    /// Ends the run.
    fn quiet(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// The sums of a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sums {
    /// Where every packet went.
    pub packets: PacketAccounting,
    /// What else was noticed at intake.
    pub intake: IntakeCounters,
    /// Where every flow went.
    pub flows: FlowAccounting,
    /// What full tables did.
    pub tables: TableCounters,
}

/// Packets of one worker on their way to it.
struct Work {
    batch: PacketBatch,
    /// With the last batch: how many packets there were in all.
    last: Option<u64>,
}

/// What a worker made of one batch. `scores[i]` is about `events.records[i]`.
#[derive(Default)]
struct Made {
    events: EventBatch,
    scores: Vec<Scored>,
    closing: Option<(FlowAccounting, TableCounters)>,
}

/// Batches that may wait between two stages.
const CHANNEL_BATCHES: usize = 4;

/// Runs `read` as the reader; it feeds frames until it has no more. Gives the sums when all is recorded.
///
/// # Errors
/// The recorder's fault, or settings that cannot be metered with.
pub fn run(
    meter: &MeterConfig,
    workers: usize,
    model: &Model,
    recorder: &mut impl Recorder,
    read: impl FnOnce(&mut Feed),
) -> Result<Sums, Fault> {
    let refused = |e: flowmeter::ConfigError| Fault::Usage(e.to_string());
    let intake = Intake::new(meter).map_err(refused)?;
    let shards: Vec<Shards> =
        (0..workers).map(|w| Shards::new(meter, w, workers)).collect::<Result<_, _>>().map_err(refused)?;
    thread::scope(|scope| {
        let (mut lanes, mut arrivals) = (Vec::new(), Vec::new());
        for shards in shards {
            let (work, todo) = bounded::<Work>(CHANNEL_BATCHES);
            let (done, made) = bounded::<Made>(CHANNEL_BATCHES);
            let (used_batch, spare_batches) = bounded::<PacketBatch>(CHANNEL_BATCHES * 2);
            let (used_made, spare_made) = bounded::<Made>(CHANNEL_BATCHES * 2);
            scope.spawn(move || meter_and_score(shards, model, &todo, &done, &used_batch, &spare_made));
            lanes.push(Lane { open: PacketBatch::default(), work, spare_batches });
            arrivals.push(Arrival { made, used_made });
        }
        let recording = scope.spawn(move || record(&arrivals, recorder));
        let mut feed = Feed { intake, lanes: Lanes { lanes, waiting: 0, gone: false } };
        read(&mut feed);
        let (packets, intake) = feed.finish();
        let (flows, tables) = recording.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Sums { packets, intake, flows, tables })
    })
}

/// Where the reader puts frames.
pub struct Feed {
    intake: Intake,
    lanes: Lanes,
}

impl Feed {
    /// Packets of one batch: enough that a channel operation costs little a packet, few enough to stay in cache.
    const BATCH_PACKETS: usize = 2048;

    /// Takes a frame in.
    #[inline]
    pub fn accept(&mut self, frame: &Frame<'_>) {
        self.intake.accept(frame, &mut self.lanes);
        if self.lanes.waiting >= Self::BATCH_PACKETS {
            self.flush();
        }
    }

    /// Counts a frame that a filter rejected.
    pub fn count_filtered(&mut self) {
        self.intake.count_filtered();
    }

    /// Sends what has been gathered on its way, so that it is not seen later than need be.
    pub fn flush(&mut self) {
        self.lanes.flush(self.intake.epoch(), self.intake.watermark_us(), None);
    }

    /// Nobody takes batches any more: the recorder has failed.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.lanes.gone
    }

    fn finish(mut self) -> (PacketAccounting, IntakeCounters) {
        self.intake.finish(&mut self.lanes);
        let accounting = self.intake.accounting();
        self.lanes.flush(self.intake.epoch(), self.intake.watermark_us(), Some(accounting.received));
        (accounting, self.intake.counters())
    }
}

/// The reader's end of one worker.
struct Lane {
    open: PacketBatch,
    work: Sender<Work>,
    spare_batches: Receiver<PacketBatch>,
}

/// The reader's ends of all workers: packets are split by shard.
struct Lanes {
    lanes: Vec<Lane>,
    waiting: usize,
    gone: bool,
}

impl PacketSink for Lanes {
    #[inline]
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        let worker = packet.shard() % self.lanes.len();
        self.lanes[worker].open.push(packet, context);
        self.waiting += 1;
    }

    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64) {
        self.flush(epoch, watermark_us, None);
    }
}

impl Lanes {
    fn flush(&mut self, epoch: u32, watermark_us: u64, last: Option<u64>) {
        self.waiting = 0;
        for lane in &mut self.lanes {
            let spare = lane.spare_batches.try_recv().unwrap_or_default();
            let mut batch = std::mem::replace(&mut lane.open, spare);
            batch.epoch = epoch;
            batch.watermark_us = watermark_us;
            self.gone |= lane.work.send(Work { batch, last }).is_err();
        }
    }
}

/// Flows that stand at the end of the input leave in portions of this many packet numbers: a million at once would be half a
/// gigabyte of records.
const DRAIN_PACKETS: usize = 16_384;

/// A worker: meters and scores batches until the last.
fn meter_and_score(
    mut shards: Shards,
    model: &Model,
    todo: &Receiver<Work>,
    done: &Sender<Made>,
    used_batch: &Sender<PacketBatch>,
    spare_made: &Receiver<Made>,
) {
    let mut desk = ScoringDesk::default();
    let mut send = |mut made: Made| {
        model.score_batch(&made.events.records, &mut desk, &mut made.scores);
        done.send(made).is_ok()
    };
    for Work { mut batch, last } in todo {
        let mut made = spare_made.try_recv().unwrap_or_default();
        shards.meter(&batch, &mut made.events);
        batch.clear();
        // A full pool means that enough batches are about.
        let _ = used_batch.try_send(batch);
        if !send(made) {
            return;
        }
        let Some(received) = last else { continue };
        let portions = (0..received).step_by(DRAIN_PACKETS).skip(1);
        for before in portions.chain([u64::MAX]) {
            let mut made = spare_made.try_recv().unwrap_or_default();
            shards.drain_before(before, EndReason::EndOfInput, &mut made.events);
            if before == u64::MAX {
                made.closing = Some((shards.accounting(), shards.counters()));
            }
            if !send(made) {
                return;
            }
        }
    }
}

/// The recorder's end of one worker.
struct Arrival {
    made: Receiver<Made>,
    used_made: Sender<Made>,
}

/// Merges batches and tells the recorder every event, until every worker has closed.
fn record(
    arrivals: &[Arrival],
    recorder: &mut impl Recorder,
) -> Result<(FlowAccounting, TableCounters), Fault> {
    let mut batch: Vec<Made> = Vec::with_capacity(arrivals.len());
    let (mut flows, mut tables) = (FlowAccounting::default(), TableCounters::default());
    loop {
        batch.clear();
        for arrival in arrivals {
            let made =
                arrival.made.recv().map_err(|_| Fault::Software("a worker ended before its time".into()))?;
            batch.push(made);
        }
        tell_in_order(&batch, recorder)?;
        recorder.batch_ended()?;
        let mut closed = false;
        for (mut made, arrival) in batch.drain(..).zip(arrivals) {
            if let Some((own_flows, own_tables)) = made.closing.take() {
                flows += own_flows;
                tables += own_tables;
                closed = true;
            }
            made.events.clear();
            made.scores.clear();
            let _ = arrival.used_made.try_send(made);
        }
        if closed {
            return Ok((flows, tables));
        }
    }
}

/// Merges the workers' sorted events; there are at most 16, so the least head is found by looking at all of them.
fn tell_in_order(batch: &[Made], recorder: &mut impl Recorder) -> Result<(), Fault> {
    let mut heads = vec![0; batch.len()];
    loop {
        let earliest = batch
            .iter()
            .zip(&heads)
            .enumerate()
            .filter_map(|(worker, (made, &at))| Some((made.events.events.get(at)?.order, worker)))
            .min();
        let Some((_, worker)) = earliest else {
            return Ok(());
        };
        let made = &batch[worker];
        let event = &made.events.events[heads[worker]];
        heads[worker] += 1;
        let scored =
            event.record.map(|at| at.0 as usize).map(|at| (&made.events.records[at], &made.scores[at]));
        let context = scored.and_then(|(record, _)| made.events.context(record));
        recorder.event(event, scored, context)?;
    }
}
