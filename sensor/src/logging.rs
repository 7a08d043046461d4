//! Logs of the running sensor: where they go, in which shape, and a level that can be changed while it runs.

use std::io::IsTerminal;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogFormat};
use crate::fault::Fault;

/// Changes the level of a running sensor's log.
#[derive(Clone)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

impl LogLevel {
    /// Sets `level`, as in `log.level`.
    ///
    /// # Errors
    /// It is no level.
    pub fn set(&self, level: &str) -> Result<(), Fault> {
        let filter = parse(level)?;
        self.0.reload(filter).map_err(|e| Fault::Software(format!("the log's level cannot be changed: {e}")))
    }
}

/// Starts logging.
///
/// # Errors
/// The level is none, or the journal does not answer.
pub fn start(settings: &Log) -> Result<LogLevel, Fault> {
    let (filter, level) = reload::Layer::new(parse(&settings.level)?);
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
            .with_syslog_identifier("taphound".into())
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
        .map_err(|e| Fault::Software(format!("logging was started twice: {e}")))?;
    Ok(LogLevel(level))
}

/// A level as the settings name it.
///
/// # Errors
/// It is none.
pub fn parse(level: &str) -> Result<EnvFilter, Fault> {
    EnvFilter::try_new(level).map_err(|e| {
        Fault::Config(format!("`log.level` is `{level}`: {e}; use error, warn, info, debug or trace"))
    })
}
