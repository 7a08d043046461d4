//! Data inside DNS and echo requests: names that are too many and too long, and questions and pings that never end.

use std::hash::Hasher;
use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{Context, ContextKind, Endpoint, FlowEvent, FlowRecord};
use lru::LruCache;
use siphasher::sip::SipHasher13;

use super::episode::Episode;
use super::sketch::{Distinct, hash_of};
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// Names asked for below one domain in a minute.
#[derive(Debug, Clone, Default)]
struct Names {
    distinct: Distinct<8>,
    count: u32,
    /// Bytes before the domain.
    bytes: u64,
    first_us: u64,
}

#[derive(Debug, Clone, Default)]
struct Domain {
    minutes: Window<Names, 60_000_000>,
    episode: Episode,
}

/// What went through a channel of one client and one peer in two minutes.
#[derive(Debug, Clone, Default)]
struct Through {
    packets: [u64; 2],
    bytes: [u64; 2],
    /// Smallest and largest payload, bytes; DNS does without.
    smallest: u64,
    largest: u64,
    flows: u32,
    first_us: u64,
}

impl Through {
    fn add(&mut self, event: &FlowEvent, record: &FlowRecord) {
        if self.flows == 0 {
            (self.first_us, self.smallest) = (record.start_us, u64::MAX);
        }
        self.flows += 1;
        for way in 0..2 {
            self.packets[way] += event.packets[way];
            self.bytes[way] += event.bytes[way];
        }
        self.smallest = self.smallest.min(record.forward.clipped_min);
        self.largest = self.largest.max(record.forward.clipped_max);
    }
}

#[derive(Debug, Clone, Default)]
struct Channel {
    periods: Window<Through, 120_000_000>,
    episode: Episode,
}

/// Counters for tunnels.
pub(super) struct Tunnels {
    domains: LruCache<(IpAddr, u64), Domain>,
    channels: LruCache<(IpAddr, IpAddr, u8), Channel>,
}

impl Tunnels {
    const DOMAINS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
    const CHANNELS_MAX: NonZeroUsize = NonZeroUsize::new(2_048).unwrap();
    /// A stub asks a question or two from one port. Who asks more from one port keeps a channel.
    const CHANNEL_PACKETS_MIN: u64 = 8;
    const QUIET_US: u64 = 600_000_000;
    /// Header and one small record: an answer longer than its question by no more than this brings nothing.
    const EMPTY_ANSWER_BYTES: u64 = 48;
    const DNS: u16 = 53;

    pub(super) fn new() -> Self {
        Self { domains: LruCache::new(Self::DOMAINS_MAX), channels: LruCache::new(Self::CHANNELS_MAX) }
    }

    /// Takes the end of a segment in.
    pub(super) fn ended(
        &mut self,
        event: &FlowEvent,
        record: &FlowRecord,
        name: Option<&Context>,
        thresholds: &Thresholds,
    ) -> Option<Finding> {
        let (protocol, port) = (event.key.protocol(), event.responder().port);
        let is_echo = matches!((protocol, event.initiator().port), (1, 8) | (58, 128));
        if is_echo {
            return self.echoed(event, record, thresholds);
        }
        if port != Self::DNS || !matches!(protocol, 6 | 17) {
            return None;
        }
        let named = name
            .filter(|name| name.kind() == ContextKind::DnsName && event.segment == 0)
            .and_then(|name| self.named(event, name, thresholds));
        if event.packets[0] < Self::CHANNEL_PACKETS_MIN {
            return named;
        }
        named.or_else(|| self.asked(event, record, thresholds))
    }

    fn named(&mut self, event: &FlowEvent, name: &Context, thresholds: &Thresholds) -> Option<Finding> {
        let (domain, below) = split(name)?;
        let client = event.initiator().address;
        // A name too long to be kept whole has lost its domain: those of one resolver stand together.
        let domain_hash = domain.map_or_else(|| hash_of(event.responder()), |d| hash_of_name(d.as_bytes()));
        let state = self.domains.get_or_insert_mut((client, domain_hash), Domain::default);
        let now = event.order.at_us;
        let minute = state.minutes.at(now);
        if minute.count == 0 {
            minute.first_us = event.flow_start_us;
        }
        minute.count += 1;
        minute.bytes += below.len() as u64;
        minute.distinct.insert(hash_of_name(below.as_bytes()));
        let (current, previous) = state.minutes.both();
        let distinct = current.distinct.estimate().max(previous.distinct.estimate());
        let count = u64::from(current.count + previous.count);
        let mean = (current.bytes + previous.bytes) / count;
        if distinct < thresholds.dns_tunnel_names || mean < u64::from(thresholds.dns_tunnel_name_bytes) {
            return None;
        }
        let first_us = if previous.count > 0 { previous.first_us } else { current.first_us };
        let began = state.episode.note_after(Self::QUIET_US, first_us, now, distinct)?;
        let below_what = domain.map_or_else(|| "too long to keep whole".to_owned(), |d| format!("below {d}"));
        let evidence = vec![
            format!("asked for {distinct} distinct names {below_what} in a minute"),
            format!("{mean} bytes on average before the domain"),
        ];
        let strength = f64::from(distinct) / f64::from(thresholds.dns_tunnel_names.max(1));
        let episode = &state.episode;
        Some(finding(BehaviourKind::DnsTunnel, event, count as u32, episode, began, strength, evidence))
    }

