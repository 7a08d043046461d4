//! What goes up to the centre: the log item, and the queue it waits in until the far side has confirmed it.

use serde::{Deserialize, Serialize, Serializer};

use super::feedback::Label;
use super::flow::FlowRow;

/// What an outbox row is, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutboxKind {
    /// A label ([`LabelItem`]).
    Label,
    /// The flow of a detection ([`LogItem`]).
    Alert,
    /// Any other flow ([`LogItem`]).
    Flow,
}

impl OutboxKind {
    /// Every kind, most urgent first.
    pub const ALL: [OutboxKind; 3] = [OutboxKind::Label, OutboxKind::Alert, OutboxKind::Flow];
}

/// A row that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRow {
    /// Grows with every row, never used twice.
    pub sequence: u64,
    /// What it is.
    pub kind: OutboxKind,
    /// Id of the flow.
    pub uid: String,
    /// 0 provisional, 1 final.
    pub rev: u32,
    /// The item as a MessagePack map; `item` or `label_item` reads it.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
    /// When it was queued, microseconds since the epoch.
    pub created_us: u64,
}

impl OutboxRow {
    /// The log item of an alert or a flow.
    ///
    /// # Errors
    /// The payload is another kind's, or of another release.
    pub fn item(&self) -> Result<LogItem, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&self.payload)
    }

    /// The label.
    ///
    /// # Errors
    /// The payload is another kind's, or of another release.
    pub fn label_item(&self) -> Result<LabelItem, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&self.payload)
    }
}

/// One flow as the centre's log table keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogItem {
    /// `sensor_id|src-dst-sport-dport-proto`.
    pub flow_id: String,
    /// Start in ms since the epoch, as much later as (`flow_id`, `timestamp`) needs to be unique. The store sets it.
    pub timestamp: u64,
    /// One readable line.
    pub content: String,
    /// The features by name, a JSON object.
    pub features_json: String,
    /// Predicted: `attack` or `benign`.
    pub label: String,
    /// The flow's id at the sensor.
    pub uid: String,
    /// The sensor.
    pub sensor_id: String,
    /// Community ID v1; none for a client's vector.
    pub community_id: Option<String>,
    /// Predicted category, or `benign`.
    pub category: String,
    /// 1 - P(benign).
    pub score: f64,
    /// Probability of the category.
    pub confidence: f64,
    /// Serial of the model.
    pub model_version: u64,
    /// Schema id of the features.
    pub schema: String,
    /// 0 provisional, 1 final.
    pub rev: u32,
    /// Start in microseconds since the epoch, exactly.
    pub start_us: u64,
    /// End in microseconds since the epoch.
    pub end_us: u64,
}

impl LogItem {
    /// The item of a final flow. `names` are the features' names in the schema's order.
    #[must_use]
    pub fn of(flow: &FlowRow, sensor_id: &str, names: &[&str]) -> Self {
        let side = |address: Option<std::net::IpAddr>, port: u16| match address {
            Some(std::net::IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
            Some(v4) => format!("{v4}:{port}"),
            None => "client".to_owned(),
        };
        let judgement = &flow.judgement;
        let content = format!(
            "protocol {} {} -> {}, {}+{} packets, {}+{} bytes, {:.3} s: {}, score {:.3}",
            flow.protocol,
            side(flow.src_ip, flow.src_port),
            side(flow.dst_ip, flow.dst_port),
            flow.forward.packets,
            flow.backward.packets,
            flow.forward.bytes,
            flow.backward.bytes,
            flow.end_us.saturating_sub(flow.start_us) as f64 / 1e6,
            judgement.category,
            judgement.score,
        );
        Self {
            flow_id: format!("{sensor_id}|{}", flow.flow_id()),
            timestamp: flow.start_us / 1_000,
            content,
            features_json: serde_json::to_string(&ByName(names, &flow.features)).unwrap_or_default(),
            label: judgement.prediction().to_owned(),
            uid: flow.id.to_string(),
            sensor_id: sensor_id.to_owned(),
            community_id: flow.community_id.clone(),
            category: judgement.category.clone(),
            score: judgement.score,
            confidence: judgement.confidence,
            model_version: judgement.model_version,
            schema: flow.schema.clone(),
            rev: 1,
            start_us: flow.start_us,
            end_us: flow.end_us,
        }
    }
}

struct ByName<'a>(&'a [&'a str], &'a [f64]);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().zip(self.1))
    }
}

/// A label on its way to the item of its flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelItem {
    /// The flow's id at the sensor.
    pub uid: String,
    /// The sensor.
    pub sensor_id: String,
    /// Key of the flow's item at the centre: its `flow_id`.
    pub flow_id: String,
    /// Key of the flow's item at the centre: its `timestamp`, ms.
    pub timestamp: u64,
    /// What it says; `withdrawn` sets the item back to `unknown`.
    pub label: Label,
    /// Attack category.
    pub category: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// Who.
    pub label_by: String,
    /// By what way.
    pub label_source: String,
    /// When, ms since the epoch.
    pub labeled_at: u64,
    /// The flow itself, for a centre that has not seen it; none while the flow runs.
    pub item: Option<LogItem>,
}

/// A log item to be queued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogRow {
    /// [`OutboxKind::Alert`] or [`OutboxKind::Flow`].
    pub kind: OutboxKind,
    /// The item; its `timestamp` is a wish.
    pub item: LogItem,
}

/// MessagePack's binary form for byte strings.
mod bytes {
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<u8>, A::Error> {
                // A count is a promise; room is made for what comes.
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }
        deserializer.deserialize_byte_buf(Bytes)
    }
}
