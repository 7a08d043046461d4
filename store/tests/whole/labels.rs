//! What people and the centre say is kept, counts in order, and can be taken back.

use store::StoreError;
use store::record::{Batch, FlowRow, Label, NewAudit, NewBlock, NewSuppression, TrueLabel};

use crate::rows::{self, NAMES, SECOND, T0};

#[test]
fn the_newest_label_counts_and_the_history_stays() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    store.commit(&Batch { flows: vec![rows::flow(1), rows::flow(2)], ..Batch::default() }, T0).unwrap();
    let subject = rows::flow_id(1).to_string();
    let reader = rows::reader_of(&folder);
    let said = |label: Option<Label>| {
        assert_eq!(reader.flow(&subject).unwrap().unwrap().label, label);
    };
    for (give, counts) in [
        (Label::Attack, Some(Label::Attack)),
        (Label::Unsure, Some(Label::Unsure)),
        (Label::Withdrawn, None),
        (Label::Benign, Some(Label::Benign)),
    ] {
        store.label(&[rows::label(1, give)], &NAMES, T0).unwrap();
        said(counts);
    }
    let history: Vec<Label> =
        reader.labels_of(&subject).unwrap().into_iter().map(|row| row.label.label).collect();
    assert_eq!(history, [Label::Attack, Label::Unsure, Label::Withdrawn, Label::Benign]);
    assert_eq!(reader.labels(2, 10).unwrap().len(), 2);
    assert_eq!(reader.labels_of(&rows::flow_id(2).to_string()).unwrap(), []);
}

#[test]
fn a_label_on_nothing_is_refused_and_takes_the_others_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    store.commit(&Batch { flows: vec![rows::flow(1)], ..Batch::default() }, T0).unwrap();
    let refused = store.label(&[rows::label(1, Label::Attack), rows::label(9, Label::Attack)], &NAMES, T0);
    assert!(matches!(refused, Err(StoreError::Request(text)) if text.contains("taphound flows")));
    assert_eq!(rows::reader_of(&folder).labels(0, 10).unwrap(), []);
}

#[test]
fn a_label_given_while_the_flow_ran_is_taken_up_by_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder).with_outbox("sensor-1");
    store.commit(&Batch { detections: vec![rows::detection(1)], ..Batch::default() }, T0).unwrap();
    store.label(&[rows::label(1, Label::Attack)], &NAMES, T0).unwrap();
    store
        .commit(&Batch { flows: vec![FlowRow { alerted: true, ..rows::flow(1) }], ..Batch::default() }, T0)
        .unwrap();
    let flow = rows::reader_of(&folder).flow(&rows::flow_id(1).to_string()).unwrap().unwrap();
    assert_eq!(flow.label, Some(Label::Attack));
    let sent = rows::reader_of(&folder).outbox(store::record::OutboxKind::Label, 0, 10, usize::MAX).unwrap();
    let item = sent[0].label_item().unwrap();
    assert_eq!(item.flow_id, format!("sensor-1|{}", rows::flow(1).flow_id()));
    assert_eq!(item.item, None);
}

#[test]
fn of_two_labels_of_the_centre_the_newer_stands_apart_from_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    store.commit(&Batch { flows: vec![rows::flow(1)], ..Batch::default() }, T0).unwrap();
    let subject = rows::flow_id(1).to_string();
    let central = |label, at_us| TrueLabel {
        subject: subject.clone(),
        label,
        category: None,
        actor: "centre".into(),
        at_us,
    };
    store.label(&[rows::label(1, Label::Attack)], &NAMES, T0).unwrap();
    assert_eq!(store.label_centrally(&[central(Label::Benign, 20)], T0).unwrap(), 1);
    assert_eq!(
        store.label_centrally(&[central(Label::Attack, 10), central(Label::Benign, 20)], T0).unwrap(),
        0
    );
    let reader = rows::reader_of(&folder);
    let flow = reader.flow(&subject).unwrap().unwrap();
    assert_eq!((flow.label, flow.true_label), (Some(Label::Attack), Some(Label::Benign)));
    assert_eq!(reader.true_label_of(&subject).unwrap(), Some(central(Label::Benign, 20)));
}

#[test]
fn suppressions_count_what_they_hid_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    let rule = NewSuppression {
        src: Some("10.0.0.0/8".parse().unwrap()),
        dst: None,
        port: Some(443),
        category: None,
        owner: "mia".into(),
        reason: "the scanner of the auditors".into(),
        created_us: T0,
        expires_us: Some(T0 + SECOND),
    };
    let id = store.suppress(&rule, T0).unwrap();
    let nothing = NewSuppression { src: None, port: None, ..rule.clone() };
    assert!(matches!(store.suppress(&nothing, T0), Err(StoreError::Request(_))));
    store.commit(&Batch { hits: vec![(id, 3), (id, 2)], ..Batch::default() }, T0 + 5).unwrap();
    let reader = rows::reader_of(&folder);
    let [row] = reader.suppressions().unwrap().try_into().unwrap();
    assert_eq!((row.rule.clone(), row.hits, row.last_hit_us), (rule, 5, Some(T0 + 5)));
    assert!(row.is_active(T0) && !row.is_active(T0 + SECOND));
    assert!(store.lift_suppression(id, T0 + 7).unwrap());
    assert!(!store.lift_suppression(id, T0 + 8).unwrap());
    assert!(!reader.suppressions().unwrap()[0].is_active(T0));
}

#[test]
fn blocks_audit_and_settings_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = rows::store(&folder);
    let rule = NewBlock {
        address: "203.0.113.9".parse().unwrap(),
        port: None,
        subject: Some("incident-1".into()),
        owner: "policy".into(),
        reason: "brute force".into(),
        created_us: T0,
        expires_us: T0 + SECOND,
    };
    assert_eq!(store.last_block().unwrap(), 0);
    let id = store.block(7, &rule, T0).unwrap();
    assert_eq!((id, store.last_block().unwrap()), (7, 7));
    assert!(store.block(7, &rule, T0).is_err(), "a number is given once");
    assert!(store.prolong_block(id, T0 + 2 * SECOND, T0).unwrap());
    assert!(store.lift_block(id, T0 + 1).unwrap());
    assert!(
        !store.prolong_block(id, T0 + 3 * SECOND, T0 + 2).unwrap(),
        "what has ended does not begin again"
    );
    let entry = NewAudit {
        at_us: T0,
        actor: "mia".into(),
        role: "analyst".into(),
        action: "block".into(),
        subject: "203.0.113.9".into(),
        allowed: false,
        detail: "needs admin".into(),
    };
    for _ in 0..5 {
        store.audit(&entry, T0).unwrap();
    }
    store.keep_setting("jwt.revoked", b"abc", T0).unwrap();
    store.keep_setting("jwt.revoked", b"abcd", T0).unwrap();
    let reader = rows::reader_of(&folder);
    let blocks = reader.blocks().unwrap();
    let prolonged = NewBlock { expires_us: T0 + 2 * SECOND, ..rule };
    assert_eq!((blocks[0].rule.clone(), blocks[0].lifted_us), (prolonged, Some(T0 + 1)));
    let newest = reader.audit(None, 3).unwrap();
    assert_eq!(newest.iter().map(|row| row.seq).collect::<Vec<_>>(), [5, 4, 3]);
    assert_eq!(reader.audit(Some(3), 10).unwrap().len(), 2);
    assert_eq!(newest[0].entry, entry);
    assert_eq!(reader.setting("jwt.revoked").unwrap().as_deref(), Some(&b"abcd"[..]));
    assert_eq!(store.setting("nothing").unwrap(), None);
}
