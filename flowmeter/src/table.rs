//! The flow table of one shard: packets in, events out, in bounded memory.
//!
//! What happens to a flow depends on the table's own packets and on the capture clock they carry, never on when the table
//! was asked to expire flows or where batches were cut: exact comparisons decide, at the flow's next packet, at every batch
//! end, and before anything is decided by how full the table is.
//!
//! How the contract's words are read here:
//! - *Idle*: the clock is more than the idle timeout past the flow's last `t'`. The end is told at the deadline.
//! - *Active*: a packet's `t'` is more than the active timeout past the segment's first one. That packet begins the next
//!   segment; a flow that stays silent ends idle instead. A flow in its linger is not cut.
//! - *Linger*: it lasts until the clock is more than its length past the clock at closing. A straggler counts whatever it is,
//!   and does not prolong it. A pure SYN (without ACK, RST, FIN) whose sequence number is not that of its direction's last
//!   SYN ends it and begins another flow; on a flow that has not closed, such a SYN is one packet more.
//! - *Both FINs acknowledged*: each direction's first FIN, and an acknowledgement of it by the other side, even one that was
//!   captured before it. *RST*: any, from either side, whatever its numbers.

mod age;
mod flow;
mod index;
mod places;
mod recent;
mod room;
mod wheel;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::accounting::{FlowAccounting, TableCounters};
use crate::config::{ConfigError, MeterConfig};
use crate::context::Context;
use crate::event::{EndReason, EventBatch, EventKind, EventOrder, Phase, RecordIndex};
use crate::key::Direction;
use crate::meter::AHEAD;
use crate::packet::Packet;
use age::AgeQueue;
use flow::Flow;
use index::Index;
use places::{NO_FLOW, Places};
use recent::Recent;
use wheel::{NIL, Wheel};

/// How far the clock may run ahead of the wheel between two batch ends, us; beyond it the wheel is turned at once.
const WHEEL_LAG_US: u64 = 256 << 20;

/// One logical shard: its flows, and its share of every limit.
#[derive(Clone, Debug)]
pub struct FlowTable {
    idle_us: u64,
    active_us: u64,
    linger_us: u64,
    emergency_us: u64,
    snapshots: Vec<u32>,
    track_vlan: bool,
    flows_max: usize,
    contexts_max: usize,

    index: Index,
    flows: Places,
    wheel: Wheel,
    unreplied: AgeQueue,
    replied: AgeQueue,
    recent: Recent,
    contexts: HashMap<u32, Context>,

    /// None before the first packet.
    epoch: Option<u32>,
    watermark_us: u64,
    /// The time that the wheel was last turned to.
    turned_us: u64,
    accounting: FlowAccounting,
    counters: TableCounters,
}

/// A packet as a cause of events.
struct Cause(EventOrder);

impl Cause {
    fn next(&mut self) -> EventOrder {
        let order = self.0;
        self.0.sub += 1;
        order
    }
}

impl FlowTable {
    /// An empty table with one shard's share of the limits.
    pub fn new(config: &MeterConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let flows_max = MeterConfig::share(config.flows_max);
        Ok(Self {
            idle_us: config.idle_timeout_us,
            active_us: config.active_timeout_us,
            linger_us: config.linger_us,
            emergency_us: config.emergency_timeout_us,
            snapshots: config.snapshots.clone(),
            track_vlan: config.track_vlan,
            flows_max,
            contexts_max: MeterConfig::share(config.contexts_max),
            index: Index::new(flows_max),
            flows: Places::new(flows_max),
            wheel: Wheel::new(),
            unreplied: AgeQueue::default(),
            replied: AgeQueue::default(),
            recent: Recent::new(),
            contexts: HashMap::new(),
            epoch: None,
            watermark_us: 0,
            turned_us: 0,
            accounting: FlowAccounting::default(),
            counters: TableCounters::default(),
        })
    }

