//! `taphound-sync run` and `once`: puts the agent together, keeps its parts going, and ends without losing what it knows.

mod loops;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleet::ObjectStore;
use model::artifact::SecretKey;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::RunArgs;
use crate::clock::{self, Clocks};
use crate::config::Config;
use crate::control::Sensor;
use crate::cursors::Cursors;
use crate::doors::Doors;
use crate::down::{Follower, trust};
use crate::fault::Fault;
use crate::out::Receiver;
use crate::status::{self, Facts};
use crate::up::archive::Archiver;
use crate::up::encode::Encoder;
use crate::up::pseudonym::Pseudonyms;
use crate::up::{Trouble, Uploader};
use crate::{identity, logging, report};
use loops::{come_down, go_up, keep_reporting, tell};

/// The parts that all loops share.
#[derive(Clone)]
pub struct Agent {
    /// The settings.
    pub config: Arc<Config>,
    /// The open doors.
    pub doors: Doors,
    /// What survives a crash.
    pub cursors: Arc<Mutex<Cursors>>,
    /// What `status` shows.
    pub facts: Arc<Facts>,
    /// The sensor's own key, once it has been enrolled.
    pub identity: Option<Arc<SecretKey>>,
}

impl Agent {
    /// Opens everything that the settings name.
    ///
    /// # Errors
    /// The state folder cannot be used, another agent uses it, or a door cannot be opened.
    pub async fn open(config: Config) -> Result<Self, Fault> {
        let folder = config.agent.state_dir.clone();
        let cursors = Cursors::open(&folder, clock::now_us())?;
        let doors = Doors::open(&config.centre).await?;
        let facts = Arc::new(Facts::new(clock::now_us()));
        let identity = identity::find(&config)?.map(Arc::new);
        facts.lock().identity = identity.as_ref().map_or(String::new(), |key| key.public().id().to_string());
        let (config, cursors) = (Arc::new(config), Arc::new(Mutex::new(cursors)));
        Ok(Self { config, doors, cursors, facts, identity })
    }

    /// A connection of its own to the sensor.
    #[must_use]
    pub fn sensor(&self) -> Sensor {
        Sensor::at(&self.config.agent.socket)
    }

    /// The way up, if anything is to go up.
    ///
    /// # Errors
    /// The key of the pseudonyms cannot be read.
    pub fn uploader(&self) -> Result<Option<Uploader>, Fault> {
        let up = &self.config.up;
        if !up.enabled {
            return Ok(None);
        }
        let pseudonyms =
            up.pseudonyms.enabled.then(|| Pseudonyms::from_file(&up.pseudonyms.key_file)).transpose()?;
        let objects = self.doors.objects.clone().filter(|_| up.archive.enabled);
        let archiver = objects.map(|objects| Archiver::new(objects, &up.archive, fleet::log_file::encode));
        Ok(Some(Uploader::new(
            self.sensor(),
            self.doors.table.clone(),
            archiver,
            Encoder::new(up, pseudonyms),
            up,
            Arc::clone(&self.cursors),
            Arc::clone(&self.facts),
            Clocks { seconds: monotonic_s, now_us: clock::now_us },
        )))
    }

    /// The way down, if anything is to come down.
    ///
    /// # Errors
    /// The agent's own folder cannot be used.
    pub fn follower(&self) -> Result<Option<Follower>, Fault> {
        let down = &self.config.down;
        let Some(objects) = self.doors.models.clone().filter(|_| down.enabled) else { return Ok(None) };
        let (cursors, facts) = (Arc::clone(&self.cursors), Arc::clone(&self.facts));
        let registry = self.doors.registry.clone();
        Follower::new(self.sensor(), objects, registry, down, &self.config.agent.state_dir, cursors, facts)
            .map(Some)
    }

    /// Looks at the channel, then at the labels of the centre.
    async fn look_down(&self, follower: &mut Follower) -> Result<(), Trouble> {
        follower.poll(self.centre_s()).await?;
        let sensor_id = self.facts.lock().sensor_id.clone();
        match self.doors.table.as_ref().filter(|_| self.config.down.labels) {
            Some(table) => follower.labels(table, &sensor_id).await,
            None => Ok(()),
        }
    }

