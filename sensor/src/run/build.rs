//! Puts a running sensor together: settings, files, sockets, then the sandbox, then threads.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use flowmeter::HashKey;
use store::{Class, Limit, Limits, Store};
use tokio::sync::watch;

use crate::api::{self, Listeners};
use crate::capture::{Done, Input, InterfaceInput};
use crate::check;
use crate::cli::RunArgs;
use crate::config::Config;
use crate::config::inline::Mode;
use crate::control::server;
use crate::corroborate::Corroboration;
use crate::detection::Detector;
use crate::detection::budget::{Budget, BudgetState};
use crate::detection::policy::Policy;
use crate::drift::DriftDesk;
use crate::eve_file::{self, EveHandle};
use crate::evidence;
use crate::fault::Fault;
use crate::feed::{Feed, Telling};
use crate::inline::{Asking, Board};
use crate::installed;
use crate::live::{self, LiveSettings};
use crate::logging::{self, LogLevel};
use crate::pulse::{HealthDesk, Pulse};
use crate::recorder::{BUDGET_STATE, EveOutlet, Found, LiveDesk, Outlets};
use crate::sandbox;
use crate::selftest::drill::Drill;
use crate::service::{Parts, Service, wall_clock_us};
use crate::slot::ModelSlot;
use crate::suppression::Suppressions;
use crate::writer::{StoreNews, Writer, WriterSettings, opener};

/// A sensor at work.
pub(super) struct Sensor {
    pub(super) arguments: RunArgs,
    pub(super) config: Config,
    pub(super) level: LogLevel,
    pub(super) pulse: Arc<Pulse>,
    pub(super) writer: Writer,
    pub(super) eve: Option<(EveHandle, JoinHandle<()>)>,
    /// What stops traffic, when something does.
    pub(super) inline: Option<super::inline::Inline>,
    pub(super) feed: Arc<Feed>,
    pub(super) runtime: tokio::runtime::Runtime,
    /// Tells the API to end.
    pub(super) stop: watch::Sender<bool>,
    /// The API, when it has a socket.
    pub(super) serving: Option<tokio::task::JoinHandle<()>>,
    /// Ends when the capture threads have.
    pub(super) evidence_thread: Option<JoinHandle<()>>,
    /// Follows another engine's alerts.
    pub(super) corroboration: Option<Arc<Corroboration>>,
    /// Held to the end: one sensor a state folder.
    pub(super) locked: File,
}

