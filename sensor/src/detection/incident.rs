//! One incident: what it is about, whom it met, how much it matters and why.

mod witnessed;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::net::IpAddr;

use model::Category;
use sha2::{Digest, Sha256};
use store::record::Witness;

use super::budget::Held;
use super::policy::shows_in_one_flow;
use super::{BehaviourKind, Detection, Opinion, Reason, Scope, Technique};
pub(super) use witnessed::JoinedBy;

/// How much an incident matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth a look some day.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
}

impl Severity {
    /// Its name in stores and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        }
    }
}

/// Distinct values, counted exactly up to a bound.
#[derive(Debug, Clone)]
pub struct Few<T> {
    seen: BTreeSet<T>,
    more: bool,
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self { seen: BTreeSet::new(), more: false }
    }
}

impl<T: Ord + Copy> Few<T> {
    const MAX: usize = 1024;

    fn insert(&mut self, value: T) {
        if self.seen.len() < Self::MAX {
            self.seen.insert(value);
        } else if !self.seen.contains(&value) {
            self.more = true;
        }
    }

    /// None stands for values that nobody told apart.
    fn insert_or_many(&mut self, value: Option<T>) {
        match value {
            Some(value) => self.insert(value),
            None => self.more = true,
        }
    }

    fn absorb(&mut self, other: &Self) {
        self.more |= other.more;
        for value in &other.seen {
            self.insert(*value);
        }
    }

    /// The only value there is, if there is one.
    #[must_use]
    pub fn only(&self) -> Option<T> {
        if self.seen.len() == 1 && !self.more { self.seen.first().copied() } else { None }
    }

    /// It has been seen, or what has been seen was more than is remembered.
    fn may_hold(&self, value: &T) -> bool {
        self.more || self.seen.contains(value)
    }

    /// How many there are, and whether that is a lower bound.
    #[must_use]
    pub fn count(&self) -> (usize, bool) {
        (self.seen.len(), self.more)
    }
}

/// A group of detections.
#[derive(Debug, Clone)]
pub struct Incident {
    /// Hash of scope and first time, 16 hex digits.
    pub id: String,
    /// What it is about.
    pub scope: Scope,
    /// A behaviour counter stands behind it, not the forest alone.
    pub by_behaviour: Option<BehaviourKind>,
    /// First packet of its first detection, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet of its last detection, microseconds since the epoch.
    pub last_us: u64,
    /// When it was first shown, microseconds since the epoch in packet time; none while it is not.
    pub shown_us: Option<u64>,
    /// Detections in it.
    pub detections: u64,
    /// Detections in it whose final record was benign.
    pub revised: u64,
    /// Flows among the detections.
    pub flows: u64,
    /// The detections that are shown, in the order in which they came.
    pub alerts: Vec<Detection>,
    /// Highest score in it.
    pub score: f64,
    /// Attackers seen.
    pub sources: Few<IpAddr>,
    /// Victims seen.
    pub targets: Few<IpAddr>,
    /// Victims' ports seen.
    pub ports: Few<u16>,
    /// What other engines said of the same conversations, a rule each, in the order in which they spoke.
    pub witnesses: Vec<Witness>,
    confirmed: bool,
    /// Strongest evidence of a behaviour counter, as a multiple of its threshold.
    evidence: f64,
    /// Once confirmed: shown, or why not.
    standing: Standing,
    /// Alerts that nobody has been told of yet: bit `i` stands for `alerts[i]`.
    untold: u64,
    pub(super) changed: bool,
}

/// Where an incident stands with the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Undecided,
    Shown,
    Held(Held),
}

impl Incident {
    /// Alerts of one incident that are shown; the rest is counted.
    pub const ALERTS_MAX: usize = u64::BITS as usize;
    /// Detections of one incident that are kept in the store; what comes then is counted in the incident.
    pub const DETECTIONS_MAX: u64 = 1024;
    /// Detections that confirm an incident when no behaviour counter does (`docs/decisions/0003-detection.md`): so many
    /// that still stand within [`Incident::BURST_US`], or so many whose flows have ended.
    pub const FOREST_DETECTIONS_MIN: usize = 5;
    /// Detections this close together confirm each other before their flows have ended.
    pub const BURST_US: u64 = 60_000_000;

