//! `promote` and `rollback`: which model a channel runs. Each move is a signed pointer with a higher sequence than any before;
//! the registry's aliases follow.

use crate::archive::hex;
use crate::args::{PromoteArgs, RollbackArgs};
use crate::centre::Centre;
use crate::config::{self, Config};
use crate::failure::Failure;
use crate::outcome::Outcome;
use crate::register::{absent_is_empty, signing_key, trust};
use crate::report;
use fleet::health::{self, SensorReport};
use fleet::keys;
use fleet::registry::Version;
use model::artifact::{Channel, ChannelPointer};
use serde_json::{Value, json};

const HOUR_MS: f64 = 3_600_000.0;
const DAY_S: u64 = 86_400;
/// Reports older than this say nothing of today.
const REPORT_AGE_MAX_MS: u64 = 24 * 3_600_000;
const PAGE: usize = 500;

/// `promote`.
pub(crate) fn run(args: &PromoteArgs) -> Result<Outcome, Failure> {
    let mut config = config::of(args.common.config.as_deref())?;
    config.promote.canary_percent = args.percent.unwrap_or(config.promote.canary_percent);
    let to = match args.to.as_deref() {
        None => None,
        Some("canary") => Some(Channel::Canary),
        Some("production") => Some(Channel::Production),
        Some(other) => return Err(Failure::usage(format!("--to {other}: give canary or production"))),
    };
    let now = args.common.now_ms.unwrap_or_else(crate::clock::now_ms);
    let (facts, outcome) = promote(&Centre::open(&config)?, &config, to, args.force, now)?;
    report::print(args.common.json, &facts, facts["what"].as_str().unwrap_or_default());
    Ok(outcome)
}

/// `rollback`.
pub(crate) fn rollback(args: &RollbackArgs) -> Result<Outcome, Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let now = args.common.now_ms.unwrap_or_else(crate::clock::now_ms);
    let facts = roll_back(&Centre::open(&config)?, &config, args.serial, now)?;
    report::print(args.common.json, &facts, facts["what"].as_str().unwrap_or_default());
    Ok(Outcome::Done)
}

/// The three versions that matter.
struct Lanes {
    staging: Option<Version>,
    canary: Option<Version>,
    production: Option<Version>,
}

impl Lanes {
    fn read(centre: &Centre, config: &Config) -> Result<Lanes, Failure> {
        let registry = centre.registry()?;
        let of = |alias: &str| {
            centre.ask(|| registry.aliased(&config.model.name, alias)).or_else(|fault| match fault {
                fleet::DoorError::Absent { .. } => Ok(None),
                fault => Err(Failure::door(&fault)),
            })
        };
        Ok(Lanes { staging: of("staging")?, canary: of("canary")?, production: of("production")? })
    }
}

pub(crate) fn serial(version: &Version) -> u64 {
    version.tags.get("serial").and_then(|serial| serial.parse().ok()).unwrap_or(0)
}

fn is_ahead(version: Option<&Version>, of: Option<&Version>) -> bool {
    version.is_some_and(|version| of.is_none_or(|of| serial(version) > serial(of)))
}