    fn asked(&mut self, event: &FlowEvent, record: &FlowRecord, thresholds: &Thresholds) -> Option<Finding> {
        let channel = self.channel(event);
        let now = event.order.at_us;
        channel.periods.at(now).add(event, record);
        let (current, previous) = channel.periods.both();
        let sum = |f: fn(&Through) -> u64| f(current) + f(previous);
        let (questions, answers) = (sum(|t| t.packets[0]), sum(|t| t.packets[1]));
        let (asked, answered) = (sum(|t| t.bytes[0]), sum(|t| t.bytes[1]));
        let (question, answer) = (asked / questions.max(1), answered / answers.max(1));
        let large = u64::from(thresholds.dns_tunnel_question_bytes);
        if questions < u64::from(thresholds.dns_tunnel_questions) || (question < large && answer < 3 * large)
        {
            return None;
        }
        // An answer repeats its question and adds what it brings.
        let one_way = question >= large && answer <= question + Self::EMPTY_ANSWER_BYTES;
        let kind = if one_way { BehaviourKind::DnsUpload } else { BehaviourKind::DnsTunnel };
        let first_us = if previous.flows > 0 { previous.first_us } else { current.first_us };
        let questions = questions.min(u64::from(u32::MAX)) as u32;
        let began = channel.episode.note_after(Self::QUIET_US, first_us, now, questions)?;
        let flows = current.flows + previous.flows;
        let evidence = vec![
            format!("asked one resolver {questions} times from {flows} ports that it kept"),
            format!(
                "{asked} bytes up ({question} a question) and {answered} down ({answer} an answer) in {:.0} s",
                event.time_us.saturating_sub(first_us) as f64 / 1e6
            ),
        ];
        let strength = f64::from(questions) / f64::from(thresholds.dns_tunnel_questions.max(1));
        let episode = &channel.episode;
        Some(finding(kind, event, flows, episode, began, strength, evidence))
    }

    fn echoed(&mut self, event: &FlowEvent, record: &FlowRecord, thresholds: &Thresholds) -> Option<Finding> {
        let channel = self.channel(event);
        let now = event.order.at_us;
        channel.periods.at(now).add(event, record);
        let (current, previous) = channel.periods.both();
        let both = |way: usize| current.bytes[way] + previous.bytes[way];
        let bytes = both(0).max(both(1));
        let flows = current.flows + previous.flows;
        let smallest =
            if previous.flows > 0 { current.smallest.min(previous.smallest) } else { current.smallest };
        let largest = current.largest.max(previous.largest);
        let spread = largest.saturating_sub(smallest);
        let varies = spread >= u64::from(thresholds.icmp_tunnel_spread_bytes);
        let enough = if varies { thresholds.icmp_tunnel_bytes } else { thresholds.icmp_upload_bytes };
        if bytes < enough {
            return None;
        }
        let kind =
            if both(0) == both(1) || !varies { BehaviourKind::IcmpUpload } else { BehaviourKind::IcmpTunnel };
        let first_us = if previous.flows > 0 { previous.first_us } else { current.first_us };
        let kilobytes = (bytes / 1024).min(u64::from(u32::MAX)) as u32;
        let began = channel.episode.note_after(Self::QUIET_US, first_us, now, kilobytes)?;
        let evidence = vec![
            format!(
                "{} echo requests carried {} bytes and brought {} back in {:.0} s",
                current.packets[0] + previous.packets[0],
                both(0),
                both(1),
                event.time_us.saturating_sub(first_us) as f64 / 1e6
            ),
            if varies {
                format!("payloads of {smallest} to {largest} bytes, where a ping keeps one size")
            } else {
                format!("payloads of {largest} bytes, more of them than any ping needs")
            },
        ];
        let strength = bytes as f64 / enough.max(1) as f64;
        let episode = &channel.episode;
        Some(finding(kind, event, flows, episode, began, strength, evidence))
    }

    fn channel(&mut self, event: &FlowEvent) -> &mut Channel {
        let key = (event.initiator().address, event.responder().address, event.key.protocol());
        self.channels.get_or_insert_mut(key, Channel::default)
    }
}

fn finding(
    kind: BehaviourKind,
    event: &FlowEvent,
    flows: u32,
    episode: &Episode,
    began: bool,
    strength: f64,
    evidence: Vec<String>,
) -> Finding {
    let (Endpoint { address: source, .. }, Endpoint { address: target, .. }) =
        (event.initiator(), event.responder());
    Finding {
        kind,
        scope: Scope { category: kind.category(), source: Some(source), target: Some(target), port: None },
        source: Some(source),
        target: Some(target),
        flows,
        protocol: event.key.protocol(),
        began,
        first_us: episode.first_us,
        last_us: event.order.at_us,
        strength,
        evidence,
    }
}

/// The registered domain, if the name still has it, and what stands before it. None for names that machines make up by rule
/// (reverse lookups).
fn split(name: &Context) -> Option<(Option<&str>, &str)> {
    let whole = name.name().trim_end_matches('.');
    if name.is_truncated() {
        return Some((None, whole));
    }
    let mut dots = whole.rmatch_indices('.').map(|(at, _)| at);
    let (last, second) = (dots.next()?, dots.next()?);
    let top = &whole[last + 1..];
    // `co.uk` and its like: a short label before a country's.
    let at = if top.len() == 2 && last - second <= 4 { dots.next()? } else { second };
    (top != "arpa").then(|| (Some(&whole[at + 1..]), &whole[..at]))
}

fn hash_of_name(name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x5441_5048_4f55_4e44, 0x6e61_6d65_7300_0000);
    for byte in name {
        hasher.write_u8(byte.to_ascii_lowercase());
    }
    hasher.finish()
}
