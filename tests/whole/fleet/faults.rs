//! The way up through a table that fails in every way a table can: what it says is not what it has done.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::fleet::log_table::{DayQuery, Key, LogItem, StoredItem, TrueLabel, Written};
use ::fleet::{Cursor, DoorError, LogTable, Page};
use async_trait::async_trait;
use sync_agent::control::Sensor;
use sync_agent::cursors::Cursors;
use sync_agent::status::Facts;
use sync_agent::up::Uploader;
use sync_agent::up::encode::Encoder;

use super::{assert_same_flows, drop_in, place, settled, table};
use crate::run::{Daemon, form};

/// A real table behind a link that is bad in a way that repeats.
struct BadLink {
    table: Box<dyn LogTable>,
    requests: AtomicU64,
    share: u64,
    /// What was done to requests, by name.
    faults: Mutex<std::collections::BTreeMap<&'static str, u64>>,
}

enum Fault {
    None,
    /// The request never arrived.
    Lost,
    /// It arrived, and its answer did not.
    Unanswered,
    /// The table wants to be left alone.
    Throttled,
    /// Some of it was not processed.
    Partly,
}

impl BadLink {
    fn next(&self) -> Fault {
        let n = self.requests.fetch_add(1, Ordering::Relaxed);
        // SplitMix64, so that every run is the same.
        let mut z = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        if z % 100 >= self.share {
            return Fault::None;
        }
        let (fault, name) = match (z >> 32) % 4 {
            0 => (Fault::Lost, "request lost"),
            1 => (Fault::Unanswered, "answer lost"),
            2 => (Fault::Throttled, "throttled"),
            _ => (Fault::Partly, "not processed"),
        };
        *self.faults.lock().unwrap().entry(name).or_default() += 1;
        fault
    }

    fn away<T>(&self, detail: &str, seconds: Option<u64>) -> Result<T, DoorError> {
        let retry_after = seconds.map(Duration::from_millis);
        Err(DoorError::Unavailable { place: "the table".into(), detail: detail.into(), retry_after })
    }

    async fn one(
        &self,
        work: impl Future<Output = Result<Written, DoorError>>,
    ) -> Result<Written, DoorError> {
        match self.next() {
            Fault::None => work.await,
            Fault::Lost => self.away("connection reset", None),
            Fault::Throttled => self.away("throttled", Some(2)),
            Fault::Partly => Ok(Written::Unprocessed),
            Fault::Unanswered => {
                work.await?;
                self.away("the answer was cut off", None)
            }
        }
    }
}

#[async_trait]
impl LogTable for BadLink {
    async fn ensure(&self) -> Result<(), DoorError> {
        self.table.ensure().await
    }

    async fn put_fresh(&self, items: &[LogItem]) -> Result<Vec<Written>, DoorError> {
        match self.next() {
            Fault::None => self.table.put_fresh(items).await,
            Fault::Lost => self.away("connection reset", None),
            Fault::Throttled => self.away("throttled", Some(2)),
            Fault::Unanswered => {
                self.table.put_fresh(items).await?;
                self.away("the answer was cut off", None)
            }
            Fault::Partly => {
                let half = items.len() / 2;
                let mut written = self.table.put_fresh(&items[..half]).await?;
                written.resize(items.len(), Written::Unprocessed);
                Ok(written)
            }
        }
    }

    async fn update(&self, item: &LogItem) -> Result<Written, DoorError> {
        self.one(self.table.update(item)).await
    }

    async fn label(
        &self,
        key: &Key,
        uid: &str,
        truth: &TrueLabel,
        item: Option<&LogItem>,
    ) -> Result<Written, DoorError> {
        self.one(self.table.label(key, uid, truth, item)).await
    }

    async fn label_at_centre(&self, key: &Key, truth: &TrueLabel) -> Result<Written, DoorError> {
        self.table.label_at_centre(key, truth).await
    }

    async fn item(&self, key: &Key) -> Result<Option<StoredItem>, DoorError> {
        self.table.item(key).await
    }

    async fn by_day(&self, query: &DayQuery) -> Result<Page<StoredItem>, DoorError> {
        self.table.by_day(query).await
    }

    async fn labelled(
        &self,
        sensor_id: &str,
        since_ms: u64,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<StoredItem>, DoorError> {
        self.table.labelled(sensor_id, since_ms, after, limit).await
    }
}

fn seconds() -> f64 {
    0.0
}

fn now_us() -> u64 {
    u64::MAX / 2
}

#[test]
fn three_requests_in_ten_fail_and_every_row_is_there_once() {
    let place = place();
    let sensor = Daemon::start(&place);
    for case in ["scan-connect", "benign-mixed", "bruteforce-ssh", "spread"] {
        drop_in(&place, case, case);
    }
    settled(&sensor);
    let flows = super::flows_of(&place);
    // The labels go first: they make the items of flows whose own rows come later.
    let mut client = sensor::control::client::Client::connect(&place.path("control.sock")).unwrap();
    let labels: Vec<_> =
        flows.iter().step_by(3).map(|id| serde_json::json!({"subject": id, "label": "benign"})).collect();
    client.ask("labels/give", serde_json::json!({"labels": labels})).unwrap();

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faults = runtime.block_on(async {
        let settings: ::fleet::LogTableSettings =
            format!("sqlite:{}", table(&place).display()).parse().unwrap();
        let link = Arc::new(BadLink {
            table: settings.open().await.unwrap(),
            requests: AtomicU64::new(0),
            share: 30,
            faults: Mutex::default(),
        });
        link.ensure().await.unwrap();
        let up = sync_agent::config::Up { rows_max: form(100, 500), ..sync_agent::config::Up::default() };
        let cursors = Arc::new(Mutex::new(Cursors::open(&place.path("sync"), 0).unwrap()));
        let facts = Arc::new(Facts::new(0));
        let mut rounds = 0;
        // Every few rounds the agent dies, and another takes its place.
        'agents: loop {
            let mut uploader = Uploader::new(
                Sensor::at(&place.path("control.sock")),
                Some(link.clone()),
                None,
                Encoder::new(&up, None),
                &up,
                Arc::clone(&cursors),
                Arc::clone(&facts),
                sync_agent::clock::Clocks { seconds, now_us },
            );
            for _ in 0..7 {
                rounds += 1;
                assert!(rounds < 5_000, "it never ends: {:?}", facts.lock());
                match uploader.round().await {
                    Ok(false) => break 'agents,
                    Ok(true) => {}
                    Err(trouble) => assert!(!trouble.is_lasting(), "{trouble}"),
                }
            }
        }
        let status = facts.lock().clone();
        assert_eq!(cursors.lock().unwrap().set_aside_count().unwrap(), 0, "{status:?}");
        let acknowledged: u64 = status.up.acknowledged.values().sum();
        assert_eq!(acknowledged as usize, flows.len() + labels.len(), "{status:?}");
        link.faults.lock().unwrap().clone()
    });
    println!("faults: {faults:?}");
    assert!(faults.len() == 4 && faults.values().all(|n| *n > 0), "{faults:?}");
    super::drained(&place, 10);
    assert_same_flows(&place);
    let there = super::at_the_centre(&place);
    let labelled = there.iter().filter(|(_, label)| label.as_deref() == Some("benign")).count();
    assert_eq!(labelled, labels.len(), "a label was overwritten by its own flow");
}
