//! One source at one service over a longer time: does it call like a clock, does it carry things out, does it try things out?

use flowmeter::FlowEvent;
use model::Category;

use super::calls::Calls;
use super::episode::Episode;
use super::pair::Pair;
use super::sketch::{Commonest, Distinct, hash_of_port};
use super::window::Window;
use super::{BehaviourKind, Finding, Scope, Thresholds, places};

/// Short conversations with a web server in a minute.
#[derive(Debug, Clone, Default)]
struct Visits {
    short: u32,
    /// Sizes of what was asked.
    requests: Distinct<4>,
    /// Sizes of what came back, to the byte and coarsely.
    answers: Commonest<4>,
    coarse_answers: [Commonest<4>; 2],
    first_us: u64,
}

/// What went out and what came in, in half an hour.
#[derive(Debug, Clone, Default)]
struct Carried {
    out: u64,
    back: u64,
    flows: u32,
    first_us: u64,
}

/// What is remembered of one source at one service.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialogue {
    calls: Calls,
    minutes: Window<Visits, 60_000_000>,
    half_hours: Window<Carried, 1_800_000_000>,
    beacon: Episode,
    upload: Episode,
    guessing: Episode,
    web_scan: Episode,
}

/// What is known of the surroundings when a conversation ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    /// A flood or guessing is under way here: what is seen belongs to that.
    pub(super) named: bool,
    /// Several inside hosts talk to this peer.
    pub(super) peer_is_popular: bool,
}

impl Dialogue {
    const WEB_PORTS: [u16; 9] = [80, 81, 443, 8000, 8008, 8080, 8081, 8443, 8888];
    /// Services that are called like a clock by their nature: names, time, mail, management, telemetry, field devices, logins.
    const CLOCKWORK_PORTS: [u16; 19] =
        [25, 53, 88, 110, 123, 135, 143, 161, 389, 445, 465, 502, 587, 636, 853, 993, 995, 1883, 8883];
    /// Longer than this is no single request.
    const SHORT_US: u64 = 10_000_000;
    const REQUEST_BYTES_MAX: u64 = 4_096;
    /// A guess varies by a password's length; what never varies is a health check, what varies much looks for something.
    const GUESS_SIZES: std::ops::RangeInclusive<u32> = 3..=40;
    const GUESS_SAME_ANSWER_SHARE: f64 = 0.9;
    /// Answers within so many bytes of one another are alike.
    const ALIKE_BYTES: u64 = 256;
    /// Who opens more connections a second does not wait for answers: a flood, whatever it asks.
    const SCAN_RATE_MAX: f64 = 25.0;
    const QUIET_US: u64 = 1_800_000_000;

    /// Takes the end of a conversation's segment in.
    pub(super) fn ended(
        &mut self,
        event: &FlowEvent,
        around: Surroundings,
        thresholds: &Thresholds,
    ) -> Option<Finding> {
        let port = event.responder().port;
        let tcp = event.key.protocol() == 6;
        if tcp && event.segment == 0 && !around.named {
            if Self::WEB_PORTS.contains(&port)
                && let Some(found) = self.visited(event, thresholds)
            {
                return Some(found);
            }
            if !Self::CLOCKWORK_PORTS.contains(&port)
                && let Some(found) = self.called(event, thresholds)
            {
                return Some(found);
            }
        }
        let goes_out =
            places::is_inside(event.initiator().address) && !places::is_inside(event.responder().address);
        (goes_out && !around.peer_is_popular).then(|| self.carried(event, thresholds)).flatten()
    }

    /// The episode that a flow belongs to.
    pub(super) fn owns(&self, start_us: u64) -> Option<BehaviourKind> {
        [
            (&self.web_scan, BehaviourKind::WebScan),
            (&self.guessing, BehaviourKind::Repetition),
            (&self.beacon, BehaviourKind::Beacon),
            (&self.upload, BehaviourKind::Upload),
        ]
        .into_iter()
        .find_map(|(episode, kind)| episode.covers(start_us).then_some(kind))
    }

    pub(super) fn scope(kind: BehaviourKind, pair: &Pair) -> Scope {
        let category = kind.category();
        let port = (category == Category::Bruteforce).then_some(pair.port);
        Scope { category, source: Some(pair.source), target: Some(pair.target), port }
    }

