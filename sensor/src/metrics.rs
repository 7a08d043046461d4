//! A status as Prometheus metrics. Names carry their units; every term of the accounting identities is there.

mod corroboration;
mod drift;
mod evidence;
mod health;

use std::collections::BTreeMap;

use model::Category;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use crate::inline::board::InlineStatus;
use crate::status::{Health, Status};

/// Renders a status in Prometheus' text format.
#[must_use]
pub fn render(status: &Status) -> String {
    let mut families = Vec::new();
    let mut add = |name: &str, help: &str, kind: MetricType, samples: Vec<(Vec<(&str, String)>, f64)>| {
        families.push(family(name, help, kind, samples));
    };
    use MetricType::{COUNTER, GAUGE};
    let one = |value: f64| vec![(Vec::new(), value)];
    let info = vec![("version", status.version.clone()), ("sensor_id", status.sensor_id.clone())];
    add("taphound_build_info", "The program's version.", GAUGE, vec![(info, 1.0)]);
    let health = match status.health {
        Health::Ok => 0.0,
        Health::Degraded => 1.0,
        Health::Critical => 2.0,
    };
    add("taphound_health", "0 ok, 1 degraded, 2 critical.", GAUGE, one(health));
    add(
        "taphound_start_time_seconds",
        "When the sensor started, epoch seconds.",
        GAUGE,
        one(status.started_us as f64 / 1e6),
    );
    let by_term = |block: &BTreeMap<String, u64>| -> Vec<(Vec<(&'static str, String)>, f64)> {
        block
            .iter()
            .filter(|(term, _)| !is_level(term))
            .map(|(term, n)| (vec![("term", term.clone())], *n as f64))
            .collect()
    };
    let levels = |block: &BTreeMap<String, u64>| -> Vec<(Vec<(&'static str, String)>, f64)> {
        block
            .iter()
            .filter(|(term, _)| is_level(term))
            .map(|(term, n)| (vec![("term", term.clone())], *n as f64))
            .collect()
    };
    for (what, block) in [
        ("packets", &status.accounting.packets),
        ("flows", &status.accounting.flows),
        ("detections", &status.accounting.detections),
    ] {
        add(
            &format!("taphound_{what}_total"),
            "Terms of the accounting identity that only grow.",
            COUNTER,
            by_term(block),
        );
        add(
            &format!("taphound_{what}"),
            "Terms of the accounting identity that come and go.",
            GAUGE,
            levels(block),
        );
    }
    add("taphound_alerts_total", "Alerts shown.", COUNTER, one(status.traffic.alerts as f64));
    let attacks = Category::ALL.into_iter().filter(|category| category.is_attack());
    let of = |category: Category| status.traffic.alerts_by_category[category.index()] as f64;
    let by_category =
        attacks.map(|category| (vec![("category", category.to_string())], of(category))).collect();
    add("taphound_alerts_by_category_total", "Alerts shown, by category.", COUNTER, by_category);
    add("taphound_incidents_total", "Incidents.", COUNTER, one(status.traffic.incidents as f64));
    add(
        "taphound_alerts_suppressed_total",
        "Alerts that a suppression hid.",
        COUNTER,
        one(status.traffic.suppressed as f64),
    );
    add(
        "taphound_flows_not_kept_total",
        "Flows judged and not stored, for there were more than are kept a second.",
        COUNTER,
        one(status.traffic.flows_not_kept as f64),
    );
    add(
        "taphound_packets_late_between_rings_total",
        "Packets of several interfaces that came too late to be put in their place.",
        COUNTER,
        one(status.traffic.late_between_rings as f64),
    );
    add(
        "taphound_flow_table_flows_max",
        "Most flows that the table holds.",
        GAUGE,
        one(status.traffic.flows_max as f64),
    );
    add_sources(&mut add, status);
    if status.inline.decides() {
        add_inline(&mut add, &status.inline);
    }
    add("taphound_model_version", "Serial of the model at work.", GAUGE, one(status.model.version as f64));
    add(
        "taphound_model_changes_total",
        "Changes of the models at work.",
        COUNTER,
        one(status.model.reloads as f64),
    );
    if let Some(share) = status.model.agreement {
        add(
            "taphound_shadow_agreement_ratio",
            "Share of equal verdicts of active and shadow model.",
            GAUGE,
            one(share),
        );
    }
    drift::add_drift(&mut add, status);
    evidence::add_evidence(&mut add, status);
    corroboration::add_corroboration(&mut add, status);
    health::add_health(&mut add, status);
    let by_class = |rows: &BTreeMap<String, u64>| {
        rows.iter().map(|(class, n)| (vec![("class", class.clone())], *n as f64)).collect()
    };
    add("taphound_store_rows", "Rows in the database.", GAUGE, by_class(&status.store.rows));
    add(
        "taphound_store_rows_dropped_total",
        "Rows that made room.",
        COUNTER,
        by_class(&status.store.dropped),
    );
    add("taphound_store_bytes", "Size of the database.", GAUGE, one(status.store.bytes as f64));
    add(
        "taphound_store_wal_bytes",
        "Size of the write-ahead log.",
        GAUGE,
        one(status.store.wal_bytes as f64),
    );
    add("taphound_store_queue_rows", "Rows that wait for the disk.", GAUGE, one(status.store.queued as f64));
    add(
        "taphound_store_up",
        "Whether the database takes rows.",
        GAUGE,
        one(f64::from(u8::from(status.store.writable))),
    );
    add(
        "taphound_feed_dropped_total",
        "Notices that found no room.",
        COUNTER,
        one(status.feed.dropped as f64),
    );
    add("taphound_feed_listeners", "Listeners now.", GAUGE, one(status.feed.listeners as f64));
    let stages = status.latency.iter().flat_map(|stage| {
        [("0.5", stage.p50_us), ("0.99", stage.p99_us)].map(|(quantile, us)| {
            (vec![("stage", stage.stage.replace(' ', "_")), ("quantile", quantile.to_owned())], us / 1e6)
        })
    });
    add(
        "taphound_stage_seconds",
        "How long a stage takes, to the next power of two.",
        GAUGE,
        stages.collect(),
    );
    add("process_resident_memory_bytes", "Memory held.", GAUGE, one(status.host.rss_bytes as f64));
    add("process_cpu_seconds_total", "CPU used.", COUNTER, one(status.host.cpu_seconds));
    add("process_threads", "Threads.", GAUGE, one(status.host.threads as f64));

    families.retain(|family| !family.get_metric().is_empty());
    let mut text = Vec::new();
    // Writing to memory does not fail, and families without metrics were left out.
    let _ = TextEncoder::new().encode(&families, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

type Sample<'a> = (Vec<(&'a str, String)>, f64);

fn add_inline(add: &mut impl FnMut(&str, &str, MetricType, Vec<Sample<'_>>), inline: &InlineStatus) {
    use MetricType::{COUNTER, GAUGE};
    let one = |value: f64| vec![(Vec::new(), value)];
    add("taphound_blocks", "Blocks in force.", GAUGE, one(inline.blocks as f64));
    add(
        "taphound_blocks_unenforceable",
        "Blocks that match nothing although their sources go on.",
        GAUGE,
        one(inline.unenforceable as f64),
    );
    let outcomes = inline.outcomes.iter().map(|(name, n)| (vec![("outcome", name.clone())], *n as f64));
    add(
        "taphound_block_decisions_total",
        "Decisions to block or not, by outcome.",
        COUNTER,
        outcomes.collect(),
    );
    add(
        "taphound_blocked_packets_total",
        "Packets that the rules dropped.",
        COUNTER,
        one(inline.dropped_packets as f64),
    );
    let queue = inline.queue.iter().map(|(name, n)| (vec![("became", name.clone())], *n as f64));
    add(
        "taphound_queue_packets_total",
        "What inline-queue was handed (packets), and what became of it.",
        COUNTER,
        queue.collect(),
    );
    let undecided = inline.queue_undecided.iter().map(|(name, n)| (vec![("cause", name.clone())], *n as f64));
    add(
        "taphound_queue_undecided_total",
        "Packets for which inline-queue had no verdict, by cause.",
        COUNTER,
        undecided.collect(),
    );
    add(
        "taphound_queue_waiting",
        "Packets that wait in the kernel's queue.",
        GAUGE,
        one(inline.queue_waiting as f64),
    );
    add(
        "taphound_rules_flushed_total",
        "Times that somebody else emptied or removed the rules.",
        COUNTER,
        one(inline.rules_flushed as f64),
    );
    add(
        "taphound_rules_faulty",
        "1 while the rules cannot be written or read.",
        GAUGE,
        one(f64::from(u8::from(inline.fault.is_some()))),
    );
}

fn add_sources(add: &mut impl FnMut(&str, &str, MetricType, Vec<Sample<'_>>), status: &Status) {
    use MetricType::{COUNTER, GAUGE};
    let each = |value: fn(&crate::status::SourceStatus) -> f64| -> Vec<Sample<'_>> {
        status.sources.iter().map(|s| (vec![("source", s.name.clone())], value(s))).collect()
    };
    add(
        "taphound_source_up",
        "Whether packets can come.",
        GAUGE,
        each(|s| f64::from(u8::from(s.state == "up"))),
    );
    add("taphound_source_packets_total", "Packets that a source gave.", COUNTER, each(|s| s.received as f64));
    add(
        "taphound_source_kernel_dropped_total",
        "Packets that found no room in the ring.",
        COUNTER,
        each(|s| s.kernel_dropped as f64),
    );
    add(
        "taphound_source_interface_dropped_total",
        "Packets that the interface dropped.",
        COUNTER,
        each(|s| s.interface_dropped as f64),
    );
    add(
        "taphound_source_offloaded_total",
        "Frames longer than the MTU.",
        COUNTER,
        each(|s| s.offloaded as f64),
    );
    add("taphound_source_ring_bytes", "Size of the rings.", GAUGE, each(|s| s.ring_bytes as f64));
    add(
        "taphound_source_last_packet_time_seconds",
        "Time of the newest packet, epoch seconds.",
        GAUGE,
        each(|s| s.last_packet_us.unwrap_or(0) as f64 / 1e6),
    );
}

/// Terms that go down again.
fn is_level(term: &str) -> bool {
    matches!(term, "queued" | "active")
}

fn family(name: &str, help: &str, kind: MetricType, samples: Vec<Sample<'_>>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    let metrics = samples.into_iter().map(|(labels, value)| {
        let mut metric = Metric::default();
        let pairs = labels.into_iter().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            pair.set_value(value);
            pair
        });
        metric.set_label(pairs.collect());
        match kind {
            MetricType::COUNTER => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            _ => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        metric
    });
    family.set_metric(metrics.collect());
    family
}
