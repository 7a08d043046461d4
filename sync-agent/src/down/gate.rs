//! Whether a new model behaves on this sensor: looks at local facts alone, and takes it back after enough bad ones in a row.

use fleet::health::Pin;
use model::artifact::ChannelPointer;
use serde::{Deserialize, Serialize};

use super::Follower;
use crate::config::Gate;
use crate::control::SensorStatus;
use crate::cursors::Verdicts;
use crate::up::Trouble;

/// What is known of a model's behaviour at one moment; counts since the sensor's start.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Behaviour {
    /// Serial.
    pub version: u64,
    /// Digest, hex.
    pub digest: String,
    /// Flows judged.
    pub scored: u64,
    /// Those called attacks.
    pub attacks: u64,
    /// Scores that are no number from 0 to 1.
    pub unsound: u64,
    /// Metered to scored, 99 % are faster, microseconds; none when it is not known.
    pub latency_p99_us: Option<f64>,
    /// Population stability index of the scores against the model's own reference.
    pub psi: Option<f64>,
}

impl Behaviour {
    /// Of the model of that digest, as the sensor tells it now.
    #[must_use]
    pub fn of(status: &SensorStatus, digest: &str) -> Self {
        let health =
            status.model_health.iter().find(|health| health.digest == digest).cloned().unwrap_or_default();
        Self {
            version: health.version,
            digest: digest.to_owned(),
            scored: health.flows,
            attacks: health.alerts,
            unsound: health.unsound,
            latency_p99_us: health.latency_p99_us,
            psi: health.psi.map(|psi| psi.score),
        }
    }

    fn attack_share(&self) -> f64 {
        if self.scored == 0 { 0.0 } else { self.attacks as f64 / self.scored as f64 }
    }

    /// What has come since `then`; all of it when the sensor was started anew.
    fn since(&self, then: &Behaviour) -> Behaviour {
        if self.scored < then.scored || self.attacks < then.attacks {
            return self.clone();
        }
        Behaviour { scored: self.scored - then.scored, attacks: self.attacks - then.attacks, ..self.clone() }
    }
}

/// A model that is being watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// Serial.
    pub version: u64,
    /// Digest, hex.
    pub digest: String,
    /// Since when, epoch seconds.
    pub since_s: u64,
    /// Until when, epoch seconds.
    pub until_s: u64,
    /// What was at work before, and how it behaved.
    pub before: Behaviour,
    /// The model at the last look that counted.
    pub last: Behaviour,
    /// Looks in a row that failed.
    pub failures: u32,
}

impl Watch {
    /// The watch survives a crash under this name.
    pub const FACT: &str = "watch";

    /// A watch over what the pointer names, from now on.
    #[must_use]
    pub fn begin(gate: &Gate, pointer: &ChannelPointer, before: &SensorStatus, now_s: u64) -> Self {
        Self {
            version: pointer.serial,
            digest: pointer.digest.to_string(),
            since_s: now_s,
            until_s: now_s + u64::from(gate.minutes) * 60,
            before: Behaviour {
                version: before.model.version,
                ..Behaviour::of(before, &before.model.digest)
            },
            // It may have been at work before.
            last: Behaviour::of(before, &pointer.digest.to_string()),
            failures: 0,
        }
    }
}

/// What one look says.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Too few flows to say anything.
    TooEarly,
    /// Nothing is wrong.
    Good,
    /// What is wrong.
    Bad(String),
}

