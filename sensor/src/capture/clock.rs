//! The two clocks of a running sensor, as arguments: nothing behind them reads the machine's own.

use std::sync::Arc;

/// Where a running sensor has its time from. Packets bring their own; these say how long nothing has come, and how old a
/// packet is when it is seen.
#[derive(Clone)]
pub struct Clock {
    monotonic: Arc<dyn Fn() -> u64 + Send + Sync>,
    wall: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Clock {
    /// Clocks of the caller's making, both in microseconds: `monotonic` since any moment, `wall` since the epoch.
    pub fn new(
        monotonic: impl Fn() -> u64 + Send + Sync + 'static,
        wall: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { monotonic: Arc::new(monotonic), wall: Arc::new(wall) }
    }

    /// The machine's clocks.
    #[must_use]
    #[allow(clippy::disallowed_methods)] // the one place of the data plane that reads them; everything else is told
    pub fn system() -> Self {
        use std::time::Instant;
        let started = Instant::now();
        let micros = |d: std::time::Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        Self::new(move || micros(started.elapsed()), wall_clock_us)
    }

    /// Microseconds that only grow.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        (self.monotonic)()
    }

    /// Microseconds since the epoch, as the machine believes.
    #[must_use]
    pub fn wall_us(&self) -> u64 {
        (self.wall)()
    }
}

/// Microseconds since the epoch, by this machine's clock: the time that people and other programs live in.
#[must_use]
#[allow(clippy::disallowed_methods)] // the control plane's clock; packets bring their own
pub fn wall_clock_us() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock(..)")
    }
}
