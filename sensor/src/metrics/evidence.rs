//! The ring of packets on disk, as metrics.

use prometheus::proto::MetricType;

use super::Sample;
use crate::evidence::Mode;
use crate::status::Status;

/// Adds the families of evidence, where it is kept.
pub(super) fn add_evidence(add: &mut impl FnMut(&str, &str, MetricType, Vec<Sample<'_>>), status: &Status) {
    use MetricType::{COUNTER, GAUGE};
    let e = &status.evidence;
    if e.mode == Mode::Off {
        return;
    }
    let one = |value: u64| vec![(Vec::new(), value as f64)];
    add("taphound_evidence_bytes", "Bytes of packets kept on disk.", GAUGE, one(e.bytes));
    add("taphound_evidence_quota_bytes", "Most that they may be.", GAUGE, one(e.quota_bytes));
    add("taphound_evidence_packets_total", "Packets kept.", COUNTER, one(e.packets));
    add(
        "taphound_evidence_shed_total",
        "Packets judged and not kept for want of memory.",
        COUNTER,
        one(e.shed),
    );
    add("taphound_evidence_failed_total", "Packets that the disk did not take.", COUNTER, one(e.failed));
    let oldest = e.oldest_us.unwrap_or(0) as f64 / 1e6;
    add(
        "taphound_evidence_oldest_time_seconds",
        "Time of the oldest packet kept, epoch seconds.",
        GAUGE,
        vec![(Vec::new(), oldest)],
    );
}
