//! How the agent is: gathered by every part of it, written to a file of its own, judged by `taphound-sync status`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet::health::{Lag, Pin};
use serde::{Deserialize, Serialize};

use crate::cli::{RunArgs, StatusArgs};
use crate::config::{self, Config};
use crate::cursors::SetAside;
use crate::fault::Fault;

/// The verdict on the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Everything works.
    #[default]
    Ok,
    /// It works, and something wants a look.
    Degraded,
    /// It does not do its job.
    Critical,
}

impl Health {
    /// Exit code of `taphound-sync status`.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Health::Ok => "ok",
            Health::Degraded => "degraded",
            Health::Critical => "critical",
        }
    }
}

/// Everything about the agent at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The verdict; set when it is shown.
    pub health: Health,
    /// Why it is not `ok`; a line each.
    pub reasons: Vec<String>,
    /// The sensor's name in the fleet; empty until it has answered.
    pub sensor_id: String,
    /// Release of the agent.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// Id of the sensor's own key; empty where it has none.
    pub identity: String,
    /// When it started, microseconds since the epoch.
    pub started_us: u64,
    /// When this was written, microseconds since the epoch.
    pub now_us: u64,
    /// It ended when it was told to.
    pub ended: bool,
    /// How far this clock is ahead of the centre's, seconds.
    pub clock_skew_s: Option<i64>,
    /// The centre no longer wants this sensor, and why.
    pub revoked: Option<String>,
    /// The token of the settings was claimed by this sensor's key.
    pub claim_is_ours: bool,
    /// What goes up.
    pub up: UpStatus,
    /// What comes down.
    pub down: DownStatus,
    /// Who else is told, by receiver.
    pub out: BTreeMap<String, OutStatus>,
    /// What is the matter, by part: `sensor`, `table`, `objects`, ...; gone once it works again.
    pub troubles: BTreeMap<String, Trouble>,
}

/// Something that does not work now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trouble {
    /// In one line.
    pub detail: String,
    /// Since when, microseconds since the epoch.
    pub since_us: u64,
    /// Attempts that failed in a row.
    pub failures: u64,
    /// Waiting does not help: somebody has to do something.
    pub lasting: bool,
}

/// What went up since the start, in rows by kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpStatus {
    /// Written to the table.
    pub stored: BTreeMap<String, u64>,
    /// Found there already: sent before.
    pub known: BTreeMap<String, u64>,
    /// Not written, for a label of the centre stands there.
    pub kept: BTreeMap<String, u64>,
    /// Written to Parquet.
    pub archived: BTreeMap<String, u64>,
    /// Confirmed by the far side and acknowledged to the sensor.
    pub acknowledged: BTreeMap<String, u64>,
    /// Requests that failed and are tried again.
    pub retries: u64,
    /// What waits.
    pub lag: Lag,
    /// The newest rows set aside.
    pub set_aside: Vec<SetAside>,
    /// When the far side last confirmed something, microseconds since the epoch.
    pub confirmed_us: Option<u64>,
}

/// Models and labels.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DownStatus {
    /// The channel followed now.
    pub channel: String,
    /// Sequence of the pointer acted upon, by channel.
    pub sequences: BTreeMap<String, u64>,
    /// Serial of the model that the pointer names.
    pub wanted_version: Option<u64>,
    /// Serial of the model at work.
    pub model_version: u64,
    /// Its digest.
    pub model_digest: String,
    /// Models put to work since the start.
    pub installed: u64,
    /// Models taken back since the start.
    pub rolled_back: u64,
    /// The last model that was not taken, and why.
    pub refused: Option<String>,
    /// What the model at work is being watched for.
    pub watching: Option<String>,
    /// Models that must not come back.
    pub pinned: Vec<Pin>,
    /// Labels of the centre handed to the sensor since the start.
    pub labels: u64,
    /// When the channel was last looked at, microseconds since the epoch.
    pub polled_us: Option<u64>,
}

/// One receiver of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct OutStatus {
    /// Alerts it has taken since the start.
    pub sent: u64,
    /// Attempts that failed since the start.
    pub failed: u64,
    /// Alerts it refused for good since the start.
    pub refused: u64,
}

