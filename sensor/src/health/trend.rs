//! Where a level is going: a robust slope over the last hour, and when it reaches a limit.

use std::collections::VecDeque;

/// The newest readings of one level.
#[derive(Debug, Clone, Default)]
pub(super) struct Trend {
    points: VecDeque<(u64, f64)>,
}

impl Trend {
    /// Readings kept: an hour at one in ten seconds.
    const POINTS_MAX: usize = 360;

    pub(super) fn push(&mut self, time_us: u64, value: f64) {
        if self.points.len() == Self::POINTS_MAX {
            self.points.pop_front();
        }
        self.points.push_back((time_us, value));
    }

    /// Change a second over the newest `points`, if it is a steady one: both halves go the same way, neither much slower than the
    /// whole. None otherwise, and while there are fewer.
    ///
    /// Each half's slope is the median of slopes between points half of it apart (after Theil and Sen): a jump moves it little.
    pub(super) fn steady_slope(&self, points: usize) -> Option<f64> {
        let to = self.points.len();
        let from = to.checked_sub(points)?;
        let middle = from + points / 2;
        let whole = self.slope(from, to)?;
        let halves = [self.slope(from, middle)?, self.slope(middle, to)?];
        halves.iter().all(|half| half / whole >= 0.5).then_some(whole)
    }

    fn slope(&self, from: usize, to: usize) -> Option<f64> {
        let apart = (to - from) / 2;
        let mut slopes: Vec<f64> = (from..to - apart)
            .filter_map(|at| {
                let ((t0, v0), (t1, v1)) = (self.points[at], self.points[at + apart]);
                (t1 > t0).then(|| (v1 - v0) / ((t1 - t0) as f64 / 1e6))
            })
            .collect();
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }

    /// Seconds until a level that steadily falls reaches `floor`: within a day by the slope of the last hour, or within six hours
    /// by that of the last quarter of one. What is further away is left to later readings.
    pub(super) fn falls_to(&self, floor: f64) -> Option<f64> {
        const HOUR_S: f64 = 3600.0;
        let now = self.points.back()?.1;
        let within = |points: usize, horizon_s: f64| {
            let slope = self.steady_slope(points).filter(|slope| *slope < 0.0)?;
            Some((now - floor).max(0.0) / -slope).filter(|s| *s < horizon_s)
        };
        within(Self::POINTS_MAX, 24.0 * HOUR_S).or_else(|| within(Self::POINTS_MAX / 4, 6.0 * HOUR_S))
    }

    /// Forgets everything: what follows is another story.
    pub(super) fn clear(&mut self) {
        self.points.clear();
    }
}
