//! Puts together what stops traffic: reads what an earlier run left in force, and starts the deciding thread.

use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use store::Store;

use crate::config::Config;
use crate::fault::Fault;
use crate::feed::Telling;
use crate::inline::decider::{self, Decider, KEPT, Kept, Parts};
use crate::inline::nft::NftFault;
use crate::inline::queue::flows::Judged;
use crate::inline::queue::rules::QueueRules;
use crate::inline::queue::{self, Queue};
use crate::inline::watch::News;
use crate::inline::{Asking, Board, Watch};
use crate::service::wall_clock_us;
use crate::writer::WriterHandle;

/// What stops traffic, at work.
pub(super) struct Inline {
    pub(super) board: Arc<Board>,
    pub(super) asking: Asking,
    news: Sender<News>,
    stop: Sender<()>,
    thread: JoinHandle<()>,
    queue: Option<(QueueRules, Sender<Judged>)>,
}

/// What is known before threads start.
pub(super) struct Prepared {
    kept: Kept,
}

/// Reads what an earlier run left in force. None: this sensor decides nothing.
pub(super) fn prepare(config: &Config, store: Option<Store>) -> Result<Option<Prepared>, Fault> {
    if !config.inline.decides() {
        return Ok(None);
    }
    let Some(store) = store else {
        // Without a store numbers begin where no earlier run can have come to.
        return Ok(Some(Prepared { kept: Kept::from_id(wall_clock_us() / 1_000_000) }));
    };
    let io = |e: store::StoreError| Fault::Io(e.to_string());
    let bytes = store.setting(KEPT).map_err(io)?;
    let kept = match bytes.map(|bytes| Kept::read(&bytes)) {
        Some(Ok(kept)) => kept,
        Some(Err(error)) => {
            tracing::error!(event = "blocks_forgotten", %error, "what was blocked cannot be read, and is not put back");
            Kept::default()
        }
        None => Kept::default(),
    };
    Ok(Some(Prepared { kept: kept.after(store.last_block().map_err(io)?) }))
}

impl Prepared {
    /// Installs the rules and starts the thread.
    pub(super) fn start(
        self,
        config: &Config,
        writer: WriterHandle,
        telling: Telling,
    ) -> Result<Inline, Fault> {
        let board = Arc::new(Board::new(config.inline.clone()));
        let parts = Parts {
            board: Arc::clone(&board),
            writer,
            telling,
            state_dir: config.sensor.state_dir.clone(),
            interfaces: config.capture.interfaces.clone(),
            kept: self.kept,
            now_us: wall_clock_us,
        };
        let decider = Decider::start(parts).map_err(refused)?;
        let queue = config.inline.queues().then(|| start_queue(config, &board)).transpose()?;
        let (handles, inputs) = decider::queues();
        let thread =
            std::thread::Builder::new().name("inline".into()).spawn(move || decider.run(&inputs)).map_err(
                |e| Fault::Software(format!("no thread can be started ({e}); raise the limit on tasks")),
            )?;
        let mode = config.inline.mode.as_str();
        tracing::info!(event = "inline", mode, dry_run = config.inline.dry_run, "deciding what is stopped");
        Ok(Inline { board, asking: handles.asking, news: handles.news, stop: handles.stop, thread, queue })
    }
}

fn refused(fault: NftFault) -> Fault {
    match fault {
        NftFault::NotAllowed(_) => Fault::NoPermission(fault.to_string()),
        _ => Fault::Unavailable(fault.to_string()),
    }
}

/// Listens first, so that nothing is handed over to nobody; then has the kernel hand packets over.
fn start_queue(config: &Config, board: &Arc<Board>) -> Result<(QueueRules, Sender<Judged>), Fault> {
    let number = config.inline.queue.number;
    let (scores, coming) = queue::scores();
    let queue = Queue::bind(Arc::clone(board), &config.meter.snapshots, coming).map_err(|e| {
        Fault::NoPermission(format!(
            "netfilter queue {number} cannot be had ({e}): it needs CAP_NET_ADMIN, and no other program may listen there (docs/inline.md)"
        ))
    })?;
    std::thread::Builder::new()
        .name("queue".into())
        .spawn(move || queue.run())
        .map_err(|e| Fault::Software(format!("no thread can be started ({e}); raise the limit on tasks")))?;
    let rules = QueueRules::new(&config.inline, &config.capture.interfaces);
    rules.install().map_err(refused)?;
    Ok((rules, scores))
}

impl Inline {
    /// The recorder's end.
    pub(super) fn watch(&self, config: &Config) -> Watch {
        Watch::new(&config.inline, self.news.clone(), Arc::clone(&self.board))
            .telling_scores(self.queue.as_ref().map(|(_, scores)| scores.clone()))
    }

    /// Removes the rules and ends the thread.
    pub(super) fn end(self) {
        if let Some((rules, _)) = &self.queue {
            rules.remove();
        }
        let _ = self.stop.send(());
        // A panic of the thread has been printed by its own hook.
        let _ = self.thread.join();
    }
}