/// What every part of the agent writes its facts into.
#[derive(Debug, Default)]
pub struct Facts(Mutex<Status>);

impl Facts {
    /// Facts of an agent that starts now.
    #[must_use]
    pub fn new(now_us: u64) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let down = DownStatus::default();
        Self(Mutex::new(Status {
            version,
            pid: std::process::id(),
            started_us: now_us,
            down,
            ..Status::default()
        }))
    }

    /// The facts, to be changed.
    pub fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a part does not work.
    pub fn trouble(&self, part: &str, detail: String, lasting: bool, now_us: u64) {
        let mut status = self.lock();
        let trouble = status
            .troubles
            .entry(part.to_owned())
            .or_insert_with(|| Trouble { since_us: now_us, ..Trouble::default() });
        if trouble.detail != detail {
            tracing::warn!(event = "trouble", part, detail, "something does not work");
        }
        trouble.detail = detail;
        trouble.lasting = lasting;
        trouble.failures += 1;
    }

    /// Notes that a part works.
    pub fn works(&self, part: &str) {
        if self.lock().troubles.remove(part).is_some() {
            tracing::info!(event = "works_again", part, "works again");
        }
    }

    /// Writes the facts into their file, for `status`; whoever reads sees the old ones or the new ones.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, path: &Path, now_us: u64) -> std::io::Result<()> {
        let text = {
            let mut status = self.lock();
            status.now_us = now_us;
            serde_json::to_vec(&*status)?
        };
        let partial = path.with_extension("partial");
        std::fs::write(&partial, text)?;
        std::fs::rename(&partial, path)
    }
}

/// The file of the facts.
#[must_use]
pub fn file(config: &Config) -> PathBuf {
    config.agent.state_dir.join("status.json")
}

impl Status {
    /// An agent that has said nothing for so long has stopped.
    const SILENT_US: u64 = 30_000_000;
    /// What does not work for so long wants a look.
    const PATIENCE_US: u64 = 60_000_000;
    /// A clock that is so far off makes pointers and tokens look expired, or not yet valid.
    const SKEW_S: i64 = 300;

    /// The verdict at `now_us`.
    pub fn judge(&mut self, now_us: u64) {
        (self.health, self.reasons) = (Health::Ok, Vec::new());
        let mut complaints: Vec<(Health, String)> = Vec::new();
        if self.ended {
            complaints.push((
                Health::Critical,
                "it was stopped; start it with `systemctl start taphound-sync`".into(),
            ));
        } else if now_us.saturating_sub(self.now_us) > Self::SILENT_US {
            let silent = span(now_us.saturating_sub(self.now_us));
            complaints
                .push((Health::Critical, format!("nothing was heard of it for {silent}; look at its log")));
        }
        if let Some(reason) = &self.revoked {
            complaints.push((Health::Critical, format!("the centre has revoked this sensor: {reason}")));
        }
        for (part, trouble) in &self.troubles {
            if trouble.lasting || now_us.saturating_sub(trouble.since_us) > Self::PATIENCE_US {
                let since = span(now_us.saturating_sub(trouble.since_us));
                complaints.push((Health::Degraded, format!("{part}, for {since}: {}", trouble.detail)));
            }
        }
        if self.up.lag.set_aside > 0 {
            let newest = self.up.set_aside.first().map_or(String::new(), |row| {
                format!(" (the last: {} {} {}: {})", row.kind, row.sequence, row.uid, row.reason)
            });
            let rows = self.up.lag.set_aside;
            complaints.push((
                Health::Degraded,
                format!("{rows} rows could not be sent and were set aside{newest}"),
            ));
        }
        if let Some(reason) = &self.down.refused {
            complaints.push((Health::Degraded, format!("a model was not taken: {reason}")));
        }
        for pin in self.down.pinned.iter().filter(|pin| Some(pin.version) == self.down.wanted_version) {
            complaints.push((
                Health::Degraded,
                format!("model {} is wanted and was taken back here: {}", pin.version, pin.reason),
            ));
        }
        if let Some(skew) = self.clock_skew_s.filter(|skew| skew.abs() > Self::SKEW_S) {
            let way = if skew > 0 { "ahead of" } else { "behind" };
            let by = span(skew.unsigned_abs() * 1_000_000);
            complaints.push((Health::Degraded, format!("this clock is {by} {way} the centre's; set it")));
        }
        for (health, reason) in complaints {
            self.health = self.health.max(health);
            self.reasons.push(reason);
        }
    }

