//! The running sensor's data plane: capture threads, scorers and one recorder, joined by bounded queues that nobody else holds.
//!
//! ```text
//! ring 0..n (capture, meter, their shards) -> scorer 0..m (model slot) -> recorder
//!      └── other rings' packets ──┘
//! ```
//!
//! Interfaces do not wait, so a full queue there is a counted drop: packets between rings (`shed`), records before scoring
//! (`shed_unscored`). Files wait. The control plane sees snapshots and turns knobs; it holds nothing that a data thread waits
//! for.

mod latency;
mod merged_clock;
mod metering;
mod parcel;
mod reorder;
mod report;
mod ring;
mod scorer;
mod settings;
mod source;
mod sums;
mod telling;

pub use latency::Latency;
pub use report::{Alarm, Latencies, LinkState, Queues, Reports, RingReport, ScoreAccounting};
pub use settings::{Alarms, LiveSettings};
pub use sums::{Health, Shadow};

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};

use crossbeam_channel::bounded;
use flowmeter::{Intake, Shards};

use crate::capture::{Clock, Fanout, Files, FilterCell, Folder, Input, Pace, Speed, Wire};
use crate::evidence::Taps;
use crate::fault::Fault;
use crate::pipeline::Recorder;
use crate::slot::ModelSlot;
use merged_clock::MergedClock;
use metering::Metering;
use reorder::Reorder;
use ring::{Exchange, HandedOver, Outgoing, Ring};
use scorer::Scorer;
use source::Source;
use sums::Shared;

/// Batches of packets that may wait between two rings.
const HAND_OVER_BATCHES: usize = 64;
/// Parcels that may wait for a scorer; how many records they may hold together is a setting.
const SCORER_PARCELS: usize = 256;
/// Scored parcels that may wait for the recorder.
const RECORDER_PARCELS: usize = 16;
/// Used parcels that are kept to be used again.
const SPARE_PARCELS: usize = 8;

/// A running sensor. Dropped without [`Live::stop`], it stops, too, and nobody hears its sums.
pub struct Live {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    filter: Arc<FilterCell>,
    pace: Arc<Pace>,
    names: Vec<(String, usize)>,
    alarms: Alarms,
    clock: Clock,
    started_us: u64,
    is_wire: bool,
}

/// Starts capturing, metering, scoring and recording.
///
/// # Errors
/// Settings that make no sense, an interface that cannot be captured on, files of which none can be read.
pub fn start(
    settings: LiveSettings,
    slot: Arc<ModelSlot>,
    recorder: impl Recorder + 'static,
) -> Result<Live, Fault> {
    settings.check()?;
    let rings = settings.rings();
    let scorers = settings.scorers.min(rings);
    let shared = Shared::new(rings, scorers);
    let filter = Arc::new(FilterCell::default());
    filter.set(settings.filter.as_deref())?;
    let pace = Arc::new(Pace::new(settings.speed));
    let sources = sources(&settings, &filter, &pace)?;
    let names = names(&settings.input);
    let clock = settings.clock.clone();
    let started_us = clock.monotonic_us();

    let refused = |e: flowmeter::ConfigError| Fault::Usage(e.to_string());
    let mut threads = Vec::new();
    let (to_recorder, from_scorers) = bounded(RECORDER_PARCELS);
    let (give_back, spare) = bounded(SPARE_PARCELS);
    let mut to_scorers = Vec::new();
    for number in 0..scorers {
        let (to_scorer, from_rings) = bounded(SCORER_PARCELS);
        to_scorers.push(to_scorer);
        let scorer = Scorer {
            number,
            slot: slot.clone(),
            from_rings,
            to_recorder: to_recorder.clone(),
            clock: clock.clone(),
            shared: shared.clone(),
            shadow_records_max: settings.records_waiting_max / 4,
        };
        threads.push(spawn(format!("scorer-{number}"), move || scorer.run())?);
    }
    drop(to_recorder);
    let exchanges = exchanges(rings);
    let mut built = Vec::new();
    for ((number, source), exchange) in sources.into_iter().enumerate().zip(exchanges) {
        let shards = Shards::new(&settings.meter, number, rings).map_err(refused)?;
        let merged = (rings > 1).then(|| MergedClock::new(rings, settings.meter.idle_timeout_us));
        let ends = (to_scorers[number % scorers].clone(), spare.clone());
        let reorder = settings.reorders().then(|| Reorder::new(rings));
        let metering =
            Metering::new(shards, (merged, reorder), ends, shared.clone(), settings.records_waiting_max);
        built.push(Ring {
            number,
            source,
            intake: Intake::new(&settings.meter).map_err(refused)?,
            outgoing: Outgoing::new(number, exchange),
            metering,
            clock: clock.clone(),
            shared: shared.clone(),
            flushed_us: started_us,
            oldest_us: None,
            evidence: settings.evidence.as_ref().map(Taps::tap),
        });
    }
    drop(to_scorers);
    for ring in built {
        threads.push(spawn(format!("capture-{}", ring.number), move || ring.run())?);
    }
    let (told, ticks) = (shared.clone(), clock.clone());
    threads.push(spawn("recorder".to_owned(), move || {
        telling::tell(recorder, &from_scorers, &give_back, &ticks, &told);
    })?);
    let is_wire = matches!(settings.input, Input::Interfaces(_));
    Ok(Live { shared, threads, filter, pace, names, alarms: settings.alarms, clock, started_us, is_wire })
}