    /// Takes a packet of this shard; packets come in the order of their numbers.
    #[inline]
    pub fn observe(&mut self, packet: &Packet, out: &mut EventBatch) {
        self.observe_at(packet, NIL, out);
    }

    /// As [`FlowTable::observe`], with the place that [`FlowTable::look_up`] found for it, which may be out of date.
    #[inline]
    pub(crate) fn observe_at(&mut self, packet: &Packet, hint: u32, out: &mut EventBatch) {
        self.enter(packet.epoch, packet.watermark_us, out);
        let now_us = packet.watermark_us;
        let (epoch, seq) = (packet.epoch, packet.seq);
        let mut cause = Cause(EventOrder { epoch, at_us: now_us, phase: Phase::Packet, seq, sub: 0 });
        let is_there = hint != NIL && self.flows.at(hint).is_of(&packet.key, self.track_vlan);
        let found = if is_there { Some(hint) } else { self.find(packet) };
        let Some(place) = found else {
            self.start(packet, &mut cause, out);
            return;
        };
        let flow = self.flows.at(place);
        let (deadline_us, reason) = flow.deadline(self.idle_us);
        let closed_by = flow.closed_by();
        let time_us = packet.time_us.max(flow.last_us());
        if now_us > deadline_us {
            self.wheel.remove(&mut self.flows, place);
            self.end_expired(place, deadline_us, reason, out);
            self.start(packet, &mut cause, out);
            return;
        }
        match closed_by {
            Some(reason) if flow.is_another_connection(packet) => {
                self.wheel.remove(&mut self.flows, place);
                self.end(place, reason, cause.next(), out);
                self.start(packet, &mut cause, out);
                return;
            }
            None if time_us - flow.start_us() > self.active_us || flow.is_full() => {
                let direction = flow.direction(packet);
                self.cut(place, time_us, direction, &mut cause, out);
            }
            _ => {}
        }
        self.count(place, packet, &mut cause, out);
    }

    /// Attaches a name to the flow of a packet just observed, if it has none yet and there is room.
    pub fn annotate(&mut self, packet: &Packet, context: &Context) {
        let Some(place) = self.find(packet) else { return };
        if self.flows.at(place).has_context() {
            return;
        }
        if self.contexts.len() >= self.contexts_max {
            self.counters.contexts_dropped += 1;
            return;
        }
        self.contexts.insert(place, *context);
        self.flows.at_mut(place).set_has_context();
    }

    /// Ends every flow whose deadline lies before the clock. For the end of a batch; calling it more or less often changes
    /// nothing but in which batch an end is told.
    pub fn expire(&mut self, epoch: u32, watermark_us: u64, out: &mut EventBatch) {
        self.enter(epoch, watermark_us, out);
        self.turn(out);
    }

    /// Ends every flow, at the end of the input. Expire first with the final clock.
    pub fn drain(&mut self, reason: EndReason, out: &mut EventBatch) {
        for place in 0..self.flows.all().len() as u32 {
            if self.flows.at(place).first_seq() != NO_FLOW {
                self.drain_one(place, reason, out);
            }
        }
        self.unreplied.clear();
        self.replied.clear();
    }

    /// The flows in the table: number of the first packet, and place.
    pub(crate) fn standing(&self) -> impl Iterator<Item = (u64, u32)> {
        let places = (0..).zip(self.flows.all()).map(|(place, flow)| (flow.first_seq(), place));
        places.filter(|(first_seq, _)| *first_seq != NO_FLOW)
    }

    /// Ends the flow at a place, as a drain does.
    pub(crate) fn drain_one(&mut self, place: u32, reason: EndReason, out: &mut EventBatch) {
        let flow = self.flows.at(place);
        let reason = flow.closed_by().unwrap_or(reason);
        let order = EventOrder {
            epoch: self.epoch.unwrap_or(0),
            at_us: self.watermark_us,
            phase: Phase::Drain,
            seq: flow.first_seq(),
            sub: 0,
        };
        self.wheel.remove(&mut self.flows, place);
        self.end(place, reason, order, out);
    }

