//! The sensor's control socket from the agent's side: one question, one answer, over a connection that is made anew when it breaks.
//!
//! Frames are a `u32` big-endian length and a MessagePack map: `{v, id, op, args}` is answered by `{v, id, ok}` or
//! `{v, id, error: {code, message}}`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Acknowledged;
use store::record::{OutboxKind, OutboxRow, TrueLabel};

const VERSION: u32 = 1;
const FRAME_MAX: usize = 16 << 20;
/// How long an answer may take: a model's self-test on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The sensor does not answer; later it may.
    #[error(
        "{place}: the sensor does not answer ({detail}); start it with `taphound run`, or set `agent.socket`"
    )]
    Away {
        /// The socket.
        place: String,
        /// What happened.
        detail: String,
    },
    /// It answers, and says no.
    #[error("the sensor refuses `{op}`: {message}")]
    Refused {
        /// What was asked.
        op: String,
        /// `invalid`, `conflict`, `unavailable`, ...
        code: String,
        /// Its words.
        message: String,
    },
}

impl ControlError {
    /// The same question may be answered later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            ControlError::Away { .. } => true,
            ControlError::Refused { code, .. } => code == "unavailable",
        }
    }
}

#[derive(Serialize)]
struct Request<'a, A> {
    v: u32,
    id: u64,
    op: &'a str,
    args: A,
}

#[derive(Deserialize)]
struct Response<T> {
    #[serde(default)]
    id: u64,
    ok: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
}

/// The control socket. Blocking: it is called from threads that may block.
#[derive(Debug)]
pub struct Sensor {
    path: PathBuf,
    stream: Option<UnixStream>,
    next_id: u64,
    connections: u64,
}

/// The part of `status` that the agent lives by; the rest of the sensor's answer is passed over.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorStatus {
    /// `ok`, `degraded` or `critical`.
    pub health: String,
    /// Why.
    pub reasons: Vec<String>,
    /// Its name in the fleet.
    pub sensor_id: String,
    /// Its release.
    pub version: String,
    /// When it started, microseconds since the epoch.
    pub started_us: u64,
    /// Its clock, microseconds since the epoch.
    pub now_us: u64,
    /// The model at work.
    pub model: SensorModel,
    /// Its database.
    pub store: SensorStore,
    /// How each version of the model does: the active one first.
    pub model_health: Vec<SensorModelHealth>,
}

/// The model at work, as the sensor tells.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorModel {
    /// Its name.
    pub name: String,
    /// Its serial.
    pub version: u64,
    /// Its digest, hex.
    pub digest: String,
    /// The shadow's serial.
    pub shadow_version: Option<u64>,
    /// Share of equal verdicts of active and shadow model.
    pub agreement: Option<f64>,
}

/// How one version of the model does on the sensor, as it tells.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorModelHealth {
    /// Serial.
    pub version: u64,
    /// Digest, hex.
    pub digest: String,
    /// Flows it judged since the sensor's start.
    pub flows: u64,
    /// Of them called attacks.
    pub alerts: u64,
    /// Scores that are no number from 0 to 1.
    pub unsound: u64,
    /// From the end of metering to the verdict, one in a hundred is slower, microseconds.
    pub latency_p99_us: Option<f64>,
    /// Population stability against the model's own reference.
    pub psi: Option<SensorPsi>,
}

/// Population stability indices, as the sensor tells.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorPsi {
    /// The largest among the features.
    pub max: f64,
    /// Of the score.
    pub score: f64,
}

/// The sensor's database, as it tells.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SensorStore {
    /// Rows by class.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Rows that made room, by class.
    pub dropped: std::collections::BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<OutboxRow>,
}

