//! One place where opinions meet: forest and behaviour in, detections and incidents out, in canonical order.

use std::collections::HashMap;
use std::net::IpAddr;

use flowmeter::{Context, EventKind, FlowEvent, FlowRecord};
use model::Category;
use sha2::{Digest, Sha256};

use super::behaviour::{Behaviour, Finding, Thresholds};
use super::budget::Budget;
use super::incident::Incident;
use super::incidents::{Incidents, Place, scope_of};
use super::policy::{Policy, Verdict};
use super::{BehaviourKind, Detection, Opinion, Reason, Scope};
use crate::scoring::Scored;

/// A record, what the forest says of it, and what can say why.
pub struct Opinionated<'a> {
    /// The record that an event points at.
    pub record: &'a FlowRecord,
    /// What the model says of it.
    pub scored: &'a Scored,
    /// The name in the flow's first payload.
    pub name: Option<&'a Context>,
}

/// What the store has to be told.
#[derive(Debug, Clone)]
pub enum Change {
    /// A new detection, the incident it went to, and whether it is only counted there.
    Detected {
        /// The detection as it was made.
        detection: Detection,
        /// Id of its incident.
        incident: String,
        /// The incident had as many alerts as it shows.
        folded: bool,
    },
    /// The flow of a provisional detection has ended.
    Settled {
        /// The detection.
        id: String,
        /// The flow's last packet, microseconds since the epoch.
        last_us: u64,
        /// The final score; none when the detection is taken back.
        score: Option<f64>,
    },
}

/// Why the forest says so: called only for detections that are shown.
pub type Explain<'a> = dyn Fn(&FlowRecord) -> Vec<Reason> + 'a;

/// The state of judgement of one run.
pub struct Detector {
    sensor_id: String,
    policy: Policy,
    behaviour: Behaviour,
    incidents: Incidents,
    /// Detections made on flows that have not ended, by the number of the flow's first packet.
    provisional: HashMap<u64, Pending>,
    made: u64,
    only_counted: u64,
    changes: Vec<Change>,
}

struct Pending {
    id: String,
    place: Place,
}

impl Detector {
    /// Provisional detections waiting for their flow's end; beyond it a flow's first detection counts as final.
    const PROVISIONAL_MAX: usize = 65_536;

    /// A fresh state. `sensor_id` goes into the uids.
    #[must_use]
    pub fn new(sensor_id: &str, policy: Policy, thresholds: Thresholds) -> Self {
        Self {
            sensor_id: sensor_id.to_owned(),
            policy,
            behaviour: Behaviour::new(thresholds),
            incidents: Incidents::default(),
            provisional: HashMap::new(),
            made: 0,
            only_counted: 0,
            changes: Vec::new(),
        }
    }

    /// The same with a budget for what is shown.
    #[must_use]
    pub fn with_budget(mut self, budget: Budget) -> Self {
        self.incidents.set_budget(budget);
        self
    }

    /// Takes one event in. Events that carry a record come with the forest's opinion on it.
    /// Gives the verdict on that record.
    pub fn observe(
        &mut self,
        event: &FlowEvent,
        opinion: Option<Opinionated<'_>>,
        explain: &Explain<'_>,
    ) -> Verdict {
        self.incidents.tick(event.order.at_us);
        let mut findings = Vec::new();
        let record = opinion.as_ref().map(|opinion| (opinion.record, opinion.name));
        let owner = self.behaviour.observe(event, record, |finding| findings.push(finding));
        let counted = findings.iter().any(|finding| finding.began);
        for finding in findings {
            self.find(finding);
        }
        // The finding that begins an episode counts its flows up to and with this one.
        if let Some(scope) = owner.filter(|_| !counted) {
            self.incidents.count_flow(scope, event.time_us);
        }
        opinion.map_or(Verdict::Benign, |opinion| self.judge(event, &opinion, explain))
    }

