//! `taphound replay`: capture files through the whole sensor, and what came of it.

mod pace;
mod progress;
mod serve;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Instant;

use flowmeter::MeterConfig;
use store::Store;

use crate::cli::ReplayArgs;
use crate::corroborate::{self, CorroborateConfig};
use crate::detection::Detector;
use crate::detection::behaviour::Thresholds;
use crate::detection::budget::{Budget, BudgetConfig, BudgetState};
use crate::detection::policy::Policy;
use crate::export::{Export, RunColumns, alert_object, incident_object};
use crate::fault::Fault;
use crate::pipeline::{self, Feed};
use crate::recorder::{Closed, Desk};
use crate::report::{self, Ink};
use crate::scoring::Model;
use crate::source::filter::Filter;
use crate::source::{CaptureFile, MergedFiles, Progress, open};
use crate::summary::Summary;
use crate::truth::Truth;
use pace::Pace;
use serve::{Both, Served};

/// Replays the files and prints what was found.
///
/// # Errors
/// Every fault met, the gravest first. Faults in capture files do not stop the replay: what could be read is reported.
pub fn run(arguments: &ReplayArgs) -> Result<(), Vec<Fault>> {
    let one = |fault| vec![fault];
    let pace: Pace = arguments.speed.parse().map_err(one)?;
    let filter = arguments.bpf.as_deref().map(Filter::new).transpose().map_err(one)?;
    let truth = arguments.labels.as_deref().map(Truth::read).transpose().map_err(one)?;
    let model = Model::load(arguments.model.as_deref()).map_err(one)?;
    let other = arguments.versus.as_deref().map(|file| Model::load(Some(file))).transpose().map_err(one)?;
    let heard = arguments.corroborate.as_deref().map(corroborate::read_all).transpose().map_err(one)?;
    let kept_by_us = arguments.store.as_deref().filter(|_| arguments.serve.is_none());
    let store = open_store(kept_by_us).map_err(one)?;
    let progress = Progress::default();
    let (files, mut faults) = open_captures(arguments, &progress);
    if files.is_empty() && !faults.iter().any(|f| matches!(f, Fault::BadData(_))) {
        return Err(faults);
    }
    let columns = RunColumns {
        sensor_id: arguments.sensor_id.clone(),
        model_version: model.version(),
        with_truth: truth.is_some(),
        with_provisional: arguments.provisional,
    };
    let export = arguments
        .out
        .as_deref()
        .map(|path| Export::create(path, arguments.format, columns))
        .transpose()
        .map_err(one)?;
    let meter = MeterConfig { dedupe: arguments.dedupe, ..MeterConfig::default() };
    let budget = BudgetConfig { incidents_a_day: arguments.budget, burn_in_s: arguments.burn_in };
    let mut detector = Detector::new(&arguments.sensor_id, Policy, Thresholds::default())
        .with_budget(Budget::new(budget, BudgetState::default()));
    if heard.is_some() {
        detector.incidents_mut().listen(CorroborateConfig::default().joining());
    }
    let mut desk =
        Desk::new(&model, detector, store, export, truth).versus(other.as_ref(), &arguments.sensor_id);

    #[allow(clippy::disallowed_methods)]
    // how long the replay took is about the replay, not about the capture
    let started = Instant::now();
    let mut merged = MergedFiles::new(files);
    let served = arguments.serve.map(|address| Served::start(address, arguments)).transpose().map_err(one)?;
    let (served, mut served_desk) = served.unzip();
    let mut both = Both { own: &mut desk, served: served_desk.as_mut() };
    let sums = pipeline::run(&meter, workers(arguments), &model, &mut both, |feed| {
        read_all(&mut merged, filter, pace, &progress, feed);
    })
    .map_err(one)?;
    if let Some((heard, malformed)) = heard {
        if malformed > 0 {
            let file = arguments.corroborate.as_deref().unwrap_or(Path::new("")).display().to_string();
            faults.push(Fault::BadData(format!(
                "{file}: {malformed} lines are no events of Suricata; the others were used"
            )));
        }
        if let Some(served_desk) = &mut served_desk {
            served_desk.corroborate(heard.clone());
        }
        desk.corroborate(heard);
    }
    if let Some(served_desk) = &served_desk {
        served_desk.flush();
    }
    let seconds = started.elapsed().as_secs_f64();
    let mut closed = desk.close();
    let summary = Summary::of(&sums, &closed, model.version(), seconds);
    if let Some(export) = closed.export.take() {
        export.finish(closed.detector.incidents().iter(), &summary).map_err(one)?;
    }
    faults.extend(merged.into_faults().into_iter().map(Fault::from));
    faults.extend(closed.store_fault.clone());
    show(arguments, &model, &summary, &closed).map_err(one)?;
    if let Some(served) = served {
        served.wait().map_err(one)?;
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Reads until the files end, or until nobody listens any more.
fn read_all(
    merged: &mut MergedFiles,
    mut filter: Option<Filter>,
    mut pace: Pace,
    progress: &Progress,
    feed: &mut Feed,
) {
    /// Looking at the clock and drawing once in so many packets costs nothing.
    const DRAW_EVERY: u32 = 1024;
    let bar = progress::bar(progress);
    let mut until_draw = 0;
    while let Some((frame, link)) = merged.next_frame() {
        pace.wait_for(frame.time_us, feed);
        if filter.as_mut().is_some_and(|f| !f.keeps(link, frame.bytes)) {
            feed.count_filtered();
        } else {
            feed.accept(&frame);
        }
        if until_draw == 0 {
            bar.set_position(progress.read());
            until_draw = DRAW_EVERY;
            if feed.is_abandoned() {
                break;
            }
        }
        until_draw -= 1;
    }
    bar.finish_and_clear();
}

fn open_captures(arguments: &ReplayArgs, progress: &Progress) -> (Vec<CaptureFile>, Vec<Fault>) {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in &arguments.files {
        let name =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        match open(path, progress).and_then(|reader| Ok(CaptureFile::new(name, reader)?)) {
            Ok(file) => files.push(file),
            Err(fault) => faults.push(fault),
        }
    }
    (files, faults)
}

fn open_store(path: Option<&Path>) -> Result<Store, Fault> {
    path.map_or_else(Store::in_memory, Store::open).map_err(|e| Fault::BadData(e.to_string()))
}

fn workers(arguments: &ReplayArgs) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, |n| n.get().min(flowmeter::SHARDS));
    arguments.workers.map_or_else(cores, usize::from)
}

