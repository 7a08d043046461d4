//! What the service answers about alerts, incidents and flows: the store's rows as interfaces show them.

use serde::Serialize;
use store::record::{FlowRow, IncidentRow, Sent, Source};
use store::{StoredAlert, StoredFlow, StoredIncident, WhyQueued};
use utoipa::ToSchema;

/// Some of what was found, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Page<T> {
    /// The page.
    pub items: Vec<T>,
    /// Send it as `cursor` for the next page; none when there is no more.
    pub next: Option<String>,
    /// Time was up before the page was full: go on with `next`, or narrow the time range.
    pub out_of_time: bool,
}

/// A detection that was shown, or would have been but for a suppression.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Alert {
    /// The flow's id, or the episode's.
    pub id: String,
    /// The incident it belongs to.
    pub incident: String,
    /// Who says so: `forest`, or a behaviour counter.
    pub opinion: String,
    /// Attack category.
    pub category: String,
    /// `low`, `medium`, `high` or `critical`, as it was when it was shown.
    pub severity: &'static str,
    /// 1 - P(benign); for a behaviour the strength of its evidence.
    pub score: f64,
    /// Probability of the category.
    pub confidence: f64,
    /// How unlike benign traffic the flow is; none for a behaviour.
    pub novelty: Option<f64>,
    /// The attacker; none when there are many.
    pub src_ip: Option<String>,
    /// The attacker's port; none when there are many.
    pub src_port: Option<u16>,
    /// The victim; none when there are many.
    pub dst_ip: Option<String>,
    /// The victim's port; none when there are many.
    pub dst_port: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// First packet, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet so far.
    pub last_us: u64,
    /// When it was shown.
    pub shown_us: u64,
    /// The flow has not ended yet.
    pub provisional: bool,
    /// The final record took it back.
    pub revised: bool,
    /// Number of the suppression that hid it.
    pub suppressed_by: Option<u64>,
    /// What people here say of it: `attack`, `benign` or `unsure`.
    pub label: Option<&'static str>,
    /// The strongest reasons, readable.
    pub reasons: Vec<String>,
    /// Serial of the model.
    pub model_version: u64,
}

impl From<StoredAlert> for Alert {
    fn from(stored: StoredAlert) -> Self {
        let StoredAlert { alert, detection: d, label, .. } = stored;
        Self {
            id: d.id,
            incident: d.incident,
            opinion: d.opinion,
            category: d.category,
            severity: alert.severity.as_str(),
            score: d.score,
            confidence: d.confidence,
            novelty: d.novelty,
            src_ip: d.src_ip,
            src_port: d.src_port,
            dst_ip: d.dst_ip,
            dst_port: d.dst_port,
            protocol: d.protocol,
            first_us: d.first_us,
            last_us: d.last_us,
            shown_us: alert.shown_us,
            provisional: d.provisional,
            revised: d.revised,
            suppressed_by: alert.suppression,
            label: label.map(|l| l.as_str()),
            reasons: d.reasons,
            model_version: d.model_version,
        }
    }
}

/// Detections that are one story.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Incident {
    /// Its id.
    pub id: String,
    /// Attack category.
    pub category: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// The attacker; none when there are many.
    pub src_ip: Option<String>,
    /// The victim; none when there are many.
    pub dst_ip: Option<String>,
    /// The service; none when there are many.
    pub dst_port: Option<u16>,
    /// First packet of its first detection, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet of its last detection.
    pub last_us: u64,
    /// Detections in it.
    pub detections: u64,
    /// Of them shown.
    pub alerts: u64,
    /// Highest score in it.
    pub score: f64,
    /// Every alert of it was taken back.
    pub revised: bool,
    /// The strongest reasons, readable.
    pub reasons: Vec<String>,
    /// What other engines said of the same conversations.
    pub witnesses: Vec<Witness>,
}

/// One rule of another engine that spoke of an incident.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Witness {
    /// Who spoke: `suricata`.
    pub engine: String,
    /// The rule's generator.
    pub generator: u64,
    /// The rule's number.
    pub signature_id: u64,
    /// What the rule says.
    pub signature: String,
    /// The rule's class.
    pub class: String,
    /// The rule's severity: 1 is the gravest.
    pub severity: u8,
    /// Its first alert here, microseconds since the epoch.
    pub first_us: u64,
    /// Its last alert here.
    pub last_us: u64,
    /// Its alerts here.
    pub alerts: u64,
    /// Community ID of the conversation of its first alert, as the engine gave it.
    pub community_id: Option<String>,
    /// `flow`: of a conversation that is an alert of the incident; `ends`: of one between the incident's addresses.
    pub joined_by: String,
}

impl From<store::record::Witness> for Witness {
    fn from(w: store::record::Witness) -> Self {
        let (engine, generator, signature_id, signature) =
            (w.engine, w.generator, w.signature_id, w.signature);
        let (class, severity, first_us, last_us) = (w.class, w.severity, w.first_us, w.last_us);
        let (alerts, community_id, joined_by) = (w.alerts, w.community_id, w.joined_by);
        Self {
            engine,
            generator,
            signature_id,
            signature,
            class,
            severity,
            first_us,
            last_us,
            alerts,
            community_id,
            joined_by,
        }
    }
}