/// Moves a model on by one channel. Nothing to move is no fault: the outcome is done, `moved` is false.
pub(crate) fn promote(
    centre: &Centre,
    config: &Config,
    to: Option<Channel>,
    force: bool,
    now: u64,
) -> Result<(Value, Outcome), Failure> {
    let lanes = Lanes::read(centre, config)?;
    let canary_waits = is_ahead(lanes.canary.as_ref(), lanes.production.as_ref());
    let staging_waits = is_ahead(lanes.staging.as_ref(), lanes.production.as_ref())
        && is_ahead(lanes.staging.as_ref(), lanes.canary.as_ref().filter(|_| canary_waits));
    let to = to.unwrap_or(if canary_waits { Channel::Production } else { Channel::Canary });
    let candidate = match to {
        Channel::Production if canary_waits => lanes.canary.clone(),
        Channel::Production if force && staging_waits => lanes.staging.clone(),
        Channel::Canary if staging_waits => lanes.staging.clone(),
        _ => None,
    };
    let Some(candidate) = candidate else {
        let what = match to {
            Channel::Production if staging_waits => {
                "no canary; promote to canary first, or by hand with --force"
            }
            _ => "nothing to promote: no model is ahead of production",
        };
        return Ok((json!({"moved": false, "what": what}), Outcome::Done));
    };
    if to == Channel::Production && !force {
        match waiting(centre, config, &candidate, now)? {
            Soak::Done(reports) => tracing::info!(reports, "the canary has soaked"),
            Soak::Waits(what) => return Ok((json!({"moved": false, "what": what}), Outcome::Done)),
            Soak::Sick(reason) => {
                remove_canary(centre, config, &candidate)?;
                let what = format!("canary serial {} taken back: {reason}", serial(&candidate));
                tracing::warn!("{what}");
                return Ok((json!({"moved": false, "rolled_back": true, "what": what}), Outcome::Refused));
            }
        }
    }
    let percent = if to == Channel::Canary { config.promote.canary_percent } else { 100 };
    let pointer = point(centre, config, to, &candidate, percent, now)?;
    let registry = centre.registry()?;
    let name = config.model.name.as_str();
    let version = candidate.version;
    if to == Channel::Canary {
        set_tag(centre, config, version, "canary_since_ms", &now.to_string())?;
    } else if let Some(before) = &lanes.production {
        set_tag(centre, config, version, "previous", &before.version.to_string())?;
    }
    centre.ask(|| registry.set_alias(name, to.as_str(), version)).map_err(|fault| Failure::door(&fault))?;
    if to == Channel::Production {
        for alias in ["canary", "staging"] {
            let of = centre.ask(|| registry.aliased(name, alias)).map_err(|fault| Failure::door(&fault))?;
            if of.is_some_and(|of| of.version == version) {
                centre.ask(|| registry.remove_alias(name, alias)).map_err(|fault| Failure::door(&fault))?;
            }
        }
        remove_pointer(centre, config, Channel::Canary)?;
    }
    let what = format!(
        "{to} is serial {} now ({percent} % of the sensors, sequence {})",
        pointer.serial, pointer.sequence
    );
    tracing::info!("{what}");
    let facts = json!({
        "moved": true, "what": what, "channel": to.as_str(), "serial": pointer.serial, "version": version,
        "sequence": pointer.sequence, "percent": percent, "digest": pointer.digest.to_string(),
        "before": lanes.production.as_ref().map(serial),
    });
    Ok((facts, Outcome::Done))
}

enum Soak {
    /// Long enough and healthy, by so many reports.
    Done(usize),
    /// What it waits for.
    Waits(String),
    /// Why it must go.
    Sick(String),
}

/// What time and the sensors say of a canary.
fn waiting(centre: &Centre, config: &Config, canary: &Version, now: u64) -> Result<Soak, Failure> {
    let (wanted, settings) = (serial(canary), &config.promote);
    let digest = canary.tags.get("digest").cloned().unwrap_or_default();
    let mut healthy = 0;
    for report in reports(centre)? {
        if let Some(pin) = report.pinned.iter().find(|pin| pin.digest == digest) {
            return Ok(Soak::Sick(format!("{} took it back ({})", report.sensor_id, pin.reason)));
        }
        let fresh = now.saturating_sub(report.at_ms) <= REPORT_AGE_MAX_MS;
        if fresh && report.model_version == wanted {
            if report.health == "critical" {
                return Ok(Soak::Sick(format!(
                    "{} is critical with it ({})",
                    report.sensor_id,
                    report.reasons.join(", ")
                )));
            }
            healthy += 1;
        }
    }
    let since: u64 = canary.tags.get("canary_since_ms").and_then(|ms| ms.parse().ok()).unwrap_or(now);
    let hours = now.saturating_sub(since) as f64 / HOUR_MS;
    if hours < settings.soak_h {
        let what = format!("canary serial {wanted} soaks: {hours:.1} of {} h", settings.soak_h);
        return Ok(Soak::Waits(what));
    }
    if healthy < settings.sensors_min {
        let what = format!(
            "canary serial {wanted} waits for reports: {healthy} of {} sensors",
            settings.sensors_min
        );
        return Ok(Soak::Waits(what));
    }
    Ok(Soak::Done(healthy))
}

/// Every sensor's last report; one that cannot be read says nothing.
fn reports(centre: &Centre) -> Result<Vec<SensorReport>, Failure> {
    let objects = centre.objects()?;
    let (mut reports, mut after) = (Vec::new(), None);
    loop {
        let page = centre
            .ask(|| objects.list(health::PREFIX, after.as_ref(), PAGE))
            .map_err(|fault| Failure::door(&fault))?;
        for head in &page.rows {
            let object = centre
                .ask(|| objects.read(&head.key, health::BYTES_MAX))
                .map_err(|fault| Failure::door(&fault))?;
            reports
                .extend(object.and_then(|object| serde_json::from_slice::<SensorReport>(&object.bytes).ok()));
        }
        after = page.next;
        if after.is_none() {
            return Ok(reports);
        }
    }
}

