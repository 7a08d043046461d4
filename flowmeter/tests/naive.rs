//! The meter a second time, slow and obvious: every flow keeps all its packets, every deadline is looked at before every
//! packet, statistics are taken over lists, sequence numbers are unwrapped into 64 bits. Nothing is shared with the library
//! but its output types.

// Named, because the fuzz target that shares this file finds it by a path of its own.
#[path = "naive/flow.rs"]
mod flow;

use std::collections::{BTreeMap, HashMap, VecDeque};

use flowmeter::{EndReason, Endpoint, EventKind, EventOrder, FlowEvent, FlowKey, MeterConfig, Phase};

use crate::build::{ACK, RST, SYN, Step};
use crate::run::Told;
use flow::{Flow, Seen};

/// A step with its place in time.
#[derive(Clone, Debug)]
struct Placed {
    step: Step,
    time_us: u64,
    watermark_us: u64,
    epoch: u32,
    seq: u64,
    shard: usize,
}

/// Believes, contradicts and steps back, looking ahead where the meter has to wait.
fn place(steps: &[Step], idle_us: u64, shards: &[usize]) -> Vec<Placed> {
    let mut placed = Vec::new();
    let mut epoch = 0;
    let mut clock: Option<u64> = None;
    for (seq, step) in steps.iter().enumerate() {
        let mut time_us = step.time_us;
        if let Some(watermark) = clock {
            let contradicted = steps.get(seq + 1).is_some_and(|next| next.time_us + idle_us < time_us);
            if time_us > watermark + idle_us && contradicted {
                time_us = watermark;
            } else if time_us + idle_us < watermark {
                epoch += 1;
                clock = None;
            }
        }
        let watermark_us = clock.unwrap_or(0).max(time_us);
        clock = Some(watermark_us);
        let shard = shards[seq];
        placed.push(Placed { step: step.clone(), time_us, watermark_us, epoch, seq: seq as u64, shard });
    }
    placed
}

/// Flow and direction of a step: the key, and whether the sender is its lower end.
fn key_of(step: &Step) -> (FlowKey, bool) {
    let (mut ports, mut one_way) = ((step.source.1, step.destination.1), false);
    if step.protocol == 1 {
        // Echo request and reply; whatever else the tests send is one-way.
        (ports, one_way) = match ports.0 {
            8 => ((8, 0), false),
            0 => ((0, 8), false),
            _ => (ports, true),
        };
    }
    let end = |address, port| Endpoint { address, port };
    let (source, destination) = (end(step.source.0, ports.0), end(step.destination.0, ports.1));
    FlowKey::new(source, destination, step.protocol, None, None, one_way)
}

/// What a full run of the naive meter tells.
pub struct Expected {
    pub told: Vec<Told>,
    /// Features by event order.
    pub features: BTreeMap<EventOrder, [f64; 20]>,
}

struct Naive<'a> {
    config: &'a MeterConfig,
    flows: Vec<Flow>,
    /// Flows begun, by key and first microsecond, in this epoch.
    begun: HashMap<(FlowKey, u64), u32>,
    /// By shard: flows without and with an answer, in the order of queueing, with their last time then.
    queues: Vec<[VecDeque<(usize, u64)>; 2]>,
    next_id: usize,
    out: Expected,
}

/// Runs the steps; `shards` has each one's shard, which is the one thing taken from the meter.
pub fn run(config: &MeterConfig, steps: &[Step], shards: &[usize]) -> Expected {
    let out = Expected { told: Vec::new(), features: BTreeMap::new() };
    let queues = (0..16).map(|_| Default::default()).collect();
    let mut naive = Naive { config, flows: Vec::new(), begun: HashMap::new(), queues, next_id: 0, out };
    let placed = place(steps, config.idle_timeout_us, shards);
    let mut at: Option<(u32, u64)> = None;
    for packet in &placed {
        if let Some((epoch, watermark_us)) = at.filter(|it| it.0 != packet.epoch) {
            naive.drain(epoch, watermark_us, EndReason::ClockStep);
        }
        at = Some((packet.epoch, packet.watermark_us));
        naive.expire(packet.epoch, packet.watermark_us);
        naive.observe(packet);
    }
    if let Some((epoch, watermark_us)) = at {
        naive.drain(epoch, watermark_us, EndReason::EndOfInput);
    }
    naive.out.told.sort_by_key(|it| it.event.order);
    naive.out
}

