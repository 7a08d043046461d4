//! Answers the control socket while the sensor runs: what the service can be asked, and what only a running sensor can do.
//!
//! Who may write to the socket may do everything: its mode and group are the lock.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::record::{OutboxKind, OutboxRow, TrueLabel};
use store::{Acknowledged, Reader};

use crate::capture::Speed;
use crate::control::server::Handler;
use crate::control::{Caller, Refusal};
use crate::fault::Fault;
use crate::live::Live;
use crate::logging::LogLevel;
use crate::pulse::Pulse;
use crate::selftest::drill::Drill;
use crate::service::Service;
use crate::service::operations::with;
use crate::service::who::Actor;

/// What answers.
pub(super) struct Answering {
    pub(super) service: Arc<Service>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) level: LogLevel,
    pub(super) state_dir: PathBuf,
    pub(super) drill: Drill,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    expression: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pace {
    /// A multiple of real time; without it, as fast as it goes.
    times: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Level {
    level: String,
}

/// Which rows the agent wants next.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Waiting {
    kind: OutboxKind,
    #[serde(default)]
    after: u64,
    #[serde(default = "Waiting::rows")]
    limit: usize,
}

impl Waiting {
    const ROWS_MAX: usize = 10_000;
    /// Leaves room in a frame for what is around the rows.
    const BYTES_MAX: usize = 8 << 20;

    fn rows() -> usize {
        1_000
    }
}

#[derive(Serialize)]
struct Rows {
    rows: Vec<OutboxRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Central {
    labels: Vec<TrueLabel>,
}

impl Handler for Answering {
    fn call(&self, caller: &Caller, op: &str, args: Value) -> Result<Value, Refusal> {
        let actor = Actor::local(&caller.name);
        match op {
            "capture/filter" => with(args, |filter: Filter| {
                self.steer(&actor, op, filter.expression.clone().unwrap_or_default(), |live| {
                    live.set_filter(filter.expression.as_deref())
                })
            }),
            "capture/pause" => self.steer(&actor, op, String::new(), Live::pause),
            "capture/resume" => self.steer(&actor, op, String::new(), Live::resume),
            "capture/speed" => with(args, |pace: Pace| {
                let speed = pace.times.map_or(Speed::Max, Speed::Times);
                self.steer(&actor, op, format!("{speed:?}"), |live| live.set_speed(speed))
            }),
            "log/level" => with(args, |level: Level| {
                self.level.set(&level.level).map_err(|e| Refusal::invalid(e.to_string()))?;
                self.service.note_change(&actor, op, level.level)?;
                Ok(Value::Null)
            }),
            "selftest" => {
                self.service.note_change(&actor, op, String::new())?;
                self.drill.run(self.service.now_us()).map_err(|e| Refusal::unavailable(e.to_string()))
            }
            "backup" => self.backup(&actor),
            "outbox" => with(args, |waiting: Waiting| self.outbox(&waiting)),
            "acknowledge" => with(args, |what: Acknowledged| {
                let removed = self.change(move |store, now_us| store.acknowledge(&what, now_us))?;
                Ok(json!({"removed": removed}))
            }),
            "labels/central" => with(args, |central: Central| {
                let changed =
                    self.change(move |store, now_us| store.label_centrally(&central.labels, now_us))?;
                Ok(json!({"changed": changed}))
            }),
            _ => self.service.operate(&actor, op, args).unwrap_or_else(|| {
                Err(Refusal::not_found(format!(
                    "there is no operation `{op}`; use the same release on both sides"
                )))
            }),
        }
    }
}

impl Answering {
    fn steer(
        &self,
        actor: &Actor,
        op: &str,
        detail: String,
        change: impl FnOnce(&Live) -> Result<(), Fault>,
    ) -> Result<Value, Refusal> {
        let live = self.pulse.live.read().unwrap_or_else(PoisonError::into_inner);
        let Some(live) = &*live else {
            return Err(Refusal::conflict("nothing is captured: name an interface (`capture.interfaces`)"));
        };
        change(live).map_err(|e| Refusal::invalid(e.to_string()))?;
        self.service.note_change(actor, op, detail)?;
        Ok(Value::Null)
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut store::Store, u64) -> Result<T, store::StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.pulse.writer.wait_for(work).map_err(|e| Refusal::unavailable(e.to_string()))
    }

    fn reader(&self, patience: Duration) -> Result<Reader, Refusal> {
        let clock = crate::capture::Clock::system();
        Reader::open(&self.pulse.store_path, patience, Arc::new(move || clock.monotonic_us()))
            .map_err(|e| Refusal::unavailable(e.to_string()))
    }

    /// A copy of the database in the sensor's own folder; whoever asked for it takes it from there.
    fn backup(&self, actor: &Actor) -> Result<Value, Refusal> {
        let folder = self.state_dir.join("backup");
        let path = folder.join(format!("{}.db", self.service.now_us()));
        std::fs::create_dir_all(&folder)
            .map_err(|e| Refusal::unavailable(Fault::creating(&folder, &e).to_string()))?;
        self.reader(Duration::from_secs(3600))?
            .backup(&path, |_| {})
            .map_err(|e| Refusal::unavailable(e.to_string()))?;
        self.service.note_change(actor, "backup", path.display().to_string())?;
        Ok(json!({"path": path}))
    }

    fn outbox(&self, waiting: &Waiting) -> Result<Value, Refusal> {
        let limit = waiting.limit.clamp(1, Waiting::ROWS_MAX);
        let rows = self
            .reader(Duration::from_secs(5))?
            .outbox(waiting.kind, waiting.after, limit, Waiting::BYTES_MAX)
            .map_err(|e| Refusal::unavailable(e.to_string()))?;
        serde_json::to_value(Rows { rows }).map_err(|e| Refusal::unavailable(e.to_string()))
    }
}
