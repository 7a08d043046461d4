//! Logs of the agent: the journal under systemd, text or JSON on standard error otherwise.

use std::io::IsTerminal;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};
use crate::fault::Fault;

/// Starts logging.
///
/// # Errors
/// The level is none, or the journal does not answer.
pub fn start(settings: &Log) -> Result<(), Fault> {
    let filter = EnvFilter::try_new(&settings.level).map_err(|e| {
        Fault::Config(format!(
            "`log.level` is `{}`: {e}; use error, warn, info, debug or trace",
            settings.level
        ))
    })?;
    // systemd sets this for services whose standard error is the journal.
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let format = match settings.format {
        LogFormat::Auto if under_systemd => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Text,
        chosen => chosen,
    };
    let layer = match format {
        LogFormat::Journald => tracing_journald::layer()
            .map_err(|e| {
                Fault::Unavailable(format!("the journal does not answer ({e}); set `log.format` to \"text\""))
            })?
            .with_syslog_identifier("taphound-sync".into())
            .boxed(),
        LogFormat::Json => {
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr).boxed()
        }
        LogFormat::Text | LogFormat::Auto => tracing_subscriber::fmt::layer()
            .with_ansi(std::io::stderr().is_terminal())
            .with_writer(std::io::stderr)
            .boxed(),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|e| Fault::Software(format!("logging was started twice: {e}")))
}
