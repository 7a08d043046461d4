//! The one place where this program reads the wall clock.

/// Milliseconds since the epoch.
#[allow(clippy::disallowed_methods, reason = "a program reads the clock in one place and passes it on")]
pub(crate) fn now_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis() as u64)
}
