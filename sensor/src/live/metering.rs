//! A ring's share of the flow tables, and the way of their events to the scorer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};
use flowmeter::{EndReason, PacketBatch, Shards};

use super::merged_clock::MergedClock;
use super::parcel::Parcel;
use super::reorder::Reorder;
use super::sums::{Published, RingSums, Shared};

/// Conversations of the last minutes, all and one-way: what was wrong with a tap an hour ago is not wrong with it now.
#[derive(Default)]
struct Conversations {
    begun_us: u64,
    before: (u64, u64),
    now: (u64, u64),
}

impl Conversations {
    /// Two windows of this length are remembered, the older one whole.
    const WINDOW_US: u64 = 60_000_000;

    fn add(&mut self, (all, one_way): (u64, u64), now_us: u64) {
        let age_us = now_us.saturating_sub(self.begun_us);
        if age_us >= Self::WINDOW_US {
            self.before = if age_us < 2 * Self::WINDOW_US { self.now } else { (0, 0) };
            self.now = (0, 0);
            self.begun_us = now_us;
        }
        self.now = (self.now.0 + all, self.now.1 + one_way);
    }

    fn lately(&self) -> (u64, u64) {
        (self.before.0 + self.now.0, self.before.1 + self.now.1)
    }
}

/// Tables of the shards that a ring owns.
pub(super) struct Metering {
    shards: Shards,
    /// Only where several rings feed the tables: one ring's own clock needs no merging, and stays as in a replay.
    clock: Option<MergedClock>,
    /// Only where several interfaces feed the tables: a flow's two directions then come by two rings.
    reorder: Option<Reorder>,
    /// Packets whose turn it is.
    in_order: PacketBatch,
    open: Parcel,
    to_scorer: Sender<Parcel>,
    spare: Receiver<Parcel>,
    shared: Arc<Shared>,
    records_waiting_max: u64,
    abandoned: bool,
    /// Capture clock at the last packet metered, and when on the monotonic clock that was.
    last_packet: Option<(u64, u64)>,
    conversations: Conversations,
    pub(super) sums: RingSums,
}

impl Metering {
    /// Events from which a parcel is passed on without waiting for more.
    const EVENTS_LARGE: usize = 8192;

    pub(super) fn new(
        shards: Shards,
        (clock, reorder): (Option<MergedClock>, Option<Reorder>),
        (to_scorer, spare): (Sender<Parcel>, Receiver<Parcel>),
        shared: Arc<Shared>,
        records_waiting_max: u64,
    ) -> Self {
        Self {
            shards,
            clock,
            reorder,
            in_order: PacketBatch::default(),
            open: Parcel::default(),
            to_scorer,
            spare,
            shared,
            records_waiting_max,
            abandoned: false,
            last_packet: None,
            conversations: Conversations::default(),
            sums: RingSums::default(),
        }
    }

    /// Meters a batch of ring `from`, then what has expired by its clock. Where rings are put in order, its packets wait for their
    /// turn ([`Metering::release`]) and an empty batch is left in their place.
    pub(super) fn meter(&mut self, from: usize, batch: &mut PacketBatch, now_us: u64) {
        let own_us = batch.watermark_us;
        let before = self.clock.as_mut().map(|clock| {
            let before = (clock.epoch(), clock.watermark_us());
            clock.take(from, batch);
            before
        });
        let (Some(reorder), Some(clock), Some(before)) = (&mut self.reorder, &self.clock, before) else {
            return self.shards.meter(batch, &mut self.open.events);
        };
        let heard_us = own_us.min(clock.watermark_us());
        if clock.epoch() != before.0 {
            reorder.release_all(&mut self.in_order);
            self.meter_in_order(before);
        }
        if let Some(reorder) = &mut self.reorder {
            reorder.put(from, batch, heard_us, now_us);
        }
    }

    /// Meters the packets whose turn it is. Gives the time of the earliest, and how many they were; none where nothing waits.
    pub(super) fn release(&mut self, now_us: u64) -> Option<(u64, u64)> {
        let (reorder, clock) = (self.reorder.as_mut()?, self.clock.as_ref()?);
        reorder.release(now_us, &mut self.in_order);
        let earliest_us = self.in_order.packets().first().map(|packet| packet.time_us);
        let count = self.in_order.len() as u64;
        let at_us = if reorder.held() == 0 { clock.watermark_us() } else { reorder.released_us() };
        let at = (clock.epoch(), at_us);
        self.meter_in_order(at);
        Some((earliest_us?, count))
    }

    /// Meters everything that waits for its turn: the run ends.
    pub(super) fn release_all(&mut self) {
        if let (Some(reorder), Some(clock)) = (&mut self.reorder, &self.clock) {
            reorder.release_all(&mut self.in_order);
            let at = (clock.epoch(), clock.watermark_us());
            self.meter_in_order(at);
        }
    }

