//! What goes on until the agent is told to stop: each way at its own pace, none waiting for another.

use std::time::Duration;

use tokio::sync::watch;

use super::Agent;
use crate::backoff::{Backoff, random};
use crate::clock;
use crate::down::{Follower, models};
use crate::out::{self, Receiver};
use crate::up::Uploader;

/// Sends rows up until told to stop.
pub(super) async fn go_up(agent: Agent, mut uploader: Uploader, mut stopped: watch::Receiver<bool>) {
    let settings = &agent.config.up;
    let mut backoff =
        Backoff::new(Duration::from_millis(500), Duration::from_secs(settings.backoff_max_s.into()));
    loop {
        let before = uploader.decided();
        // A round is not cut short: what was confirmed in it is acknowledged.
        let outcome = if agent.is_revoked() { Ok(false) } else { uploader.round().await };
        let wait = match outcome {
            Ok(more) => {
                for part in ["sensor", "centre", "agent"] {
                    agent.facts.works(part);
                }
                backoff.succeeded();
                if more { Duration::ZERO } else { Duration::from_secs(settings.poll_s.into()) }
            }
            Err(trouble) => {
                agent.facts.trouble(
                    trouble.part(),
                    trouble.to_string(),
                    trouble.is_lasting(),
                    clock::now_us(),
                );
                if uploader.decided() > before {
                    backoff.succeeded();
                }
                backoff.failed(trouble.retry_after(), random())
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Follows the channel until told to stop; a model that is watched is looked at in between.
pub(super) async fn come_down(agent: Agent, mut follower: Follower, mut stopped: watch::Receiver<bool>) {
    let settings = &agent.config.down;
    let poll = models::until_next_look(Duration::from_secs(settings.poll_s.into()), settings.shadow_minutes);
    let look = Duration::from_secs(settings.gate.look_s.into());
    let mut backoff = Backoff::new(Duration::from_secs(1), poll.max(Duration::from_secs(1)));
    let now = tokio::time::Instant::now;
    let (mut poll_at, mut look_at) = (now(), now() + look);
    loop {
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep_until(poll_at.min(look_at)) => {}
        }
        if agent.is_revoked() {
            (poll_at, look_at) = (now() + poll, now() + look);
            continue;
        }
        if now() >= look_at {
            look_at = now() + look;
            match follower.watch(agent.centre_s()) {
                Ok(false) => agent.facts.works("gate"),
                // The centre hears at once of a model that was taken back.
                Ok(true) => drop(agent.report(&mut agent.sensor()).await),
                Err(trouble) => {
                    agent.facts.trouble("gate", trouble.to_string(), trouble.is_lasting(), clock::now_us())
                }
            }
        }
        if now() >= poll_at {
            let wait = match agent.look_down(&mut follower).await {
                Ok(()) => {
                    agent.facts.works("channel");
                    backoff.succeeded();
                    poll.mul_f64(0.9 + 0.2 * random())
                }
                Err(trouble) => {
                    agent.facts.trouble(
                        "channel",
                        trouble.to_string(),
                        trouble.is_lasting(),
                        clock::now_us(),
                    );
                    backoff.failed(trouble.retry_after(), random())
                }
            };
            poll_at = now() + wait;
        }
    }
}

/// Tells one receiver of alerts until told to stop.
pub(super) async fn tell(agent: Agent, mut receiver: Receiver, mut stopped: watch::Receiver<bool>) {
    let mut sensor = agent.sensor();
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
    loop {
        let sensor_id = agent.facts.lock().sensor_id.clone();
        let wait = if agent.is_revoked() || sensor_id.is_empty() {
            Duration::from_secs(2)
        } else {
            match out::tell(
                &mut receiver,
                &mut sensor,
                &sensor_id,
                &agent.cursors,
                &agent.facts,
                clock::now_us(),
            )
            .await
            {
                Ok(None) => {
                    backoff.succeeded();
                    Duration::from_secs(2)
                }
                Ok(Some(asked)) => backoff.failed(asked, random()),
                // The way up tells of a sensor that is away.
                Err(trouble) => backoff.failed(trouble.retry_after(), random()),
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// Reports until told to stop.
pub(super) async fn keep_reporting(agent: Agent, mut stopped: watch::Receiver<bool>) {
    let mut sensor = agent.sensor();
    let interval = Duration::from_secs(agent.config.report.interval_s.into());
    let mut backoff = Backoff::new(Duration::from_secs(1), interval);
    loop {
        let wait = match agent.report(&mut sensor).await {
            Ok(()) => {
                agent.facts.works("report");
                backoff.succeeded();
                interval.mul_f64(0.9 + 0.2 * random())
            }
            Err(trouble) => {
                agent.facts.trouble("report", trouble.to_string(), trouble.is_lasting(), clock::now_us());
                backoff.failed(trouble.retry_after(), random())
            }
        };
        tokio::select! {
            _ = stopped.changed() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}
