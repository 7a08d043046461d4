//! `taphound run`: puts the sensor together, keeps it running, and takes it apart again without losing what it knows.

mod answer;
mod build;
mod inline;
mod reload;

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sd_notify::NotifyState;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::RunArgs;
use crate::fault::Fault;
use crate::feed::{Notice, Topic};
use crate::live::Live;
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

async fn keep_running(sensor: &Sensor) -> Result<(), Fault> {
    let broken = |e: std::io::Error| Fault::Software(format!("signals cannot be received ({e})"));
    let mut terminate = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(broken)?;
    let mut reopen = signal(SignalKind::user_defined1()).map_err(broken)?;
    let mut ticks = tokio::time::interval(LOOK);
    let mut progress = Progress::default();
    let mut health = Health::Ok;
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
                if progress.is_made(&status) {
                    notify(&[NotifyState::Watchdog, NotifyState::Status(&line(&status))]);
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
    if let Some((handle, thread)) = sensor.eve {
        drop(handle);
        // The recorder held the other handle, and it has ended.
        let _ = thread.join();
    }
    drop(sensor.locked);
    outcome.map(|_| ())
}
