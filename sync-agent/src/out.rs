//! Alerts go to whoever else is to be told: each receiver has its own place in the sensor's list, and none waits for another.
//!
//! At least once: a receiver's place moves when it has taken an alert, or has refused it for good. Alerts carry their id, by
//! which a receiver knows one that comes twice.

pub mod address;
pub mod cef;
pub mod decisions;
pub mod syslog;
pub mod webhook;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::control::{ControlError, Sensor};
use crate::cursors::Cursors;
use crate::fault::Fault;
use crate::status::Facts;

/// An alert, as the sensor shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// The flow's id, or the episode's.
    pub id: String,
    /// The incident it belongs to.
    pub incident: String,
    /// Who says so.
    pub opinion: String,
    /// Attack category.
    pub category: String,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: String,
    /// 1 - P(benign), or the strength of a behaviour's evidence.
    pub score: f64,
    /// The attacker.
    pub src_ip: Option<String>,
    /// The attacker's port.
    pub src_port: Option<u16>,
    /// The victim.
    pub dst_ip: Option<String>,
    /// The victim's port.
    pub dst_port: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// First packet, microseconds since the epoch.
    pub first_us: u64,
    /// Last packet so far.
    pub last_us: u64,
    /// When it was shown.
    pub shown_us: u64,
    /// The strongest reasons.
    pub reasons: Vec<String>,
    /// Serial of the model.
    pub model_version: u64,
    /// A suppression hid it.
    pub suppressed_by: Option<u64>,
}

impl Default for Alert {
    fn default() -> Self {
        // Written out: serde asks this for what a message lacks, so it cannot be made by serde.
        Self {
            id: String::new(),
            incident: String::new(),
            opinion: String::new(),
            category: String::new(),
            severity: "low".into(),
            score: 0.0,
            src_ip: None,
            src_port: None,
            dst_ip: None,
            dst_port: None,
            protocol: 0,
            first_us: 0,
            last_us: 0,
            shown_us: 0,
            reasons: Vec::new(),
            model_version: 0,
            suppressed_by: None,
        }
    }
}

/// What became of one alert at one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It has it.
    Taken,
    /// It may take it later; how long it asked to be left alone.
    Later(String, Option<Duration>),
    /// It will never take it.
    Refused(String),
}

/// A receiver of either kind, with its name and what it wants to hear.
pub struct Receiver {
    name: String,
    severity_min: store::record::Severity,
    /// It is told of blocks, too.
    blocks: bool,
    way: Way,
}

enum Way {
    Webhook(Box<webhook::Webhook>),
    Syslog(syslog::Syslog),
}

/// How far a receiver has come in the sensor's list of alerts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Place {
    /// Alerts shown before this are done.
    shown_us: u64,
    /// Those done that were shown in that second or later.
    done: BTreeSet<String>,
}

impl Receiver {
    /// Every receiver of the settings.
    ///
    /// # Errors
    /// One cannot be used.
    pub fn all(settings: &crate::config::Out) -> Result<Vec<Receiver>, Fault> {
        let severity =
            |name: &str| store::record::Severity::named(name).unwrap_or(store::record::Severity::Low);
        let mut receivers = Vec::new();
        for hook in &settings.webhooks {
            let way = Way::Webhook(Box::new(webhook::Webhook::new(hook)?));
            receivers.push(Receiver {
                name: hook.url.clone(),
                severity_min: severity(&hook.min_severity),
                blocks: hook.blocks,
                way,
            });
        }
        for log in &settings.syslog {
            let name = format!("syslog {:?} {}", log.transport, log.address).to_lowercase();
            let way = Way::Syslog(syslog::Syslog::new(log)?);
            receivers.push(Receiver { name, severity_min: severity(&log.min_severity), blocks: false, way });
        }
        Ok(receivers)
    }

    /// Its name in the status.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    async fn send(&mut self, alert: &Alert, sensor_id: &str, now_s: u64) -> Delivery {
        match &mut self.way {
            Way::Webhook(hook) => {
                let body = json!({"type": "alert", "sensor_id": sensor_id, "alert": alert});
                hook.send(&alert.id, body.to_string().into_bytes(), now_s).await
            }
            Way::Syslog(log) => log.send(alert, sensor_id).await,
        }
    }
}

