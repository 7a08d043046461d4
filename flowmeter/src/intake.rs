//! The one sequential stage: frames are numbered, decoded, recognised as repeats, matched to their datagram's first
//! fragment, and placed in capture time.

mod clock;
mod fragments;
mod repeats;

use siphasher::sip::SipHasher13;

use crate::accounting::{IntakeCounters, PacketAccounting};
use crate::config::{ConfigError, MeterConfig};
use crate::context::Context;
use crate::decode::{Decoded, Decoder, Fragment, Fragments, Notes, Undecodable};
use crate::frame::Frame;
use crate::key::{FlowKey, NO_VLAN};
use crate::packet::Packet;
use clock::{CaptureClock, Reading};
use fragments::{Early, FragmentCache};
use repeats::Repeats;

/// Takes what [`Intake`] gives out.
pub trait PacketSink {
    /// A packet for the shard [`Packet::shard`]; with the name that its payload carries, if one was looked for and found.
    fn packet(&mut self, packet: &Packet, context: Option<&Context>);

    /// The capture clock stepped back. `watermark_us` is the final one of `epoch`; every later packet has the next epoch.
    ///
    /// A batch must not span epochs: close the current one, with this watermark, here.
    fn epoch_ended(&mut self, epoch: u32, watermark_us: u64);
}

/// Latest time that is told apart (the year 148,107): hostile timestamps must not overflow what is added to them.
const TIME_MAX_US: u64 = 1 << 62;

/// A packet whose time awaits confirmation.
#[derive(Clone, Debug)]
struct Held {
    packet: Packet,
    context: Option<Context>,
}

/// Frames in, packets out, in the order of arrival.
///
/// A timestamp more than the idle timeout ahead of the clock is believed once a second metered packet confirms it (is not
/// itself more than the idle timeout behind it); until then that one packet is held. Only metered packets move the clock.
#[derive(Clone, Debug)]
pub struct Intake {
    decoder: Decoder,
    hasher: SipHasher13,
    track_vlan: bool,
    dedupe: bool,
    reads_names: bool,
    repeats: Repeats,
    fragments: FragmentCache,
    clock: CaptureClock,
    held: Option<Held>,
    accounting: PacketAccounting,
    counters: IntakeCounters,
}

impl Intake {
    /// An intake at the beginning of its input.
    pub fn new(config: &MeterConfig) -> Result<Self, ConfigError> {
        config.check()?;
        let key = config.hash_key;
        Ok(Self {
            decoder: Decoder::new(config),
            hasher: SipHasher13::new_with_keys(key.0, key.1),
            track_vlan: config.track_vlan,
            dedupe: config.dedupe,
            reads_names: config.contexts_max > 0,
            repeats: Repeats::new(config.dedupe_window_us, key),
            fragments: FragmentCache::new(config.fragments_max),
            clock: CaptureClock::new(config.idle_timeout_us),
            held: None,
            accounting: PacketAccounting::default(),
            counters: IntakeCounters::default(),
        })
    }

    /// Takes the next frame, and gives out no packet, one, or more: when a held one is released, or later fragments that waited for
    /// this first one.
    #[inline]
    pub fn accept(&mut self, frame: &Frame<'_>, sink: &mut impl PacketSink) {
        let seq = self.accounting.received;
        self.accounting.received += 1;
        self.counters.bytes += u64::from(frame.wire_len);
        let time_us = frame.time_us.min(TIME_MAX_US);
        let mut decoded = Decoded::default();
        if let Err(cause) = self.decoder.decode(frame, &mut decoded) {
            *match cause {
                Undecodable::NotIp => &mut self.accounting.not_ip,
                Undecodable::UnsupportedLink => &mut self.accounting.unsupported_link,
                Undecodable::Malformed => &mut self.accounting.malformed,
            } += 1;
            return;
        }
        if decoded.notes != Notes::default() {
            self.note(decoded.notes);
        }
        if self.repeats.is_repeat(&decoded, time_us) {
            self.counters.duplicates_seen += 1;
            if self.dedupe {
                self.accounting.duplicates_removed += 1;
                return;
            }
        }
        if self.fragments.waiting() > 0 {
            let forgotten = self.fragments.forget_early(time_us);
            self.let_go_of(forgotten);
        }
        let Some((key, from_lower)) = self.flow_of(&decoded, time_us) else {
            return;
        };
        let mut packet = Packet {
            hash: key.hash(&self.hasher),
            key,
            vlan: decoded.vlan,
            from_lower,
            tcp: decoded.tcp,
            payload_len: decoded.payload_len,
            header_len: decoded.header_len,
            epoch: 0,
            seq,
            time_us,
            watermark_us: 0,
        };
        if decoded.first_fragments > 0 && self.fragments.waiting() > 0 {
            self.place_early(&packet, decoded.first_fragments, sink);
        }
        match self.reads_names.then(|| Context::read(&decoded)).flatten() {
            Some(context) => self.place(&mut packet, Some(&context), sink),
            None => self.place(&mut packet, None, sink),
        }
    }