impl Live {
    /// Records that may wait for scoring unless it is said otherwise.
    pub const RECORDS_WAITING_MAX: u64 = 32_768;

    /// Keeps from now on only what `expression` matches; without one, everything.
    ///
    /// # Errors
    /// libpcap does not accept the expression; what was kept before is kept on.
    pub fn set_filter(&self, expression: Option<&str>) -> Result<(), Fault> {
        self.filter.set(expression)
    }

    /// Stops a replay's clock.
    ///
    /// # Errors
    /// The source is an interface: its frames do not wait.
    pub fn pause(&self) -> Result<(), Fault> {
        self.paced().map(|pace| pace.set_paused(true))
    }

    /// Lets a replay's clock run again.
    ///
    /// # Errors
    /// The source is an interface.
    pub fn resume(&self) -> Result<(), Fault> {
        self.paced().map(|pace| pace.set_paused(false))
    }

    /// Sets the speed of a replay's clock.
    ///
    /// # Errors
    /// The source is an interface.
    pub fn set_speed(&self, speed: Speed) -> Result<(), Fault> {
        self.paced().map(|pace| pace.set_speed(speed))
    }

    /// Everything at this moment. Takes microseconds, and no data thread notices.
    #[must_use]
    pub fn reports(&self) -> Reports {
        let now_us = self.clock.monotonic_us();
        report::add_up(&self.shared, &self.names, &self.alarms, self.started_us, now_us)
    }

    /// The run is over: its input has ended, or its recorder has failed, and every thread has come to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Stops taking frames in, ends every flow, scores and records them, and gives the sums, in which nothing is queued.
    ///
    /// # Errors
    /// The recorder's fault, if it has failed.
    pub fn stop(mut self) -> Result<Reports, Fault> {
        self.wind_down();
        let reports = self.reports();
        match &reports.fault {
            Some(fault) => Err(fault.clone()),
            None => Ok(reports),
        }
    }

    fn wind_down(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            if let Err(panic) = thread.join()
                && !thread::panicking()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn paced(&self) -> Result<&Pace, Fault> {
        if self.is_wire {
            return Err(Fault::Usage(
                "an interface cannot be paused or sped up; only capture files and folders can".into(),
            ));
        }
        Ok(&self.pace)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.wind_down();
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    let refused = |e| Fault::Software(format!("no thread can be started ({e}); raise the limit on tasks"));
    thread::Builder::new().name(name).spawn(run).map_err(refused)
}

/// Opens every source, in the order of the settings.
fn sources(
    settings: &LiveSettings,
    filter: &Arc<FilterCell>,
    pace: &Arc<Pace>,
) -> Result<Vec<Source>, Fault> {
    let clock = &settings.clock;
    match &settings.input {
        Input::Interfaces(interfaces) => {
            let mut sources = Vec::new();
            for interface in interfaces {
                let fanout = Fanout::default();
                for ring in 0..interface.rings {
                    let mut wire = Wire::new(
                        &interface.name,
                        (ring, interface.rings),
                        settings.wire.clone(),
                        fanout.clone(),
                        filter.clone(),
                        clock.clone(),
                    );
                    match wire.open() {
                        Err(Fault::NoInput(_)) if settings.wire.wait_at_start => {}
                        opened => opened?,
                    }
                    sources.push(Source::Wire(Box::new(wire)));
                }
            }
            Ok(sources)
        }
        Input::Files(paths) => {
            let mut files = Files::new(pace.clone(), clock.clone(), filter.clone());
            files.begin(paths)?;
            Ok(vec![Source::Files(Box::new(files))])
        }
        Input::Folder { path, done } => {
            let folder = Folder::watch(path, done, pace.clone(), clock.clone(), filter.clone())?;
            Ok(vec![Source::Folder(Box::new(folder))])
        }
    }
}

/// Each ring's source, and which of that source's rings it is.
fn names(input: &Input) -> Vec<(String, usize)> {
    match input {
        Input::Interfaces(interfaces) => interfaces
            .iter()
            .flat_map(|interface| (0..interface.rings).map(|ring| (interface.name.clone(), ring)))
            .collect(),
        Input::Files(_) => vec![("files".to_owned(), 0)],
        Input::Folder { path, .. } => vec![(path.display().to_string(), 0)],
    }
}

/// The channels between `rings` rings.
fn exchanges(rings: usize) -> Vec<Exchange> {
    let (outboxes, inboxes): (Vec<_>, Vec<_>) =
        (0..rings).map(|_| bounded::<HandedOver>(HAND_OVER_BATCHES)).unzip();
    let (give_back, spares): (Vec<_>, Vec<_>) = (0..rings).map(|_| bounded(HAND_OVER_BATCHES)).unzip();
    let ends = inboxes.into_iter().zip(spares).enumerate();
    ends.map(|(own, (inbox, spare))| Exchange {
        inbox,
        outboxes: outboxes
            .iter()
            .enumerate()
            .map(|(to, outbox)| (to != own).then(|| outbox.clone()))
            .collect(),
        spare,
        give_back: give_back.clone(),
    })
    .collect()
}
