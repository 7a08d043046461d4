//! What another engine says, as metrics.

use prometheus::proto::MetricType;

use super::Sample;
use crate::status::Status;

/// Adds the families of corroboration, where another engine is listened to.
pub(super) fn add_corroboration(
    add: &mut impl FnMut(&str, &str, MetricType, Vec<Sample<'_>>),
    status: &Status,
) {
    use MetricType::{COUNTER, GAUGE};
    let c = &status.corroboration;
    if c.file.is_empty() {
        return;
    }
    let one = |value: u64| vec![(Vec::new(), value as f64)];
    add(
        "taphound_corroboration_up",
        "1 while the other engine's file can be read.",
        GAUGE,
        one(u64::from(c.reading)),
    );
    add("taphound_corroboration_lines_total", "Lines read.", COUNTER, one(c.lines));
    add(
        "taphound_corroboration_malformed_lines_total",
        "Lines that made no sense or were too long.",
        COUNTER,
        one(c.malformed + c.too_long),
    );
    let alerts = [("both", c.joined), ("other_alone", c.heard - c.joined)];
    add(
        "taphound_corroboration_alerts",
        "The other engine's alerts, by who saw what they are about.",
        GAUGE,
        alerts.map(|(seen, n)| (vec![("seen_by", seen.to_owned())], n as f64)).to_vec(),
    );
    add("taphound_corroborated_incidents_total", "Incidents with two witnesses.", COUNTER, one(c.incidents));
    add(
        "taphound_incidents_confirmed_total",
        "Incidents that the forest suspected and another engine confirmed.",
        COUNTER,
        one(c.confirmed),
    );
}
