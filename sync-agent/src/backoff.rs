//! How long to wait before another attempt: longer each time, never the same for two agents, and never sooner than asked.

use std::time::Duration;

/// Waits grow from `first` to `most`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Backoff {
    /// `first` is at least a millisecond, `most` at least `first`.
    #[must_use]
    pub fn new(first: Duration, most: Duration) -> Self {
        let first = first.max(Duration::from_millis(1));
        Self { first, most: most.max(first), failures: 0 }
    }

    /// It worked: the next wait is short again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Attempts that failed in a row.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// It failed: how long to wait now. Half of the wait is drawn (`random` is uniform in \[0, 1)), so that a fleet does
    /// not come back as one; `retry_after` is the least when the far side named one, up to an hour.
    pub fn failed(&mut self, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.failures.min(30)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let whole = doubled.min(self.most);
        let drawn = whole.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        let asked = retry_after.unwrap_or_default().min(Duration::from_secs(3600));
        // Who was asked to come back later adds its jitter to that.
        if asked > drawn { asked + drawn.mul_f64(0.1) } else { drawn }
    }
}

/// A number from \[0, 1) by the operating system's generator; the middle when that fails.
#[must_use]
pub fn random() -> f64 {
    getrandom::u32().map_or(0.5, |n| f64::from(n) / (f64::from(u32::MAX) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_anew_after_success() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        let waits: Vec<u64> = (0..6).map(|_| backoff.failed(None, 1.0).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
        assert_eq!(backoff.failed(None, 0.0), Duration::from_secs(5));
        backoff.succeeded();
        assert_eq!(backoff.failed(None, 1.0), Duration::from_secs(1));
    }

    #[test]
    fn nobody_comes_back_sooner_than_asked() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(10));
        assert!(backoff.failed(Some(Duration::from_secs(30)), 0.0) >= Duration::from_secs(30));
        assert!(backoff.failed(Some(Duration::from_secs(999_999)), 1.0) <= Duration::from_secs(3610));
        // A great many failures do not overflow.
        for _ in 0..100 {
            assert!(backoff.failed(None, 1.0) <= Duration::from_secs(10));
        }
    }
}
