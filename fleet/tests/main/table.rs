//! What every log table does.

use std::collections::{BTreeMap, BTreeSet};

use fleet::log_table::{
    DayQuery, Key, LogItem, StoredItem, TrueLabel, Written, day_shard, embedded::EmbeddedTable,
};
use fleet::{DoorError, LogTable, Page};

const DAY_MS: u64 = 1_763_683_200_000;

pub(crate) fn item(flow: &str, at_ms: u64) -> LogItem {
    LogItem {
        key: Key { flow_id: format!("tap-1|{flow}"), timestamp_ms: at_ms },
        uid: format!("uid of {flow} {at_ms}"),
        rev: 1,
        sensor_id: "tap-1".into(),
        content: "10.0.0.1:1 -> 10.0.0.2:2 tcp, \"quotes\" and größe".into(),
        features: BTreeMap::from([
            ("Flow Bytes/s".into(), 123_456.789_012_345_67),
            ("Flow Duration".into(), 1.0 / 3.0),
            ("Bwd IAT Mean".into(), 0.0),
        ]),
        label: "attack".into(),
        category: "scan".into(),
        score: 0.1 + 0.2,
        confidence: 1.0,
        model_version: 7,
        schema: "cic20/1:0123abcd".into(),
        community_id: Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg=".into()),
        start_us: at_ms * 1000 + 7,
        end_us: at_ms * 1000 + 9_000_000,
        expires_at_s: Some(4_000_000_000),
    }
}

pub(crate) fn truth(label: &str, at_ms: u64) -> TrueLabel {
    TrueLabel {
        label: label.into(),
        category: (label == "attack").then(|| "dos".into()),
        source: "analyst".into(),
        by: "ann".into(),
        at_ms,
        reason: Some("seen it".into()),
    }
}

/// Every row, page by page.
macro_rules! all {
    ($after:ident => $page:expr) => {{
        let (mut rows, mut $after) = (Vec::new(), None);
        loop {
            let page: Page<StoredItem> = $page.await.unwrap();
            rows.extend(page.rows);
            $after = page.next;
            if $after.is_none() {
                break rows;
            }
        }
    }};
}

/// The whole contract. The table may hold other things of other sensors already.
pub(crate) async fn contract(table: &dyn LogTable) {
    table.ensure().await.unwrap();
    table.ensure().await.unwrap();
    writes(table).await;
    labels(table).await;
    days(table).await;
    labelled_rows(table, true).await;
    refusals(table).await;
}

/// What is read, also of a table that was made by others.
pub(crate) async fn reads(table: &dyn LogTable) {
    days(table).await;
    labelled_rows(table, false).await;
}

async fn writes(table: &dyn LogTable) {
    let mut full = item("writes", DAY_MS);
    assert_eq!(table.item(&full.key).await, Ok(None));
    full.rev = 0;
    assert_eq!(table.put_fresh(std::slice::from_ref(&full)).await, Ok(vec![Written::Stored]));
    assert_eq!(table.item(&full.key).await, Ok(Some(StoredItem { item: full.clone(), truth: None })));
    // The same again, then the final one, then late news of the provisional one.
    assert_eq!(table.update(&full).await, Ok(Written::Known));
    let last =
        LogItem { rev: 1, label: "benign".into(), community_id: None, expires_at_s: None, ..full.clone() };
    assert_eq!(table.update(&last).await, Ok(Written::Stored));
    assert_eq!(table.update(&last).await, Ok(Written::Known));
    assert_eq!(table.update(&full).await, Ok(Written::Known));
    // The key belongs to its flow.
    let other = LogItem { uid: "another".into(), rev: 1, ..full.clone() };
    assert_eq!(table.update(&other).await, Ok(Written::Kept));
    assert_eq!(table.item(&full.key).await.unwrap().unwrap().item, last);
    // Where there is none, an update is the first write.
    let alone = item("alone", DAY_MS + 1);
    assert_eq!(table.update(&alone).await, Ok(Written::Stored));
    assert_eq!(table.item(&alone.key).await.unwrap().unwrap().item, alone);
    // A whole batch.
    let batch: Vec<LogItem> = (0..25).map(|n| item("batch", DAY_MS + 100 + n)).collect();
    assert_eq!(table.put_fresh(&batch).await, Ok(vec![Written::Stored; 25]));
    assert_eq!(table.put_fresh(&[]).await, Ok(vec![]));
}