    /// Lines for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let up_for = span(self.now_us.saturating_sub(self.started_us));
        let name = if self.sensor_id.is_empty() { "(sensor unknown)" } else { &self.sensor_id };
        let mut lines = vec![format!("{name}  sync {}  up {up_for}", self.health.as_str())];
        lines.extend(self.reasons.iter().map(|reason| format!("  ! {reason}")));
        let sum = |counts: &BTreeMap<String, u64>| {
            let parts: Vec<String> = counts.iter().map(|(kind, n)| format!("{n} {kind}s")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        let up = &self.up;
        lines.push(format!(
            "up       stored {}; known {}; kept {}",
            sum(&up.stored),
            sum(&up.known),
            sum(&up.kept)
        ));
        lines.push(format!(
            "         archived {}; acknowledged {}; {} retries",
            sum(&up.archived),
            sum(&up.acknowledged),
            up.retries
        ));
        let confirmed = up
            .confirmed_us
            .map_or("never".to_owned(), |at| format!("{} ago", span(self.now_us.saturating_sub(at))));
        lines.push(format!(
            "waiting  {} rows, the oldest for {}; last confirmed {confirmed}; {} set aside",
            up.lag.rows,
            span(up.lag.oldest_s * 1_000_000),
            up.lag.set_aside
        ));
        let down = &self.down;
        let sequence = down.sequences.get(&down.channel).map_or(String::new(), |n| format!(" sequence {n}"));
        let wanted = down
            .wanted_version
            .filter(|w| *w != down.model_version)
            .map_or(String::new(), |w| format!(", wanted {w}"));
        let polled = down
            .polled_us
            .map_or("never".to_owned(), |at| format!("{} ago", span(self.now_us.saturating_sub(at))));
        lines.push(format!(
            "model    {}{wanted}; {}{sequence}; looked {polled}",
            down.model_version, down.channel
        ));
        lines.extend(down.watching.iter().map(|what| format!("         {what}")));
        lines.push(format!(
            "         {} installed, {} taken back, {} labels of the centre",
            down.installed, down.rolled_back, down.labels
        ));
        for (receiver, out) in &self.out {
            lines.push(format!(
                "out      {receiver}: {} sent, {} failed, {} refused",
                out.sent, out.failed, out.refused
            ));
        }
        lines.join("\n") + "\n"
    }
}

/// `taphound-sync status`.
///
/// # Errors
/// No agent has run here, or its file cannot be read.
pub fn show(arguments: &StatusArgs) -> Result<Health, Fault> {
    let path = file(&settings(&arguments.run)?);
    let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::PermissionDenied => Fault::NoPermission(format!(
            "{}: permission denied; run as root or as taphound-sync",
            path.display()
        )),
        _ => Fault::Unavailable(format!(
            "{}: no agent has written it ({e}); start one with `taphound-sync run`",
            path.display()
        )),
    })?;
    let mut status: Status = serde_json::from_slice(&bytes).map_err(|e| {
        Fault::BadData(format!("{}: is no status ({e}); use the same release on both sides", path.display()))
    })?;
    status.judge(crate::clock::now_us());
    let text = if arguments.json {
        serde_json::to_string(&status).unwrap_or_default() + "\n"
    } else {
        status.describe()
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(status.health)
}

/// The settings that a command line names.
///
/// # Errors
/// They cannot be used.
pub fn settings(arguments: &RunArgs) -> Result<Config, Fault> {
    let path = arguments.config.as_deref();
    config::load(path.unwrap_or(Path::new(config::DEFAULT_PATH)), path.is_some())
        .map_err(|e| Fault::Config(e.to_string()))
}

/// A span of time as people say it.
#[must_use]
pub fn span(us: u64) -> String {
    let s = us / 1_000_000;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s / 60 % 60),
        _ => format!("{} d {} h", s / 86_400, s / 3600 % 24),
    }
}

#[cfg(test)]
mod tests;