impl Sensor {
    /// Starts everything.
    pub(super) fn start(arguments: &RunArgs) -> Result<Self, Fault> {
        let (config, path) = settings(arguments)?;
        let level = logging::start(&config.log)?;
        let state_dir = config.sensor.state_dir.clone();
        make_folder(&state_dir)?;
        let locked = lock(&state_dir)?;
        let started_us = wall_clock_us();
        let (model, model_refused) = model(&config)?;
        let slot = Arc::new(ModelSlot::new(model));
        let store_path = state_dir.join("taphound.db");
        let store = open_store(&store_path)?;
        let detector = detector(&config, store.as_ref())?;
        let inline = super::inline::prepare(&config, store)?;
        let listener = server::bind(&config.control.socket, &config.control.group)?;
        let eve = match config.eve.path.as_os_str().is_empty() {
            true => None,
            false => Some(eve_file::open(&config.eve.path, config.eve.rotate_mib << 20, config.eve.keep)?),
        };
        let http = Listeners::bind(&config.api)?;
        let evidence = evidence::open(&config.evidence, &state_dir)?;
        let locked_in = sandbox::enter(&config, &path)?;
        tracing::info!(event = "sandbox", landlock = locked_in, "locked in");

        // Threads from here on: they inherit the sandbox.
        let evidence = evidence.map(evidence::Opened::start).transpose()?;
        let (evidence, taps, evidence_thread) = match evidence {
            Some((evidence, taps, thread)) => (Some(evidence), Some(taps), Some(thread)),
            None => (None, None, None),
        };
        let eve = eve.map(eve_file::Opened::start).transpose()?;
        let (feed, telling, notices) = Feed::new(started_us);
        let passing = Arc::clone(&feed);
        spawn("feed", move || passing.pass_on(&notices))?;
        // The writer opens it again by itself, and whenever it has to: a store that is gone may come back.
        let outbox_of = config.outbox.enabled.then(|| config.sensor.id.clone());
        let open = opener(store_path.clone(), limits(&config), outbox_of);
        let (writer, handle) = Writer::spawn_opening(open, WriterSettings::default(), tell_store_news)
            .map_err(|e| Fault::Software(format!("the writer's thread cannot be started ({e})")))?;
        let (suppressions, found) = (Arc::new(Suppressions::default()), Arc::new(Found::default()));
        let drift = Arc::new(DriftDesk::new(config.drift));
        let inline =
            inline.map(|prepared| prepared.start(&config, handle.clone(), telling.clone())).transpose()?;
        let corroborate = &config.corroborate;
        let corroboration = corroborate.listens().then(|| Corroboration::start(corroborate)).transpose()?;
        let (corroboration, hearing) = corroboration.map(|(c, hearing)| (Arc::new(c), hearing)).unzip();
        if let Some(inline) = inline.as_ref().filter(|_| model_refused.is_some()) {
            inline.board.counts.model_missing.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        let outlets = Outlets {
            sensor_id: config.sensor.id.clone(),
            writer: handle.clone(),
            telling: telling.clone(),
            eve: eve.as_ref().map(|(handle, _)| EveOutlet {
                file: handle.clone(),
                format: config.eve.format,
                flows: config.eve.flows,
            }),
            suppressions: Arc::clone(&suppressions),
            watch: inline.as_ref().map(|inline| inline.watch(&config)),
            flows_per_second: config.store.flows_per_second,
            outbox_share: config.outbox.enabled.then_some(config.outbox.flows_share),
            drift: drift.watch(slot.load()),
            hearing,
        };
        // (The file's thread ends when the recorder lets go of it: nobody else may hold on to it.)
        let drill = Drill::new(outlets.for_drill(&slot.load()), Arc::clone(&slot));
        let desk = LiveDesk::new(outlets, detector, slot.load(), Arc::clone(&found));
        let live = live_settings(&config)?
            .map(|settings| LiveSettings { evidence: taps, ..settings })
            .map(|settings| live::start(settings, Arc::clone(&slot), desk))
            .transpose()?;
        let pulse = Arc::new(Pulse {
            sensor_id: config.sensor.id.clone(),
            started_us,
            flows_max: config.meter.flows_max as u64,
            store_path,
            live: RwLock::new(live),
            slot,
            model_refused,
            writer: handle,
            found,
            drift,
            evidence,
            corroboration: corroboration.clone(),
            health: HealthDesk::default(),
            inline: inline.as_ref().map(|inline| Arc::clone(&inline.board)),
            feed: Arc::clone(&feed),
            now_us: wall_clock_us,
            last: Mutex::default(),
        });
        let runtime = runtime()?;
        let asking = inline.as_ref().map(|inline| (Arc::clone(&inline.board), inline.asking.clone()));
        let service = Arc::new(service(&config, &pulse, telling, suppressions, asking)?);
        let answering = super::answer::Answering {
            service: Arc::clone(&service),
            pulse: Arc::clone(&pulse),
            level: level.clone(),
            state_dir,
            drill,
        };
        runtime.spawn(server::serve(listener, Arc::new(answering)));
        let (stop, stopped) = watch::channel(false);
        let serving = http.map(|listeners| {
            tracing::info!(event = "api", addresses = ?listeners.addresses(), tls = listeners.tls(), "serving HTTP");
            runtime.spawn(api::serve(listeners, service, config.api.clone(), stopped))
        });
        Ok(Self {
            corroboration,
            arguments: arguments.clone(),
            config,
            level,
            pulse,
            writer,
            eve,
            inline,
            feed,
            runtime,
            stop,
            serving,
            evidence_thread,
            locked,
        })
    }

    /// Its source has an end, and has come to it.
    pub(super) fn has_ended(&self) -> bool {
        let live = self.pulse.live.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        live.as_ref().is_some_and(live::Live::has_ended)
    }
}

/// What can be asked of this sensor.
fn service(
    config: &Config,
    pulse: &Arc<Pulse>,
    telling: Telling,
    suppressions: Arc<Suppressions>,
    inline: Option<(Arc<Board>, Asking)>,
) -> Result<Service, Fault> {
    let (of_status, of_metrics) = (Arc::clone(pulse), Arc::clone(pulse));
    Service::new(Parts {
        sensor_id: config.sensor.id.clone(),
        store: pulse.store_path.clone(),
        state_dir: config.sensor.state_dir.clone(),
        keys_dir: config.model.keys_dir.clone(),
        writer: pulse.writer.clone(),
        slot: Arc::clone(&pulse.slot),
        feed: Arc::clone(&pulse.feed),
        telling,
        suppressions,
        evidence: pulse.evidence.clone(),
        inline,
        status: Box::new(move || of_status.status()),
        metrics: Box::new(move || crate::metrics::render(&of_metrics.status())),
        clock: wall_clock_us,
        store_predictions: config.api.store_predictions,
        token_leeway_s: config.api.leeway_s,
    })
}

/// The settings in force: files, environment, then what the command line says.
pub(super) fn settings(arguments: &RunArgs) -> Result<(Config, PathBuf), Fault> {
    let (mut config, path) = check::settings(arguments.config.as_deref())?;
    if !arguments.interface.is_empty() {
        config.capture.interfaces.clone_from(&arguments.interface);
    }
    if let Some(filter) = &arguments.bpf {
        config.capture.filter.clone_from(filter);
    }
    if let Some(folder) = &arguments.state_dir {
        config.sensor.state_dir.clone_from(folder);
    }
    if let Some(socket) = &arguments.socket {
        config.control.socket.clone_from(socket);
    }
    if config.sensor.id.is_empty() {
        config.sensor.id = host_name();
    }
    config.check().map_err(|e| Fault::Config(e.to_string()))?;
    Ok((config, path))
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" | "(none)" => "sensor".to_owned(),
        name => name.to_owned(),
    }
}

