//! How long things take, in buckets: cheap to add to, small enough to publish with every batch.

/// A histogram of microseconds; bucket `i` holds what took less than 2^i and was not in the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// Counts by bucket; the last holds everything longer.
    pub buckets: [u64; Self::BUCKETS],
    /// Sum of all, in microseconds.
    pub sum_us: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { buckets: [0; Self::BUCKETS], sum_us: 0 }
    }
}

impl Latency {
    /// Up to 2^30 us, 18 minutes.
    pub const BUCKETS: usize = 32;

    /// Counts `n` that took `us`.
    pub(super) fn add(&mut self, us: u64, n: u64) {
        let bucket = (u64::BITS - us.leading_zeros()) as usize;
        self.buckets[bucket.min(Self::BUCKETS - 1)] += n;
        self.sum_us = self.sum_us.saturating_add(us.saturating_mul(n));
    }

    /// Everything counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// What a share `q` (0 to 1) took at most, in microseconds, to the next power of two; 0 when nothing was counted.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> u64 {
        let wanted = (self.count() as f64 * q.clamp(0.0, 1.0)).ceil() as u64;
        let mut seen = 0;
        for (bucket, n) in self.buckets.iter().enumerate() {
            seen += n;
            if *n > 0 && seen >= wanted {
                return (1 << bucket) - 1;
            }
        }
        0
    }
}

impl std::ops::AddAssign for Latency {
    fn add_assign(&mut self, other: Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn quantiles_are_the_bounds_of_their_buckets() {
        let mut latency = Latency::default();
        assert_eq!(latency.quantile_us(0.5), 0);
        latency.add(0, 1);
        latency.add(3, 97);
        latency.add(1_000_000_000_000, 2);
        assert_eq!(latency.count(), 100);
        assert_eq!(latency.quantile_us(0.01), 0);
        assert_eq!(latency.quantile_us(0.5), 3);
        assert_eq!(latency.quantile_us(0.98), 3);
        assert_eq!(latency.quantile_us(1.0), (1 << 31) - 1);
    }
}
