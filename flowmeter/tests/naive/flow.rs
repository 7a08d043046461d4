//! A flow that keeps all its packets, and what follows from them.

use flowmeter::{EndReason, FlowKey, FlowRecord, MeterConfig, OneWay};

use crate::build::{ACK, FIN, SYN, Step};

/// One packet of a flow.
#[derive(Clone, Debug)]
pub struct Seen {
    pub time_us: u64,
    pub stepped_back: bool,
    pub forward: bool,
    pub step: Step,
}

impl Seen {
    pub fn has(&self, flags: u8) -> bool {
        self.step.protocol == 6 && self.step.flags & flags == flags
    }

    /// Sequence numbers taken.
    pub fn len(&self) -> i64 {
        i64::from(self.step.payload_len) + i64::from(self.has(SYN)) + i64::from(self.has(FIN))
    }

    pub fn header_len(&self) -> u64 {
        let ip = if self.step.source.0.is_ipv4() { 20 } else { 40 };
        ip + if self.step.protocol == 6 { 20 } else { 8 }
    }
}

#[derive(Clone, Debug)]
pub struct Flow {
    pub id: usize,
    pub shard: usize,
    pub key: FlowKey,
    pub initiator_is_lower: bool,
    pub began_with_syn: bool,
    pub began_cleanly: bool,
    pub first_seq: u64,
    pub ordinal: u32,
    pub segment: u32,
    /// All its packets, earlier segments' included.
    pub packets: Vec<Seen>,
    /// Index of the segment's first packet.
    pub from: usize,
    pub closed: Option<(u64, EndReason)>,
    pub answered: bool,
    pub refused: bool,
}

fn distance(a: u32, b: u32) -> i64 {
    i64::from(a.wrapping_sub(b) as i32)
}

impl Flow {
    pub fn last_us(&self) -> u64 {
        self.packets.last().map_or(0, |it| it.time_us)
    }

    pub fn segment_packets(&self) -> &[Seen] {
        &self.packets[self.from..]
    }

    pub fn deadline(&self, config: &MeterConfig) -> (u64, EndReason) {
        self.closed.unwrap_or((self.last_us() + config.idle_timeout_us, EndReason::Idle))
    }

    pub fn one_way(&self, forward: bool) -> impl Iterator<Item = &Seen> {
        self.packets.iter().filter(move |it| it.forward == forward)
    }

    /// A FIN each way, and for each an acknowledgement from the other side, whenever it came.
    pub fn both_fins_acknowledged(&self) -> bool {
        [true, false].into_iter().all(|way| {
            let Some(fin) = self.one_way(way).find(|it| it.has(FIN)) else {
                return false;
            };
            let end = fin.step.seq.wrapping_add(fin.len() as u32);
            self.one_way(!way).any(|it| it.has(ACK) && distance(it.step.ack, end) >= 0)
        })
    }

    /// For each packet of one direction: is it a retransmission, is it out of order?
    pub fn order_of(&self, forward: bool) -> Vec<(bool, bool)> {
        let mut classes = Vec::new();
        let mut base = 0;
        let mut isn = None;
        // One past the highest byte, relative to `base`; and the number of bytes skipped.
        let mut highest: Option<i64> = None;
        let mut missing = 0;
        for packet in self.one_way(forward) {
            let mut class = (false, false);
            if packet.step.protocol == 6 && packet.len() > 0 {
                if packet.has(SYN) && isn != Some(packet.step.seq) {
                    isn = Some(packet.step.seq);
                    highest = None;
                }
                if highest.is_none() {
                    base = packet.step.seq;
                }
                let start = distance(packet.step.seq, base);
                let end = start + packet.len();
                match highest {
                    None => {
                        highest = Some(end);
                        missing = 0;
                    }
                    Some(top) if end <= top => {
                        if missing >= packet.len() {
                            missing -= packet.len();
                            class = (false, true);
                        } else {
                            class = (true, false);
                        }
                    }
                    Some(top) => {
                        missing += (start - top).max(0);
                        highest = Some(end);
                    }
                }
            }
            classes.push(class);
        }
        classes
    }

