//! Large answers that somebody else asked for: counted at the one who gets them.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flowmeter::{Endpoint, EventKind, FlowEvent};
use lru::LruCache;
use model::Category;

use super::episode::Episode;
use super::sketch::{Commonest, Distinct, hash_of};
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds};

/// Services that answer at length to anybody over UDP.
const REFLECTORS: [u16; 22] = [
    17, 19, 53, 69, 111, 123, 137, 161, 389, 520, 1900, 3283, 3702, 5093, 5353, 5683, 10001, 11211, 27015,
    27960, 30718, 37810,
];

fn is_reflector(port: u16) -> bool {
    REFLECTORS.binary_search(&port).is_ok()
}

/// What one host was sent in ten seconds.
#[derive(Debug, Clone, Default)]
struct Answers {
    /// Answers nobody asked for, and bytes of payload.
    unasked: u64,
    unasked_bytes: u64,
    /// Answers to questions that bear this host's address, and bytes of both.
    asked: u64,
    answer_bytes: u64,
    question_bytes: u64,
    senders: Distinct<4>,
    /// Sizes of answers: a reflector is asked for one and the same thing.
    sizes: Commonest<4>,
    sized: u32,
    flows: u32,
    first_us: u64,
}

#[derive(Debug, Clone, Default)]
struct Victim {
    tens: Window<Answers, 10_000_000>,
    episode: Episode,
}

/// Counters of those who get answers.
pub(super) struct Amplification {
    victims: LruCache<IpAddr, Victim>,
}

/// Which way a flow of a reflector goes.
enum Seen {
    /// Only answers.
    Unasked,
    /// Question and answer.
    Asked,
}

impl Amplification {
    const VICTIMS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
    /// Resolvers and game clients get answers of many sizes; who is shot at gets one and the same.
    const SAME_SHARE: f64 = 0.5;

    pub(super) fn new() -> Self {
        Self { victims: LruCache::new(Self::VICTIMS_MAX) }
    }

    pub(super) fn observe(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        if event.key.protocol() != 17 {
            return None;
        }
        let (from, to) = (event.initiator(), event.responder());
        let (seen, victim, reflector) = match (is_reflector(from.port), is_reflector(to.port)) {
            (true, false) if event.packets[1] == 0 => (Seen::Unasked, to.address, from),
            (false, true) if event.packets[1] > 0 => (Seen::Asked, from.address, to),
            _ => return None,
        };
        let share = new_share(event)?;
        let now = event.order.at_us;
        let state = self.victims.get_or_insert_mut(victim, Victim::default);
        let ten = state.tens.at(now);
        if ten.flows == 0 {
            ten.first_us = event.flow_start_us;
        }
        ten.flows += u32::from(matches!(event.kind, EventKind::Started | EventKind::Answered));
        let part = |n: u64| (n as f64 * share) as u64;
        let answered = match seen {
            Seen::Unasked => {
                ten.unasked += part(event.packets[0]).max(1);
                ten.unasked_bytes += part(event.bytes[0]);
                event.bytes[0] / event.packets[0].max(1)
            }
            Seen::Asked => {
                ten.asked += part(event.packets[1]).max(1);
                ten.answer_bytes += part(event.bytes[1]);
                ten.question_bytes += part(event.bytes[0]);
                event.bytes[1] / event.packets[1].max(1)
            }
        };
        ten.sizes.insert(answered / 8);
        ten.sized += 1;
        ten.senders.insert(hash_of(Endpoint { port: 0, ..reflector }));
        state.judge(event, victim, reflector, thresholds)
    }
}

impl Victim {
    fn judge(
        &mut self,
        event: &FlowEvent,
        victim: IpAddr,
        reflector: Endpoint,
        thresholds: &Thresholds,
    ) -> Option<Finding> {
        let (current, previous) = self.tens.both();
        let sum = |f: fn(&Answers) -> u64| f(current) + f(previous);
        let (unasked, asked) = (sum(|a| a.unasked), sum(|a| a.asked));
        let (unasked_bytes, answer_bytes) = (sum(|a| a.unasked_bytes), sum(|a| a.answer_bytes));
        let question_bytes = sum(|a| a.question_bytes);
        let (many, large) =
            (u64::from(thresholds.amplification_answers), u64::from(thresholds.amplification_answer_bytes));
        let enough = |count: u64, bytes: u64| count >= many && bytes >= count * large;
        let ratio = answer_bytes as f64 / question_bytes.max(1) as f64;
        let by_asking = enough(asked, answer_bytes) && ratio >= thresholds.amplification_ratio;
        let by_itself = enough(unasked, unasked_bytes);
        let same = f64::from(current.sizes.most() + previous.sizes.most());
        let sized = f64::from(current.sized + previous.sized);
        if !(by_asking || by_itself) || same < Amplification::SAME_SHARE * sized {
            return None;
        }
        let now = event.order.at_us;
        let answers = asked + unasked;
        let first_us = if previous.flows > 0 { previous.first_us } else { current.first_us };
        let began = self.episode.note(first_us, now, answers.min(u64::from(u32::MAX)) as u32)?;
        let senders = current.senders.estimate().max(previous.senders.estimate());
        let bytes = answer_bytes + unasked_bytes;
        let seconds = (now.saturating_sub(first_us) as f64 / 1e6).max(0.001);
        let asking = if by_itself {
            format!("{unasked} of them without a question")
        } else {
            format!("{ratio:.0} bytes of answer for each byte of question")
        };
        Some(Finding {
            kind: BehaviourKind::Amplification,
            scope: Scope {
                category: Category::Amplification,
                source: None,
                target: Some(victim),
                port: None,
            },
            source: (senders == 1).then_some(reflector.address),
            target: Some(victim),
            flows: current.flows + previous.flows,
            protocol: event.key.protocol(),
            began,
            first_us: self.episode.first_us,
            last_us: now,
            strength: answers as f64 / thresholds.amplification_answers.max(1) as f64,
            evidence: vec![
                format!(
                    "{answers} answers of {} bytes on average from UDP port {} of {senders} host{} in {seconds:.1} s",
                    bytes / answers.max(1),
                    reflector.port,
                    if senders == 1 { "" } else { "s" },
                ),
                asking,
            ],
        })
    }
}

/// What share of a flow's packets this event is the first to tell of. A flow that ends late told most of it long ago, and
/// what it tells of a long time counts for ten seconds of it.
fn new_share(event: &FlowEvent) -> Option<f64> {
    const PERIOD_US: f64 = 10_000_000.0;
    let packets = event.packets[0] + event.packets[1];
    let answered = event.packets[1] > 0;
    let told = match event.kind {
        EventKind::Started => 0,
        EventKind::Answered if packets <= 8 => 0,
        EventKind::Snapshot(8) => 1 + u64::from(answered),
        EventKind::Snapshot(_) => 8,
        EventKind::Ended(_) if event.segment > 0 => 0,
        EventKind::Ended(_) if packets >= 32 => 32,
        EventKind::Ended(_) if packets >= 8 => 8,
        EventKind::Ended(_) => 1 + u64::from(answered),
        _ => return None,
    };
    let lasted = event.time_us.saturating_sub(event.flow_start_us) as f64;
    let new = packets.saturating_sub(told) as f64 / packets.max(1) as f64;
    (new > 0.0).then(|| new * (PERIOD_US / lasted.max(1.0)).min(1.0))
}
