//! The one place where the agent reads clocks; everything else is given the time.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clocks that a task is given.
#[derive(Debug, Clone, Copy)]
pub struct Clocks {
    /// Seconds on a clock that does not go back.
    pub seconds: fn() -> f64,
    /// Microseconds since the epoch.
    pub now_us: fn() -> u64,
}

/// Microseconds since the epoch.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "a program reads the wall clock in one place")]
pub fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// Milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    now_us() / 1_000
}

/// Seconds since the epoch.
#[must_use]
pub fn now_s() -> u64 {
    now_us() / 1_000_000
}
