//! A capture thread: reads frames, meters the shards it owns, hands the others' packets over, and passes events on.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use flowmeter::{Context, Intake, Packet, PacketBatch, PacketSink};

use super::metering::Metering;
use super::source::Source;
use super::sums::{RingState, Shared};
use crate::capture::{Clock, Polled, Seen};
use crate::evidence::Tap;

/// Packets of one ring for another ring's tables.
pub(super) struct HandedOver {
    pub(super) from: usize,
    pub(super) batch: PacketBatch,
}

/// A ring's ends of the channels between rings.
pub(super) struct Exchange {
    /// What others hand over.
    pub(super) inbox: Receiver<HandedOver>,
    /// By ring; none for its own number.
    pub(super) outboxes: Vec<Option<Sender<HandedOver>>>,
    /// Used batches come back by ring, go out by this ring's own channel.
    pub(super) spare: Receiver<PacketBatch>,
    pub(super) give_back: Vec<Sender<PacketBatch>>,
}

/// A capture thread and what it owns.
pub(super) struct Ring {
    pub(super) number: usize,
    pub(super) source: Source,
    pub(super) intake: Intake,
    pub(super) outgoing: Outgoing,
    pub(super) metering: Metering,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    /// Monotonic time of the last flush.
    pub(super) flushed_us: u64,
    /// Latency of the oldest frame since the last flush: when it was stamped.
    pub(super) oldest_us: Option<u64>,
    /// Keeps copies of frames.
    pub(super) evidence: Option<Tap>,
}

/// Packets between intake and tables, split by owner.
pub(super) struct Outgoing {
    number: usize,
    open: Vec<PacketBatch>,
    waiting: usize,
    shed: u64,
    handed_over: u64,
    exchange: Exchange,
}

/// Packets of one batch: enough that a channel operation costs little a packet, few enough to stay in cache.
const BATCH_PACKETS: usize = 2048;
/// A batch is closed after so long even if frames keep coming.
const BATCH_US: u64 = 5_000;
/// While nothing comes, the tables are looked at this often.
const QUIET_US: u64 = 50_000;
/// Longest wait for frames; other rings' packets must not wait so long.
const WAIT_MS: u16 = 10;
const WAIT_SHARED_MS: u16 = 2;
/// Flows ended at once when the run ends.
const DRAIN_FLOWS: usize = 2048;

impl Outgoing {
    pub(super) fn new(number: usize, exchange: Exchange) -> Self {
        let open = exchange.outboxes.iter().map(|_| PacketBatch::default()).collect();
        Self { number, open, waiting: 0, shed: 0, handed_over: 0, exchange }
    }

    /// Meters what is this ring's own and hands over the rest. A full outbox is a counted drop.
    fn flush(&mut self, (epoch, watermark_us): (u32, u64), metering: &mut Metering, now_us: u64) {
        self.waiting = 0;
        for (ring, open) in self.open.iter_mut().enumerate() {
            open.epoch = epoch;
            open.watermark_us = watermark_us;
            let Some(outbox) = &self.exchange.outboxes[ring] else {
                metering.meter(self.number, open, now_us);
                open.clear();
                continue;
            };
            if open.is_empty() {
                continue;
            }
            let spare = self.exchange.spare.try_recv().unwrap_or_default();
            let batch = std::mem::replace(open, spare);
            let packets = batch.len() as u64;
            match outbox.try_send(HandedOver { from: self.number, batch }) {
                Ok(()) => self.handed_over += packets,
                Err(TrySendError::Full(refused) | TrySendError::Disconnected(refused)) => {
                    self.shed += packets;
                    *open = refused.batch;
                    open.clear();
                }
            }
        }
    }
}

/// Where the intake's packets go.
struct Split<'a> {
    outgoing: &'a mut Outgoing,
    metering: &'a mut Metering,
    /// The monotonic clock.
    now_us: u64,
}

impl PacketSink for Split<'_> {
    #[inline]
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        let owner = packet.shard() % self.outgoing.open.len();
        self.outgoing.open[owner].push(packet, context);
        self.outgoing.waiting += 1;
    }

    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64) {
        self.outgoing.flush((epoch, watermark_us), self.metering, self.now_us);
    }
}

impl Ring {
    /// Runs until it is told to stop, its source ends, or nobody wants its events any more.
    pub(super) fn run(mut self) {
        let wait_ms = if self.outgoing.open.len() > 1 { WAIT_SHARED_MS } else { WAIT_MS };
        loop {
            let polled = self.read(wait_ms);
            let now_us = self.clock.monotonic_us();
            let due = now_us.saturating_sub(self.flushed_us);
            let taken = self.take_over(now_us) || self.metering.holds();
            let quiet = matches!(polled, Polled::Quiet | Polled::Down);
            if quiet && self.source.is_wire() {
                self.pass_time(now_us);
            }
            let waiting = self.outgoing.waiting;
            let full = waiting >= BATCH_PACKETS || due >= BATCH_US || quiet;
            if ((waiting > 0 || taken) && full) || due >= QUIET_US {
                self.flush(now_us);
            }
            self.tell_state(false);
            let over = polled == Polled::Ended || self.metering.is_abandoned();
            if over || self.shared.stopping.load(Ordering::Relaxed) {
                return self.finish();
            }
        }
    }