async fn labels(table: &dyn LogTable) {
    let one = item("labels", DAY_MS + 1000);
    let missing = table.label(&one.key, &one.uid, &truth("attack", 10), None).await;
    assert!(matches!(missing, Err(DoorError::Absent { .. })), "{missing:?}");
    assert!(matches!(
        table.label_at_centre(&one.key, &truth("attack", 10)).await,
        Err(DoorError::Absent { .. })
    ));
    let label = async |truth: &TrueLabel| table.label(&one.key, &one.uid, truth, Some(&one)).await.unwrap();
    let held = async || table.item(&one.key).await.unwrap().unwrap();
    assert_eq!(label(&truth("attack", 10)).await, Written::Stored);
    assert_eq!(held().await, StoredItem { item: one.clone(), truth: Some(truth("attack", 10)) });
    assert_eq!(label(&truth("attack", 10)).await, Written::Known);
    // Later news win, late news do not.
    assert_eq!(label(&truth("benign", 20)).await, Written::Stored);
    assert_eq!(held().await.truth, Some(truth("benign", 20)));
    assert_eq!(label(&truth("attack", 15)).await, Written::Known);
    assert_eq!(label(&truth("unknown", 30)).await, Written::Stored);
    assert_eq!(held().await.truth, Some(truth("unknown", 30)));
    // An item that is written again keeps its label.
    assert_eq!(table.update(&LogItem { rev: 2, ..one.clone() }).await, Ok(Written::Stored));
    assert_eq!(held().await.truth, Some(truth("unknown", 30)));
    // Another flow's label does not land here.
    assert_eq!(table.label(&one.key, "another", &truth("attack", 99), None).await, Ok(Written::Kept));
    // The centre has the last word, even a withdrawing one.
    for word in ["attack", "unknown"] {
        let central = TrueLabel { source: "centre".into(), ..truth(word, 5) };
        assert_eq!(table.label_at_centre(&one.key, &truth(word, 5)).await, Ok(Written::Stored));
        assert_eq!(table.label_at_centre(&one.key, &truth(word, 5)).await, Ok(Written::Known));
        assert_eq!(label(&truth("benign", 1000)).await, Written::Kept);
        assert_eq!(held().await.truth, Some(central));
    }
    // A label brings its item along.
    let brought = item("brought", DAY_MS + 1001);
    let outcome = table.label(&brought.key, &brought.uid, &truth("unsure", 10), Some(&brought)).await;
    assert_eq!(outcome, Ok(Written::Stored));
    let held = table.item(&brought.key).await.unwrap().unwrap();
    assert_eq!(held, StoredItem { item: brought, truth: Some(truth("unsure", 10)) });
}

async fn days(table: &dyn LogTable) {
    let day = DAY_MS + 86_400_000;
    let items: Vec<LogItem> = (0..60).map(|n| item(&format!("days {}", n % 3), day + n)).collect();
    for chunk in items.chunks(25) {
        assert!(table.put_fresh(chunk).await.unwrap().iter().all(|written| *written == Written::Stored));
    }
    for labelled in &items[10..18] {
        table.label(&labelled.key, &labelled.uid, &truth("benign", 10), None).await.unwrap();
    }
    table.label(&items[10].key, &items[10].uid, &truth("unknown", 20), None).await.unwrap();
    let shard_of = |item: &LogItem| day_shard(&item.key.flow_id, item.key.timestamp_ms);
    let shards: BTreeSet<String> = items.iter().map(shard_of).collect();
    let (from_ms, to_ms) = (day + 5, day + 50);
    for labelled_only in [false, true] {
        for shard in &shards {
            let query =
                DayQuery { day_shard: shard.clone(), from_ms, to_ms, labelled_only, after: None, limit: 7 };
            let mut found: Vec<Key> = all!(after => {
                let query = DayQuery { after, ..query.clone() };
                async move {
                    let page = table.by_day(&query).await;
                    assert!(page.as_ref().unwrap().rows.len() <= 7);
                    page
                }
            })
            .into_iter()
            .map(|row| row.item.key)
            .collect();
            let expected = items.iter().enumerate().filter(|(n, item)| {
                (from_ms..to_ms).contains(&item.key.timestamp_ms)
                    && shard_of(item) == *shard
                    && (!labelled_only || (11..18).contains(n))
            });
            found.sort();
            let mut expected: Vec<Key> = expected.map(|(_, item)| item.key.clone()).collect();
            expected.sort();
            assert_eq!(found, expected, "{shard}, labelled only: {labelled_only}");
        }
    }
}

async fn labelled_rows(table: &dyn LogTable, ordered: bool) {
    let own = |n: u64| {
        let mut item = item(&format!("own {n}"), DAY_MS + 3000 + n);
        item.sensor_id = "tap-labels".into();
        item
    };
    for n in 0..10 {
        let item = own(n);
        let at = 1_000_000 + (n * 7 % 10) * 10;
        assert_eq!(
            table.label(&item.key, &item.uid, &truth("attack", at), Some(&item)).await,
            Ok(Written::Stored)
        );
    }
    let plain = own(99);
    assert_eq!(table.update(&plain).await, Ok(Written::Stored));
    let rows = all!(after => async { table.labelled("tap-labels", 1_000_050, after.as_ref(), 3).await });
    let mut times: Vec<u64> = rows.iter().map(|row| row.truth.as_ref().unwrap().at_ms).collect();
    if !ordered {
        times.sort_unstable();
    }
    assert_eq!(times, (5..10).map(|n| 1_000_000 + n * 10).collect::<Vec<u64>>());
    assert!(rows.iter().all(|row| row.item.sensor_id == "tap-labels"));
    assert_eq!(table.labelled("nobody", 0, None, 10).await.unwrap().rows, []);
}

