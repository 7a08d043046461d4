//! `taphound replay --serve`: what the replay finds, in the API and on the page while it runs and after it, until Ctrl-C.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use flowmeter::{Context, FlowEvent, FlowRecord};
use serde_json::json;
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::api::{self, Listeners};
use crate::cli::ReplayArgs;
use crate::config::Api;
use crate::corroborate::CorroborateConfig;
use crate::detection::Detector;
use crate::detection::behaviour::Thresholds;
use crate::detection::policy::Policy;
use crate::detection::witness::Heard;
use crate::drift::{DriftConfig, DriftDesk};
use crate::fault::Fault;
use crate::feed::{Feed, Notice, Topic};
use crate::pipeline::Recorder;
use crate::recorder::{Desk, Found, LiveDesk, Outlets};
use crate::scoring::{Model, Scored};
use crate::service::who::Role;
use crate::service::{Parts, Service, wall_clock_us};
use crate::slot::ModelSlot;
use crate::status::{Health, HostStatus, ModelStatus, Status};
use crate::suppression::Suppressions;
use crate::writer::{Writer, WriterHandle, WriterSettings};

/// A token for a look lives as long as anybody looks at one replay.
const TOKEN_DAYS: u64 = 1;

/// The API of a replay.
pub(super) struct Served {
    runtime: tokio::runtime::Runtime,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    feed: Arc<Feed>,
    writer: Writer,
    /// State that goes with the replay.
    _folder: tempfile::TempDir,
}

impl Served {
    /// Binds, and serves at once; gives the desk that fills what is served.
    pub(super) fn start(address: SocketAddr, arguments: &ReplayArgs) -> Result<(Self, ServedDesk), Fault> {
        let settings = Api { listen: vec![address], ..Api::default() };
        settings.check()?;
        let listeners = Listeners::bind(&settings)?;
        let bound = listeners.as_ref().and_then(|l| l.addresses().first().copied()).unwrap_or(address);
        let folder = tempfile::tempdir().map_err(|e| {
            Fault::CannotCreate(format!("no folder for the replay's state ({e}); set TMPDIR"))
        })?;
        let path = arguments.store.clone().unwrap_or_else(|| folder.path().join("taphound.db"));
        let store = Store::open(&path).map_err(|e| Fault::BadData(e.to_string()))?;
        let started_us = wall_clock_us();
        let (feed, telling, notices) = Feed::new(started_us);
        let passing = Arc::clone(&feed);
        let unable = |e: std::io::Error| Fault::Software(format!("no thread can be started ({e})"));
        std::thread::Builder::new()
            .name("feed".into())
            .spawn(move || passing.pass_on(&notices))
            .map_err(unable)?;
        let (writer, handle) = Writer::spawn(store, WriterSettings::default(), |_| {}).map_err(unable)?;
        let slot = Arc::new(ModelSlot::new(Model::load(arguments.model.as_deref())?));
        let (suppressions, found) = (Arc::new(Suppressions::default()), Arc::new(Found::default()));
        let drift = Arc::new(DriftDesk::new(DriftConfig::default()));
        let outlets = Outlets {
            sensor_id: arguments.sensor_id.clone(),
            writer: handle.clone(),
            telling: telling.clone(),
            eve: None,
            suppressions: Arc::clone(&suppressions),
            flows_per_second: u32::MAX,
            watch: None,
            outbox_share: None,
            drift: drift.watch(slot.load()),
            hearing: None,
        };
        let mut detector = Detector::new(&arguments.sensor_id, Policy, Thresholds::default());
        if arguments.corroborate.is_some() {
            detector.incidents_mut().listen(CorroborateConfig::default().joining());
        }
        let desk = LiveDesk::new(outlets, detector, slot.load(), Arc::clone(&found));
        let look = Look {
            sensor_id: arguments.sensor_id.clone(),
            path: path.clone(),
            started_us,
            slot: Arc::clone(&slot),
            found,
            drift,
            feed: Arc::clone(&feed),
        };
        let service = Service::new(Parts {
            sensor_id: arguments.sensor_id.clone(),
            store: path,
            state_dir: folder.path().to_owned(),
            keys_dir: PathBuf::from("/etc/taphound/keys"),
            writer: handle.clone(),
            slot,
            feed: Arc::clone(&feed),
            telling,
            suppressions,
            inline: None,
            metrics: Box::new({
                let look = look.clone();
                move || crate::metrics::render(&look.status())
            }),
            status: Box::new(move || look.status()),
            evidence: None,
            clock: wall_clock_us,
            store_predictions: true,
            token_leeway_s: settings.leeway_s,
        })?;
        let now_s = service.now_s();
        let token = service.tokens.create("replay", Role::Admin, now_s, TOKEN_DAYS * 86_400);
        let token = token.map_err(|e| Fault::Io(e.to_string()))?.token;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(unable)?;
        let (stop, stopped) = watch::channel(false);
        let task = runtime.spawn(async move {
            if let Some(listeners) = listeners {
                api::serve(listeners, Arc::new(service), settings, stopped).await;
            }
        });
        // Standard output is the report's.
        let _ = writeln!(std::io::stderr(), "Serving http://{bound}/ui/ - log in with this token:\n{token}");
        let served = Self { runtime, stop, task, feed, writer, _folder: folder };
        Ok((served, ServedDesk { desk, writer: handle, batches: 0 }))
    }