    fn read(&mut self, wait_ms: u16) -> Polled {
        let room = BATCH_PACKETS.saturating_sub(self.outgoing.waiting).max(1);
        let now_us = self.flushed_us;
        let mut split = Split { outgoing: &mut self.outgoing, metering: &mut self.metering, now_us };
        let (intake, oldest_us) = (&mut self.intake, &mut self.oldest_us);
        let (evidence, waits) = (&mut self.evidence, !self.source.is_wire());
        self.source.poll(room, wait_ms, |seen| match seen {
            Seen::Frame(frame) => {
                oldest_us.get_or_insert(frame.time_us);
                if let Some(tap) = evidence {
                    tap.offer(&frame, now_us, waits);
                }
                intake.accept(&frame, &mut split);
            }
            Seen::Filtered => intake.count_filtered(),
        })
    }

    /// While nothing comes, time still passes: by as much as the monotonic clock says since the last packet. (The wall clock
    /// is not asked: it may be set at any moment, and flows would end for it.)
    fn pass_time(&mut self, now_us: u64) {
        /// A packet may be this late out of the kernel without finding its flow ended.
        const MARGIN_US: u64 = 100_000;
        let silent_us = self.metering.silent_us(now_us).saturating_sub(MARGIN_US);
        if silent_us == 0 {
            return;
        }
        let known_us = self.metering.last_packet_us();
        if self.intake.watermark_us() > 0 && known_us > 0 {
            let mut split = Split { outgoing: &mut self.outgoing, metering: &mut self.metering, now_us };
            self.intake.advance(known_us + silent_us, &mut split);
        }
        self.metering.pass_time(known_us + silent_us);
    }

    /// Meters what other rings have handed over; true if there was anything.
    fn take_over(&mut self, now_us: u64) -> bool {
        let mut any = false;
        while let Ok(handed) = self.outgoing.exchange.inbox.try_recv() {
            self.meter_for(handed, now_us);
            any = true;
            if self.metering.is_large() {
                break;
            }
        }
        any
    }

    fn meter_for(&mut self, HandedOver { from, mut batch }: HandedOver, now_us: u64) {
        self.metering.sums.taken_over += batch.len() as u64;
        self.metering.meter(from, &mut batch, now_us);
        batch.clear();
        // A full pool means that enough batches are about.
        let _ = self.outgoing.exchange.give_back[from].try_send(batch);
    }

    /// Ends a batch: meters, passes events on, publishes.
    fn flush(&mut self, now_us: u64) {
        self.flushed_us = now_us;
        if let Some(tap) = &mut self.evidence {
            tap.look(now_us);
        }
        let packets = self.outgoing.waiting as u64;
        let (epoch, watermark_us) = (self.intake.epoch(), self.intake.watermark_us());
        self.outgoing.flush((epoch, watermark_us), &mut self.metering, now_us);
        if packets > 0 {
            self.metering.saw_packets(now_us, watermark_us);
        }
        let mut metered = self.oldest_us.take().map(|oldest_us| (oldest_us, packets));
        if self.metering.reorders() {
            metered = self.metering.release(now_us);
        }
        if let Some((oldest_us, packets)) = metered.filter(|_| self.source.is_wire()) {
            let took_us = self.clock.wall_us().saturating_sub(oldest_us);
            self.metering.sums.latency.add(took_us, packets);
        }
        self.pass_on(now_us, self.source.is_wire());
    }

    /// Publishes before it sends: nobody may be seen to have scored what has not been seen to end.
    fn pass_on(&mut self, now_us: u64, shed: bool) {
        self.publish();
        self.metering.pass_on(now_us, shed);
    }

    fn publish(&mut self) {
        self.intake.count_shed(std::mem::take(&mut self.outgoing.shed));
        let sums = &mut self.metering.sums;
        sums.packets = self.intake.accounting();
        sums.intake = self.intake.counters();
        sums.handed_over = self.outgoing.handed_over;
        (sums.wire, sums.ring_bytes) = self.source.wire_counters();
        self.metering.publish(&self.shared.rings[self.number]);
    }

    /// Publishes what is seldom new, if it is.
    fn tell_state(&mut self, ended: bool) {
        let published = &self.shared.rings[self.number].state;
        let (down, files) = (self.source.down(), self.source.files());
        let told = published.load();
        if told.down.as_deref() != down || told.ended != ended || files.is_some_and(|f| *f != told.files) {
            let files = files.cloned().unwrap_or_default();
            published.store(Arc::new(RingState { down: down.map(str::to_owned), ended, files }));
        }
    }

    /// Everything on its way arrives: this ring's packets, other rings' packets, then every flow ends.
    fn finish(mut self) {
        let now_us = self.clock.monotonic_us();
        self.source.count_drops();
        let mut split = Split { outgoing: &mut self.outgoing, metering: &mut self.metering, now_us };
        self.intake.finish(&mut split);
        self.flush(now_us);
        // The others' inboxes end when every ring has let go of its outboxes.
        let own = self.number;
        for (ring, outbox) in self.outgoing.exchange.outboxes.iter_mut().enumerate() {
            if ring != own {
                *outbox = None;
            }
        }
        let inbox = self.outgoing.exchange.inbox.clone();
        for handed in inbox {
            self.meter_for(handed, now_us);
            self.pass_on(now_us, false);
        }
        self.metering.release_all();
        while !self.metering.drain(DRAIN_FLOWS) {
            self.pass_on(self.clock.monotonic_us(), false);
        }
        self.pass_on(self.clock.monotonic_us(), false);
        self.publish();
        self.tell_state(true);
    }
}