async fn refusals(table: &dyn LogTable) {
    let good = item("refusals", DAY_MS + 4000);
    let large = LogItem { content: "x".repeat(400 * 1024), ..item("large", DAY_MS + 4001) };
    let odd = LogItem { score: f64::NAN, ..item("odd", DAY_MS + 4002) };
    let outcome = table.put_fresh(&[large.clone(), good.clone(), odd]).await.unwrap();
    assert!(matches!(&outcome[0], Written::Rejected(why) if why.contains("bytes")), "{outcome:?}");
    assert_eq!(outcome[1], Written::Stored);
    assert!(matches!(&outcome[2], Written::Rejected(why) if why.contains("score")), "{outcome:?}");
    assert!(matches!(table.update(&large).await, Ok(Written::Rejected(_))));
    assert_eq!(table.item(&large.key).await, Ok(None));
    let wrong = TrueLabel { label: "evil".into(), ..truth("attack", 10) };
    assert!(matches!(table.label(&good.key, &good.uid, &wrong, None).await, Ok(Written::Rejected(_))));
    let twice = table.put_fresh(&[good.clone(), good.clone()]).await;
    assert!(matches!(twice, Err(DoorError::Invalid { .. })), "{twice:?}");
    let many: Vec<LogItem> = (0..26).map(|n| item("many", DAY_MS + n)).collect();
    assert!(matches!(table.put_fresh(&many).await, Err(DoorError::Invalid { .. })));
    let foreign = fleet::Cursor("not a cursor".into());
    let outcome = table.labelled("tap-1", 0, Some(&foreign), 10).await;
    assert!(matches!(outcome, Err(DoorError::Invalid { .. })), "{outcome:?}");
}

/// The largest item there may be takes a label too. (moto counts a large item twice when it is updated.)
pub(crate) async fn the_largest_item(table: &dyn LogTable) {
    let mut most = item("most", DAY_MS + 4003);
    most.content = "x".repeat(400 * 1024 - 4096 - 1024);
    assert_eq!(table.update(&most).await, Ok(Written::Stored));
    let label = TrueLabel { reason: Some("y".repeat(3000)), ..truth("attack", 10) };
    assert_eq!(table.label(&most.key, &most.uid, &label, None).await, Ok(Written::Stored));
    assert_eq!(table.item(&most.key).await, Ok(Some(StoredItem { item: most, truth: Some(label) })));
}

#[tokio::test]
async fn embedded_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let table = EmbeddedTable::open(&folder.path().join("deep/logs.db")).unwrap();
    contract(&table).await;
    the_largest_item(&table).await;
}

#[tokio::test]
async fn two_programs_share_an_embedded_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    let tables = [EmbeddedTable::open(&path).unwrap(), EmbeddedTable::open(&path).unwrap()];
    let write = |table: usize| {
        let table = &tables[table];
        async move {
            let mut stored = 0;
            for n in 0..50 {
                stored += usize::from(table.update(&item("both", DAY_MS + n)).await == Ok(Written::Stored));
            }
            stored
        }
    };
    let (first, second) = tokio::join!(write(0), write(1));
    assert_eq!(first + second, 50, "each item is stored once");
    use std::os::unix::fs::PermissionsExt;
    for name in ["logs.db", "logs.db-wal"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o666, 0o660, "{name} is the group's too");
    }
}

#[tokio::test]
async fn an_embedded_table_of_a_later_version_or_none_of_ours_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs.db");
    EmbeddedTable::open(&path).unwrap();
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 9).unwrap();
    let error = EmbeddedTable::open(&path).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("its version is 9"), "{error}");
    std::fs::write(&path, "no database, but long enough to have a header of one".repeat(100)).unwrap();
    let error = EmbeddedTable::open(&path).map(|_| ()).unwrap_err();
    assert!(matches!(error, DoorError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_embedded_table_forgets_what_is_due_and_not_what_is_dated_wrongly() {
    let folder = tempfile::tempdir().unwrap();
    let table = EmbeddedTable::open(&folder.path().join("logs.db")).unwrap();
    let now = std::fs::metadata(folder.path()).unwrap().modified().unwrap();
    let now_s = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    for (n, expires_at_s, kept) in
        [(0, Some(now_s - 3600), false), (1, Some(now_s + 3600), true), (2, Some(1), true), (3, None, true)]
    {
        let due = LogItem { expires_at_s, ..item("due", DAY_MS + n) };
        table.update(&due).await.unwrap();
        table.ensure().await.unwrap();
        assert_eq!(table.item(&due.key).await.unwrap().is_some(), kept, "{expires_at_s:?}");
    }
}
