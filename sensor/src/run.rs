//! `taphound run`: puts the sensor together, keeps it running, and takes it apart again without losing what it knows.

mod answer;
mod build;
mod inline;
mod reload;

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::capture::Clock;
use crate::cli::RunArgs;
use crate::drift::DriftNews;
use crate::fault::Fault;
use crate::feed::{Notice, Topic};
use crate::health::Told;
use crate::live::Live;
use crate::pulse::Pulse;
use crate::status::{Health, Status};
use build::Sensor;

/// Runs until it is told to end, or until a source that has an end has ended.
///
/// # Errors
/// The sensor cannot start (settings, rights, another sensor at the same place), or its recorder has failed.
pub fn run(arguments: &RunArgs) -> Result<(), Fault> {
    let sensor = Sensor::start(arguments)?;
    let handle = sensor.runtime.handle().clone();
    let outcome = handle.block_on(keep_running(&sensor));
    let ended = end(sensor);
    outcome.and(ended)
}

/// How often the sensor looks at itself: for the watchdog, systemd's status line, and whoever listens.
const LOOK: Duration = Duration::from_secs(1);
/// A data plane that has made no progress for so long while packets wait is stuck: systemd is not told that all is well.
const STUCK_LOOKS: u32 = 10;
/// The appliance is looked at once in so many looks.
const APPLIANCE_LOOKS: u64 = 10;
/// New labels are read so often.
const LABELS_LOOK: Duration = Duration::from_secs(5);

async fn keep_running(sensor: &Sensor) -> Result<(), Fault> {
    let broken = |e: std::io::Error| Fault::Software(format!("signals cannot be received ({e})"));
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(broken)?;
    let mut reopen = signal(SignalKind::user_defined1()).map_err(broken)?;
    sensor.runtime.spawn(follow_labels(Arc::clone(&sensor.pulse)));
    let mut ticks = tokio::time::interval(LOOK);
    let mut progress = Progress::default();
    let mut health = Health::Ok;
    let mut drift = DriftNews::default();
    let mut looks = 0_u64;
    notify(&[NotifyState::Ready, NotifyState::Status("ready")]);
    tracing::info!(event = "ready", sensor_id = sensor.pulse.sensor_id, "ready");
    loop {
        tokio::select! {
            () = came(&mut terminate) => return Ok(()),
            () = came(&mut interrupt) => return Ok(()),
            () = came(&mut hangup) => reload::reload(sensor),
            () = came(&mut reopen) => {
                tracing::info!(event = "reopen", "files are opened anew");
                if let Some((eve, _)) = &sensor.eve {
                    eve.reopen();
                }
            }
            _ = ticks.tick() => {
                let status = sensor.pulse.status();
                sensor.pulse.slot.reap();
                looks += 1;
                if looks % APPLIANCE_LOOKS == 1 {
                    for told in sensor.pulse.look_at_appliance(&status) {
                        tell_appliance(sensor, &told);
                    }
                }
                if progress.is_made(&status) {
                    notify(&[NotifyState::Watchdog, NotifyState::Status(&line(&status))]);
                }
                if let Some(body) = drift.of(&status) {
                    tell_drift(sensor, body);
                }
                if status.health != health {
                    health = status.health;
                    tell_health(sensor, &status);
                }
                if sensor.has_ended() {
                    return Ok(());
                }
            }
        }
    }
}

async fn came(signal: &mut Signal) {
    signal.recv().await;
}

/// Whether the data plane gets on: packets that came were metered, batches that were made were recorded.
#[derive(Default)]
struct Progress {
    recorded: u64,
    still: u32,
}

impl Progress {
    fn is_made(&mut self, status: &Status) -> bool {
        let term = |name: &str| status.accounting.flows.get(name).copied().unwrap_or(0);
        let (recorded, waiting) = (term("scored") + term("shed_unscored"), term("queued"));
        self.still = if recorded == self.recorded && waiting > 0 { self.still + 1 } else { 0 };
        self.recorded = recorded;
        if self.still == STUCK_LOOKS {
            tracing::error!(event = "stuck", waiting, "records wait and none is scored");
        }
        self.still < STUCK_LOOKS
    }
}