    /// A word of each cache line that the end of the flow at a place will need, as [`FlowTable::look_up`] for packets.
    #[inline]
    pub(crate) fn touch(&self, place: u32) -> u64 {
        let flow = self.flows.at(place);
        flow.touch() ^ self.index.home_entry(flow.tag)
    }

    /// Where a packet's flow probably is ([`FlowTable::observe_at`] checks), and a word of each cache line that it will need.
    /// The word says nothing of use, but has to be used, or the compiler leaves the reading out.
    #[inline]
    pub(crate) fn look_up(&self, packet: &Packet) -> (u32, u64) {
        match self.index.find(packet.hash as u32, |_| true) {
            Some(place) => (place, self.flows.at(place).touch()),
            None => (NIL, 0),
        }
    }

    /// Flows in the table.
    pub fn active(&self) -> usize {
        self.accounting.active as usize
    }

    /// Where every flow went.
    pub fn accounting(&self) -> FlowAccounting {
        self.accounting
    }

    /// What a full table did.
    pub fn counters(&self) -> TableCounters {
        self.counters
    }

    /// Moves to the time of a packet or of a batch end; into a new epoch only with an empty table.
    #[inline]
    fn enter(&mut self, epoch: u32, watermark_us: u64, out: &mut EventBatch) {
        if self.epoch != Some(epoch) {
            self.drain(EndReason::ClockStep, out);
            self.recent.clear();
            self.epoch = Some(epoch);
            self.watermark_us = watermark_us;
            self.turned_us = watermark_us;
            self.wheel.restart(watermark_us);
        }
        self.watermark_us = self.watermark_us.max(watermark_us);
        if self.watermark_us - self.turned_us > WHEEL_LAG_US {
            self.turn(out);
        }
    }

    #[inline]
    fn find(&self, packet: &Packet) -> Option<u32> {
        let flows = &self.flows;
        self.index.find(packet.hash as u32, |place| flows.at(place).is_of(&packet.key, self.track_vlan))
    }

    /// Begins a flow with its first packet.
    fn start(&mut self, packet: &Packet, cause: &mut Cause, out: &mut EventBatch) {
        self.make_room(cause, out);
        let tag = packet.hash as u32;
        let ordinal = self.recent.next_ordinal(tag, packet.time_us);
        let place = self.flows.insert(Flow::begin(packet, ordinal));
        self.index.insert(tag, place);
        self.wheel.insert(&mut self.flows, place, packet.time_us + self.idle_us);
        self.accounting.started += 1;
        self.accounting.active += 1;
        let flow = self.flows.at(place);
        out.events.push(flow.event(cause.next(), EventKind::Started, self.track_vlan));
        let started = out.events.len() - 1;
        self.count(place, packet, cause, out);
        let flow = self.flows.at(place);
        // The event tells of the packet that it is about, which was counted after it.
        (out.events[started].packets, out.events[started].bytes) = flow.totals();
        if !flow.is_replied() {
            self.unreplied.push(place, flow.standing(), self.flows.standing(false));
        }
    }

    /// Counts a packet of the flow at a place.
    #[inline]
    fn count(&mut self, place: u32, packet: &Packet, cause: &mut Cause, out: &mut EventBatch) {
        let flow = self.flows.at_mut(place);
        let effects = flow.count(packet, self.linger_us);
        let packets = flow.packets();
        let snapshot = flow.segment() == 0 && self.snapshots.iter().any(|&n| u64::from(n) == packets);
        if effects.answered || effects.refused {
            let kind = if effects.answered { EventKind::Answered } else { EventKind::Refused };
            out.events.push(flow.event(cause.next(), kind, self.track_vlan));
            let flow = self.flows.at(place);
            self.replied.push(place, flow.standing(), self.flows.standing(true));
        }
        if effects.established {
            let flow = self.flows.at(place);
            out.events.push(flow.event(cause.next(), EventKind::Established, self.track_vlan));
        }
        if snapshot {
            self.tell(place, EventKind::Snapshot(packets as u32), cause.next(), out);
        }
        if effects.closed {
            self.tell(place, EventKind::Closed, cause.next(), out);
            let flow = self.flows.at(place);
            self.recent.note(flow.tag, flow.flow_start_us(), flow.ordinal());
            let (deadline_us, _) = flow.deadline(self.idle_us);
            self.wheel.remove(&mut self.flows, place);
            self.wheel.insert(&mut self.flows, place, deadline_us);
        }
    }

