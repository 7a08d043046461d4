//! One metered flow as a row: who spoke to whom, how much, what the model said, and the vector it said it of.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Features of one vector (`cic20/1`).
pub const FEATURES: usize = 20;

/// Name of one segment of a flow: the flow's uid, and from the second segment on `.segment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId {
    /// The flow's uid.
    pub uid: [u8; 16],
    /// Segment, from 0.
    pub segment: u32,
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.uid))?;
        if self.segment > 0 { write!(f, ".{}", self.segment) } else { Ok(()) }
    }
}

/// Text that names nothing of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {wanted}")]
pub struct NotOne {
    /// What was written, cut to 64 characters.
    pub text: String,
    /// What it should have been, with an example.
    pub wanted: &'static str,
}

impl NotOne {
    pub(crate) fn of(text: &str, wanted: &'static str) -> Self {
        Self { text: text.chars().take(64).collect(), wanted }
    }
}

impl FromStr for FlowId {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let refused = || NotOne::of(text, "flow id: 32 hex digits, then `.segment` for later segments");
        let (uid, segment) = text.split_once('.').map_or((text, None), |(uid, rest)| (uid, Some(rest)));
        if uid.len() != 32 || !uid.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(refused());
        }
        let uid = u128::from_str_radix(uid, 16).map_err(|_| refused())?.to_be_bytes();
        let segment = segment.map_or(Ok(0), |s| s.parse().map_err(|_| refused()))?;
        Ok(Self { uid, segment })
    }
}

impl Serialize for FlowId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FlowId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Where a row came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Metered from packets.
    #[default]
    Capture,
    /// Sent to `/predict` by a client.
    Api,
}

/// What one side of a flow sent, as counted by the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Layer-4 payload bytes on the wire.
    pub bytes: u64,
    /// IP and layer-4 header bytes.
    pub header_bytes: u64,
    /// Packets with each TCP flag: FIN, SYN, RST, PSH, ACK, URG, ECE, CWR.
    pub flags: [u32; 8],
    /// TCP segments that brought only bytes seen before.
    pub retransmissions: u32,
    /// TCP segments that filled in bytes skipped before.
    pub out_of_order: u32,
    /// Largest payload of one packet, bytes, not clipped.
    pub len_max: u32,
}

/// What the model says of one vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// `benign` or an attack category, as DESIGN spells them.
    pub category: String,
    /// 1 - P(benign), in \[0, 1\].
    pub score: f64,
    /// Probability of the category, in \[0, 1\].
    pub confidence: f64,
    /// How unlike benign traffic the vector is, in \[0, 1\]; none for a model without a novelty forest.
    pub novelty: Option<f64>,
    /// Serial of the model.
    pub model_version: u64,
}

impl Judgement {
    /// `attack` or `benign`: the binary label.
    #[must_use]
    pub fn prediction(&self) -> &'static str {
        if self.category == "benign" { "benign" } else { "attack" }
    }
}

/// One final flow (or segment), or one vector that a client sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowRow {
    /// Its name.
    pub id: FlowId,
    /// Where it came from.
    pub source: Source,
    /// The client's own `flow_id` on `/predict`, as it came.
    pub client_flow_id: Option<String>,
    /// Initiator's address; none for a client's vector.
    pub src_ip: Option<IpAddr>,
    /// Initiator's port.
    pub src_port: u16,
    /// Responder's address.
    pub dst_ip: Option<IpAddr>,
    /// Responder's port.
    pub dst_port: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// VLAN number.
    pub vlan: Option<u16>,
    /// Community ID v1 (`1:...`).
    pub community_id: Option<String>,
    /// First packet of the segment, microseconds since the epoch.
    pub start_us: u64,
    /// Last packet of the segment, microseconds since the epoch.
    pub end_us: u64,
    /// Why it ended (`fin`, `rst`, `idle`, ...).
    pub end_reason: String,
    /// What the initiator sent.
    pub forward: Sent,
    /// What the responder sent.
    pub backward: Sent,
    /// Schema id of the features.
    pub schema: String,
    /// The features, in the schema's order.
    pub features: [f64; FEATURES],
    /// What the model said.
    pub judgement: Judgement,
    /// A detection was made on it, provisional ones included: it is kept as long as alerts are.
    pub alerted: bool,
    /// Kind and text of the name in its first payload (`tls_sni`, `dns_name`, `http_host`).
    pub context: Option<(String, String)>,
}

impl FlowRow {
    /// CICFlowMeter's name of the flow: `src-dst-sport-dport-proto`; a client's own when it sent one.
    #[must_use]
    pub fn flow_id(&self) -> String {
        match (&self.client_flow_id, self.src_ip, self.dst_ip) {
            (Some(own), _, _) => own.clone(),
            (None, Some(src), Some(dst)) => {
                format!("{src}-{dst}-{}-{}-{}", self.src_port, self.dst_port, self.protocol)
            }
            _ => self.id.to_string(),
        }
    }
}

/// A provisional vector of a flow that was still running.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotRow {
    /// The flow.
    pub id: FlowId,
    /// Packets it had (8, 32); 0 when it had closed and lingered.
    pub packets: u32,
    /// Its last packet then, microseconds since the epoch.
    pub at_us: u64,
    /// The features then.
    pub features: [f64; FEATURES],
    /// What the model said then.
    pub judgement: Judgement,
}