impl Naive<'_> {
    fn expire(&mut self, epoch: u32, watermark_us: u64) {
        let (ended, kept): (Vec<_>, Vec<_>) =
            self.flows.drain(..).partition(|it| watermark_us > it.deadline(self.config).0);
        self.flows = kept;
        for flow in ended {
            let (at_us, reason) = flow.deadline(self.config);
            let order = EventOrder { epoch, at_us, phase: Phase::Expiry, seq: flow.first_seq, sub: 0 };
            self.tell(&flow, EventKind::Ended(reason), order);
        }
    }

    fn drain(&mut self, epoch: u32, at_us: u64, reason: EndReason) {
        for flow in std::mem::take(&mut self.flows) {
            let reason = flow.closed.map_or(reason, |it| it.1);
            let order = EventOrder { epoch, at_us, phase: Phase::Drain, seq: flow.first_seq, sub: 0 };
            self.tell(&flow, EventKind::Ended(reason), order);
        }
        self.begun.clear();
        self.queues.iter_mut().flatten().for_each(VecDeque::clear);
    }

    fn observe(&mut self, packet: &Placed) {
        let mut sub = 0;
        let mut next = || {
            sub += 1;
            EventOrder {
                epoch: packet.epoch,
                at_us: packet.watermark_us,
                phase: Phase::Packet,
                seq: packet.seq,
                sub: sub - 1,
            }
        };
        let (key, from_lower) = key_of(&packet.step);
        let flags = if packet.step.protocol == 6 { packet.step.flags & 0x17 } else { 0 };
        let mut found = self.flows.iter().position(|it| it.key == key);
        if let Some(at) = found
            && let Some((_, reason)) = self.flows[at].closed
            && flags == SYN
        {
            let flow = &self.flows[at];
            let forward = from_lower == flow.initiator_is_lower;
            let isn = flow.one_way(forward).filter(|it| it.has(SYN)).last().map(|it| it.step.seq);
            if isn != Some(packet.step.seq) {
                let flow = self.flows.remove(at);
                self.tell(&flow, EventKind::Ended(reason), next());
                found = None;
            }
        }
        let is_new = found.is_none();
        let at = found.unwrap_or_else(|| {
            self.make_room(packet, &mut next);
            let start_us = packet.time_us;
            let begun = self.begun.entry((key, start_us)).or_insert(0);
            let ordinal = packet.epoch * 65536 + *begun;
            *begun += 1;
            self.next_id += 1;
            self.flows.push(Flow {
                id: self.next_id,
                shard: packet.shard,
                key,
                initiator_is_lower: from_lower == (flags != SYN | ACK),
                began_with_syn: flags == SYN,
                began_cleanly: flags == SYN | ACK || flags & (ACK | RST) == 0,
                first_seq: packet.seq,
                ordinal,
                segment: 0,
                packets: Vec::new(),
                from: 0,
                closed: None,
                answered: false,
                refused: false,
            });
            self.flows.len() - 1
        });
        let flow = &self.flows[at];
        let stepped_back = packet.time_us < flow.last_us();
        let time_us = packet.time_us.max(flow.last_us());
        let overdue = !is_new && time_us > flow.segment_packets()[0].time_us + self.config.active_timeout_us;
        if overdue && flow.closed.is_none() {
            let flow = flow.clone();
            self.tell(&flow, EventKind::Ended(EndReason::Active), next());
            self.flows[at].segment += 1;
            self.flows[at].from = flow.packets.len();
        }
        let flow = &mut self.flows[at];
        let forward = from_lower == flow.initiator_is_lower;
        let before = flow.one_way(false).count();
        flow.packets.push(Seen { time_us, stepped_back, forward, step: packet.step.clone() });
        let mut kinds = Vec::new();
        if is_new {
            kinds.push(EventKind::Started);
        }
        let rst = flags & RST != 0;
        if !forward && rst && before == 0 {
            flow.refused = true;
            kinds.push(EventKind::Refused);
        }
        if !forward && !rst && !flow.answered {
            flow.answered = true;
            kinds.push(EventKind::Answered);
        }
        let acknowledges = |flow: &Flow| flow.one_way(true).filter(|it| it.has(ACK)).count();
        if flow.began_with_syn && forward && flags & ACK != 0 && acknowledges(flow) == 1 {
            kinds.push(EventKind::Established);
        }
        let count = flow.segment_packets().len() as u32;
        if flow.segment == 0 && self.config.snapshots.contains(&count) {
            kinds.push(EventKind::Snapshot(count));
        }
        if flow.closed.is_none() && packet.step.protocol == 6 && (rst || flow.both_fins_acknowledged()) {
            let reason = if rst { EndReason::Rst } else { EndReason::Fin };
            flow.closed = Some((packet.watermark_us + self.config.linger_us, reason));
            kinds.push(EventKind::Closed);
        }
        let (id, last_us) = (flow.id, flow.last_us());
        let replied = flow.answered || flow.refused;
        if kinds.iter().any(|it| matches!(it, EventKind::Answered | EventKind::Refused)) {
            self.queues[packet.shard][1].push_back((id, last_us));
        } else if is_new && !replied {
            self.queues[packet.shard][0].push_back((id, last_us));
        }
        if !kinds.is_empty() {
            let flow = flow.clone();
            kinds.into_iter().for_each(|kind| self.tell(&flow, kind, next()));
        }
    }

    fn make_room(&mut self, packet: &Placed, next: &mut impl FnMut() -> EventOrder) {
        let max = self.config.flows_max.div_ceil(16);
        let nearly_full = max - max / 8;
        for _ in 0..2 {
            if self.active(packet.shard) < nearly_full {
                break;
            }
            let Some(at) = self.oldest(packet.shard, false) else {
                break;
            };
            if self.flows[at].last_us() + self.config.emergency_timeout_us >= packet.watermark_us {
                break;
            }
            self.evict(at, next());
        }
        if self.active(packet.shard) >= max {
            let at = self.oldest(packet.shard, false).or_else(|| self.oldest(packet.shard, true));
            self.evict(at.expect("a full table has a flow"), next());
        }
    }

    fn active(&self, shard: usize) -> usize {
        self.flows.iter().filter(|it| it.shard == shard).count()
    }

    fn evict(&mut self, at: usize, order: EventOrder) {
        let flow = self.flows.remove(at);
        let reason = flow.closed.map_or(EndReason::Evicted, |it| it.1);
        self.tell(&flow, EventKind::Ended(reason), order);
    }

    /// The front of a queue, up to eight flows with a packet since they were queued going to the back.
    fn oldest(&mut self, shard: usize, replied: bool) -> Option<usize> {
        let mut chances = 8;
        loop {
            let (id, queued_us) = self.queues[shard][usize::from(replied)].pop_front()?;
            let at = self.flows.iter().position(|it| it.id == id);
            let Some(at) = at.filter(|&at| (self.flows[at].answered || self.flows[at].refused) == replied)
            else {
                continue;
            };
            let last_us = self.flows[at].last_us();
            let queue = &mut self.queues[shard][usize::from(replied)];
            if last_us == queued_us || chances == 0 {
                queue.push_front((id, queued_us));
                return Some(at);
            }
            chances -= 1;
            queue.push_back((id, last_us));
        }
    }

    fn tell(&mut self, flow: &Flow, kind: EventKind, order: EventOrder) {
        let (end_reason, has_record) = match kind {
            EventKind::Ended(reason) => (Some(reason), true),
            EventKind::Snapshot(_) | EventKind::Closed => (None, true),
            _ => (None, false),
        };
        let sent = |forward: bool| flow.segment_packets().iter().filter(move |it| it.forward == forward);
        let bytes = |forward: bool| sent(forward).map(|it| u64::from(it.step.payload_len)).sum();
        let event = FlowEvent {
            order,
            kind,
            key: flow.key,
            initiator_is_lower: flow.initiator_is_lower,
            began_with_syn: flow.began_with_syn,
            began_cleanly: flow.began_cleanly,
            established: flow.began_with_syn && flow.one_way(true).any(|it| it.has(ACK)),
            flow_start_us: flow.packets[0].time_us,
            ordinal: flow.ordinal,
            segment: flow.segment,
            time_us: flow.last_us(),
            packets: [true, false].map(|forward| sent(forward).count() as u64),
            bytes: [true, false].map(bytes),
            record: None,
        };
        if has_record {
            self.out.features.insert(order, flow.features());
        }
        self.out.told.push(Told { event, record: has_record.then(|| flow.record(end_reason)) });
    }
}
