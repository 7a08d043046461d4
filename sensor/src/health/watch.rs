//! Readings in, warnings out: forecasts with limits, an anomaly score without, and a memory of what was said.

use std::collections::BTreeMap;

use super::half_space::{DIMENSIONS, HalfSpaceTrees};
use super::trend::Trend;
use super::{Appliance, Concern, Readings, Warning};
use crate::status;

/// A change of what is warned of.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// It is new.
    Raised(Warning),
    /// It is over.
    Ended(Concern),
}

/// Watches the readings.
pub struct HealthWatch {
    disk: Trend,
    memory: Trend,
    clock: Trend,
    /// Wall clock less raw clock at the reading before.
    offset_us: Option<i64>,
    dropping: u32,
    crowded: u32,
    usual: [Usual; DIMENSIONS],
    trees: HalfSpaceTrees,
    /// The highest scores of late readings, fading, against which a score is high.
    score_usual: Usual,
    odd: u32,
    /// When a concern was last seen to hold, and since when it is warned of.
    standing: BTreeMap<Concern, (u64, Warning)>,
    appliance: Appliance,
    /// Readings so far.
    readings: u64,
    database_before: Option<u64>,
    rss_before: Option<u64>,
}

/// What a dimension is usually like: a mean and a spread that follow slowly.
#[derive(Debug, Clone, Copy, Default)]
struct Usual {
    mean: f64,
    variance: f64,
    seen: u32,
    /// The farthest that it was of late, in spreads, fading.
    farthest: f64,
}

impl Usual {
    /// Readings that a mean looks back over: two hours at one in ten seconds.
    const MEMORY: f64 = 720.0;
    /// Readings before anything can be new: three hours.
    const LEARNED: u32 = 1_080;

    /// How many spreads `value` is away from the mean, before it is counted. `floor` is a spread that means nothing.
    fn deviation(&mut self, value: f64, floor: f64) -> f64 {
        let z = (value - self.mean) / self.variance.sqrt().max(floor);
        let z = if self.seen == 0 { 0.0 } else { z };
        self.seen += 1;
        let share = 1.0 / f64::from(self.seen).min(Self::MEMORY);
        let off = value - self.mean;
        self.mean += share * off;
        self.variance = (1.0 - share) * (self.variance + share * off * off);
        z
    }

    /// Whether `z` is farther than anything of late. What is not so is remembered: a job that runs every hour is no news.
    fn is_new(&mut self, z: f64) -> bool {
        /// Half forgotten after a day at one reading in ten seconds.
        const FADE: f64 = 0.999_92;
        self.farthest *= FADE;
        let is_new = self.seen > Self::LEARNED && z.abs() > 6.0 && z.abs() > 1.5 * self.farthest;
        if !is_new {
            self.farthest = self.farthest.max(z.abs());
        }
        is_new
    }
}

/// Names of the dimensions of the anomaly score, and the spread below which one means nothing.
const DIMENSION: [(&str, f64); DIMENSIONS] = [
    ("CPU", 0.05),
    ("memory growth", 1e6),
    ("memory available", 5e7),
    ("disk space used", 1e6),
    ("temperature", 1.5),
    ("dropped packets", 1e-4),
    ("queue before scoring", 0.01),
    ("rows that wait for the disk", 500.0),
    ("database growth", 1e6),
];

impl HealthWatch {
    /// Readings over which a clock must run off steadily: ten minutes.
    const CLOCK_READINGS: usize = 60;
    /// A warning ends when its cause has been gone for so long.
    const GONE_US: u64 = 10 * 60 * 1_000_000;
    /// A wall clock that moves by more between two readings was set.
    const STEP_US: i64 = 500_000;
    /// NTP slews by at most 500 parts in a million; what is steadily beyond that is no correction.
    const SPEED_MAX: f64 = 600e-6;
    const HOT_C: f64 = 85.0;
    /// Readings in a row that make an oddity a warning.
    const ODD_READINGS: u32 = 6;