impl From<StoredIncident> for Incident {
    fn from(stored: StoredIncident) -> Self {
        let IncidentRow { id, category, severity, source, target, port, .. } = stored.row;
        let (first_us, last_us) = (stored.row.first_us, stored.row.last_us);
        let (detections, alerts) = (stored.row.detections, stored.row.alerts);
        let (score, revised, reasons) = (stored.row.score, stored.row.revised, stored.row.reasons);
        let witnesses = stored.row.witnesses.into_iter().map(Witness::from).collect();
        Self {
            id,
            category,
            severity,
            src_ip: source,
            dst_ip: target,
            dst_port: port,
            first_us,
            last_us,
            detections,
            alerts,
            score,
            revised,
            reasons,
            witnesses,
        }
    }
}

/// What one side sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OneWay {
    /// Packets.
    pub packets: u64,
    /// Layer-4 payload on the wire, bytes.
    pub bytes: u64,
    /// IP and layer-4 headers, bytes.
    pub header_bytes: u64,
    /// Packets with FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
    pub flags: [u32; 8],
    /// TCP segments that brought only bytes seen before.
    pub retransmissions: u32,
    /// TCP segments that filled in bytes skipped before.
    pub out_of_order: u32,
    /// Largest payload of one packet, bytes.
    pub len_max: u32,
}

impl From<Sent> for OneWay {
    fn from(sent: Sent) -> Self {
        let Sent { packets, bytes, header_bytes, flags, retransmissions, out_of_order, len_max } = sent;
        Self { packets, bytes, header_bytes, flags, retransmissions, out_of_order, len_max }
    }
}

/// A flow that has ended, or one segment of it, or a vector that a client sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Flow {
    /// Its id; `.segment` stands behind it from the second segment on.
    pub id: String,
    /// `src-dst-sport-dport-proto`, or what the client called it.
    pub flow_id: String,
    /// `capture` or `api`.
    pub source: &'static str,
    /// Who opened it.
    pub src_ip: Option<String>,
    /// Its port.
    pub src_port: u16,
    /// The other side.
    pub dst_ip: Option<String>,
    /// Its port.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// VLAN number.
    pub vlan: Option<u16>,
    /// Community ID v1.
    pub community_id: Option<String>,
    /// First packet, microseconds since the epoch.
    pub start_us: u64,
    /// Last packet.
    pub end_us: u64,
    /// Why it ended.
    pub end_reason: String,
    /// What the initiator sent.
    pub forward: OneWay,
    /// What the responder sent.
    pub backward: OneWay,
    /// The name in its first payload: its kind (`tls_sni`, `dns_name`, `http_host`) and itself.
    pub context: Option<Named>,
    /// `attack` or `benign`.
    pub prediction: &'static str,
    /// `benign`, or the category of attack.
    pub category: String,
    /// 1 - P(benign).
    pub score: f64,
    /// Probability of the category.
    pub confidence: f64,
    /// How unlike benign traffic it is.
    pub novelty: Option<f64>,
    /// Serial of the model.
    pub model_version: u64,
    /// What people here say of it.
    pub label: Option<&'static str>,
    /// What the centre says of it.
    pub true_label: Option<&'static str>,
}

/// A name that was read from a payload.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Named {
    /// `tls_sni`, `dns_name` or `http_host`.
    pub kind: String,
    /// The name, as the network sent it.
    pub name: String,
}

impl Flow {
    pub(super) fn of(stored: &StoredFlow) -> Self {
        let row: &FlowRow = &stored.row;
        let j = &row.judgement;
        Self {
            id: row.id.to_string(),
            flow_id: row.flow_id(),
            source: match row.source {
                Source::Capture => "capture",
                Source::Api => "api",
            },
            src_ip: row.src_ip.map(|ip| ip.to_string()),
            src_port: row.src_port,
            dst_ip: row.dst_ip.map(|ip| ip.to_string()),
            dst_port: row.dst_port,
            protocol: row.protocol,
            vlan: row.vlan,
            community_id: row.community_id.clone(),
            start_us: row.start_us,
            end_us: row.end_us,
            end_reason: row.end_reason.clone(),
            forward: row.forward.into(),
            backward: row.backward.into(),
            context: row.context.clone().map(|(kind, name)| Named { kind, name }),
            prediction: j.prediction(),
            category: j.category.clone(),
            score: j.score,
            confidence: j.confidence,
            novelty: j.novelty,
            model_version: j.model_version,
            label: stored.label.map(|l| l.as_str()),
            true_label: stored.true_label.map(|l| l.as_str()),
        }
    }
}

/// A flow that is worth a label.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Queued {
    /// `uncertain`: the model is least sure of it. `random`: it is in the random hundredth, which tells what is missed.
    pub why: &'static str,
    /// The flow.
    #[serde(flatten)]
    pub flow: Flow,
}

impl Queued {
    pub(super) fn of(queued: &store::QueuedFlow) -> Self {
        let why = match queued.why {
            WhyQueued::Uncertain => "uncertain",
            WhyQueued::Random => "random",
        };
        Self { why, flow: Flow::of(&queued.flow) }
    }
}
