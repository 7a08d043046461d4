//! SIGHUP: reads the settings again and puts in force what can change while the sensor runs; on any fault all stays as it was.

use std::sync::PoisonError;

use super::build::{Sensor, settings};
use crate::config::Config;
use crate::logging;

/// Reads the settings again.
pub(super) fn reload(sensor: &Sensor) {
    let config = match settings(&sensor.arguments) {
        Ok((config, _)) => config,
        Err(fault) => {
            tracing::error!(event = "reload_refused", error = %fault, "the settings stay as they were");
            return;
        }
    };
    // All or nothing: what can be wrong is looked at before anything changes.
    if let Err(fault) = logging::parse(&config.log.level) {
        tracing::error!(event = "reload_refused", error = %fault, "the settings stay as they were");
        return;
    }
    let live = sensor.pulse.live.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(live) = &*live {
        let filter = &config.capture.filter;
        if let Err(fault) = live.set_filter((!filter.is_empty()).then_some(filter)) {
            tracing::error!(event = "reload_refused", error = %fault, "the settings stay as they were");
            return;
        }
    }
    if let Err(fault) = sensor.level.set(&config.log.level) {
        tracing::error!(event = "reload_refused", error = %fault, "the log's level stays as it was");
        return;
    }
    let waiting = needs_restart(&sensor.config, &config);
    if waiting.is_empty() {
        tracing::info!(event = "reloaded", "settings read again");
    } else {
        tracing::warn!(
            event = "reloaded",
            waiting = waiting.join(", "),
            "settings read again; these wait for a restart"
        );
    }
}

/// Sections whose changes a running sensor cannot follow.
fn needs_restart(before: &Config, now: &Config) -> Vec<&'static str> {
    let mut capture = now.capture.clone();
    capture.filter.clone_from(&before.capture.filter);
    [
        ("[sensor]", before.sensor != now.sensor),
        ("[capture] (all but filter)", before.capture != capture),
        ("[meter]", before.meter != now.meter),
        ("[model]", before.model != now.model),
        ("[detection]", before.detection != now.detection),
        ("[store]", before.store != now.store),
        ("[outbox]", before.outbox != now.outbox),
        ("[control]", before.control != now.control),
        ("[eve]", before.eve != now.eve),
    ]
    .into_iter()
    .filter_map(|(section, changed)| changed.then_some(section))
    .collect()
}
