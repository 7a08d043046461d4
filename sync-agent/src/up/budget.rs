//! How fast rows may go: a bucket that fills by the second and is emptied by what is sent.

/// A token bucket. Time is an argument: seconds on any clock that does not go back.
#[derive(Debug, Clone)]
pub struct Budget {
    per_second: f64,
    tokens: f64,
    at_s: f64,
}

impl Budget {
    /// `per_second` 0: no limit. A burst is what two seconds allow.
    #[must_use]
    pub fn new(per_second: u64) -> Self {
        let per_second = per_second as f64;
        Self { per_second, tokens: per_second * 2.0, at_s: 0.0 }
    }

    /// Takes `amount`, and says how many seconds to wait before it may be spent. More than a burst is allowed, and paid for.
    pub fn spend(&mut self, amount: u64, now_s: f64) -> f64 {
        if self.per_second <= 0.0 {
            return 0.0;
        }
        let passed = (now_s - self.at_s).max(0.0);
        self.at_s = now_s.max(self.at_s);
        self.tokens = (self.tokens + passed * self.per_second).min(self.per_second * 2.0) - amount as f64;
        (-self.tokens / self.per_second).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_holds_over_time_whatever_is_asked() {
        let mut budget = Budget::new(100);
        let (mut now, mut sent) = (0.0, 0);
        while now < 60.0 {
            now += budget.spend(70, now) + 0.001;
            sent += 70;
        }
        // 60 s at 100/s, and the first burst.
        assert!((6_000..=6_400).contains(&sent), "{sent}");
        assert!(Budget::new(0).spend(u64::MAX, 0.0) == 0.0);
    }
}
