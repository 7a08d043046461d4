//! Agents that die between any two steps: each row comes to lie in exactly one file.

use std::path::Path;

use fleet::ObjectsSettings;
use fleet::log_table::TrueLabel;

use super::*;

const AT_US: u64 = 1_764_000_000_000_000;

fn row(sequence: u64, kind: OutboxKind) -> OutboxRow {
    let uid = format!("u{sequence}");
    OutboxRow { sequence, kind, uid, rev: 1, payload: Vec::new(), created_us: AT_US + sequence }
}

fn item(n: u64) -> LogItem {
    let key = Key { flow_id: format!("tap|{n}"), timestamp_ms: AT_US / 1_000 + n };
    LogItem { schema: "cic20/1:aa".into(), rev: 1, ..no_flow(&key, &format!("u{n}"), "tap") }
}

/// An agent's archive over what outlives it.
struct World {
    folder: tempfile::TempDir,
    cursors: Mutex<Cursors>,
    now_us: u64,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cursors = Mutex::new(Cursors::open(&folder.path().join("agent"), AT_US).unwrap());
        Self { folder, cursors, now_us: AT_US + 3_600_000_000 }
    }

    async fn agent(&self, rows: usize) -> Archiver {
        let place = format!("file:{}", self.folder.path().join("objects").display());
        let objects = place.parse::<ObjectsSettings>().unwrap().open().await.unwrap();
        let settings = config::Archive { enabled: true, rows, age_s: 300 };
        Archiver::new(objects.into(), &settings, fleet::log_file::encode)
    }

    async fn ship(&self, agent: &mut Archiver, kind: OutboxKind, reached: u64) -> Option<Shipped> {
        agent.ship_next(kind, reached, self.now_us, false, &self.cursors).await.unwrap()
    }

    /// How often each uid lies in the files.
    fn archived(&self) -> BTreeMap<String, usize> {
        fn look(folder: &Path, found: &mut BTreeMap<String, usize>) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() {
                    look(&entry.path(), found);
                } else if entry.path().extension().is_some_and(|ending| ending == "parquet") {
                    let rows =
                        fleet::log_file::decode("a file", std::fs::read(entry.path()).unwrap()).unwrap();
                    rows.into_iter().for_each(|row| *found.entry(row.item.uid).or_default() += 1);
                }
            }
        }
        let mut found = BTreeMap::new();
        look(&self.folder.path().join("objects"), &mut found);
        found
    }

    fn holds_once(&self, sequences: std::ops::RangeInclusive<u64>) {
        let expected: BTreeMap<String, usize> = sequences.map(|n| (format!("u{n}"), 1)).collect();
        assert_eq!(self.archived(), expected);
    }
}

fn add(agent: &mut Archiver, sequences: impl Iterator<Item = u64>) {
    sequences.for_each(|n| agent.add(row(n, OutboxKind::Flow), Parcel::Item(item(n))));
}

#[tokio::test]
async fn files_whose_rows_were_never_acknowledged_are_found_again_though_others_were_begun_since() {
    let world = World::new();
    let mut first = world.agent(4).await;
    add(&mut first, 1..=8);
    let one = world.ship(&mut first, OutboxKind::Flow, 8).await.unwrap();
    assert_eq!(one.sequences, [1, 2, 3, 4]);
    drop(first);
    // The next one meets the rows in smaller pages, gets on a file further, and dies, too.
    let mut second = world.agent(3).await;
    add(&mut second, 1..=3);
    assert!(world.ship(&mut second, OutboxKind::Flow, 3).await.is_none(), "a part of a file was written");
    add(&mut second, 4..=8);
    let again = world.ship(&mut second, OutboxKind::Flow, 8).await.unwrap();
    assert_eq!(again.sequences, [1, 2, 3, 4]);
    second.acknowledged(&again, &world.cursors).unwrap();
    assert_eq!(world.ship(&mut second, OutboxKind::Flow, 8).await.unwrap().sequences, [5, 6, 7]);
    drop(second);
    let mut third = world.agent(4).await;
    add(&mut third, 5..=8);
    while let Some(shipped) = world.ship(&mut third, OutboxKind::Flow, 8).await {
        third.acknowledged(&shipped, &world.cursors).unwrap();
    }
    world.holds_once(1..=8);
}

#[tokio::test]
async fn a_file_that_was_chosen_and_never_written_waits_for_all_of_its_rows_that_are_left() {
    let world = World::new();
    let mut first = world.agent(6).await;
    add(&mut first, 1..=6);
    let objects = world.folder.path().join("objects");
    std::fs::remove_dir_all(&objects).unwrap();
    std::fs::write(&objects, "in the way").unwrap();
    let refused = first.ship_next(OutboxKind::Flow, 6, world.now_us, false, &world.cursors).await;
    assert!(refused.is_err());
    drop(first);
    std::fs::remove_file(&objects).unwrap();
    let mut second = world.agent(6).await;
    // Row 2 has made room in the outbox.
    add(&mut second, [1, 3].into_iter());
    assert!(world.ship(&mut second, OutboxKind::Flow, 3).await.is_none(), "rows were still to come");
    add(&mut second, 4..=6);
    let shipped = world.ship(&mut second, OutboxKind::Flow, 6).await.unwrap();
    assert_eq!(shipped.sequences, [1, 3, 4, 5, 6]);
    let expected = [1, 3, 4, 5, 6].map(|n| (format!("u{n}"), 1));
    assert_eq!(world.archived(), BTreeMap::from(expected));
}

#[tokio::test]
async fn a_label_stays_in_its_file_when_its_flow_becomes_known_meanwhile() {
    let world = World::new();
    let label = |flow: Option<LogItem>| Parcel::Label {
        key: item(1).key,
        uid: "u1".into(),
        sensor_id: "tap".into(),
        truth: TrueLabel {
            label: "attack".into(),
            category: None,
            source: "sensor".into(),
            by: "ada".into(),
            at_ms: 1,
            reason: None,
        },
        item: flow.map(Box::new),
    };
    for flows in [[None, Some(item(1))], [Some(item(1)), None]] {
        let mut first = world.agent(10).await;
        let [before, after] = flows;
        first.add(row(1, OutboxKind::Label), label(before));
        world.ship(&mut first, OutboxKind::Label, 1).await.unwrap();
        drop(first);
        let mut second = world.agent(10).await;
        second.add(row(1, OutboxKind::Label), label(after));
        let shipped = world.ship(&mut second, OutboxKind::Label, 1).await.unwrap();
        world.holds_once(1..=1);
        second.acknowledged(&shipped, &world.cursors).unwrap();
        std::fs::remove_dir_all(world.folder.path().join("objects")).unwrap();
    }
}

#[tokio::test]
async fn a_store_that_was_made_anew_does_not_find_the_files_of_the_one_before() {
    let world = World::new();
    let mut first = world.agent(3).await;
    add(&mut first, 1..=3);
    world.ship(&mut first, OutboxKind::Flow, 3).await.unwrap();
    first.forget();
    for n in 1..=3 {
        let mut row = row(n, OutboxKind::Flow);
        row.created_us += 5_000_000;
        first.add(row, Parcel::Item(item(n + 10)));
    }
    assert_eq!(world.ship(&mut first, OutboxKind::Flow, 3).await.unwrap().sequences, [1, 2, 3]);
    let expected = [1, 2, 3, 11, 12, 13].map(|n| (format!("u{n}"), 1));
    assert_eq!(world.archived(), BTreeMap::from(expected));
}