fn tell_health(sensor: &Sensor, status: &Status) {
    let reasons = status.reasons.join("; ");
    match status.health {
        Health::Ok => tracing::info!(event = "health", health = "ok", "all is well again"),
        worse => {
            tracing::warn!(event = "health", health = worse.as_str(), reasons, "something is the matter")
        }
    }
    let body = json!({"health": status.health.as_str(), "reasons": status.reasons});
    sensor.feed.publish(Notice { topic: Topic::Status, severity: None, body });
}

fn tell_drift(sensor: &Sensor, body: Value) {
    let (state, reason) = (body["state"].as_str().unwrap_or_default(), &body["reason"]);
    match state {
        "moved" | "failing" => tracing::warn!(event = "drift", state, %reason, "the model may no longer fit"),
        _ => tracing::info!(event = "drift", state, %reason, "the model fits again"),
    }
    sensor.feed.publish(Notice { topic: Topic::Drift, severity: None, body });
}

fn tell_appliance(sensor: &Sensor, told: &Told) {
    let body = match told {
        Told::Raised(warning) => {
            let (concern, text) = (warning.concern.as_str(), &warning.text);
            tracing::warn!(event = "appliance", concern, in_s = warning.in_s, text, "a warning");
            json!({"concern": concern, "state": "raised", "text": text, "in_s": warning.in_s})
        }
        Told::Ended(concern) => {
            tracing::info!(event = "appliance", concern = concern.as_str(), "a warning has ended");
            json!({"concern": concern.as_str(), "state": "ended"})
        }
    };
    sensor.feed.publish(Notice { topic: Topic::Appliance, severity: None, body });
}

/// Reads new labels now and then, until the runtime ends.
async fn follow_labels(pulse: Arc<Pulse>) {
    let mut ticks = tokio::time::interval(LABELS_LOOK);
    loop {
        ticks.tick().await;
        let pulse = Arc::clone(&pulse);
        let read = move || {
            let clock = Clock::system();
            pulse.drift.read_labels(&pulse.store_path, Arc::new(move || clock.monotonic_us()))
        };
        if let Ok(Err(error)) = tokio::task::spawn_blocking(read).await {
            tracing::debug!(%error, "labels cannot be read now");
        }
    }
}

/// One line for `systemctl status`.
fn line(status: &Status) -> String {
    let t = &status.traffic;
    format!(
        "{}: {} packets/s, {} flows, {} alerts",
        status.health.as_str(),
        crate::status::short(t.packets_per_second),
        t.flows_active,
        t.alerts
    )
}

fn notify(states: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    let _ = sd_notify::notify(states);
}

/// Ends in the order of the flow: no more packets, every flow recorded, every row written.
fn end(sensor: Sensor) -> Result<(), Fault> {
    notify(&[NotifyState::Stopping]);
    let _ = sensor.stop.send(true);
    let live = sensor.pulse.live.write().unwrap_or_else(PoisonError::into_inner).take();
    let outcome = live.map(Live::stop).transpose();
    if let Some(inline) = sensor.inline {
        inline.end();
    }
    if let Some(corroboration) = &sensor.corroboration {
        corroboration.stop();
    }
    sensor.writer.close();
    let found = &sensor.pulse.found;
    if let Ok(Some(reports)) = &outcome {
        tracing::info!(
            event = "stopped",
            packets = reports.packets.received,
            flows = reports.flows.ended(),
            alerts = found.alerts.load(Ordering::Relaxed),
            incidents = found.incidents.load(Ordering::Relaxed),
            balanced = reports.is_balanced(),
            "stopped"
        );
    }
    if let Some(serving) = sensor.serving {
        // It ends by itself; a client that does not let go is not waited for long.
        let _ =
            sensor.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(3), serving).await });
    }
    drop(sensor.pulse);
    sensor.runtime.shutdown_timeout(Duration::from_secs(3));
    let _ = std::fs::remove_file(&sensor.config.control.socket);
    if let Some(thread) = sensor.evidence_thread {
        // Its taps went with the capture threads.
        let _ = thread.join();
    }
    if let Some((handle, thread)) = sensor.eve {
        drop(handle);
        // The recorder held the other handle, and it has ended.
        let _ = thread.join();
    }
    drop(sensor.locked);
    outcome.map(|_| ())
}