impl Sensor {
    /// A connection that is made at the first question.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), stream: None, next_id: 1, connections: 0 }
    }

    /// Connections made so far: a new one may lead to a sensor that was started anew.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Asks for one thing.
    ///
    /// # Errors
    /// The sensor does not answer, or refuses.
    pub fn ask<T: DeserializeOwned>(&mut self, op: &str, args: impl Serialize) -> Result<T, ControlError> {
        let answer = self.exchange(op, args);
        if matches!(answer, Err(ControlError::Away { .. })) {
            // What is left in the stream belongs to a question that nobody waits for.
            self.stream = None;
        }
        answer
    }

    fn exchange<T: DeserializeOwned>(&mut self, op: &str, args: impl Serialize) -> Result<T, ControlError> {
        let place = self.path.display().to_string();
        let away = |detail: String| ControlError::Away { place: place.clone(), detail };
        let io = |e: std::io::Error| away(e.to_string());
        let id = self.next_id;
        self.next_id += 1;
        let mut frame = vec![0; 4];
        rmp_serde::encode::write_named(&mut frame, &Request { v: VERSION, id, op, args })
            .map_err(|e| away(e.to_string()))?;
        let length = frame.len() - 4;
        if length > FRAME_MAX {
            let message = format!("the question has {length} bytes, more than the {FRAME_MAX} of a frame");
            return Err(ControlError::Refused { op: op.into(), code: "invalid".into(), message });
        }
        // The limit is far below u32::MAX.
        frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = UnixStream::connect(&self.path).map_err(io)?;
                stream.set_read_timeout(Some(PATIENCE)).map_err(io)?;
                stream.set_write_timeout(Some(PATIENCE)).map_err(io)?;
                self.connections += 1;
                none.insert(stream)
            }
        };
        stream.write_all(&frame).map_err(io)?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).map_err(io)?;
        let length = u32::from_be_bytes(head) as usize;
        if length > FRAME_MAX {
            return Err(away(format!("an answer of {length} bytes is longer than the {FRAME_MAX} allowed")));
        }
        let mut body = Vec::new();
        stream.take(length as u64).read_to_end(&mut body).map_err(io)?;
        let response: Response<T> = rmp_serde::from_slice(&body).map_err(|e| {
            away(format!("its answer cannot be understood: {e}; use the same release on both sides"))
        })?;
        match response {
            Response { error: Some(Refusal { code, message }), .. } => {
                Err(ControlError::Refused { op: op.into(), code, message })
            }
            Response { id: answered, .. } if answered != id => {
                Err(away(format!("it answered question {answered} in place of {id}")))
            }
            Response { ok: Some(value), .. } => Ok(value),
            // A null result is an absent one.
            Response { ok: None, .. } => serde_json::from_value(Value::Null).map_err(|e| away(e.to_string())),
        }
    }

    /// How the sensor is.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&mut self) -> Result<SensorStatus, ControlError> {
        self.ask("status", Value::Null)
    }

    /// Rows that wait, oldest first.
    ///
    /// # Errors
    /// It does not answer.
    pub fn outbox(
        &mut self,
        kind: OutboxKind,
        after: u64,
        limit: usize,
    ) -> Result<Vec<OutboxRow>, ControlError> {
        self.ask::<Rows>("outbox", json!({"kind": kind, "after": after, "limit": limit}))
            .map(|page| page.rows)
    }

    /// Lets the sensor forget what the far side has confirmed.
    ///
    /// # Errors
    /// It does not answer; then the rows are still queued.
    pub fn acknowledge(&mut self, sequences: &[u64]) -> Result<(), ControlError> {
        for some in sequences.chunks(10_000) {
            self.ask::<Value>("acknowledge", Acknowledged::Rows(some.to_vec()))?;
        }
        Ok(())
    }

    /// Gives the sensor labels of the centre. Gives how many were new to it.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub fn label_centrally(&mut self, labels: &[TrueLabel]) -> Result<u64, ControlError> {
        let answer: Value = self.ask("labels/central", json!({"labels": labels}))?;
        Ok(answer["changed"].as_u64().unwrap_or(0))
    }
}