/// Judges what a model did since the last look.
#[must_use]
pub fn judge(gate: &Gate, watch: &Watch, now: &Behaviour, labels: Verdicts) -> Look {
    if now.unsound > 0 {
        return Look::Bad(format!("{} of its scores are no number from 0 to 1", now.unsound));
    }
    if labels.labels >= gate.labels_min.max(1) {
        let wrong = labels.errors as f64 / labels.labels as f64;
        if wrong > gate.label_errors_max {
            return Look::Bad(format!("{} of {} labels say that it is wrong", labels.errors, labels.labels));
        }
    }
    let (window, before) = (now.since(&watch.last), &watch.before);
    if window.scored < gate.flows_min.max(1) {
        return Look::TooEarly;
    }
    let share = window.attack_share();
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    if share > gate.attack_share_max {
        return Look::Bad(format!("it calls {} of {} flows attacks", percent(share), window.scored));
    }
    if let Some(psi) = now.psi.filter(|psi| *psi > gate.psi_max) {
        return Look::Bad(format!(
            "its scores lie elsewhere than when it was made: stability index {psi:.2}"
        ));
    }
    if before.scored >= gate.flows_min.max(1) {
        let usual = before.attack_share();
        // Of next to nothing many times is still next to nothing.
        if share > usual * gate.attack_share_times && share > 0.05 {
            return Look::Bad(format!(
                "it calls {} of the flows attacks, model {} called {}",
                percent(share),
                before.version,
                percent(usual)
            ));
        }
    }
    if let (Some(is), Some(was)) = (now.latency_p99_us, before.latency_p99_us)
        && is > was.max(1_000.0) * gate.latency_times
    {
        return Look::Bad(format!(
            "scoring takes {:.1} ms, with model {} it took {:.1} ms",
            is / 1e3,
            before.version,
            was / 1e3
        ));
    }
    Look::Good
}

impl Follower {
    /// Looks at the model that is watched, if there is one, and takes it back when it has failed often enough. `true`: it was.
    ///
    /// # Errors
    /// The sensor does not answer.
    pub fn watch(&mut self, now_s: u64) -> Result<bool, Trouble> {
        let known: Option<Watch> = self.cursors().fact(Watch::FACT)?;
        let Some(mut watch) = known else {
            self.facts.lock().down.watching = None;
            return Ok(false);
        };
        let status = tokio::task::block_in_place(|| self.sensor.status())?;
        self.note(&status);
        if status.model.digest != watch.digest || self.settings.gate.minutes == 0 {
            // It never got to work, or somebody here has chosen another one.
            return self.end_watch().map(|()| false);
        }
        let now = Behaviour::of(&status, &watch.digest);
        let labels = self.cursors().verdicts(watch.version)?;
        match judge(&self.settings.gate, &watch, &now, labels) {
            Look::TooEarly => {}
            Look::Good => {
                watch.failures = 0;
                watch.last = now;
            }
            Look::Bad(reason) => {
                watch.failures += 1;
                watch.last = now;
                tracing::warn!(
                    event = "model_suspect",
                    serial = watch.version,
                    failures = watch.failures,
                    reason,
                    "the new model does not behave"
                );
                if watch.failures >= self.settings.gate.failures {
                    self.take_back(&watch)?;
                    let pin = Pin {
                        digest: watch.digest.clone(),
                        version: watch.version,
                        reason: reason.clone(),
                        at_ms: now_s * 1_000,
                    };
                    self.cursors().pin(&pin)?;
                    self.end_watch()?;
                    self.facts.lock().down.rolled_back += 1;
                    let before = watch.before.version;
                    tracing::error!(
                        event = "model_rolled_back",
                        serial = watch.version,
                        before,
                        reason,
                        "the new model was taken back"
                    );
                    let status = tokio::task::block_in_place(|| self.sensor.status())?;
                    self.note(&status);
                    return Ok(true);
                }
            }
        }
        if now_s >= watch.until_s {
            tracing::info!(event = "model_settled", serial = watch.version, "the new model behaves");
            return self.end_watch().map(|()| false);
        }
        let left = crate::status::span((watch.until_s - now_s) * 1_000_000);
        self.facts.lock().down.watching = Some(format!(
            "model {} is watched for {left} more; {} of {} looks failed",
            watch.version, watch.failures, self.settings.gate.failures
        ));
        self.cursors().keep(Watch::FACT, &watch)?;
        Ok(false)
    }

    fn end_watch(&mut self) -> Result<(), Trouble> {
        self.cursors().drop_fact(Watch::FACT)?;
        self.facts.lock().down.watching = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
