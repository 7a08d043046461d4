//! Counts over the recent past: the running period and the one before it.

/// A value per period of packet time, kept for two periods. Time never runs backwards here: events come in canonical order.
#[derive(Debug, Clone, Default)]
pub(super) struct Window<T, const PERIOD_US: u64> {
    period: u64,
    current: T,
    previous: T,
}

impl<T: Default, const PERIOD_US: u64> Window<T, PERIOD_US> {
    /// The running period's value at `now_us`, after rolling over what has passed.
    pub(super) fn at(&mut self, now_us: u64) -> &mut T {
        let period = now_us / PERIOD_US;
        if period != self.period {
            let next = period == self.period + 1;
            let passed = std::mem::take(&mut self.current);
            self.previous = if next { passed } else { T::default() };
            self.period = period;
        }
        &mut self.current
    }

    /// The running period and the one before it.
    pub(super) fn both(&self) -> (&T, &T) {
        (&self.current, &self.previous)
    }

    /// The earliest moment that `both` can speak of, microseconds.
    pub(super) fn since_us(&self) -> u64 {
        self.period.saturating_sub(1) * PERIOD_US
    }
}