    fn visited(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let [request, answer] = event.bytes;
        let short = event.time_us.saturating_sub(event.flow_start_us) <= Self::SHORT_US;
        if !short || request == 0 || request > Self::REQUEST_BYTES_MAX {
            return None;
        }
        let minute = self.minutes.at(now);
        if minute.short == 0 {
            minute.first_us = event.flow_start_us;
        }
        minute.short += 1;
        minute.requests.insert(hash_of_port(request as u16));
        minute.answers.insert(answer);
        // Two rulers, half a mark apart, so that no mark parts what is alike.
        minute.coarse_answers[0].insert(answer / Self::ALIKE_BYTES);
        minute.coarse_answers[1].insert((answer + Self::ALIKE_BYTES / 2) / Self::ALIKE_BYTES);
        let (current, previous) = self.minutes.both();
        let short = current.short + previous.short;
        if short < thresholds.web_scan_flows.min(thresholds.repetition_web_flows) {
            return None;
        }
        let sizes = current.requests.count().max(previous.requests.count());
        let same = |a: u32, b: u32| f64::from(a + b) / f64::from(short);
        let ruler = |n: usize| same(current.coarse_answers[n].most(), previous.coarse_answers[n].most());
        let coarse = ruler(0).max(ruler(1));
        let exact = same(current.answers.most(), previous.answers.most());
        let first_us = if previous.short > 0 { previous.first_us } else { current.first_us };
        let seconds = now.saturating_sub(first_us) as f64 / 1e6;
        if short >= thresholds.repetition_web_flows
            && Self::GUESS_SIZES.contains(&sizes)
            && exact >= Self::GUESS_SAME_ANSWER_SHARE
        {
            let began = self.guessing.note(first_us, now, short)?;
            let evidence = vec![
                format!("{short} requests to a web server in {seconds:.1} s, of {sizes} sizes"),
                format!("{:.0} % got an answer of one and the same size", exact * 100.0),
            ];
            let strength = f64::from(short) / f64::from(thresholds.repetition_web_flows.max(1));
            return Some(finding(
                BehaviourKind::Repetition,
                event,
                short,
                &self.guessing,
                began,
                strength,
                evidence,
            ));
        }
        let flood = f64::from(short) > Self::SCAN_RATE_MAX * seconds;
        if flood
            || short < thresholds.web_scan_flows
            || sizes < thresholds.web_scan_request_sizes
            || coarse < thresholds.web_scan_same_answer_share
        {
            return None;
        }
        let began = self.web_scan.note(first_us, now, short)?;
        let evidence = vec![
            format!("{short} short requests to a web server in {seconds:.1} s, of {sizes} different sizes"),
            format!("{:.0} % got an answer of about one size, as refusals have", coarse * 100.0),
        ];
        let strength = f64::from(short) / f64::from(thresholds.web_scan_flows.max(1));
        Some(finding(BehaviourKind::WebScan, event, short, &self.web_scan, began, strength, evidence))
    }

    fn called(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        self.calls.note(event.flow_start_us, event.bytes);
        let rhythm = self.calls.rhythm(thresholds)?;
        let began = self.beacon.note_after(Self::QUIET_US, rhythm.first_us, now, rhythm.calls)?;
        let evidence = vec![
            format!(
                "{} calls every {:.1} s (half of them within {:.2} s of that) in {:.0} s",
                rhythm.calls,
                rhythm.interval_s,
                rhythm.dispersion_s,
                now.saturating_sub(rhythm.first_us) as f64 / 1e6
            ),
            format!(
                "each says about {} bytes and hears about {}; regularity {:.2}",
                rhythm.said_bytes, rhythm.heard_bytes, rhythm.score
            ),
        ];
        let strength = f64::from(rhythm.calls) / f64::from(thresholds.beacon_calls.max(1));
        Some(finding(BehaviourKind::Beacon, event, rhythm.calls, &self.beacon, began, strength, evidence))
    }

    fn carried(&mut self, event: &FlowEvent, thresholds: &Thresholds) -> Option<Finding> {
        let now = event.order.at_us;
        let period = self.half_hours.at(now);
        if period.flows == 0 {
            period.first_us = event.flow_start_us;
        }
        period.flows += 1;
        period.out += event.bytes[0];
        period.back += event.bytes[1];
        let (current, previous) = self.half_hours.both();
        let (out, back) = (current.out + previous.out, current.back + previous.back);
        let first_us = if previous.flows > 0 { previous.first_us } else { current.first_us };
        let lasted_us = event.time_us.saturating_sub(first_us);
        if out < thresholds.upload_bytes
            || (out as f64) < thresholds.upload_ratio * back as f64
            || lasted_us < thresholds.upload_s.saturating_mul(1_000_000)
        {
            return None;
        }
        let flows = current.flows + previous.flows;
        let megabytes = out as f64 / 1e6;
        let began = self.upload.note_after(
            Self::QUIET_US,
            first_us,
            now,
            (out / 1024).min(u64::from(u32::MAX)) as u32,
        )?;
        let evidence = vec![
            format!(
                "sent {megabytes:.1} MB to one outside peer in {:.0} s, in {flows} flows",
                lasted_us as f64 / 1e6
            ),
            format!("got {:.2} MB back; few other hosts talk to that peer", back as f64 / 1e6),
        ];
        let strength = out as f64 / thresholds.upload_bytes.max(1) as f64;
        Some(finding(BehaviourKind::Upload, event, flows, &self.upload, began, strength, evidence))
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
    Finding {
        kind,
        scope: Dialogue::scope(kind, &Pair::of(event)),
        source: Some(event.initiator().address),
        target: Some(event.responder().address),
        flows,
        protocol: event.key.protocol(),
        began,
        first_us: episode.first_us,
        last_us: event.order.at_us,
        strength,
        evidence,
    }
}
