//! The self-test inside the running sensor: its capture goes through meter, forest, counters and policy to the store, the feed and
//! the outbox, on the way that traffic takes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use flowmeter::{HashKey, MeterConfig};
use serde_json::{Value, json};

use super::capture;
use crate::detection::Detector;
use crate::detection::behaviour::Thresholds;
use crate::detection::policy::Policy;
use crate::fault::Fault;
use crate::pipeline;
use crate::recorder::{Found, LiveDesk, Outlets};
use crate::slot::ModelSlot;

/// What a drill needs of the sensor.
pub struct Drill {
    outlets: Outlets,
    slot: Arc<ModelSlot>,
}

impl Drill {
    /// A drill of the sensor whose news go to `outlets` and whose models are in `slot`.
    #[must_use]
    pub fn new(outlets: Outlets, slot: Arc<ModelSlot>) -> Self {
        Self { outlets, slot }
    }

    /// Runs the capture as of `now_us` and waits until the store has what came of it.
    ///
    /// Its detector is its own: thresholds are the defaults, and neither the sensor's counters nor its alert budget notice.
    ///
    /// # Errors
    /// A stage fails, or the store takes nothing.
    pub fn run(&self, now_us: u64) -> Result<Value, Fault> {
        let serving = self.slot.load();
        let found = Arc::new(Found::default());
        let detector = Detector::new(&self.outlets.sensor_id, Policy, Thresholds::default());
        let desk = LiveDesk::new(
            self.outlets.for_drill(&serving),
            detector,
            Arc::clone(&serving),
            Arc::clone(&found),
        );
        let mut desk = desk.without_memory();
        let meter = MeterConfig { flows_max: 4096, hash_key: HashKey::fixed(), ..MeterConfig::default() };
        let sums = pipeline::run(&meter, 1, &serving.active, &mut desk, |feed| {
            for (time_us, bytes) in capture::frames(now_us) {
                feed.accept(&capture::frame(time_us, &bytes));
            }
        })?;
        drop(desk);
        let kept = self.outlets.writer.wait_for(|store, now_us| store.sync(now_us));
        kept.map_err(|e| Fault::Unavailable(format!("the store does not keep the self-test ({e})")))?;
        Ok(json!({
            "packets": sums.packets.received,
            "flows": sums.flows.started,
            "alerts": found.alerts.load(Ordering::Relaxed),
            "suppressed": found.suppressed.load(Ordering::Relaxed),
            "model_version": serving.active.version(),
            "outbox": self.outlets.outbox_share.is_some(),
        }))
    }
}
