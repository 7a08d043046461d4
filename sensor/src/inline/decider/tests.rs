//! The deciding thread on a real store: what it hears becomes blocks, rows, audit lines; what is taken back is lifted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::Category;
use store::Store;

use super::{Decider, Handles, KEPT, Kept, Parts, queues};
use crate::config::Inline;
use crate::feed::Feed;
use crate::inline::board::Board;
use crate::inline::suspicion::{Proof, Suspicion};
use crate::inline::watch::News;
use crate::writer::{Writer, WriterSettings};

const NOW_US: u64 = 1_800_000_000_000_000;
static CLOCK: AtomicU64 = AtomicU64::new(NOW_US);

fn clock() -> u64 {
    CLOCK.fetch_add(1, Ordering::Relaxed)
}

fn suspicion(source: &str) -> Suspicion {
    Suspicion {
        incident: format!("incident of {source}"),
        category: Category::Web,
        source: Some(source.parse().unwrap()),
        target: None,
        port: None,
        protocol: 6,
        by_behaviour: true,
        strength: 3.0,
        final_score: 0.0,
        provisional_score: 0.0,
        last_us: NOW_US,
        proof: Proof { started: 1, proven: 1 },
        encapsulated: None,
        flows: Vec::new(),
        reason: "asks for everything".into(),
    }
}

struct Rig {
    folder: tempfile::TempDir,
    board: Arc<Board>,
    handles: Handles,
    thread: std::thread::JoinHandle<()>,
    writer: Writer,
}

impl Rig {
    fn new(folder: tempfile::TempDir, settings: Inline) -> Self {
        let store = Store::open(&folder.path().join("taphound.db")).unwrap();
        let kept = store.setting(KEPT).unwrap().map(|bytes| Kept::read(&bytes).unwrap()).unwrap_or_default();
        let kept = kept.after(store.last_block().unwrap());
        let (writer, handle) =
            Writer::spawn(store, WriterSettings { now_us: clock, ..WriterSettings::default() }, |_| {})
                .unwrap();
        let (_, telling, _) = Feed::new(1);
        let board = Arc::new(Board::new(settings));
        let parts = Parts {
            board: Arc::clone(&board),
            writer: handle,
            telling,
            state_dir: folder.path().to_owned(),
            interfaces: Vec::new(),
            kept,
            now_us: clock,
        };
        let decider = Decider::start(parts).unwrap();
        let (handles, inputs) = queues();
        let thread = std::thread::spawn(move || decider.run(&inputs));
        Self { folder, board, handles, thread, writer }
    }

    fn hear(&self, news: News) {
        self.handles.news.send(news).unwrap();
    }

    fn count(&self, outcome: &str) -> u64 {
        self.board.view.load().outcomes.get(outcome).copied().unwrap_or(0)
    }

    fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        for _ in 0..1_000 {
            if is(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}: {:?}", self.board.view.load());
    }

    fn end(self) -> tempfile::TempDir {
        self.handles.stop.send(()).unwrap();
        self.thread.join().unwrap();
        self.writer.close();
        self.folder
    }
}

fn listing() -> Inline {
    Inline { list: true, ..Inline::default() }
}

#[test]
fn what_is_heard_is_stopped_written_down_and_kept_over_a_restart() {
    let rig = Rig::new(tempfile::tempdir().unwrap(), listing());
    rig.hear(News::Suspected(Box::new(suspicion("203.0.113.1"))));
    rig.hear(News::Suspected(Box::new(suspicion("203.0.113.2"))));
    rig.hear(News::Suspected(Box::new(suspicion("203.0.113.1"))));
    rig.hear(News::Suspected(Box::new(suspicion("127.0.0.1"))));
    rig.until("two blocks and a refusal", |rig| rig.count("blocked") == 2 && rig.count("protected") == 1);
    rig.hear(News::Cleared("incident of 203.0.113.2".into()));
    rig.until("a lift", |rig| rig.count("cleared") == 1);
    let folder = rig.end();

    let rig = Rig::new(folder, listing());
    let view = rig.board.view.load();
    let [block] = view.blocks.as_slice() else { panic!("{view:?}") };
    assert_eq!((block.id, block.target.to_string(), block.offence), (1, "203.0.113.1".into(), 1));
    rig.hear(News::Suspected(Box::new(suspicion("203.0.113.3"))));
    rig.until("a block", |rig| rig.count("blocked") == 1);
    assert_eq!(rig.board.view.load().blocks.last().map(|b| b.id), Some(3), "no number is given twice");
    let folder = rig.end();

    let reader =
        store::Reader::open(&folder.path().join("taphound.db"), Duration::from_secs(5), Arc::new(clock))
            .unwrap();
    let rows = reader.blocks().unwrap();
    assert_eq!(
        rows.iter().map(|r| (r.id, r.lifted_us.is_some())).collect::<Vec<_>>(),
        [(3, false), (2, true), (1, false)]
    );
    let audit: Vec<(String, String)> =
        reader.audit(None, 10).unwrap().into_iter().map(|r| (r.entry.action, r.entry.subject)).collect();
    for (action, subject) in
        [("block", "203.0.113.1"), ("block lift", "203.0.113.2"), ("block refused", "127.0.0.1")]
    {
        assert!(audit.contains(&(action.into(), subject.into())), "{action} {subject}: {audit:?}");
    }
}

#[test]
fn a_dry_run_is_not_carried_out_by_the_next_start() {
    let rig = Rig::new(tempfile::tempdir().unwrap(), Inline { dry_run: true, ..listing() });
    rig.hear(News::Suspected(Box::new(suspicion("203.0.113.1"))));
    rig.until("a decision", |rig| rig.count("would_block") == 1);
    let folder = rig.end();
    let rig = Rig::new(folder, listing());
    assert_eq!(rig.board.view.load().blocks, []);
    rig.end();
}
