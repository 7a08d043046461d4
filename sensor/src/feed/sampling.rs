//! Which predictions are told when there are more of them than anybody can read.

use std::time::{Duration, Instant};

/// Lets so many through a second, and knows how many it left out.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    window: Option<Instant>,
    taken: u32,
    skipped: u64,
}

impl Sampler {
    const WINDOW: Duration = Duration::from_secs(1);

    /// Whether one more goes through at `now`; if so, how many were left out since the last that did.
    pub(super) fn take(&mut self, now: Instant, per_s: u32) -> Option<u64> {
        if self.window.is_none_or(|begun| now.duration_since(begun) >= Self::WINDOW) {
            self.window = Some(now);
            self.taken = 0;
        }
        if self.taken >= per_s {
            self.skipped += 1;
            return None;
        }
        self.taken += 1;
        Some(std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Sampler};

    #[test]
    #[allow(clippy::disallowed_methods)] // any beginning will do
    fn what_is_left_out_is_told_with_the_next_one() {
        let begun = std::time::Instant::now();
        let mut sampler = Sampler::default();
        let taken: Vec<_> = (0..5).map(|_| sampler.take(begun, 2)).collect();
        assert_eq!(taken, [Some(0), Some(0), None, None, None]);
        assert_eq!(sampler.take(begun + Duration::from_secs(1), 2), Some(3));
        assert_eq!(sampler.take(begun + Duration::from_secs(1), 2), Some(0));
        assert_eq!(sampler.take(begun + Duration::from_secs(3), 0), None);
    }
}