    fn meter_in_order(&mut self, (epoch, watermark_us): (u32, u64)) {
        (self.in_order.epoch, self.in_order.watermark_us) = (epoch, watermark_us);
        self.shards.meter(&self.in_order, &mut self.open.events);
        self.in_order.clear();
    }

    /// Packets wait for their turn.
    pub(super) fn holds(&self) -> bool {
        self.reorder.as_ref().is_some_and(|reorder| reorder.held() > 0)
    }

    /// Packets are put in order between rings.
    pub(super) fn reorders(&self) -> bool {
        self.reorder.is_some()
    }

    /// Remembers that packets came, up to capture time `watermark_us`, at `now_us`.
    pub(super) fn saw_packets(&mut self, now_us: u64, watermark_us: u64) {
        let known_us = self.clock.as_ref().map_or(watermark_us, MergedClock::watermark_us);
        self.last_packet = Some((known_us, now_us));
        self.sums.last_packet_us = watermark_us;
        self.sums.last_seen_us = Some(now_us);
    }

    /// How long no packet came, on the monotonic clock; 0 before the first.
    pub(super) fn silent_us(&self, now_us: u64) -> u64 {
        self.last_packet.map_or(0, |(_, seen_us)| now_us.saturating_sub(seen_us))
    }

    /// The capture clock at the last packet.
    pub(super) fn last_packet_us(&self) -> u64 {
        self.last_packet.map_or(0, |(time_us, _)| time_us)
    }

    /// Capture time has come to `now_us` without a packet. (A ring that is alone goes by its intake's clock.)
    pub(super) fn pass_time(&mut self, now_us: u64) {
        if self.holds() {
            return;
        }
        if let Some(clock) = &mut self.clock {
            let (epoch, watermark_us) = clock.advance(now_us);
            let mut empty = PacketBatch::default();
            (empty.epoch, empty.watermark_us) = (epoch, watermark_us);
            self.shards.meter(&empty, &mut self.open.events);
        }
    }

    /// Ends about `most` flows, because the run ends; true when none is left.
    pub(super) fn drain(&mut self, most: usize) -> bool {
        self.shards.drain_some(u64::MAX, most, EndReason::EndOfInput, &mut self.open.events)
    }

    pub(super) fn is_large(&self) -> bool {
        self.open.events.events.len() >= Self::EVENTS_LARGE
    }

    /// Nobody scores any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned
    }

    /// Sends the open parcel to the scorer. At a full queue a wire sheds: records first, events only when nothing is taken at
    /// all. Whoever can wait waits.
    pub(super) fn pass_on(&mut self, now_us: u64, shed: bool) {
        if self.open.is_empty() {
            return;
        }
        self.conversations.add(self.open.conversations(), now_us);
        (self.sums.conversations, self.sums.one_way) = self.conversations.lately();
        let mut records = self.open.records();
        let mut count = records.finals + records.provisional;
        while self.is_crowded(count) && !self.shared.stopping.load(Ordering::Relaxed) {
            if shed {
                self.sums.unscored.finals += records.finals;
                self.sums.unscored.provisional += records.provisional;
                self.open.shed_records();
                (records, count) = Default::default();
                break;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        let mut parcel = std::mem::replace(&mut self.open, self.spare.try_recv().unwrap_or_default());
        parcel.metered_us = now_us;
        self.shared.records_waiting.fetch_add(count, Ordering::Relaxed);
        let refused = if shed {
            match self.to_scorer.try_send(parcel) {
                Ok(()) => None,
                Err(TrySendError::Full(parcel)) => Some(parcel),
                Err(TrySendError::Disconnected(parcel)) => {
                    self.abandoned = true;
                    Some(parcel)
                }
            }
        } else {
            let sent = self.to_scorer.send(parcel);
            self.abandoned |= sent.is_err();
            sent.err().map(|e| e.into_inner())
        };
        self.sums.parcels += u64::from(refused.is_none());
        if let Some(mut parcel) = refused {
            self.shared.records_waiting.fetch_sub(count, Ordering::Relaxed);
            self.sums.unscored.finals += records.finals;
            self.sums.unscored.provisional += records.provisional;
            self.sums.unscored.events += parcel.events.events.len() as u64;
            parcel.clear();
            self.open = parcel;
        }
    }

    /// More records wait than may. A parcel on its own is never too large.
    fn is_crowded(&self, more: u64) -> bool {
        let waiting = self.shared.records_waiting.load(Ordering::Relaxed);
        more > 0 && waiting > 0 && waiting + more > self.records_waiting_max
    }

    pub(super) fn publish(&mut self, published: &Published) {
        self.sums.flows = self.shards.accounting();
        self.sums.tables = self.shards.counters();
        if let Some(reorder) = &self.reorder {
            (self.sums.held, self.sums.late) = (reorder.held() as u64, reorder.late());
        }
        published.sums.store(Arc::new(self.sums));
    }
}