fn make_folder(path: &Path) -> Result<(), Fault> {
    std::fs::create_dir_all(path).map_err(|e| Fault::creating(path, &e))
}

/// Takes the state folder for this process. The lock goes with the process, however it ends.
fn lock(state_dir: &Path) -> Result<File, Fault> {
    let path = state_dir.join("lock");
    let file = File::options().create(true).append(true).open(&path);
    let file = file.map_err(|e| Fault::creating(&path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Fault::CannotCreate(format!(
            "{}: another sensor works in this folder; stop it, or set another `sensor.state_dir`",
            state_dir.display()
        ))),
        Err(TryLockError::Error(e)) => Err(Fault::creating(&path, &e)),
    }
}

/// The model to start with, and why it is not the installed one: one that is unsound does not keep the sensor from working.
fn model(config: &Config) -> Result<(crate::scoring::Model, Option<String>), Fault> {
    let (trust, keys) = check::trust(&config.model.keys_dir)?;
    let (model, refused) = installed::load(&config.sensor.state_dir, &trust)?;
    if let Some(fault) = &refused {
        tracing::error!(event = "model_refused", error = %fault, "the installed model cannot be used");
    }
    let digest = model.artifact().digest();
    tracing::info!(event = "model_loaded", version = model.version(), %digest, keys, "model loaded");
    Ok((model, refused.map(|fault| fault.to_string())))
}

/// The store, for a look at what an earlier run left there. One that is another's is refused; one that cannot be opened now (a full
/// disk, one that is gone) costs history and not packets: the writer goes on trying.
fn open_store(path: &Path) -> Result<Option<Store>, Fault> {
    match Store::open(path) {
        Ok(store) => Ok(Some(store)),
        Err(e) if e.is_refusal() => Err(Fault::BadData(e.to_string())),
        Err(e) => {
            tracing::error!(event = "store_failing", reason = %e, "the store cannot be opened; it will be tried again");
            Ok(None)
        }
    }
}