    /// Tells the centre how this sensor is, and asks whether it is still wanted.
    async fn report(&self, sensor: &mut Sensor) -> Result<(), Trouble> {
        let told = report::tell(self, sensor).await;
        if let Some(objects) = &self.doors.objects {
            self.check_identity(&**objects).await?;
            let sensor_id = self.facts.lock().sensor_id.clone();
            let revoked =
                report::check_revocation(objects, &sensor_id, &trust(&self.config.down.keys_dir)?).await?;
            let before = std::mem::replace(&mut self.facts.lock().revoked, revoked.clone());
            if before != revoked {
                match revoked {
                    Some(reason) => tracing::error!(
                        event = "revoked",
                        reason,
                        "the centre has revoked this sensor; nothing goes up or comes down"
                    ),
                    None => tracing::info!(event = "wanted_again", "the centre wants this sensor again"),
                }
            }
        }
        told
    }

    /// A copy of an enrolled machine, and one that lost its key, show in the status. Looked at until the claim is found to be ours.
    async fn check_identity(&self, objects: &dyn ObjectStore) -> Result<(), Trouble> {
        let token = &self.config.identity.token;
        if token.is_empty() || self.facts.lock().claim_is_ours {
            return Ok(());
        }
        let found = match &self.identity {
            Some(key) => identity::check_claim(objects, token, key).await?,
            None => {
                Err("these settings are of an enrolled sensor, and its key is not here; enrol it anew"
                    .to_owned())
            }
        };
        match found {
            Ok(()) => {
                self.facts.works("identity");
                self.facts.lock().claim_is_ours = true;
            }
            Err(reason) => self.facts.trouble("identity", reason, true, clock::now_us()),
        }
        Ok(())
    }

    /// The time at the centre: this clock, put right by what the object store says, by little more than an hour at most.
    fn centre_s(&self) -> u64 {
        let skew = self.facts.lock().clock_skew_s.unwrap_or(0).clamp(-SKEW_MAX_S, SKEW_MAX_S);
        clock::now_s().saturating_add_signed(-skew)
    }

    /// Puts the facts of the database into the status and writes it.
    pub fn write_status(&self) {
        {
            let cursors = self.cursors.lock().unwrap_or_else(PoisonError::into_inner);
            let (count, newest, pins) =
                (cursors.set_aside_count(), cursors.newest_set_aside(5), cursors.pins());
            drop(cursors);
            let mut status = self.facts.lock();
            status.up.lag.set_aside = count.unwrap_or(status.up.lag.set_aside);
            status.up.set_aside = newest.unwrap_or_default();
            status.down.pinned = pins.unwrap_or_default();
        }
        if let Err(e) = self.facts.write(&status::file(&self.config), clock::now_us()) {
            let place = status::file(&self.config);
            tracing::error!(event = "status", error = %e, place = %place.display(), "the status cannot be written");
        }
    }

    /// The centre does not want this sensor: nothing goes up, down or out.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.facts.lock().revoked.is_some()
    }
}

/// A clock that is further off is not put right: whoever holds the store could bring back what has expired.
const SKEW_MAX_S: i64 = 3_900;
/// How often the status is written and systemd is told that all is well.
const LOOK: Duration = Duration::from_secs(2);

