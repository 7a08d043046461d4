//! All counts of a replay as one JSON object.

use std::collections::BTreeMap;

use flowmeter::EndReason;
use serde::Serialize;

use crate::pipeline::Sums;
use crate::recorder::Closed;
use crate::report;
use crate::versus::Versus;

/// The summary, in the order in which it is printed.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Packets received.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Flows (a segment counts as one).
    pub flows: u64,
    /// Detections made.
    pub detections: u64,
    /// Detections shown.
    pub alerts: u64,
    /// Incidents.
    pub incidents: u64,
    /// Incidents that the budget held back, by cause.
    pub held_back: BTreeMap<&'static str, u64>,
    /// Alerts by category.
    pub by_category: BTreeMap<&'static str, u64>,
    /// The terms of the three identities.
    pub accounting: Accounting,
    /// What else was noticed and is no loss.
    pub noticed: Noticed,
    /// How long the replay took.
    pub seconds: f64,
    /// Packets a second.
    pub packets_per_second: u64,
    /// Serial of the model.
    pub model_version: u64,
    /// The same flows by another model, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versus: Option<Versus>,
}

/// The terms of the three identities.
#[derive(Debug, Serialize)]
pub struct Accounting {
    packets: Packets,
    flows: Flows,
    detections: Detections,
}

#[derive(Debug, Serialize)]
struct Packets {
    received: u64,
    metered: u64,
    filtered: u64,
    duplicates_removed: u64,
    not_ip: u64,
    unsupported_link: u64,
    malformed: u64,
    fragments_unmatched: u64,
    shed: u64,
    queued: u64,
}

#[derive(Debug, Serialize)]
struct Flows {
    started: u64,
    ended: u64,
    active: u64,
    scored: u64,
    shed_unscored: u64,
    queued: u64,
    ended_by: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Serialize)]
struct Detections {
    made: u64,
    stored: u64,
    dropped_at_queue: u64,
    store_failed: u64,
    queued: u64,
}

/// Oddities of the capture.
#[derive(Debug, Serialize)]
pub struct Noticed {
    /// Exact repeats of packets, removed or not.
    pub duplicates_seen: u64,
    /// Timestamps far ahead that no second packet confirmed.
    pub clock_outliers: u64,
    /// Times the capture's clock stepped far back.
    pub clock_steps_back: u64,
    /// Attack flows of incidents that had as many detections as they keep: counted there, and no detection of their own.
    pub detections_only_counted: u64,
}

impl Summary {
    /// Adds a finished run up.
    #[must_use]
    pub fn of(sums: &Sums, closed: &Closed, model_version: u64, seconds: f64) -> Self {
        let p = &sums.packets;
        let incidents = closed.detector.incidents();
        let alerts = || incidents.iter().flat_map(|i| &i.alerts);
        let made = closed.detector.made();
        let ended_by = EndReason::ALL.iter().zip(sums.flows.ended_by).map(|(r, n)| (r.as_str(), n)).collect();
        Self {
            packets: p.received,
            bytes: sums.intake.bytes,
            flows: sums.flows.ended(),
            detections: made,
            alerts: alerts().count() as u64,
            incidents: incidents.iter().count() as u64 + incidents.forgotten(),
            held_back: incidents
                .budget()
                .state()
                .held
                .iter()
                .map(|(cause, n)| (cause.as_str(), *n))
                .collect(),
            by_category: report::alerts_by_category(alerts()),
            accounting: Accounting {
                packets: Packets {
                    received: p.received,
                    metered: p.metered,
                    filtered: p.filtered,
                    duplicates_removed: p.duplicates_removed,
                    not_ip: p.not_ip,
                    unsupported_link: p.unsupported_link,
                    malformed: p.malformed,
                    fragments_unmatched: p.fragments_unmatched,
                    shed: p.shed,
                    queued: p.queued,
                },
                flows: Flows {
                    started: sums.flows.started,
                    ended: sums.flows.ended(),
                    active: sums.flows.active,
                    scored: closed.scored,
                    shed_unscored: 0,
                    queued: 0,
                    ended_by,
                },
                detections: Detections {
                    made,
                    stored: closed.detections.stored,
                    dropped_at_queue: 0,
                    store_failed: closed.detections.store_failed,
                    queued: 0,
                },
            },
            noticed: Noticed {
                duplicates_seen: sums.intake.duplicates_seen,
                clock_outliers: sums.intake.clock_outliers,
                clock_steps_back: sums.intake.clock_steps_back,
                detections_only_counted: closed.detector.only_counted(),
            },
            seconds: (seconds * 1e3).round() / 1e3,
            packets_per_second: (p.received as f64 / seconds.max(1e-6)) as u64,
            model_version,
            versus: closed.versus.clone(),
        }
    }

    /// One line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
