//! ADWIN: a window over a stream of numbers that drops its older part when the mean has changed.
//!
//! Bifet, Gavalda: Learning from Time-Changing Data with Adaptive Windowing, SDM 2007 (the ADWIN2 variant with
//! exponential histograms, as river and MOA have it).

use crate::numeric::ln;
use serde::{Deserialize, Serialize};

/// What happens to the window after a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterDetection {
    /// The next update starts from an empty window (river's `drift.ADWIN`).
    Reset,
    /// Only the old part goes, the newer part lives on (the paper, MOA).
    Keep,
}

/// Settings of [`Adwin`]; names and defaults are river's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdwinParams {
    /// Significance: smaller means fewer false alarms and later detections.
    pub delta: f64,
    /// Updates between two checks.
    pub clock: u32,
    /// Buckets kept of each size before two are merged.
    pub max_buckets: usize,
    /// Neither side of a cut may be shorter.
    pub min_window_length: u32,
    /// No check before the window is longer than this.
    pub grace_period: u32,
    /// The window's fate after a detection.
    pub after_detection: AfterDetection,
}

impl Default for AdwinParams {
    fn default() -> Self {
        AdwinParams {
            delta: 0.002,
            clock: 32,
            max_buckets: 5,
            min_window_length: 5,
            grace_period: 10,
            after_detection: AfterDetection::Reset,
        }
    }
}

impl AdwinParams {
    /// The defaults with another significance.
    pub fn with_delta(delta: f64) -> Self {
        AdwinParams { delta, ..AdwinParams::default() }
    }
}

/// `total` and sum of squared deviations of 2^row consecutive values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Bucket {
    total: f64,
    deviation: f64,
}

/// The detector. Memory grows with the logarithm of the window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adwin {
    params: AdwinParams,
    /// Row r holds buckets of 2^r values, oldest first; rows are ordered from newest to oldest values.
    rows: Vec<Vec<Bucket>>,
    width: u64,
    total: f64,
    deviation: f64,
    ticks: u64,
    detected: bool,
    detections: u64,
}

impl Adwin {
    /// An empty window. `max_buckets` below 2 is taken as 2, `clock` 0 as 1.
    pub fn new(params: AdwinParams) -> Self {
        let params =
            AdwinParams { max_buckets: params.max_buckets.max(2), clock: params.clock.max(1), ..params };
        Adwin {
            params,
            rows: vec![Vec::with_capacity(params.max_buckets + 1)],
            width: 0,
            total: 0.0,
            deviation: 0.0,
            ticks: 0,
            detected: false,
            detections: 0,
        }
    }

    /// The settings.
    pub fn params(&self) -> &AdwinParams {
        &self.params
    }

    /// How many values the window holds.
    pub fn width(&self) -> u64 {
        self.width
    }

    /// Sum of the window's values.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Sum of squared deviations from the window's mean. Cancellation may leave it slightly negative.
    pub fn variance_sum(&self) -> f64 {
        self.deviation
    }

    /// Population variance of the window.
    pub fn variance(&self) -> f64 {
        if self.width == 0 { 0.0 } else { self.deviation / self.width as f64 }
    }

    /// Mean of the window, 0 when it is empty.
    pub fn estimation(&self) -> f64 {
        if self.width == 0 { 0.0 } else { self.total / self.width as f64 }
    }

    /// Whether the last update found a change.
    pub fn drift_detected(&self) -> bool {
        self.detected
    }

    /// How many changes have been found since the window was made.
    pub fn detections(&self) -> u64 {
        self.detections
    }

    /// Forgets the window but not the count of detections.
    pub fn reset(&mut self) {
        let detections = self.detections;
        *self = Adwin::new(self.params);
        self.detections = detections;
    }

    /// Adds a value (not-a-number counts as 0); true when the mean has changed.
    pub fn update(&mut self, value: f64) -> bool {
        if self.detected && self.params.after_detection == AfterDetection::Reset {
            self.reset();
        }
        let value = crate::numeric::tame(value);
        self.insert(value);
        self.compress();
        self.detected = self.shrink();
        self.detections += u64::from(self.detected);
        self.detected
    }