/// Takes the canary back, or returns production to the version before (or to `wanted`).
pub(crate) fn roll_back(
    centre: &Centre,
    config: &Config,
    wanted: Option<u64>,
    now: u64,
) -> Result<Value, Failure> {
    let lanes = Lanes::read(centre, config)?;
    let canary = lanes.canary.as_ref().filter(|canary| is_ahead(Some(*canary), lanes.production.as_ref()));
    if let (Some(canary), None) = (canary, wanted) {
        remove_canary(centre, config, canary)?;
        let what = format!("canary serial {} taken back; production stays", serial(canary));
        return Ok(json!({"what": what, "channel": "canary", "serial": serial(canary)}));
    }
    let name = config.model.name.as_str();
    let current = lanes
        .production
        .ok_or_else(|| Failure::data(format!("`{name}` has no production version to leave")))?;
    let registry = centre.registry()?;
    let versions = centre.ask(|| registry.versions(name)).or_else(absent_is_empty)?;
    let previous: Option<u64> = current.tags.get("previous").and_then(|version| version.parse().ok());
    let target = match wanted {
        Some(wanted) => versions.iter().find(|version| serial(version) == wanted),
        None => versions.iter().find(|version| Some(version.version) == previous),
    };
    let target = target.ok_or_else(|| {
        let known: Vec<String> = versions.iter().map(|version| serial(version).to_string()).collect();
        Failure::data(format!(
            "`{name}`: no such model to return to; name one with --serial (known: {})",
            known.join(", ")
        ))
    })?;
    if let Some(canary) = canary {
        remove_canary(centre, config, canary)?;
    }
    let pointer = point(centre, config, Channel::Production, target, 100, now)?;
    let version = target.version;
    centre.ask(|| registry.set_alias(name, "production", version)).map_err(|fault| Failure::door(&fault))?;
    let what = format!(
        "production is back at serial {} (was {}; sequence {})",
        pointer.serial,
        serial(&current),
        pointer.sequence
    );
    tracing::warn!("{what}");
    Ok(json!({
        "what": what, "channel": "production", "serial": pointer.serial, "was": serial(&current),
        "sequence": pointer.sequence, "version": version,
    }))
}

fn remove_canary(centre: &Centre, config: &Config, canary: &Version) -> Result<(), Failure> {
    remove_pointer(centre, config, Channel::Canary)?;
    let registry = centre.registry()?;
    let name = config.model.name.as_str();
    for alias in ["canary", "staging"] {
        let of = centre.ask(|| registry.aliased(name, alias)).map_err(|fault| Failure::door(&fault))?;
        if of.is_some_and(|of| of.version == canary.version) {
            centre.ask(|| registry.remove_alias(name, alias)).map_err(|fault| Failure::door(&fault))?;
        }
    }
    set_tag(centre, config, canary.version, "taken_back", "true")
}

fn remove_pointer(centre: &Centre, config: &Config, channel: Channel) -> Result<(), Failure> {
    let key = keys::channel(&config.model.name, channel.as_str());
    let objects = centre.objects()?;
    centre.ask(|| objects.remove(&key)).map_err(|fault| Failure::door(&fault))
}

fn set_tag(centre: &Centre, config: &Config, version: u64, key: &str, value: &str) -> Result<(), Failure> {
    let registry = centre.registry()?;
    let name = config.model.name.as_str();
    centre.ask(|| registry.set_tag(name, version, key, value)).map_err(|fault| Failure::door(&fault))
}

/// Signs and publishes a pointer. Its sequence is above the last one's, and at least the time in seconds, so that it grows
/// even where a pointer was removed.
fn point(
    centre: &Centre,
    config: &Config,
    channel: Channel,
    version: &Version,
    percent: u8,
    now: u64,
) -> Result<ChannelPointer, Failure> {
    let name = &config.model.name;
    let key = keys::channel(name, channel.as_str());
    let last = centre.read_small(&key)?;
    let last = last.and_then(|bytes| ChannelPointer::read(&bytes, &trust(config).ok()?).ok());
    let digest = version.tags.get("digest").map(String::as_str).unwrap_or_default();
    let now_s = now / 1000;
    let pointer = ChannelPointer {
        format: model::artifact::FORMAT,
        name: name.clone(),
        channel,
        digest: digest.parse().map_err(|fault| {
            Failure::data(format!(
                "version {} of `{name}`: tag `digest`: {fault}; register it again",
                version.version
            ))
        })?,
        serial: serial(version),
        sequence: last.map_or(0, |last| last.sequence + 1).max(now_s),
        cohort_percent: percent,
        not_after: now_s + u64::from(config.promote.pointer_valid_days) * DAY_S,
    };
    let bytes = pointer.write(&signing_key(config)?).map_err(Failure::software)?;
    set_tag(centre, config, version.version, &format!("pointer.{channel}"), &hex(&bytes))?;
    centre.write(&key, bytes)?;
    Ok(pointer)
}
