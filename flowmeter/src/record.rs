//! What is known of a flow's segment: exact counts, and the features that follow from them.

use crate::community::community_id;
use crate::event::EndReason;
use crate::key::{Direction, Endpoint, FiveTuple, FlowKey};
use crate::packet::TcpFlags;
use crate::schema::FeatureVector;
use crate::uid::Uid;

/// Length statistics clip a packet's payload to this, because segmentation offload makes larger ones than any wire does.
pub const CLIPPED_LEN_MAX: u32 = 1460;

/// One segment of a flow. `L` is a packet's layer-4 payload in bytes by its headers' lengths, `L' = min(L, 1460)`, `t'` flow
/// time: the packet's time or the flow's latest, whichever is later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowRecord {
    /// The flow's key.
    pub key: FlowKey,
    /// The initiator is the key's lower endpoint.
    pub initiator_is_lower: bool,
    /// The flow's first packet was a SYN without ACK.
    pub began_with_syn: bool,
    /// VLAN number of the flow's first packet (the tag nearest to the IP header), whether tracked or not.
    pub vlan: Option<u16>,
    /// Why the segment ended; none while it runs (a provisional record).
    pub end_reason: Option<EndReason>,
    /// `t'` of the flow's first packet, the same for all its segments.
    pub flow_start_us: u64,
    /// Earlier flows of this key that began in that microsecond, plus 65536 for each epoch.
    pub ordinal: u32,
    /// Segment, from 0; an active cut begins the next.
    pub segment: u32,
    /// Number of the flow's first packet in the input; the same for all its segments.
    pub first_seq: u64,
    /// `t'` of the segment's first packet.
    pub start_us: u64,
    /// `t'` of the segment's last packet.
    pub end_us: u64,
    /// What the initiator sent.
    pub forward: OneWay,
    /// What the responder sent.
    pub backward: OneWay,
    /// Sum of squared gaps between the segment's successive packets, us^2.
    pub gap_squares: u128,
    /// Sum of squared gaps between successive forward packets, us^2.
    pub forward_gap_squares: u128,
    /// Largest gap between successive packets, us.
    pub gap_max_us: u64,
    /// Packets whose timestamp lay before the flow's latest.
    pub time_steps_back: u32,
    /// Index into [`crate::EventBatch::contexts`] of the same batch.
    pub context: Option<u32>,
}

/// One direction of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OneWay {
    /// Packets.
    pub packets: u64,
    /// Sum of `L`.
    pub bytes: u64,
    /// Sum of IP header bytes (options and extension headers included) and layer-4 header bytes.
    pub header_bytes: u64,
    /// Sum of `L'`.
    pub clipped_sum: u64,
    /// Sum of `L'` squared.
    pub clipped_squares: u64,
    /// Largest `L'`, 0 without packets.
    pub clipped_max: u64,
    /// Smallest `L'`, 0 without packets.
    pub clipped_min: u64,
    /// Largest `L`.
    pub len_max: u32,
    /// `t'` of the first packet, 0 without packets.
    pub first_us: u64,
    /// `t'` of the last packet, 0 without packets.
    pub last_us: u64,
    /// Packets with each TCP flag, in the order of [`TcpFlags::LETTERS`].
    pub flags: [u32; 8],
    /// TCP segments that brought only bytes seen before.
    pub retransmissions: u32,
    /// TCP segments that filled in bytes skipped before.
    pub out_of_order: u32,
}

impl OneWay {
    /// The TCP flags seen at least once.
    pub fn flags_seen(&self) -> TcpFlags {
        let bits = self.flags.iter().enumerate().filter(|(_, count)| **count > 0);
        TcpFlags(bits.fold(0, |seen, (bit, _)| seen | 1 << bit))
    }
}

impl FlowRecord {
    /// One direction.
    pub fn one_way(&self, direction: Direction) -> &OneWay {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
        }
    }

    /// Who opened the flow, to whom, over what.
    pub fn tuple(&self) -> FiveTuple {
        self.key.tuple(self.initiator_is_lower)
    }

    /// The side that opened the flow.
    pub fn initiator(&self) -> Endpoint {
        self.tuple().initiator
    }

    /// The other side.
    pub fn responder(&self) -> Endpoint {
        self.tuple().responder
    }

    /// The flow's id, the same for all its segments.
    pub fn uid(&self, sensor_id: &str) -> Uid {
        Uid::new(sensor_id, &self.key, self.flow_start_us, self.ordinal)
    }

    /// Community ID v1 with seed 0.
    pub fn community_id(&self) -> String {
        community_id(&self.key)
    }

    /// CICFlowMeter's flow id: `src-dst-sport-dport-proto`, src being the initiator.
    pub fn flow_id(&self) -> String {
        self.tuple().to_string()
    }

    /// First to last packet, us.
    pub fn duration_us(&self) -> u64 {
        self.end_us - self.start_us
    }

    /// The features of `cic20/1`, in the order of [`crate::schema::FEATURES`].
    ///
    /// Names are CICFlowMeter's, semantics the corrected ones of Engelen et al. (2021) and Liu et al. (2022). Sums are exact
    /// integers; each value takes one floating-point division (and one root). An empty statistic is 0, a standard deviation
    /// of fewer than two values is 0, a rate over no time is 0; every value is finite.
    pub fn features(&self) -> FeatureVector {
        let Self { forward: fwd, backward: bwd, .. } = self;
        let duration = self.duration_us();
        let packets = fwd.packets + bwd.packets;
        let forward_span = fwd.last_us - fwd.first_us;
        let backward_span = bwd.last_us - bwd.first_us;
        [
            duration as f64,
            fwd.packets as f64,
            bwd.packets as f64,
            fwd.bytes as f64,
            bwd.bytes as f64,
            fwd.clipped_max as f64,
            fwd.clipped_min as f64,
            mean(fwd.clipped_sum, fwd.packets),
            sample_std(fwd.packets, fwd.clipped_squares.into(), fwd.clipped_sum),
            bwd.clipped_max as f64,
            mean(bwd.clipped_sum, bwd.packets),
            sample_std(bwd.packets, bwd.clipped_squares.into(), bwd.clipped_sum),
            rate(fwd.bytes + bwd.bytes, duration),
            rate(fwd.packets, duration),
            rate(bwd.packets, duration),
            sample_std(packets.saturating_sub(1), self.gap_squares, duration),
            self.gap_max_us as f64,
            mean(forward_span, fwd.packets.saturating_sub(1)),
            sample_std(fwd.packets.saturating_sub(1), self.forward_gap_squares, forward_span),
            mean(backward_span, bwd.packets.saturating_sub(1)),
        ]
    }
}

fn mean(sum: u64, n: u64) -> f64 {
    if n == 0 { 0.0 } else { sum as f64 / n as f64 }
}

/// `sqrt((n*Q - S*S) / (n*(n-1)))`, numerator and denominator exact, each converted once.
fn sample_std(n: u64, squares: u128, sum: u64) -> f64 {
    if n < 2 {
        return 0.0;
    }
    let (n, sum) = (u128::from(n), u128::from(sum));
    // n*Q >= S*S by Cauchy-Schwarz; saturation only guards records that no meter made.
    let numerator = n.saturating_mul(squares).saturating_sub(sum * sum);
    (numerator as f64 / (n * (n - 1)) as f64).sqrt()
}

/// Per second of a time in microseconds; the product by 10^6 is an integer product.
fn rate(count: u64, duration_us: u64) -> f64 {
    if duration_us == 0 { 0.0 } else { (u128::from(count) * 1_000_000) as f64 / duration_us as f64 }
}
