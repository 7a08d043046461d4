//! A client's own vector: scored like a flow, and kept, fed and synced like one unless that is switched off.

use std::sync::atomic::{AtomicU64, Ordering};

use model::schema::{FEATURES, N_FEATURES, schema_id};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::record::{Batch, FlowId, FlowRow, Judgement, LogItem, LogRow, OutboxKind, Sent, Source};
use utoipa::ToSchema;

use super::Service;
use super::vector::Written;
use crate::control::Refusal;
use crate::feed::{Notice, Topic};

/// What a client sends.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct PredictRequest {
    /// The client's own name for the flow; kept as it is.
    #[serde(default)]
    #[schema(max_length = 256)]
    pub flow_id: Option<String>,
    /// 20 numbers in the schema's order, or an object of numbers by name (any generation of CICFlowMeter's names).
    #[schema(value_type = FeatureValues)]
    pub features: Value,
}

/// For the schema: a list or an object of numbers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code)]
pub enum FeatureValues {
    /// In the schema's order.
    List(Vec<f64>),
    /// By name.
    ByName(std::collections::BTreeMap<String, f64>),
}

/// What the model says of it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Predicted {
    /// The client's name for the flow, or the one it got.
    pub flow_id: String,
    /// `attack` or `benign`.
    pub prediction: &'static str,
    /// Probability of the category, in \[0, 1\].
    pub confidence: f64,
    /// Time it took the sensor, in milliseconds.
    pub latency_ms: f64,
    /// `benign`, or the category of attack.
    pub category: &'static str,
    /// 1 - P(benign), in \[0, 1\].
    pub score: f64,
    /// How unlike benign traffic it is, in \[0, 1\]; none for a model without a novelty forest.
    pub novelty: Option<f64>,
    /// Serial of the model.
    pub model_version: u64,
    /// Its id in the store; none when predictions are not stored.
    pub uid: Option<String>,
}

/// `made` = `stored` + `dropped_at_queue` + `not_kept`.
#[derive(Debug, Default)]
pub struct PredictionSums {
    made: AtomicU64,
    stored: AtomicU64,
    dropped_at_queue: AtomicU64,
    not_kept: AtomicU64,
}

impl PredictionSums {
    /// The terms by name; the first is the sum of the others.
    #[must_use]
    pub fn terms(&self) -> [(&'static str, u64); 4] {
        // `made` is read last and was counted first: a term is never ahead of the sum.
        let parts = [&self.stored, &self.dropped_at_queue, &self.not_kept].map(|n| n.load(Ordering::Acquire));
        [
            ("made", self.made.load(Ordering::Acquire)),
            ("stored", parts[0]),
            ("dropped_at_queue", parts[1]),
            ("not_kept", parts[2]),
        ]
    }
}

impl Service {
    /// Longest name of a client's own flow, in bytes.
    const FLOW_ID_MAX: usize = 256;

    /// Scores a client's vector.
    ///
    /// # Errors
    /// The vector is not one; the refusal names what is wrong.
    pub fn predict(&self, request: PredictRequest) -> Result<Predicted, Refusal> {
        #[allow(clippy::disallowed_methods)] // the answer says how long it took
        let begun = std::time::Instant::now();
        if request.flow_id.as_ref().is_some_and(|id| id.len() > Self::FLOW_ID_MAX) {
            return Err(Refusal::invalid(format!("`flow_id` is longer than {} bytes", Self::FLOW_ID_MAX)));
        }
        let written = match request.features {
            Value::Array(list) => Written::List(list),
            Value::Object(map) => Written::ByName(map),
            _ => {
                return Err(Refusal::invalid(
                    "`features` must be a list of 20 numbers or an object of numbers by name",
                ));
            }
        };
        let vector = written.vector()?;
        let serving = self.slot().load();
        let scored = serving.score_vector(&vector);
        let prediction = &scored.prediction;
        let judgement = Judgement {
            category: prediction.category.as_str().to_owned(),
            score: prediction.score,
            confidence: prediction.confidence,
            novelty: scored.novelty,
            model_version: serving.active.version(),
        };
        let kept = self.parts.store_predictions;
        let number = self.predictions.made.fetch_add(1, Ordering::AcqRel);
        let row = self.row(request.flow_id, vector, judgement, number);
        let answer = Predicted {
            flow_id: row.flow_id(),
            prediction: row.judgement.prediction(),
            confidence: row.judgement.confidence,
            latency_ms: 0.0,
            category: prediction.category.as_str(),
            score: row.judgement.score,
            novelty: row.judgement.novelty,
            model_version: row.judgement.model_version,
            uid: kept.then(|| row.id.to_string()),
        };
        if kept {
            self.tell(&answer, row.start_us);
            self.keep(row);
        } else {
            self.predictions.not_kept.fetch_add(1, Ordering::AcqRel);
        }
        Ok(Predicted { latency_ms: begun.elapsed().as_secs_f64() * 1e3, ..answer })
    }

    fn row(
        &self,
        client_flow_id: Option<String>,
        features: [f64; N_FEATURES],
        judgement: Judgement,
        number: u64,
    ) -> FlowRow {
        let now_us = self.now_us();
        let mut uid = [0; 16];
        let digest = Sha256::new()
            .chain_update(&self.parts.sensor_id)
            .chain_update(b"\0/predict\0")
            .chain_update(now_us.to_be_bytes())
            .chain_update(number.to_be_bytes())
            .finalize();
        uid.copy_from_slice(&digest[..16]);
        let sent = |packets: f64, bytes: f64| Sent {
            packets: packets as u64,
            bytes: bytes as u64,
            ..Sent::default()
        };
        FlowRow {
            id: FlowId { uid, segment: 0 },
            source: Source::Api,
            client_flow_id,
            src_ip: None,
            src_port: 0,
            dst_ip: None,
            dst_port: 0,
            protocol: 0,
            vlan: None,
            community_id: None,
            start_us: now_us,
            end_us: now_us
                .saturating_add(features[0].max(0.0) as u64)
                .min(now_us.saturating_add(86_400_000_000)),
            end_reason: "api".to_owned(),
            forward: sent(features[1], features[3]),
            backward: sent(features[2], features[4]),
            schema: schema_id().to_owned(),
            features,
            judgement,
            alerted: false,
            context: None,
        }
    }

    /// Hands the row to the writer. What finds no room is counted; the client has its answer either way.
    fn keep(&self, row: FlowRow) {
        let kind = if row.judgement.category == "benign" { OutboxKind::Flow } else { OutboxKind::Alert };
        let item = LogItem::of(&row, &self.parts.sensor_id, &FEATURES);
        let batch = Batch { flows: vec![row], log: vec![LogRow { kind, item }], ..Batch::default() };
        let sums = &self.predictions;
        let term = if self.parts.writer.offer(batch) { &sums.stored } else { &sums.dropped_at_queue };
        term.fetch_add(1, Ordering::AcqRel);
    }

    fn tell(&self, answer: &Predicted, at_us: u64) {
        let body = json!({
            "flow_id": answer.flow_id,
            "prediction": answer.prediction,
            "confidence": answer.confidence,
            "category": answer.category,
            "score": answer.score,
            "novelty": answer.novelty,
            "model_version": answer.model_version,
            "source": "api",
            "uid": answer.uid,
            "at_us": at_us,
        });
        self.parts.telling.tell(Notice { topic: Topic::Prediction, severity: None, body });
    }
}