    /// The input is over: nothing contradicts a held packet any more, so it is given out with its own time.
    pub fn finish(&mut self, sink: &mut impl PacketSink) {
        if let Some(Held { mut packet, context }) = self.held.take() {
            self.accounting.queued -= 1;
            self.emit(&mut packet, context.as_ref(), sink);
        }
        let forgotten = self.fragments.forget_all_early();
        self.let_go_of(forgotten);
    }

    /// Tells a live capture's time while no packets come, so that flows still expire. Times behind the clock are ignored; a
    /// held packet is released once this time confirms its own.
    pub fn advance(&mut self, now_us: u64, sink: &mut impl PacketSink) {
        let now_us = now_us.min(TIME_MAX_US);
        let confirmed = |held: &mut Held| self.clock.confirms(now_us, held.packet.time_us);
        if let Some(Held { mut packet, context }) = self.held.take_if(confirmed) {
            self.accounting.queued -= 1;
            self.emit(&mut packet, context.as_ref(), sink);
        }
        let forgotten = self.fragments.forget_early(now_us);
        self.let_go_of(forgotten);
        if self.held.is_none() {
            self.clock.advance(now_us);
        }
    }

    /// Counts a frame that the caller's filter rejected; it takes a number like any other.
    pub fn count_filtered(&mut self) {
        self.accounting.received += 1;
        self.accounting.filtered += 1;
    }

    /// Counts packets that were given out but dropped by the caller, at a full queue.
    pub fn count_shed(&mut self, packets: u64) {
        let packets = packets.min(self.accounting.metered);
        self.accounting.metered -= packets;
        self.accounting.shed += packets;
    }

    /// Where every frame went; the identity holds between any two calls.
    pub fn accounting(&self) -> PacketAccounting {
        self.accounting
    }

    /// What else was noticed.
    pub fn counters(&self) -> IntakeCounters {
        self.counters
    }

    /// The capture clock: the latest believed time of this epoch, 0 before the first packet.
    pub fn watermark_us(&self) -> u64 {
        self.clock.watermark_us()
    }

    /// How often the clock has stepped back.
    pub fn epoch(&self) -> u32 {
        self.clock.epoch()
    }

    #[cold]
    fn note(&mut self, notes: Notes) {
        self.counters.offload_zero_length += u64::from(notes.zero_length);
        self.counters.lengths_beyond_wire += u64::from(notes.beyond_wire);
        self.counters.tunnel_depth_exceeded += u64::from(notes.depth_exceeded);
        self.counters.tunnel_unreadable += u64::from(notes.tunnel_unreadable);
    }

    /// The flow a packet belongs to and whether its sender is the lower endpoint; none for a fragment whose first one has not come.
    #[inline]
    fn flow_of(&mut self, decoded: &Decoded<'_>, time_us: u64) -> Option<(FlowKey, bool)> {
        if decoded.is_later_fragment || decoded.first_fragments > 0 {
            return self.flow_of_fragment(decoded, time_us);
        }
        Some(self.flow_by_headers(decoded))
    }

    #[inline]
    fn flow_by_headers(&self, decoded: &Decoded<'_>) -> (FlowKey, bool) {
        FlowKey::from_octets(
            (decoded.source, decoded.source_port),
            (decoded.destination, decoded.destination_port),
            decoded.protocol,
            if self.track_vlan { decoded.vlan } else { NO_VLAN },
            decoded.tunnel,
            decoded.one_way,
        )
    }