    /// Detections made so far.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.made
    }

    /// Flows that the forest called attacks and that went to an incident which had as many detections as it keeps.
    #[must_use]
    pub fn only_counted(&self) -> u64 {
        self.only_counted
    }

    /// What happened to detections since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// The incidents so far.
    #[must_use]
    pub fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// The incidents, to take their changes.
    pub fn incidents_mut(&mut self) -> &mut Incidents {
        &mut self.incidents
    }

    fn judge(&mut self, event: &FlowEvent, opinion: &Opinionated<'_>, explain: &Explain<'_>) -> Verdict {
        let verdict = self.policy.decide(opinion.scored);
        let (record, score) = (opinion.record, opinion.scored.prediction.score);
        let ended = matches!(event.kind, EventKind::Ended(_));
        if ended && let Some(pending) = self.provisional.remove(&record.first_seq) {
            let score = (verdict != Verdict::Benign).then_some(score);
            self.incidents.settle(pending.place, &pending.id, record.end_us, score);
            self.changes.push(Change::Settled { id: pending.id, last_us: record.end_us, score });
            return verdict;
        }
        let Verdict::Attack(category) = verdict else {
            return verdict;
        };
        if self.provisional.contains_key(&record.first_seq) {
            return verdict;
        }
        let room = self.provisional.len() < Self::PROVISIONAL_MAX;
        let scope = self.scope_of(event, opinion, category);
        if self.incidents.is_full(scope, record.start_us) {
            // One more of very many: counted when its flow has ended, and no row of the store.
            if ended {
                self.only_counted += 1;
                let weighs = self.weighs(event, category, record.initiator().address);
                self.incidents.count_detection(
                    scope,
                    &forest_detection(String::new(), opinion, category, false, weighs),
                );
            }
            return verdict;
        }
        let (id, place) = self.detect(event, opinion, category, scope, !ended && room, explain);
        if !ended && room {
            self.provisional.insert(record.first_seq, Pending { id, place });
        }
        verdict
    }

    /// What the incident of a forest's detection is about.
    fn scope_of(&self, event: &FlowEvent, opinion: &Opinionated<'_>, category: Category) -> Scope {
        let (source, target) = (opinion.record.initiator(), opinion.record.responder());
        self.behaviour
            .owner(event)
            .unwrap_or_else(|| scope_of(category, source.address, target.address, target.port))
    }

    fn detect(
        &mut self,
        event: &FlowEvent,
        opinion: &Opinionated<'_>,
        category: Category,
        scope: Scope,
        provisional: bool,
        explain: &Explain<'_>,
    ) -> (String, Place) {
        let record = opinion.record;
        let uid = record.uid(&self.sensor_id);
        let id = if record.segment == 0 { uid.to_string() } else { format!("{uid}.{}", record.segment) };
        let weighs = self.weighs(event, category, record.initiator().address);
        let detection = forest_detection(id.clone(), opinion, category, provisional, weighs);
        (id, self.tell(scope, detection, 0.0, |shown| shown.reasons = explain(record)))
    }

    /// Whether a suspicion of the forest may confirm an incident. A scan is many failures, and the counters know how many
    /// there were. Of a TCP conversation met in its middle not even the direction is known, and no forest has learned from one.
    fn weighs(&self, event: &FlowEvent, category: Category, source: IpAddr) -> bool {
        let whole = event.key.protocol() != 6 || event.began_cleanly;
        whole && (category != Category::Scan || self.behaviour.supports_scan(source))
    }

    /// Counts a detection, puts it into its incident, and notes it for the store.
    fn tell(
        &mut self,
        scope: Scope,
        detection: Detection,
        strength: f64,
        explain: impl FnOnce(&mut Detection),
    ) -> Place {
        self.made += 1;
        let (place, detection, incident) = self.incidents.add(scope, detection, strength, explain);
        self.changes.push(Change::Detected { detection, incident, folded: !place.is_shown() });
        place
    }

    fn find(&mut self, finding: Finding) {
        let Finding {
            kind,
            scope,
            source,
            target,
            flows,
            protocol,
            began,
            first_us,
            last_us,
            strength,
            evidence,
        } = finding;
        let id = episode_id(kind, scope, first_us);
        let reasons: Vec<Reason> = evidence.into_iter().map(Reason::Evidence).collect();
        if !began {
            self.incidents.refresh(scope, last_us, &id, (source, target), strength, reasons);
            return;
        }
        let detection = Detection {
            id,
            opinion: Opinion::Behaviour(kind),
            category: kind.category(),
            score: 1.0,
            confidence: 1.0,
            novelty: None,
            source,
            source_port: None,
            target,
            target_port: scope.port,
            protocol,
            first_us,
            last_us,
            provisional: false,
            revised: false,
            weighs: true,
            reasons,
        };
        self.incidents.part_from_suspicions(scope, first_us);
        self.tell(scope, detection, strength, |_| {});
        self.incidents.count_flows(scope, flows);
        self.incidents.absorb(scope, |other| belongs(kind, scope, first_us, other));
    }
}