    pub(super) fn new(scope: Scope, first_us: u64) -> Self {
        Self {
            id: incident_id(scope, first_us),
            scope,
            by_behaviour: None,
            first_us,
            last_us: first_us,
            shown_us: None,
            detections: 0,
            revised: 0,
            flows: 0,
            alerts: Vec::new(),
            score: 0.0,
            sources: Few::default(),
            targets: Few::default(),
            ports: Few::default(),
            witnesses: Vec::new(),
            confirmed: false,
            evidence: 0.0,
            standing: Standing::Undecided,
            untold: 0,
            changed: true,
        }
    }

    /// There is enough to bother a person with: a behaviour counter, or several detections of the forest that stood when the
    /// last of them came. What is not confirmed is kept and stored as detections, and shown to nobody.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// It is confirmed, and the budget lets it be seen.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.confirmed && self.standing == Standing::Shown
    }

    /// Why the budget holds it back, if it does.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        match self.standing {
            Standing::Held(cause) => Some(cause),
            Standing::Undecided | Standing::Shown => None,
        }
    }

    pub(super) fn stand(&mut self, held: Option<Held>, now_us: u64) {
        self.standing = held.map_or(Standing::Shown, Standing::Held);
        self.shown_us = held.is_none().then_some(now_us);
    }

    /// How much evidence there is, as a multiple of what confirms an incident.
    #[must_use]
    pub fn strength(&self) -> f64 {
        let standing = self.detections - self.revised;
        if self.by_behaviour.is_some() {
            self.evidence
        } else {
            standing as f64 / Self::FOREST_DETECTIONS_MIN as f64
        }
    }

    pub(super) fn strengthen(&mut self, strength: f64) {
        self.evidence = self.evidence.max(strength);
    }

    /// Everything in it was taken back.
    #[must_use]
    pub fn is_revised(&self) -> bool {
        self.by_behaviour.is_none() && self.revised == self.detections
    }

    /// How much it matters: by what it is, and by how sure we are.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let corroborated = self.by_behaviour.is_some() || self.detections - self.revised >= 5;
        match self.scope.category {
            _ if self.is_revised() => Severity::Low,
            Category::Scan if corroborated => Severity::Medium,
            Category::Scan => Severity::Low,
            // Regular calls and large uploads have innocent explanations; somebody should still look.
            _ if matches!(
                self.by_behaviour,
                Some(BehaviourKind::Beacon | BehaviourKind::Upload | BehaviourKind::WebScan)
            ) =>
            {
                Severity::Medium
            }
            _ if corroborated => Severity::High,
            _ if self.score >= 0.9 => Severity::Medium,
            _ => Severity::Low,
        }
    }

    /// The ATT&CK technique: the behaviour counter's, else the category's.
    #[must_use]
    pub fn technique(&self) -> Option<Technique> {
        self.by_behaviour.map_or_else(|| Technique::of_category(self.scope.category), Technique::of_behaviour)
    }

    /// The attacker, when there is one.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.scope.source.or_else(|| self.sources.only())
    }

    /// The victim, when there is one.
    #[must_use]
    pub fn target(&self) -> Option<IpAddr> {
        self.scope.target.or_else(|| self.targets.only())
    }

    /// The attacked port, when there is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.scope.port.or_else(|| self.ports.only())
    }

    /// Why, in at most three reasons: what behaviour counters saw first, then what moved the strongest alert's score. A fourth
    /// names another engine that saw it, too.
    #[must_use]
    pub fn reasons(&self) -> Vec<Reason> {
        const REASONS_MAX: usize = 3;
        let by_behaviour = self.alerts.iter().filter(|a| a.opinion != Opinion::Forest);
        let strongest = self.alerts.iter().filter(|a| a.opinion == Opinion::Forest).min_by(|a, b| {
            (a.revised, -a.score).partial_cmp(&(b.revised, -b.score)).unwrap_or(Ordering::Equal)
        });
        let ours = by_behaviour.chain(strongest).flat_map(|a| a.reasons.iter().cloned()).take(REASONS_MAX);
        ours.chain(self.other_witness()).collect()
    }

    pub(super) fn add(&mut self, detection: &Detection, shown: bool) {
        self.changed = true;
        self.detections += 1;
        self.first_us = self.first_us.min(detection.first_us);
        self.last_us = self.last_us.max(detection.last_us);
        self.score = self.score.max(detection.score);
        match detection.opinion {
            Opinion::Forest => {
                // Flows of an episode are counted as they start.
                self.flows += u64::from(self.by_behaviour.is_none());
                detection.source.into_iter().for_each(|source| self.sources.insert(source));
                detection.target.into_iter().for_each(|target| self.targets.insert(target));
                detection.target_port.into_iter().for_each(|port| self.ports.insert(port));
            }
            Opinion::Behaviour(kind) => {
                self.by_behaviour = Some(self.by_behaviour.unwrap_or(kind));
                self.met(detection.source, detection.target);
            }
        }
        if shown {
            self.make_room();
            self.untold |= 1 << self.alerts.len();
            self.alerts.push(detection.clone());
        }
        self.confirm();
    }

    /// Whether a further detection is shown. Until it is confirmed an incident makes room by forgetting what it took back.
    pub(super) fn has_room(&self) -> bool {
        self.alerts.len() < Self::ALERTS_MAX || !self.confirmed
    }

    fn make_room(&mut self) {
        if self.alerts.len() == Self::ALERTS_MAX {
            let oldest = self.alerts.iter().position(|a| a.revised).unwrap_or(0);
            self.alerts.remove(oldest);
            let before = (1 << oldest) - 1;
            self.untold = (self.untold & before) | (self.untold >> 1 & !before);
        }
    }

    /// The final word on a provisional detection, shown if it has an id here: its final score, or none when taken back.
    pub(super) fn settle(&mut self, shown: Option<&str>, last_us: u64, score: Option<f64>) {
        self.changed = true;
        match score {
            Some(score) => {
                self.last_us = self.last_us.max(last_us);
                self.score = self.score.max(score);
            }
            None => self.revised += 1,
        }
        if let Some(alert) = self.alerts.iter_mut().find(|alert| Some(alert.id.as_str()) == shown) {
            alert.provisional = false;
            alert.revised = score.is_none();
            alert.last_us = alert.last_us.max(last_us);
            alert.score = score.unwrap_or(alert.score);
        }
        self.confirm();
    }

    fn confirm(&mut self) {
        if self.confirmed {
            return;
        }
        let newest_us = self.alerts.iter().map(|a| a.first_us).max().unwrap_or(0);
        let shows = shows_in_one_flow(self.scope.category);
        let standing = || self.alerts.iter().filter(|a| shows && a.weighs && !a.revised);
        let burst = standing().filter(|a| newest_us - a.first_us <= Self::BURST_US).count();
        let ended = standing().filter(|a| !a.provisional).count();
        self.confirmed = self.by_behaviour.is_some() || burst.max(ended) >= Self::FOREST_DETECTIONS_MIN;
    }

    /// A behaviour counter has met these ends; none means several.
    pub(super) fn met(&mut self, source: Option<IpAddr>, target: Option<IpAddr>) {
        self.sources.insert_or_many(source);
        self.targets.insert_or_many(target);
    }

    pub(super) fn absorb(&mut self, other: Incident) {
        self.changed = true;
        self.detections += other.detections;
        self.revised += other.revised;
        // What an episode has counted covers the flows of what it swallows.
        self.flows = self.flows.max(other.flows);
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
        self.score = self.score.max(other.score);
        self.sources.absorb(&other.sources);
        self.targets.absorb(&other.targets);
        self.ports.absorb(&other.ports);
        self.evidence = self.evidence.max(other.evidence);
        // What was shown once does not vanish.
        if other.is_shown() {
            self.standing = Standing::Shown;
            self.shown_us = self.shown_us.into_iter().chain(other.shown_us).min();
        }
        let room = Self::ALERTS_MAX.saturating_sub(self.alerts.len());
        // What was told of it was told under the id of `other`.
        self.untold |= other.untold.checked_shl(self.alerts.len() as u32).unwrap_or(0);
        self.alerts.extend(other.alerts.into_iter().take(room));
        other.witnesses.into_iter().for_each(|witness| self.add_witness(witness));
    }

    /// Alerts that have come since [`Incident::told`].
    pub fn untold(&self) -> impl Iterator<Item = &Detection> {
        self.alerts.iter().enumerate().filter(|(i, _)| self.untold >> i & 1 == 1).map(|(_, alert)| alert)
    }

    pub(super) fn told(&mut self) {
        self.untold = 0;
    }
}

fn incident_id(scope: Scope, first_us: u64) -> String {
    let text = format!(
        "{}|{:?}|{:?}|{:?}|{first_us}",
        scope.category.as_str(),
        scope.source,
        scope.target,
        scope.port
    );
    Sha256::digest(text.as_bytes())[..8].iter().map(|b| format!("{b:02x}")).collect()
}
