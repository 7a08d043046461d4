//! The appliance's readings and warnings, as metrics.

use prometheus::proto::MetricType;

use super::Sample;
use crate::health::Concern;
use crate::status::Status;

/// Adds the families of the appliance.
pub(super) fn add_health(add: &mut impl FnMut(&str, &str, MetricType, Vec<Sample<'_>>), status: &Status) {
    use MetricType::{COUNTER, GAUGE};
    let a = &status.appliance;
    let r = &a.readings;
    let warnings = Concern::ALL.iter().map(|concern| {
        let stands = a.warnings.iter().any(|warning| warning.concern == *concern);
        (vec![("concern", concern.as_str().to_owned())], f64::from(u8::from(stands)))
    });
    add("taphound_warning", "1 while a warning stands.", GAUGE, warnings.collect());
    let ahead = a.warnings.iter().filter_map(|warning| {
        Some((vec![("concern", warning.concern.as_str().to_owned())], warning.in_s? as f64))
    });
    add("taphound_warning_seconds", "Time until it happens.", GAUGE, ahead.collect());
    add("taphound_warnings_total", "Warnings given.", COUNTER, vec![(Vec::new(), a.warned as f64)]);
    let maybe = |value: Option<f64>| value.map(|value| (Vec::new(), value)).into_iter().collect();
    let bytes = |value: Option<u64>| maybe(value.map(|n| n as f64));
    add(
        "taphound_anomaly",
        "How unlike earlier readings the last ones are, 0 to 1.",
        GAUGE,
        maybe(a.anomaly),
    );
    add("taphound_disk_free_bytes", "Free space where the state lies.", GAUGE, bytes(r.disk_free_bytes));
    add("taphound_disk_bytes", "All space there.", GAUGE, bytes(r.disk_total_bytes));
    add(
        "taphound_memory_available_bytes",
        "Memory that the machine can still give.",
        GAUGE,
        bytes(r.memory_available_bytes),
    );
    add("taphound_temperature_celsius", "The hottest sensor.", GAUGE, maybe(r.temperature_c));
    add(
        "taphound_drop_ratio",
        "Share of packets dropped since the reading before.",
        GAUGE,
        maybe(r.drop_share),
    );
    add(
        "taphound_queue_ratio",
        "Records before scoring, of those that may wait.",
        GAUGE,
        maybe(r.queue_share),
    );
}