    #[cold]
    fn flow_of_fragment(&mut self, decoded: &Decoded<'_>, time_us: u64) -> Option<(FlowKey, bool)> {
        let Fragments { later, first } = self.decoder.fragments;
        let first = &first[..usize::from(decoded.first_fragments)];
        self.counters.fragments += u64::from(decoded.is_later_fragment) + first.len() as u64;
        let flow = if decoded.is_later_fragment {
            let Some(flow) = self.fragments.find(&later, time_us, &mut self.counters) else {
                self.keep_early(decoded, later, time_us);
                return None;
            };
            flow
        } else {
            self.flow_by_headers(decoded)
        };
        for first in first {
            self.fragments.remember(first, flow, time_us, &mut self.counters);
        }
        Some(flow)
    }

    /// A later fragment waits for its first one.
    fn keep_early(&mut self, decoded: &Decoded<'_>, fragment: Fragment, time_us: u64) {
        let Decoded { vlan, payload_len, header_len, .. } = *decoded;
        let forgotten = self.fragments.keep(Early { fragment, time_us, vlan, payload_len, header_len });
        self.accounting.queued += 1;
        self.let_go_of(forgotten);
    }

    /// Fragments whose first one was waited for long enough.
    fn let_go_of(&mut self, fragments: u64) {
        self.accounting.queued -= fragments;
        self.accounting.fragments_unmatched += fragments;
    }

    /// Gives out the later fragments that came before this first one, each at its own time.
    #[cold]
    fn place_early(&mut self, first: &Packet, datagrams: u8, sink: &mut impl PacketSink) {
        let fragments = self.decoder.fragments.first;
        for fragment in &fragments[..usize::from(datagrams)] {
            while let Some(early) = self.fragments.take(fragment, &mut self.counters) {
                if self.held.is_some() {
                    self.judge_held(first.time_us, sink);
                }
                let believed = self.clock.read(early.time_us) == Reading::Plausible;
                let time_us = if believed { early.time_us } else { self.clock.watermark_us() };
                let Early { vlan, payload_len, header_len, .. } = early;
                let mut packet = Packet { vlan, tcp: None, payload_len, header_len, time_us, ..*first };
                self.accounting.queued -= 1;
                self.emit(&mut packet, None, sink);
            }
        }
    }

    /// Gives a packet its time, or holds it until the next one.
    #[inline]
    fn place(&mut self, packet: &mut Packet, context: Option<&Context>, sink: &mut impl PacketSink) {
        if self.held.is_some() {
            self.judge_held(packet.time_us, sink);
        }
        match self.clock.read(packet.time_us) {
            Reading::Plausible => {}
            Reading::FarAhead => {
                self.accounting.queued += 1;
                self.held = Some(Held { packet: *packet, context: context.copied() });
                return;
            }
            Reading::FarBehind => {
                sink.epoch_ended(self.clock.epoch(), self.clock.watermark_us());
                self.counters.clock_steps_back += 1;
                self.clock.step_back(packet.time_us);
                let forgotten = self.fragments.forget_all_early();
                self.let_go_of(forgotten);
                self.fragments.clear();
            }
        }
        self.emit(packet, context, sink);
    }

    /// Gives out the held packet, with its own time if a packet at `time_us` confirms it, else at the clock.
    #[cold]
    fn judge_held(&mut self, time_us: u64, sink: &mut impl PacketSink) {
        let Some(Held { mut packet, context }) = self.held.take() else {
            return;
        };
        self.accounting.queued -= 1;
        if !self.clock.confirms(time_us, packet.time_us) {
            packet.time_us = self.clock.watermark_us();
            self.counters.clock_outliers += 1;
        }
        self.emit(&mut packet, context.as_ref(), sink);
    }

    #[inline]
    fn emit(&mut self, packet: &mut Packet, context: Option<&Context>, sink: &mut impl PacketSink) {
        self.clock.advance(packet.time_us);
        packet.epoch = self.clock.epoch();
        packet.watermark_us = self.clock.watermark_us();
        self.accounting.metered += 1;
        sink.packet(packet, context);
    }
}