/// The forest's opinion on a record as a detection, without reasons.
fn forest_detection(
    id: String,
    opinion: &Opinionated<'_>,
    category: Category,
    provisional: bool,
    weighs: bool,
) -> Detection {
    let Opinionated { record, scored, .. } = opinion;
    let (source, target) = (record.initiator(), record.responder());
    Detection {
        id,
        opinion: Opinion::Forest,
        category,
        score: scored.prediction.score,
        confidence: scored.prediction.confidence,
        novelty: scored.novelty,
        source: Some(source.address),
        source_port: Some(source.port),
        target: Some(target.address),
        target_port: Some(target.port),
        protocol: record.key.protocol(),
        first_us: record.start_us,
        last_us: record.end_us,
        provisional,
        revised: false,
        weighs,
        reasons: Vec::new(),
    }
}

/// Whether an incident that was opened before an episode was recognised is a part of it.
fn belongs(kind: BehaviourKind, scope: Scope, first_us: u64, other: &Incident) -> bool {
    let began_with_it = other.first_us + Incidents::LEAD_US >= first_us;
    match kind {
        BehaviourKind::Flood | BehaviourKind::RequestFlood | BehaviourKind::Hoard => {
            began_with_it && other.target().is_some() && other.target() == scope.target
        }
        BehaviourKind::FanOut => {
            began_with_it && other.by_behaviour.is_none() && other.source() == scope.source
        }
        BehaviourKind::Repetition => {
            let ends = (other.source(), other.target()) == (scope.source, scope.target);
            // A call that was asked for at the endpoint mapper is made elsewhere.
            let service = other.port() == scope.port || scope.port == Some(135);
            began_with_it && other.by_behaviour.is_none() && ends && service
        }
        BehaviourKind::Amplification => {
            began_with_it && other.by_behaviour.is_none() && other.target() == scope.target
        }
        BehaviourKind::Beacon
        | BehaviourKind::DnsTunnel
        | BehaviourKind::IcmpTunnel
        | BehaviourKind::DnsUpload
        | BehaviourKind::IcmpUpload
        | BehaviourKind::Upload
        | BehaviourKind::WebScan => {
            let ends = (other.source(), other.target()) == (scope.source, scope.target);
            began_with_it && other.by_behaviour.is_none() && ends
        }
        BehaviourKind::Spread => other.scope.category == Category::Scan && other.source() == scope.source,
    }
}

fn episode_id(kind: BehaviourKind, scope: Scope, first_us: u64) -> String {
    let Scope { source, target, port, .. } = scope;
    let text = format!("{}|{source:?}|{target:?}|{port:?}|{first_us}", kind.as_str());
    Sha256::digest(text.as_bytes())[..16].iter().map(|b| format!("{b:02x}")).collect()
}