    /// Whether a detector that was read from a file can go on.
    pub(crate) fn is_sound(&self) -> bool {
        let counted = (0..self.rows.len()).try_fold(0u64, |sum, row| {
            let width = 1u64.checked_shl(row as u32)?.checked_mul(self.rows[row].len() as u64)?;
            sum.checked_add(width)
        });
        !self.rows.is_empty()
            && counted == Some(self.width)
            && self.params.max_buckets >= 2
            && self.params.clock > 0
            && self.rows.iter().all(|row| row.len() <= self.params.max_buckets)
    }

    fn insert(&mut self, value: f64) {
        self.rows[0].push(Bucket { total: value, deviation: 0.0 });
        self.width += 1;
        if self.width > 1 {
            let before = (self.width - 1) as f64;
            let distance = value - self.total / before;
            self.deviation += before * distance * distance / self.width as f64;
        }
        self.total += value;
    }

    /// Merges the two oldest buckets of every row that has grown too long.
    fn compress(&mut self) {
        let mut row = 0;
        while self.rows[row].len() > self.params.max_buckets {
            let n = bucket_width(row);
            let (a, b) = (self.rows[row][0], self.rows[row][1]);
            let distance = a.total / n - b.total / n;
            let between = n * n * distance * distance / (n + n);
            let merged = Bucket { total: a.total + b.total, deviation: a.deviation + b.deviation + between };
            self.rows[row].drain(..2);
            if row + 1 == self.rows.len() {
                self.rows.push(Vec::with_capacity(self.params.max_buckets + 1));
            }
            self.rows[row + 1].push(merged);
            row += 1;
        }
    }

    /// Drops the oldest buckets as long as some cut of the window parts two different means.
    fn shrink(&mut self) -> bool {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(u64::from(self.params.clock))
            || self.width <= u64::from(self.params.grace_period)
        {
            return false;
        }
        let mut changed = false;
        while self.some_cut_differs() {
            changed = true;
            self.drop_oldest();
        }
        changed
    }

    fn some_cut_differs(&self) -> bool {
        let shortest = f64::from(self.params.min_window_length);
        let width = self.width as f64;
        let delta_prime = ln(2.0 * ln(width) / self.params.delta);
        let variance = self.deviation / width;
        let (mut older_n, mut older_total) = (0.0, 0.0);
        let (mut newer_n, mut newer_total) = (self.width as f64, self.total);
        for row in (0..self.rows.len()).rev() {
            let n = bucket_width(row);
            for (k, bucket) in self.rows[row].iter().enumerate() {
                older_n += n;
                newer_n -= n;
                older_total += bucket.total;
                newer_total -= bucket.total;
                if row == 0 && k + 1 == self.rows[0].len() {
                    return false;
                }
                if older_n >= shortest && newer_n >= shortest {
                    let distance = older_total / older_n - newer_total / newer_n;
                    if distance.abs() > bound(older_n, newer_n, shortest, variance, delta_prime) {
                        return true;
                    }
                }
            }
        }
        false
    }

    fn drop_oldest(&mut self) {
        while self.rows.last().is_some_and(Vec::is_empty) && self.rows.len() > 1 {
            self.rows.pop();
        }
        let row = self.rows.len() - 1;
        if self.rows[row].is_empty() {
            return;
        }
        let bucket = self.rows[row].remove(0);
        let n = bucket_width(row);
        self.width -= n as u64;
        self.total -= bucket.total;
        if self.width > 0 {
            let width = self.width as f64;
            let distance = bucket.total / n - self.total / width;
            self.deviation -= bucket.deviation + n * width * distance * distance / (n + width);
        } else {
            self.deviation = 0.0;
        }
        if self.rows[row].is_empty() && row > 0 {
            self.rows.pop();
        }
    }
}

/// The paper's epsilon. A negative variance (cancellation) makes it not-a-number: no cut.
fn bound(older_n: f64, newer_n: f64, shortest: f64, variance: f64, delta_prime: f64) -> f64 {
    let m = 1.0 / (older_n - shortest + 1.0) + 1.0 / (newer_n - shortest + 1.0);
    (2.0 * m * variance * delta_prime).sqrt() + 2.0 / 3.0 * delta_prime * m
}

fn bucket_width(row: usize) -> f64 {
    (1u64 << row.min(62)) as f64
}
