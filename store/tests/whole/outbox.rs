//! What goes up: unique keys, most urgent first, gone when acknowledged.

use std::collections::HashSet;

use store::Acknowledged;
use store::record::{Batch, FlowRow, Label, LogRow, OutboxKind};

use crate::rows::{self, NAMES, T0};

#[test]
fn items_of_one_name_and_millisecond_get_keys_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder).with_outbox("sensor-1");
    // The same five-tuple, again and again within one millisecond.
    let twin = |n: u64| {
        let flow = FlowRow { id: rows::flow_id(n), start_us: T0 + n, ..rows::flow(0) };
        LogRow { kind: OutboxKind::Flow, item: store::record::LogItem::of(&flow, "sensor-1", &NAMES) }
    };
    store.commit(&Batch { log: (0..5).map(twin).collect(), ..Batch::default() }, T0).unwrap();
    // A later revision of the third keeps its key.
    store.commit(&Batch { log: vec![twin(2)], ..Batch::default() }, T0).unwrap();
    let items: Vec<_> = rows::reader_of(&folder)
        .outbox(OutboxKind::Flow, 0, 100, usize::MAX)
        .unwrap()
        .iter()
        .map(|row| row.item().unwrap())
        .collect();
    let keys: Vec<u64> = items.iter().map(|item| item.timestamp - T0 / 1_000).collect();
    assert_eq!(keys, [0, 1, 2, 3, 4, 2]);
    assert_eq!(items.iter().map(|item| &item.flow_id).collect::<HashSet<_>>().len(), 1);
    assert_eq!(items[5].uid, items[2].uid);
    let features: serde_json::Value = serde_json::from_str(&items[0].features_json).unwrap();
    assert_eq!(features["f2"], 1.0);
}

#[test]
fn a_label_carries_its_flow_and_its_flows_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder).with_outbox("sensor-1");
    store.commit(&Batch { flows: vec![rows::flow(3)], ..Batch::default() }, T0).unwrap();
    store.label(&[rows::label(3, Label::Benign)], &NAMES, T0).unwrap();
    let rows_up = rows::reader_of(&folder).outbox(OutboxKind::Label, 0, 10, usize::MAX).unwrap();
    let label = rows_up[0].label_item().unwrap();
    let item = label.item.unwrap();
    assert_eq!((label.flow_id, label.timestamp), (item.flow_id.clone(), item.timestamp));
    assert_eq!((label.label, item.uid), (Label::Benign, rows::flow_id(3).to_string()));
}

#[test]
fn rows_are_given_by_urgency_and_size_and_go_when_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder).with_outbox("sensor-1");
    let kinds = |n: u64| if n.is_multiple_of(5) { OutboxKind::Alert } else { OutboxKind::Flow };
    store
        .commit(&Batch { log: (0..100).map(|n| rows::log(n, kinds(n))).collect(), ..Batch::default() }, T0)
        .unwrap();
    let reader = rows::reader_of(&folder);
    assert_eq!(reader.counts().unwrap().outbox, [0, 20, 80]);
    let alerts = reader.outbox(OutboxKind::Alert, 0, 100, usize::MAX).unwrap();
    assert_eq!(alerts.len(), 20);
    let size = alerts[0].payload.len();
    assert_eq!(reader.outbox(OutboxKind::Alert, 0, 100, size * 3 + size / 2).unwrap().len(), 3);
    assert_eq!(reader.outbox(OutboxKind::Alert, 0, 100, 1).unwrap().len(), 1);
    let after = alerts[4].sequence;
    assert_eq!(reader.outbox(OutboxKind::Alert, after, 2, usize::MAX).unwrap(), alerts[5..7]);

    let up_to = Acknowledged::UpTo { kind: OutboxKind::Alert, sequence: after };
    assert_eq!(store.acknowledge(&up_to, T0).unwrap(), 5);
    assert_eq!(store.acknowledge(&up_to, T0).unwrap(), 0);
    let two = Acknowledged::Rows(vec![alerts[9].sequence, alerts[10].sequence, 9_999]);
    assert_eq!(store.acknowledge(&two, T0).unwrap(), 2);
    assert_eq!(reader.counts().unwrap().outbox, [0, 13, 80]);
    assert_eq!(store.classes()[store::Class::Outbox as usize].rows, 93);
}

#[test]
fn a_store_without_an_outbox_queues_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    store
        .commit(
            &Batch {
                log: vec![rows::log(1, OutboxKind::Flow)],
                flows: vec![rows::flow(1)],
                ..Batch::default()
            },
            T0,
        )
        .unwrap();
    store.label(&[rows::label(1, Label::Attack)], &NAMES, T0).unwrap();
    assert_eq!(rows::reader_of(&folder).counts().unwrap().outbox, [0, 0, 0]);
}

#[test]
fn at_its_limit_plain_flows_make_room_before_any_alert() {
    let folder = tempfile::tempdir().unwrap();
    let limit = |rows_max| store::Limit { rows_max: Some(rows_max), ..store::Limit::default() };
    let limits = |rows_max| store::Limits::default().with(store::Class::Outbox, limit(rows_max));
    let mut store = rows::store(&folder).with_outbox("sensor-1").with_limits(limits(50));
    let kinds = |n: u64| if n.is_multiple_of(5) { OutboxKind::Alert } else { OutboxKind::Flow };
    store
        .commit(&Batch { log: (0..100).map(|n| rows::log(n, kinds(n))).collect(), ..Batch::default() }, T0)
        .unwrap();
    while store.trim(1_000, T0).unwrap().more {}
    assert_eq!(rows::reader_of(&folder).counts().unwrap().outbox, [0, 20, 30]);
    let mut store = store.with_limits(limits(15));
    while store.trim(1_000, T0).unwrap().more {}
    assert_eq!(rows::reader_of(&folder).counts().unwrap().outbox, [0, 15, 0]);
}

#[test]
fn the_label_given_last_is_later_in_every_table() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder).with_outbox("sensor-1");
    store.commit(&Batch { flows: vec![rows::flow(3), rows::flow(4)], ..Batch::default() }, T0).unwrap();
    // Twice within a millisecond, then with a clock that was set back by an hour.
    let at = |label: Label, at_us: u64| store::record::NewLabel { at_us, ..rows::label(3, label) };
    let given = [
        at(Label::Attack, T0),
        at(Label::Benign, T0 + 10),
        at(Label::Unsure, T0 - 3_600_000_000),
        rows::label(4, Label::Benign),
    ];
    store.label(&given, &NAMES, T0).unwrap();
    let sent = rows::reader_of(&folder).outbox(OutboxKind::Label, 0, 10, usize::MAX).unwrap();
    let times: Vec<u64> = sent.iter().map(|row| row.label_item().unwrap().labeled_at - T0 / 1_000).collect();
    assert_eq!(times, [0, 1, 2, 0], "another flow's label keeps its own time");
}