/// Runs until it is told to end.
///
/// # Errors
/// The agent cannot start: settings, rights, another agent at the same place.
pub fn run(arguments: &RunArgs) -> Result<(), Fault> {
    with_runtime(arguments, |agent| async move {
        let (stop, stopped) = watch::channel(false);
        let broken = |e: std::io::Error| Fault::Software(format!("signals cannot be received ({e})"));
        let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
        let mut loops = tokio::task::JoinSet::new();
        if let Some(uploader) = agent.uploader()? {
            loops.spawn(go_up(agent.clone(), uploader, stopped.clone()));
        }
        if let Some(follower) = agent.follower()? {
            loops.spawn(come_down(agent.clone(), follower, stopped.clone()));
        }
        for receiver in Receiver::all(&agent.config.out)? {
            loops.spawn(tell(agent.clone(), receiver, stopped.clone()));
        }
        loops.spawn(keep_reporting(agent.clone(), stopped.clone()));
        notify(&[NotifyState::Ready, NotifyState::Status("ready")]);
        tracing::info!(event = "ready", "ready");
        let mut ticks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = ticks.tick() => {
                    agent.write_status();
                    let mut now = agent.facts.lock().clone();
                    now.judge(clock::now_us());
                    let line = format!("{}: {} rows wait", now.health.as_str(), now.up.lag.rows);
                    notify(&[NotifyState::Watchdog, NotifyState::Status(&line)]);
                }
            }
        }
        notify(&[NotifyState::Stopping]);
        let _ = stop.send(true);
        let ended = tokio::time::timeout(Duration::from_secs(10), async {
            while loops.join_next().await.is_some() {}
        });
        if ended.await.is_err() {
            // A request that hangs is as good as one that was never answered.
            tracing::info!(
                event = "abandoned",
                "a request was left unanswered; it is repeated at the next start"
            );
        }
        agent.facts.lock().ended = true;
        agent.write_status();
        tracing::info!(event = "stopped", "stopped");
        Ok(())
    })
}

/// Does everything once, and says by its exit code whether it could.
///
/// # Errors
/// The agent cannot start, or something does not answer.
pub fn once(arguments: &RunArgs) -> Result<(), Fault> {
    with_runtime(arguments, |agent| async move {
        if agent.doors.is_empty() {
            return Err(Fault::Config("no centre is named: set [centre] in the settings".into()));
        }
        let outcome = all_once(&agent).await;
        agent.facts.lock().ended = true;
        agent.write_status();
        outcome
    })
}

async fn all_once(agent: &Agent) -> Result<(), Fault> {
    if let Some(mut uploader) = agent.uploader()? {
        let mut failures = 0;
        loop {
            let before = uploader.decided();
            match uploader.round().await {
                Ok(true) => failures = 0,
                Ok(false) => break,
                Err(trouble) => {
                    failures = if uploader.decided() > before { 0 } else { failures + 1 };
                    if trouble.is_lasting() || failures >= 3 {
                        return Err(Fault::TryAgain(trouble.to_string()));
                    }
                }
            }
        }
        uploader.flush().await.map_err(|e| Fault::TryAgain(e.to_string()))?;
    }
    let later = |trouble: Trouble| Fault::TryAgain(trouble.to_string());
    if let Some(mut follower) = agent.follower()? {
        agent.look_down(&mut follower).await.map_err(later)?;
        follower.watch(agent.centre_s()).map_err(later)?;
    }
    agent.report(&mut agent.sensor()).await.map_err(later)
}

fn with_runtime<F: Future<Output = Result<(), Fault>>>(
    arguments: &RunArgs,
    work: impl FnOnce(Agent) -> F,
) -> Result<(), Fault> {
    let config = status::settings(arguments)?;
    logging::start(&config.log)?;
    let _locked = lock(&config)?;
    // reqwest and rustls are built without a choice of their own; a second call finds the first one's.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Fault::Software(format!("no threads can be had ({e})")))?;
    let outcome = runtime.block_on(async { work(Agent::open(config).await?).await });
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}

/// One agent owns a state folder until its process ends.
fn lock(config: &Config) -> Result<std::fs::File, Fault> {
    let folder = &config.agent.state_dir;
    let path = folder.join("lock");
    let cannot = |e: &dyn std::fmt::Display| {
        Fault::CannotCreate(format!(
            "{}: cannot be used ({e}); check `agent.state_dir` and its rights",
            path.display()
        ))
    };
    std::fs::create_dir_all(folder).map_err(|e| cannot(&e))?;
    let file = std::fs::File::create(&path).map_err(|e| cannot(&e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Fault::CannotCreate(format!(
            "{}: another agent uses this folder; stop it, or set another `agent.state_dir`",
            folder.display()
        ))),
        Err(std::fs::TryLockError::Error(e)) => Err(cannot(&e)),
    }
}

/// Seconds on the runtime's clock, which does not go back.
fn monotonic_s() -> f64 {
    use std::sync::OnceLock;
    static START: OnceLock<tokio::time::Instant> = OnceLock::new();
    START.get_or_init(tokio::time::Instant::now).elapsed().as_secs_f64()
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}
