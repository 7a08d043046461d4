//! The program's log: lines on stderr, or JSON.

use crate::config::Log;
use crate::failure::Failure;
use tracing_subscriber::EnvFilter;

/// Starts the log; a second start changes nothing.
pub(crate) fn start(settings: &Log) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(settings.level.to_ascii_lowercase()).map_err(|fault| {
        Failure::config(format!(
            "`log.level` is `{}` ({fault}): use error, warn, info or debug",
            settings.level
        ))
    })?;
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // Only the first start of a process can succeed.
    let _ = if settings.json { log.json().try_init() } else { log.try_init() };
    Ok(())
}
