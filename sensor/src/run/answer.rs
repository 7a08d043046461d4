//! Answers the control socket while the sensor runs.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use store::{Filter, Reader, StoredAlert};

use crate::control::server::Handler;
use crate::control::{Caller, Refusal};
use crate::pulse::Pulse;

/// What answers.
pub(super) struct Answering {
    pub(super) pulse: Arc<Pulse>,
}

impl Handler for Answering {
    fn call(&self, _: &Caller, op: &str, args: Value) -> Result<Value, Refusal> {
        let told = |e: serde_json::Error| Refusal::unavailable(e.to_string());
        let limit = args["limit"].as_u64().unwrap_or(100) as usize;
        let failed = |e: store::StoreError| Refusal::unavailable(e.to_string());
        let reader =
            || Reader::open(&self.pulse.store_path, Duration::from_secs(5), Arc::new(|| 0)).map_err(failed);
        match op {
            "status" => serde_json::to_value(self.pulse.status()).map_err(told),
            "alerts" => {
                let page = reader()?.alerts(&Filter::default(), None, limit).map_err(failed)?;
                let items: Result<Vec<Value>, _> = page.rows.iter().map(alert).collect();
                Ok(json!({"items": items.map_err(told)?}))
            }
            "incidents" => {
                let page = reader()?.incidents(&Filter::default(), None, limit).map_err(failed)?;
                Ok(json!({"items": page.rows}))
            }
            _ => Err(Refusal::not_found(format!("there is no operation `{op}`"))),
        }
    }
}

/// An alert as one object: what it shows, and when and how.
fn alert(stored: &StoredAlert) -> serde_json::Result<Value> {
    let mut object = serde_json::to_value(&stored.detection)?;
    object["severity"] = serde_json::to_value(stored.alert.severity)?;
    object["shown_us"] = stored.alert.shown_us.into();
    Ok(object)
}