    /// Ends a segment at the active timeout and begins the next.
    fn cut(&mut self, place: u32, at: u64, direction: Direction, cause: &mut Cause, out: &mut EventBatch) {
        self.tell(place, EventKind::Ended(EndReason::Active), cause.next(), out);
        self.accounting.ended_by[EndReason::Active as usize] += 1;
        self.accounting.started += 1;
        self.flows.at_mut(place).begin_segment(at, direction);
    }

    /// Turns the wheel to the clock, and ends what has passed its deadline.
    fn turn(&mut self, out: &mut EventBatch) {
        if self.turned_us == self.watermark_us {
            // Whatever came since has a deadline no earlier than the clock.
            return;
        }
        self.turned_us = self.watermark_us;
        let mut current_taken = false;
        loop {
            let mut place = self.wheel.turn(self.watermark_us, &mut current_taken);
            if place == NIL {
                return;
            }
            while place != NIL {
                // In groups, because each flow's line in the index is a cache miss of its own.
                let mut group = [NIL; AHEAD];
                let mut touched = 0;
                for slot in &mut group {
                    if place == NIL {
                        break;
                    }
                    *slot = place;
                    touched ^= self.touch(place);
                    place = self.flows.at(place).links.next;
                }
                std::hint::black_box(touched);
                for place in group.into_iter().take_while(|place| *place != NIL) {
                    self.end_or_postpone(place, out);
                }
            }
        }
    }

    /// Ends a flow that the wheel has proposed, or puts it back under its real deadline.
    fn end_or_postpone(&mut self, place: u32, out: &mut EventBatch) {
        let (deadline_us, reason) = self.flows.at(place).deadline(self.idle_us);
        if self.watermark_us > deadline_us {
            self.end_expired(place, deadline_us, reason, out);
        } else {
            self.wheel.insert(&mut self.flows, place, deadline_us);
        }
    }

    fn end_expired(&mut self, place: u32, deadline_us: u64, reason: EndReason, out: &mut EventBatch) {
        let order = EventOrder {
            epoch: self.epoch.unwrap_or(0),
            at_us: deadline_us,
            phase: Phase::Expiry,
            seq: self.flows.at(place).first_seq(),
            sub: 0,
        };
        self.end(place, reason, order, out);
    }

    /// Ends a flow that is in no slot of the wheel any more.
    fn end(&mut self, place: u32, reason: EndReason, order: EventOrder, out: &mut EventBatch) {
        self.tell(place, EventKind::Ended(reason), order, out);
        let flow = self.flows.at(place);
        if flow.has_context() {
            self.contexts.remove(&place);
        }
        self.index.remove(flow.tag, place);
        self.flows.remove(place);
        self.accounting.ended_by[reason as usize] += 1;
        self.accounting.active -= 1;
    }

    /// An event with a record.
    fn tell(&mut self, place: u32, kind: EventKind, order: EventOrder, out: &mut EventBatch) {
        let flow = self.flows.at(place);
        let end_reason = match kind {
            EventKind::Ended(reason) => Some(reason),
            _ => None,
        };
        let mut record = flow.record(order.epoch, self.track_vlan, end_reason);
        if flow.has_context()
            && let Some(context) = self.contexts.get(&place)
        {
            record.context = Some(out.contexts.len() as u32);
            out.contexts.push(*context);
        }
        let mut event = flow.event(order, kind, self.track_vlan);
        event.record = Some(RecordIndex(out.records.len() as u32));
        out.records.push(record);
        out.events.push(event);
    }
}