fn show(arguments: &ReplayArgs, model: &Model, summary: &Summary, closed: &Closed) -> Result<(), Fault> {
    let incidents = closed.detector.incidents();
    let mut text = String::new();
    if arguments.json {
        for incident in incidents.iter() {
            for alert in &incident.alerts {
                text.push_str(&format!("{}\n", alert_object(alert, &incident.id, model.version())));
            }
            text.push_str(&format!("{}\n", incident_object(incident)));
        }
    } else {
        let ink = if std::io::stdout().is_terminal() { Ink::Colour } else { Ink::Plain };
        text.push_str(&report::overview(summary));
        if incidents.iter().next().is_some() {
            text.push_str(&format!("\nIncidents\n{}\n", report::incident_table(incidents.iter(), ink)));
            let alerts = incidents.iter().flat_map(|i| &i.alerts);
            text.push_str(&format!("\nAlerts\n{}\n", report::alert_table(alerts, arguments.alerts)));
        }
        if let Some(confusion) = &closed.confusion {
            text.push_str(&format!("\nFlows against ground truth\n{}\n", report::confusion_table(confusion)));
        }
        if let Some(versus) = &summary.versus {
            text.push_str(&format!("\n{}", versus.describe(model.version())));
        }
    }
    if arguments.summary.is_some() {
        text.push_str(&summary.to_json());
        text.push('\n');
    }
    report::print(&text)
}