    /// Stays up until it is told to end.
    pub(super) fn wait(self) -> Result<(), Fault> {
        let body = json!({"health": "ok", "reasons": ["the replay has ended"]});
        self.feed.publish(Notice { topic: Topic::Status, severity: None, body });
        let _ = writeln!(std::io::stderr(), "The replay has ended; Ctrl-C ends the page.");
        self.runtime.block_on(async {
            let broken = |e: std::io::Error| Fault::Software(format!("signals cannot be received ({e})"));
            let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
            let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            let _ = self.stop.send(true);
            let _ = self.task.await;
            Ok::<(), Fault>(())
        })?;
        self.writer.close();
        Ok(())
    }
}

/// What a replay knows of itself.
#[derive(Clone)]
struct Look {
    sensor_id: String,
    path: PathBuf,
    started_us: u64,
    slot: Arc<ModelSlot>,
    found: Arc<Found>,
    drift: Arc<DriftDesk>,
    feed: Arc<Feed>,
}

impl Look {
    fn status(&self) -> Status {
        use std::sync::atomic::Ordering::Relaxed;
        let serving = self.slot.load();
        let manifest = serving.active.artifact().manifest();
        let mut status = Status {
            health: Health::Ok,
            sensor_id: self.sensor_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_us: self.started_us,
            now_us: wall_clock_us(),
            model: ModelStatus {
                name: manifest.name.clone(),
                version: manifest.serial,
                digest: serving.active.artifact().digest().to_string(),
                shadow_version: serving.shadow.as_ref().map(|shadow| shadow.version()),
                previous_version: self.slot.previous_version(),
                reloads: serving.generation,
                ..ModelStatus::default()
            },
            host: HostStatus::now(),
            ..Status::default()
        };
        status.traffic.alerts = self.found.alerts.load(Relaxed);
        status.traffic.incidents = self.found.incidents.load(Relaxed);
        (status.feed.newest, status.feed.dropped) = (self.feed.newest(), self.feed.dropped());
        status.store.path = self.path.display().to_string();
        status.store.writable = true;
        self.drift.note(&mut status, &serving, None);
        status
    }
}

/// Fills what is served. Unlike a live one it waits for the writer: nothing of a file is left out.
pub(super) struct ServedDesk {
    desk: LiveDesk,
    writer: WriterHandle,
    batches: u32,
}

/// Batches offered before the writer is waited for; its queue holds more.
const BATCHES_AHEAD: u32 = 256;

impl ServedDesk {
    fn batch_ended(&mut self) -> Result<(), Fault> {
        self.desk.batch_ended()?;
        self.batches += 1;
        if self.batches.is_multiple_of(BATCHES_AHEAD) {
            self.flush();
        }
        Ok(())
    }

    /// Takes another engine's alerts in, once everything was found.
    pub(super) fn corroborate(&mut self, heard: Vec<Heard>) {
        self.desk.corroborate(heard);
    }

    /// Waits until everything is written.
    pub(super) fn flush(&self) {
        let _ = self.writer.wait_for(|store, now_us| store.sync(now_us));
    }
}

/// The replay's own desk, and the served one beside it.
pub(super) struct Both<'a, 'b> {
    pub(super) own: &'b mut Desk<'a>,
    pub(super) served: Option<&'b mut ServedDesk>,
}

impl Recorder for Both<'_, '_> {
    fn event(
        &mut self,
        event: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        context: Option<&Context>,
    ) -> Result<(), Fault> {
        if let Some(served) = &mut self.served {
            served.desk.event(event, scored, context)?;
        }
        self.own.event(event, scored, context)
    }

    fn batch_ended(&mut self) -> Result<(), Fault> {
        if let Some(served) = &mut self.served {
            served.batch_ended()?;
        }
        self.own.batch_ended()
    }
}