    pub fn way(&self, forward: bool) -> OneWay {
        let earlier = self.packets[..self.from].iter().filter(|it| it.forward == forward).count();
        let classes = &self.order_of(forward)[earlier..];
        let packets: Vec<&Seen> = self.segment_packets().iter().filter(|it| it.forward == forward).collect();
        let lens: Vec<u64> = packets.iter().map(|it| it.step.payload_len.into()).collect();
        let clipped: Vec<u64> = lens.iter().map(|&len| len.min(1460)).collect();
        let mut flags = [0; 8];
        for (bit, count) in flags.iter_mut().enumerate() {
            *count = packets.iter().filter(|it| it.has(1 << bit)).count() as u32;
        }
        OneWay {
            packets: packets.len() as u64,
            bytes: lens.iter().sum(),
            header_bytes: packets.iter().map(|it| it.header_len()).sum(),
            clipped_sum: clipped.iter().sum(),
            clipped_squares: clipped.iter().map(|it| it * it).sum(),
            clipped_max: clipped.iter().copied().max().unwrap_or(0),
            clipped_min: clipped.iter().copied().min().unwrap_or(0),
            len_max: lens.iter().copied().max().unwrap_or(0) as u32,
            first_us: packets.first().map_or(0, |it| it.time_us),
            last_us: packets.last().map_or(0, |it| it.time_us),
            flags,
            retransmissions: classes.iter().filter(|it| it.0).count() as u32,
            out_of_order: classes.iter().filter(|it| it.1).count() as u32,
        }
    }

    pub fn gaps(&self, forward_only: bool) -> Vec<u64> {
        let kept = self.segment_packets().iter().filter(|it| it.forward || !forward_only);
        let times: Vec<u64> = kept.map(|it| it.time_us).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    pub fn record(&self, end_reason: Option<EndReason>) -> FlowRecord {
        let squares = |gaps: Vec<u64>| gaps.iter().map(|&it| u128::from(it) * u128::from(it)).sum();
        let packets = self.segment_packets();
        FlowRecord {
            key: self.key,
            initiator_is_lower: self.initiator_is_lower,
            began_with_syn: self.began_with_syn,
            vlan: None,
            end_reason,
            flow_start_us: self.packets[0].time_us,
            ordinal: self.ordinal,
            segment: self.segment,
            first_seq: self.first_seq,
            start_us: packets[0].time_us,
            end_us: self.last_us(),
            forward: self.way(true),
            backward: self.way(false),
            gap_squares: squares(self.gaps(false)),
            forward_gap_squares: squares(self.gaps(true)),
            gap_max_us: self.gaps(false).into_iter().max().unwrap_or(0),
            time_steps_back: packets.iter().filter(|it| it.stepped_back).count() as u32,
            context: None,
        }
    }

    /// The features by their definitions, over lists. Sample deviations by all pairs: sum of (a-b)^2 over n(n-1).
    pub fn features(&self) -> [f64; 20] {
        let list = |forward: bool| -> Vec<u64> {
            let kept = self.segment_packets().iter().filter(|it| it.forward == forward);
            kept.map(|it| u64::from(it.step.payload_len)).collect()
        };
        let clip = |lens: &[u64]| -> Vec<u64> { lens.iter().map(|&len| len.min(1460)).collect() };
        let (fwd, bwd) = (list(true), list(false));
        let (fwd_clipped, bwd_clipped) = (clip(&fwd), clip(&bwd));
        let backward_times: Vec<u64> =
            self.segment_packets().iter().filter(|it| !it.forward).map(|it| it.time_us).collect();
        let backward_gaps: Vec<u64> = backward_times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let sum = |list: &[u64]| list.iter().sum::<u64>() as f64;
        let max = |list: &[u64]| list.iter().copied().max().unwrap_or(0) as f64;
        let min = |list: &[u64]| list.iter().copied().min().unwrap_or(0) as f64;
        let mean = |list: &[u64]| {
            if list.is_empty() { 0.0 } else { sum(list) / list.len() as f64 }
        };
        let std = |list: &[u64]| {
            let mut squares = 0u128;
            for (i, &a) in list.iter().enumerate() {
                squares += list[i + 1..].iter().map(|&b| u128::from(a.abs_diff(b)).pow(2)).sum::<u128>();
            }
            let n = list.len() as f64;
            if list.len() < 2 { 0.0 } else { (squares as f64 / (n * (n - 1.0))).sqrt() }
        };
        let seconds = (self.last_us() - self.segment_packets()[0].time_us) as f64 / 1e6;
        let rate = |count: f64| if seconds == 0.0 { 0.0 } else { count / seconds };
        [
            (self.last_us() - self.segment_packets()[0].time_us) as f64,
            fwd.len() as f64,
            bwd.len() as f64,
            sum(&fwd),
            sum(&bwd),
            max(&fwd_clipped),
            min(&fwd_clipped),
            mean(&fwd_clipped),
            std(&fwd_clipped),
            max(&bwd_clipped),
            mean(&bwd_clipped),
            std(&bwd_clipped),
            rate(sum(&fwd) + sum(&bwd)),
            rate(fwd.len() as f64),
            rate(bwd.len() as f64),
            std(&self.gaps(false)),
            max(&self.gaps(false)),
            mean(&self.gaps(true)),
            std(&self.gaps(true)),
            mean(&backward_gaps),
        ]
    }
}
