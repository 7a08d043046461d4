//! The settings of the agent: `/etc/taphound/sync.toml` and `sync.d/*.toml`, strict, with a default for everything.
//!
//! `config/sync.toml` shows every key with its default; a test holds it to that.

mod read;
mod sections;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use read::{load, load_with};
pub use sections::{
    Agent, Archive, Centre, Down, Gate, Identity, Log, LogFormat, Out, Place, Pseudonyms, Report, SyslogOut,
    Transport, Up, WebhookOut,
};

/// Where the settings are unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/taphound/sync.toml";

/// Why settings cannot be used. Exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigFault(pub String);

/// Everything that can be set about the agent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the agent keeps its state, and how it reaches the sensor.
    pub agent: Agent,
    /// Where the centre is.
    pub centre: Centre,
    /// Who this sensor is to the centre.
    pub identity: Identity,
    /// What goes up.
    pub up: Up,
    /// What comes down.
    pub down: Down,
    /// Who else is told of alerts.
    pub out: Out,
    /// How often the centre hears how this sensor is.
    pub report: Report,
    /// What is logged and how.
    pub log: Log,
}

impl Config {
    /// Refuses values outside their ranges.
    ///
    /// # Errors
    /// Every key that is wrong, a line each.
    pub fn check(&self) -> Result<(), ConfigFault> {
        let mut wrong = Vec::new();
        let mut demand = |holds: bool, line: String| {
            if !holds {
                wrong.push(line);
            }
        };
        let (up, down) = (&self.up, &self.down);
        demand(
            (1..=10_000).contains(&up.rows_max),
            format!("`up.rows_max` is {}: use a value from 1 to 10000", up.rows_max),
        );
        for (key, share) in [
            ("up.table_flows_share", up.table_flows_share),
            ("down.gate.attack_share_max", down.gate.attack_share_max),
            ("down.gate.label_errors_max", down.gate.label_errors_max),
            ("down.shadow_agreement_min", down.shadow_agreement_min),
        ] {
            demand((0.0..=1.0).contains(&share), format!("`{key}` is {share}: use a value from 0 to 1"));
        }
        let [low, high] = up.uncertain;
        demand(
            (0.0..=1.0).contains(&low) && (low..=1.0).contains(&high),
            format!("`up.uncertain` is [{low}, {high}]: use two scores from 0 to 1, the lower one first"),
        );
        for (key, seconds) in [
            ("up.poll_s", up.poll_s),
            ("up.backoff_max_s", up.backoff_max_s),
            ("up.archive.age_s", up.archive.age_s),
            ("down.poll_s", down.poll_s),
            ("down.gate.look_s", down.gate.look_s),
            ("down.gate.failures", down.gate.failures),
            ("report.interval_s", self.report.interval_s),
        ] {
            demand(
                (1..=604_800).contains(&seconds),
                format!("`{key}` is {seconds}: use a value from 1 to 604800"),
            );
        }
        demand(
            (1..=100_000).contains(&up.archive.rows),
            format!("`up.archive.rows` is {}: use a value from 1 to 100000", up.archive.rows),
        );
        demand(
            ["production", "canary", "staging"].contains(&down.channel.as_str()),
            format!("`down.channel` is `{}`: use production, canary or staging", down.channel),
        );
        let p = &up.pseudonyms;
        demand(
            !p.enabled || !p.key_file.as_os_str().is_empty(),
            "`up.pseudonyms.enabled` is set and `up.pseudonyms.key_file` names no key: make one with `head -c 32 /dev/urandom > FILE`".to_owned(),
        );
        let c = &self.centre;
        let places = [
            ("table", c.table.settings().err()),
            ("objects", c.objects.settings().err()),
            ("models", c.models.settings().err()),
            ("registry", c.registry.settings().err()),
        ];
        for (key, fault) in places {
            if let Some(fault) = fault {
                demand(false, format!("`centre.{key}`: {fault}"));
            }
        }
        for hook in &self.out.webhooks {
            demand(
                hook.url.starts_with("https://") || hook.url.starts_with("http://"),
                format!(
                    "`out.webhooks.url` is `{}`: use a URL that begins with https:// or http://",
                    hook.url
                ),
            );
        }
        for log in &self.out.syslog {
            demand(
                log.address
                    .rsplit_once(':')
                    .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
                format!("`out.syslog.address` is `{}`: use host:port", log.address),
            );
        }
        for severity in self
            .out
            .webhooks
            .iter()
            .map(|w| &w.min_severity)
            .chain(self.out.syslog.iter().map(|s| &s.min_severity))
        {
            demand(
                store::record::Severity::named(severity).is_some(),
                format!("`out.*.min_severity` is `{severity}`: use low, medium, high or critical"),
            );
        }
        if wrong.is_empty() { Ok(()) } else { Err(ConfigFault(wrong.join("\n"))) }
    }
}
