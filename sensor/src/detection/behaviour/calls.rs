//! How regular the calls of one source to one service are, scored as RITA scores beacons: Bowley's skewness and the median
//! absolute deviation of intervals and sizes (<https://github.com/activecm/rita>).

use super::Thresholds;

/// One call: when it began, what was said and heard, bytes of layer-4 payload.
#[derive(Debug, Clone, Copy, Default)]
struct Call {
    start_us: u64,
    said: u32,
    heard: u32,
}

/// The newest calls of a pair, in a ring.
#[derive(Debug, Clone, Default)]
pub(super) struct Calls {
    ring: [Call; Calls::KEPT],
    /// Calls so far.
    count: u32,
    first_us: u64,
}

/// Calls that keep a rhythm.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    pub(super) calls: u32,
    pub(super) first_us: u64,
    /// Median interval, seconds.
    pub(super) interval_s: f64,
    /// Median absolute deviation from it, seconds.
    pub(super) dispersion_s: f64,
    /// Median sizes.
    pub(super) said_bytes: u32,
    pub(super) heard_bytes: u32,
    /// In \[0, 1\].
    pub(super) score: f64,
}

impl Calls {
    const KEPT: usize = 32;
    /// Connections that begin this close together are one call.
    const ONE_CALL_US: u64 = 1_000_000;
    /// Below this share of the interval a dispersion is a machine's, not a delay that was drawn.
    const EXACT_SHARE: f64 = 0.04;
    /// And never below this: a scheduler's hesitation.
    const EXACT_S: f64 = 0.1;
    /// A drawn delay has bounds; what people do has none. Ninth decile over first decile.
    const BOUNDED_RATIO: f64 = 4.0;
    /// A call that says the same is within so many bytes of the median, and so many of the calls are.
    const SAME_SAID_BYTES: u32 = 16;
    const SAME_HEARD_BYTES: u32 = 64;
    const SAME_SHARE: f64 = 0.7;

    /// Notes a call, in order of its end; one that began before an earlier one ended belongs to it.
    pub(super) fn note(&mut self, start_us: u64, bytes: [u64; 2]) {
        let newest = self.count.checked_sub(1).map_or(0, |n| self.ring[n as usize % Self::KEPT].start_us);
        if self.count > 0 && start_us < newest + Self::ONE_CALL_US {
            return;
        }
        if self.count == 0 {
            self.first_us = start_us;
        }
        let clamp = |n: u64| n.min(u64::from(u32::MAX)) as u32;
        self.ring[self.count as usize % Self::KEPT] =
            Call { start_us, said: clamp(bytes[0]), heard: clamp(bytes[1]) };
        self.count = self.count.saturating_add(1);
    }

    /// Their rhythm, when there are enough of them and they keep one.
    pub(super) fn rhythm(&self, thresholds: &Thresholds) -> Option<Rhythm> {
        let kept = (self.count as usize).min(Self::KEPT);
        if self.count < thresholds.beacon_calls || kept < 4 {
            return None;
        }
        let newest_us = self.ring[(self.count as usize - 1) % Self::KEPT].start_us;
        let oldest_us = self.ring[(self.count as usize - kept) % Self::KEPT].start_us;
        let mean_s = (newest_us - oldest_us) as f64 / 1e6 / (kept - 1) as f64;
        if mean_s < thresholds.beacon_interval_s {
            return None;
        }
        let at = |n: usize| self.ring[(self.count as usize - kept + n) % Self::KEPT];
        let mut intervals = [0.0; Self::KEPT];
        let (mut said, mut heard) = ([0.0; Self::KEPT], [0.0; Self::KEPT]);
        for n in 0..kept {
            said[n] = f64::from(at(n).said);
            heard[n] = f64::from(at(n).heard);
            if n > 0 {
                intervals[n - 1] = (at(n).start_us - at(n - 1).start_us) as f64 / 1e6;
            }
        }
        let intervals = Spread::of(&mut intervals[..kept - 1]);
        let (said, heard) = (Spread::of(&mut said[..kept]), Spread::of(&mut heard[..kept]));
        let alike = |n: usize| {
            let call = at(n);
            call.said.abs_diff(said.median as u32) <= Self::SAME_SAID_BYTES
                && call.heard.abs_diff(heard.median as u32) <= Self::SAME_HEARD_BYTES
        };
        let alike = (0..kept).filter(|&n| alike(n)).count() as f64 / kept as f64;
        let lasted_s = newest_us.saturating_sub(self.first_us) as f64 / 1e6;
        let exact = intervals.madm <= (intervals.median * Self::EXACT_SHARE).max(Self::EXACT_S);
        let score = (intervals.symmetry()
            + (1.0 - intervals.madm / intervals.median).max(0.0)
            + said.symmetry()
            + (1.0 - said.madm / 32.0).max(0.0)
            + (1.0 - said.median / 65_535.0).max(0.0))
            / 5.0;
        let keeps = intervals.median >= thresholds.beacon_interval_s
            && intervals.ninth_decile <= Self::BOUNDED_RATIO * intervals.first_decile
            && alike >= Self::SAME_SHARE
            && said.median > 0.0
            && score >= thresholds.beacon_score
            && (!exact || lasted_s >= thresholds.beacon_exact_s as f64);
        keeps.then_some(Rhythm {
            calls: self.count,
            first_us: self.first_us,
            interval_s: intervals.median,
            dispersion_s: intervals.madm,
            said_bytes: said.median as u32,
            heard_bytes: heard.median as u32,
            score,
        })
    }
}

/// Order statistics of a few values.
struct Spread {
    first_decile: f64,
    lower: f64,
    median: f64,
    upper: f64,
    ninth_decile: f64,
    /// Median absolute deviation from the median.
    madm: f64,
}

impl Spread {
    /// Of at least one value; reorders them.
    fn of(values: &mut [f64]) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share + 0.5) as usize];
        let median = at(0.5);
        let (first_decile, lower, upper, ninth_decile) = (at(0.1), at(0.25), at(0.75), at(0.9));
        for value in values.iter_mut() {
            *value = (*value - median).abs();
        }
        values.sort_by(f64::total_cmp);
        let madm = values[(values.len() - 1) / 2];
        Self { first_decile, lower, median, upper, ninth_decile, madm }
    }

    /// 1 - |Bowley's skewness|: `(Q1 + Q3 - 2 Q2) / (Q3 - Q1)`; 1 where it is not defined or the median is a quartile.
    fn symmetry(&self) -> f64 {
        let range = self.upper - self.lower;
        if range <= 0.0 || self.median <= self.lower || self.median >= self.upper {
            return 1.0;
        }
        1.0 - ((self.lower + self.upper - 2.0 * self.median) / range).abs()
    }
}