    /// A watch that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            disk: Trend::default(),
            memory: Trend::default(),
            clock: Trend::default(),
            offset_us: None,
            dropping: 0,
            crowded: 0,
            usual: [Usual::default(); DIMENSIONS],
            trees: HalfSpaceTrees::new(20_260),
            score_usual: Usual::default(),
            odd: 0,
            standing: BTreeMap::new(),
            appliance: Appliance::default(),
            readings: 0,
            database_before: None,
            rss_before: None,
        }
    }

    /// What is known now.
    #[must_use]
    pub fn appliance(&self) -> &Appliance {
        &self.appliance
    }

    /// Takes readings (about every ten seconds) and says what has changed.
    pub fn observe(&mut self, readings: &Readings) -> Vec<Told> {
        let mut now = Vec::new();
        self.readings += 1;
        self.look_at_disk(readings, &mut now);
        self.look_at_memory(readings, &mut now);
        self.look_at_drops(readings, &mut now);
        self.look_at_clock(readings, &mut now);
        if let Some(c) = readings.temperature_c.filter(|c| *c >= Self::HOT_C) {
            now.push((Concern::Temperature, format!("{c:.0} °C: check fans, dust and the room"), None));
        }
        self.look_at_all(readings, &mut now);
        self.appliance.readings = *readings;
        self.tell(readings, now)
    }

    /// Forecasts are made once a minute: they are about hours, and cost most.
    fn is_time(&self) -> bool {
        self.readings.is_multiple_of(6)
    }

    fn look_at_disk(&mut self, readings: &Readings, now: &mut Vec<(Concern, String, Option<u64>)>) {
        let Some(free) = readings.disk_free_bytes else { return };
        self.disk.push(readings.raw_us, free as f64);
        if !self.is_time() {
            return;
        }
        if let Some(s) = self.disk.falls_to(0.0) {
            let text = format!(
                "the disk is full in {} ({} left): lower `store.size_max_mib` or `evidence.quota_mib`, or see who else writes",
                status::span((s * 1e6) as u64),
                status::bytes(free)
            );
            now.push((Concern::Disk, text, Some(s as u64)));
        }
    }

    fn look_at_memory(&mut self, readings: &Readings, now: &mut Vec<(Concern, String, Option<u64>)>) {
        let (Some(rss), Some(available)) = (readings.rss_bytes, readings.memory_available_bytes) else {
            return;
        };
        self.memory.push(readings.raw_us, -(rss as f64));
        if !self.is_time() {
            return;
        }
        let floor = -(rss as f64) - available as f64;
        if let Some(s) = self.memory.falls_to(floor) {
            let text = format!(
                "memory runs out in {}: the sensor holds {} and grows steadily; lower `meter.flows_max`, and report it with `taphound doctor`",
                status::span((s * 1e6) as u64),
                status::bytes(rss)
            );
            now.push((Concern::Memory, text, Some(s as u64)));
        }
    }

    fn look_at_drops(&mut self, readings: &Readings, now: &mut Vec<(Concern, String, Option<u64>)>) {
        const READINGS: u32 = 3;
        if let Some(share) = readings.drop_share {
            // A tenth of what makes the sensor call itself degraded.
            self.dropping = if share > 1e-4 { self.dropping + 1 } else { 0 };
            if self.dropping >= READINGS {
                let text = format!(
                    "the ring overflows: {:.3} % of the packets were dropped since the last reading; raise `capture.ring_mib`, add rings, or filter",
                    share * 100.0
                );
                now.push((Concern::Drops, text, None));
            }
        }
        if let Some(share) = readings.queue_share {
            self.crowded = if share > 0.5 { self.crowded + 1 } else { 0 };
            if self.crowded >= READINGS {
                let text = format!(
                    "ring pressure rises: {:.0} % of the records that may wait for scoring wait; give it another core, or filter",
                    share * 100.0
                );
                now.push((Concern::Drops, text, None));
            }
        }
    }

    fn look_at_clock(&mut self, readings: &Readings, now: &mut Vec<(Concern, String, Option<u64>)>) {
        let offset_us = readings.wall_us.cast_signed().wrapping_sub(readings.raw_us.cast_signed());
        let before = self.offset_us.replace(offset_us);
        let moved_us = before.map_or(0, |before| offset_us.wrapping_sub(before));
        if moved_us.abs() > Self::STEP_US {
            self.clock.clear();
            let text = format!(
                "the wall clock was set by {:+.1} s: times of alerts before and after do not compare; check NTP",
                moved_us as f64 / 1e6
            );
            now.push((Concern::Clock, text, None));
        }
        self.clock.push(readings.raw_us, offset_us as f64 / 1e6);
        if self.is_time()
            && let Some(speed) = self.clock.steady_slope(Self::CLOCK_READINGS)
            && speed.abs() > Self::SPEED_MAX
        {
            let text = format!(
                "the wall clock runs {:+.0} ms an hour off: check NTP, and the machine's clock source",
                speed * 3.6e6
            );
            now.push((Concern::Clock, text, None));
        }
    }

    fn look_at_all(&mut self, readings: &Readings, now: &mut Vec<(Concern, String, Option<u64>)>) {
        let grown = |now: Option<u64>, before: Option<u64>| {
            now.zip(before).map(|(now, before)| now as f64 - before as f64)
        };
        let used = readings.disk_total_bytes.zip(readings.disk_free_bytes);
        let values = [
            readings.cpu_cores,
            grown(readings.rss_bytes, self.rss_before),
            readings.memory_available_bytes.map(|n| n as f64),
            used.map(|(total, free)| total.saturating_sub(free) as f64),
            readings.temperature_c,
            readings.drop_share,
            readings.queue_share,
            readings.rows_waiting.map(|n| n as f64),
            grown(readings.database_bytes, self.database_before),
        ];
        (self.rss_before, self.database_before) = (readings.rss_bytes, readings.database_bytes);
        let mut deviations = [0.0; DIMENSIONS];
        let mut x = [0.5; DIMENSIONS];
        for (d, value) in values.into_iter().enumerate() {
            let Some(value) = value else { continue };
            deviations[d] = self.usual[d].deviation(value, DIMENSION[d].1);
            x[d] = 0.5 + 0.5 * libm::tanh(deviations[d] / 8.0);
        }
        let Some(score) = self.trees.score_then_learn(&x) else { return };
        self.appliance.anomaly = Some(score);
        let above = self.score_usual.deviation(score, 0.01);
        let fresh = (0..DIMENSIONS).filter(|d| self.usual[*d].is_new(deviations[*d])).count();
        // Both must say so: the trees that the place is empty, and a dimension that it was never so far from its own usual.
        let is_odd = above > 2.0 && fresh > 0;
        self.odd = if is_odd { self.odd + 1 } else { 0 };
        if self.odd >= Self::ODD_READINGS {
            let mut order: Vec<usize> = (0..DIMENSIONS).filter(|d| deviations[*d].abs() > 3.0).collect();
            order.sort_by(|a, b| deviations[*b].abs().total_cmp(&deviations[*a].abs()));
            let why: Vec<String> = order
                .iter()
                .take(3)
                .map(|d| {
                    let way = if deviations[*d] > 0.0 { "high" } else { "low" };
                    format!("{} unusually {way}", DIMENSION[*d].0)
                })
                .collect();
            now.push((Concern::Unusual, format!("unlike the hours before: {}", why.join(", ")), None));
        }
    }

    /// What is new, and what has been gone for long enough.
    fn tell(&mut self, readings: &Readings, now: Vec<(Concern, String, Option<u64>)>) -> Vec<Told> {
        let mut told = Vec::new();
        for (concern, text, in_s) in now {
            let since_us = self.standing.get(&concern).map_or(readings.wall_us, |(_, known)| known.since_us);
            let warning = Warning { concern, text, in_s, since_us };
            if self.standing.insert(concern, (readings.raw_us, warning.clone())).is_none() {
                self.appliance.warned += 1;
                told.push(Told::Raised(warning));
            }
        }
        self.standing.retain(|concern, (seen_us, _)| {
            let stands = readings.raw_us.saturating_sub(*seen_us) < Self::GONE_US;
            if !stands {
                told.push(Told::Ended(*concern));
            }
            stands
        });
        self.appliance.warnings = self.standing.values().map(|(_, warning)| warning.clone()).collect();
        told
    }
}

impl Default for HealthWatch {
    fn default() -> Self {
        Self::new()
    }
}