/// What the settings say of classes, over what the store would keep without them.
fn limits(config: &Config) -> Limits {
    const DAY_S: u64 = 86_400;
    let kept = &config.store;
    let days = |n: u32| Some(u64::from(n) * DAY_S);
    let defaults = Limits::sensor();
    let of = |class: Class| defaults.of(class);
    Limits { bytes_max: Some(kept.size_max_mib << 20), ..Limits::default() }
        .with(
            Class::Snapshots,
            Limit {
                age_max_s: days(kept.flows_days),
                rows_max: Some(kept.flows_max),
                ..of(Class::Snapshots)
            },
        )
        .with(
            Class::PlainFlows,
            Limit {
                age_max_s: days(kept.flows_days),
                rows_max: Some(kept.flows_max),
                ..of(Class::PlainFlows)
            },
        )
        .with(Class::Outbox, Limit { rows_max: Some(config.outbox.rows_max), ..of(Class::Outbox) })
        .with(Class::Alerted, Limit { age_max_s: days(kept.alerts_days), ..of(Class::Alerted) })
        .with(Class::Incidents, Limit { age_max_s: days(kept.alerts_days), ..of(Class::Incidents) })
        .with(Class::Audit, Limit { age_max_s: days(kept.audit_days), ..of(Class::Audit) })
        .with(Class::LabelledFlows, of(Class::LabelledFlows))
        .with(Class::Labels, of(Class::Labels))
}

/// The judge, with what the burn-in of an earlier run has learned.
fn detector(config: &Config, store: Option<&Store>) -> Result<Detector, Fault> {
    let kept = store.map(|store| store.setting(BUDGET_STATE)).transpose();
    let kept = kept.map_err(|e| Fault::Io(e.to_string()))?.flatten();
    let state = match kept.map(|bytes| serde_json::from_slice(&bytes)) {
        Some(Ok(state)) => state,
        Some(Err(e)) => {
            tracing::warn!(event = "budget_forgotten", error = %e, "what the burn-in had learned cannot be read; it begins anew");
            BudgetState::default()
        }
        None => BudgetState::default(),
    };
    let detection = &config.detection;
    let mut detector = Detector::new(&config.sensor.id, Policy, detection.thresholds)
        .with_budget(Budget::new(detection.budget, state));
    if config.corroborate.listens() {
        detector.incidents_mut().listen(config.corroborate.joining());
    }
    Ok(detector)
}

fn tell_store_news(news: StoreNews) {
    match news {
        StoreNews::Failing { reason } => {
            tracing::error!(event = "store_failing", reason, "the store takes no rows")
        }
        StoreNews::Recovered { after, failed_rows } => {
            tracing::info!(
                event = "store_recovered",
                seconds = after.as_secs(),
                failed_rows,
                "the store takes rows again"
            );
        }
        StoreNews::Refused { reason, rows } => {
            tracing::warn!(
                event = "rows_refused",
                reason,
                rows,
                "rows made no sense to the store and were left out"
            );
        }
    }
}

/// What the pipeline runs with; none when nothing is to be captured.
fn live_settings(config: &Config) -> Result<Option<LiveSettings>, Fault> {
    let capture = &config.capture;
    let input = if !capture.interfaces.is_empty() {
        let rings = usize::from(capture.rings);
        Input::Interfaces(
            capture.interfaces.iter().map(|name| InterfaceInput { name: name.clone(), rings }).collect(),
        )
    } else if !capture.directory.as_os_str().is_empty() {
        Input::Folder {
            path: capture.directory.clone(),
            done: Done::Remember(config.sensor.state_dir.join("files-read")),
        }
    } else {
        return Ok(None);
    };
    let mut settings = LiveSettings::new(input)?;
    let hash_key: HashKey = settings.meter.hash_key;
    settings.meter = config.meter.settings(hash_key);
    settings.wire.snaplen = capture.snaplen;
    settings.wire.promiscuous = capture.promiscuous;
    settings.wire.ring_bytes = (capture.ring_mib > 0).then(|| u64::from(capture.ring_mib) << 20);
    settings.wire.wait_at_start = capture.wait_for_interface;
    settings.wire.ingress_only = config.inline.mode != Mode::Passive;
    settings.filter = (!capture.filter.is_empty()).then(|| capture.filter.clone());
    settings.alarms.no_traffic_after = match capture.no_traffic_after_s {
        0 => Duration::MAX,
        s => Duration::from_secs(u64::from(s)),
    };
    settings.alarms.one_way_share = capture.one_way_share;
    Ok(Some(settings))
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|e| Fault::Software(format!("the control plane cannot be started ({e})")))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|e| Fault::Software(format!("no thread can be started ({e}); raise the limit on tasks")))
}
