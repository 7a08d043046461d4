//! A week without the centre: what waited in the sensor's store stays within its quota and goes up when the link is back.

use flowmeter::schema::FEATURES;
use store::record::{
    Batch, DetectionRow, FlowId, FlowRow, Judgement, Label, LogItem, LogRow, NewLabel, OutboxKind, Sent,
    Source,
};
use store::{Class, Limits, Store};

use super::{Agent, at_the_centre, configure, drained, place, rows};
use crate::live::now;
use crate::run::{Daemon, Place, form, wall_us};

const WEEK_US: u64 = 7 * 86_400 * 1_000_000;

/// Flow `n` of a sensor that sees every kind of them.
pub(super) fn flow(n: u64, at_us: u64) -> FlowRow {
    // Any mixing will do: ids are hashes.
    let mixed = (u128::from(n) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let sent = Sent { packets: 5, bytes: 700 + n % 100, header_bytes: 200, ..Sent::default() };
    let mut features = [0.0; 20];
    features
        .iter_mut()
        .enumerate()
        .for_each(|(at, value)| *value = ((n + 1) * (at as u64 + 3) % 10_007) as f64 / 7.0);
    let attack = n.is_multiple_of(50);
    FlowRow {
        id: FlowId { uid: (mixed ^ mixed >> 61).to_be_bytes(), segment: 0 },
        source: Source::Capture,
        client_flow_id: None,
        src_ip: Some([10, (n >> 16) as u8, (n >> 8) as u8, n as u8].into()),
        src_port: 40_000 + (n % 20_000) as u16,
        dst_ip: Some([192, 0, 2, (n % 7) as u8].into()),
        dst_port: 443,
        protocol: 6,
        vlan: None,
        community_id: Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg=".into()),
        start_us: at_us,
        end_us: at_us + 1_000_000,
        end_reason: "fin".into(),
        forward: sent,
        backward: Sent { packets: 4, bytes: 9_000, ..sent },
        schema: model::schema::schema_id().into(),
        features,
        judgement: Judgement {
            category: if attack { "scan" } else { "benign" }.into(),
            score: if attack { 0.97 } else { 0.03 },
            confidence: 0.9,
            novelty: None,
            model_version: 1,
        },
        alerted: attack,
        context: None,
    }
}

pub(super) fn label(flow: &FlowRow, label: Label, at_us: u64) -> NewLabel {
    NewLabel {
        subject: flow.id.to_string(),
        label,
        category: None,
        reason: None,
        actor: "mia".into(),
        source: "api".into(),
        at_us,
    }
}

/// What the forest says of a flow that still runs.
pub(super) fn detection(flow: &FlowRow) -> DetectionRow {
    DetectionRow {
        id: flow.id.to_string(),
        opinion: "forest".into(),
        category: "scan".into(),
        score: 0.97,
        confidence: 0.9,
        novelty: None,
        src_ip: flow.src_ip.map(|ip| ip.to_string()),
        src_port: Some(flow.src_port),
        dst_ip: flow.dst_ip.map(|ip| ip.to_string()),
        dst_port: Some(flow.dst_port),
        protocol: 6,
        first_us: flow.start_us,
        last_us: flow.end_us,
        provisional: true,
        revised: false,
        folded: false,
        incident: "incident-1".into(),
        reasons: Vec::new(),
        model_version: 1,
    }
}

/// Queues `flows` flows of the last week, and a label for each hundredth. Gives how many rows wait, and of how many bytes.
fn fill(place: &Place, flows: u64, limits: Limits) -> (u64, u64) {
    std::fs::create_dir_all(place.path("state")).unwrap();
    let mut store = Store::open(&place.database()).unwrap().with_limits(limits).with_outbox("proof");
    let begin = wall_us() - WEEK_US;
    // The agent was there before the links went down: what was queued since is surely new to the centre.
    drop(sync_agent::cursors::Cursors::open(&place.path("sync"), begin - 1_000_000).unwrap());
    for batch in (0..flows).collect::<Vec<_>>().chunks(2_000) {
        let rows: Vec<FlowRow> = batch.iter().map(|n| flow(*n, begin + WEEK_US / flows * n)).collect();
        let now_us = rows.last().unwrap().end_us;
        let log = |row: &FlowRow| LogRow {
            kind: if row.alerted { OutboxKind::Alert } else { OutboxKind::Flow },
            item: LogItem::of(row, "proof", &FEATURES),
        };
        let log: Vec<LogRow> = rows.iter().map(log).collect();
        let said = |row: &FlowRow| if row.alerted { Label::Attack } else { Label::Benign };
        let labels: Vec<NewLabel> =
            rows.iter().step_by(100).map(|row| label(row, said(row), now_us)).collect();
        store.commit(&Batch { flows: rows, log, ..Batch::default() }, now_us).unwrap();
        store.label(&labels, &FEATURES, now_us).unwrap();
        while store.trim(10_000, now_us).unwrap().more {}
    }
    store.sync(wall_us()).unwrap();
    let outbox = store.classes()[Class::Outbox as usize];
    (outbox.rows, outbox.bytes)
}

#[test]
fn a_week_without_the_centre_waits_within_the_quota_and_then_drains() {
    let place = place();
    // The short form has a quota to match.
    let (flows, quota) = form((6_000, 3 << 20), (1_600_000, 1 << 30));
    let outbox =
        store::Limit { bytes_max: Some(quota), rows_max: Some(4_000_000), age_max_s: Some(14 * 86_400) };
    let (waiting, bytes) = fill(&place, flows, Limits::sensor().with(Class::Outbox, outbox));
    assert!(bytes <= quota, "{bytes} bytes wait, more than {quota}");
    let labels = place.count("SELECT count(*) FROM outbox WHERE kind = 0");
    let alerts = place.count("SELECT count(*) FROM outbox WHERE kind = 1");
    // A label brings its flow along, also one whose own row made room.
    let wanted = place.count("SELECT count(DISTINCT uid) FROM outbox");
    assert_eq!((labels, alerts), (flows / 100, flows / 50), "labels and alerts outlive plain flows");
    configure(&place, "[up]\nrows_max = 2000\npoll_s = 1\n[up.archive]\nage_s = 1\n");
    let sensor = Daemon::start(&place);
    let agent = Agent::start(&place);
    let began = now();
    drained(&place, form(120, 3_000));
    let seconds = began.elapsed().as_secs_f64();
    let status = agent.until("everything", 60, |status| status["up"]["lag"]["rows"] == 0);
    assert_eq!(status["up"]["lag"]["set_aside"], 0, "{status:#}");
    let there = at_the_centre(&place);
    assert_eq!(there.len() as u64, wanted, "{status:#}");
    assert_eq!(there.iter().filter(|(_, label)| label.is_some()).count() as u64, labels);
    // The sensor counts its rows now and then.
    sensor.until("an empty outbox", 30, |status, _| rows(status, "outbox") == 0);
    println!(
        "measured drain: {waiting} rows of a week ({flows} flows, {labels} labels; {:.1} MiB of {} MiB) in {seconds:.1} s: {:.0} rows/s, into SQLite and Parquet",
        bytes as f64 / f64::from(1 << 20),
        quota >> 20,
        waiting as f64 / seconds
    );
}