/// Alerts of one page of the sensor's list.
const PAGE: usize = 500;
/// Pages looked through at once: a receiver that was away while more were shown is told of the newest.
const PAGES_MAX: usize = 20;
/// How far back a new receiver is told of alerts.
const FIRST_US: u64 = 60_000_000;
/// An alert may be written so long after the time that it bears.
const OVERLAP_US: u64 = 120_000_000;

#[derive(Deserialize)]
struct Page {
    items: Vec<Alert>,
    next: Option<String>,
}

/// Tells one receiver of the alerts, and where it is to hear of them the blocks, that it has not had. Gives how long it asked to be
/// left alone when it did not take one.
///
/// # Errors
/// The sensor or the agent's database does not answer.
pub async fn tell(
    receiver: &mut Receiver,
    sensor: &mut Sensor,
    sensor_id: &str,
    cursors: &Arc<Mutex<Cursors>>,
    facts: &Facts,
    now_us: u64,
) -> Result<Option<Option<Duration>>, crate::up::Trouble> {
    let asked = tell_alerts(receiver, sensor, sensor_id, cursors, facts, now_us).await?;
    if asked.is_some() || !receiver.blocks {
        return Ok(asked);
    }
    decisions::tell(receiver, sensor, sensor_id, cursors, facts, now_us).await
}

async fn tell_alerts(
    receiver: &mut Receiver,
    sensor: &mut Sensor,
    sensor_id: &str,
    cursors: &Arc<Mutex<Cursors>>,
    facts: &Facts,
    now_us: u64,
) -> Result<Option<Option<Duration>>, crate::up::Trouble> {
    let fact = format!("told {}", receiver.name);
    let locked = || cursors.lock().unwrap_or_else(PoisonError::into_inner);
    let known: Option<Place> = locked().fact(&fact)?;
    let is_new = known.is_none();
    let mut place =
        known.unwrap_or(Place { shown_us: now_us.saturating_sub(FIRST_US), done: BTreeSet::new() });
    if is_new {
        locked().keep(&fact, &place)?;
    }
    let from_us = place.shown_us.saturating_sub(OVERLAP_US);
    let waiting = tokio::task::block_in_place(|| fetch(sensor, from_us, receiver.severity_min.as_str()))?;
    let part = format!("out {}", receiver.name);
    for alert in waiting.iter().filter(|alert| alert.shown_us >= from_us) {
        if place.done.contains(&alert.id) || (is_new && alert.shown_us < place.shown_us) {
            continue;
        }
        match receiver.send(alert, sensor_id, now_us / 1_000_000).await {
            Delivery::Taken => {
                facts.works(&part);
                facts.lock().out.entry(receiver.name.clone()).or_default().sent += 1;
            }
            Delivery::Refused(reason) => {
                tracing::warn!(
                    event = "alert_refused",
                    receiver = receiver.name,
                    alert = alert.id,
                    reason,
                    "a receiver refuses an alert"
                );
                facts.lock().out.entry(receiver.name.clone()).or_default().refused += 1;
            }
            Delivery::Later(reason, asked) => {
                facts.lock().out.entry(receiver.name.clone()).or_default().failed += 1;
                facts.trouble(&part, reason, false, now_us);
                return Ok(Some(asked));
            }
        }
        place.done.insert(alert.id.clone());
        place.shown_us = place.shown_us.max(alert.shown_us);
        locked().keep(&fact, &place)?;
    }
    // What lies before the overlap is not asked for again.
    let recent: BTreeSet<String> = waiting
        .into_iter()
        .filter(|alert| alert.shown_us + OVERLAP_US >= place.shown_us)
        .map(|alert| alert.id)
        .collect();
    let before = place.done.len();
    place.done.retain(|id| recent.contains(id));
    if place.done.len() < before {
        locked().keep(&fact, &place)?;
    }
    Ok(None)
}

/// Alerts that nothing hides, oldest first.
fn fetch(sensor: &mut Sensor, from_us: u64, severity_min: &str) -> Result<Vec<Alert>, ControlError> {
    let (mut alerts, mut cursor) = (Vec::new(), Value::Null);
    for _ in 0..PAGES_MAX {
        let mut search = json!({"limit": PAGE, "suppressed": false, "min_severity": severity_min, "from": (from_us / 1_000_000).to_string()});
        if let Some(next) = cursor.as_str() {
            search["cursor"] = json!(next);
        }
        let page: Page = sensor.ask("alerts", search)?;
        alerts.extend(page.items);
        match page.next {
            Some(next) => cursor = json!(next),
            None => break,
        }
    }
    alerts.reverse();
    Ok(alerts)
}
