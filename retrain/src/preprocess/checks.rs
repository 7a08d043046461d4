//! What must be true of data before anybody learns from it. A row that is impossible is left out and counted; a data set with
//! too many of them, or one-sided, stale or contradictory, stops the pipeline with a report.

use crate::config::Preprocess;
use crate::dataset::Row;
use crate::preprocess::vectors::Entry;
use model::artifact::Digest;
use model::{FEATURES, N_FEATURES};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// More impossible rows than this share, and the whole set is suspect.
const IMPOSSIBLE_MAX: f64 = 0.01;
/// More vectors than this share that are attacks here and benign there, and labels are suspect.
const CONTRADICTIONS_MAX: f64 = 0.1;
const VALUE_MAX: f64 = 1e15;
const DAY_MS: u64 = 86_400_000;

/// Fixed for ever: it decides what no version trains on.
pub(crate) fn vector_hash(x: &[f64; N_FEATURES]) -> u64 {
    let mut bytes = [0; N_FEATURES * 8];
    for (slot, value) in bytes.chunks_exact_mut(8).zip(x) {
        slot.copy_from_slice(&value.to_bits().to_le_bytes());
    }
    let digest = Digest::of(&bytes).0;
    u64::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
    ])
}

/// What is impossible about a vector; none when nothing is.
pub(crate) fn fault_of(x: &[f64; N_FEATURES]) -> Option<String> {
    if let Some(at) = x.iter().position(|value| !value.is_finite()) {
        return Some(format!("{} is not finite", FEATURES[at]));
    }
    if let Some(at) = x.iter().position(|value| *value < 0.0 || *value > VALUE_MAX) {
        return Some(format!("{} is out of range", FEATURES[at]));
    }
    // Means are quotients: they may miss their bounds by a rounding.
    let at_most = |a: f64, b: f64| a <= b * (1.0 + 1e-9) + 1e-9;
    let ordered = [(6, 7), (7, 5), (8, 5), (10, 9), (11, 9), (16, 0), (17, 0), (19, 0)];
    for (low, high) in ordered {
        if !at_most(x[low], x[high]) {
            return Some(format!("{} exceeds {}", FEATURES[low], FEATURES[high]));
        }
    }
    None
}

/// The checks over one data set.
pub(crate) struct Checks {
    balance_min: f64,
    fresh_h: u32,
    rows: u64,
    attacks: u64,
    impossible: BTreeMap<String, u64>,
    distinct: u64,
    duplicates: u64,
    contradictions: u64,
    newest_day: Option<u64>,
    held_out: [u64; 2],
    leaked: u64,
}

impl Checks {
    pub(crate) fn new(settings: &Preprocess) -> Checks {
        Checks {
            balance_min: settings.balance_min,
            fresh_h: settings.fresh_h,
            rows: 0,
            attacks: 0,
            impossible: BTreeMap::new(),
            distinct: 0,
            duplicates: 0,
            contradictions: 0,
            newest_day: None,
            held_out: [0; 2],
            leaked: 0,
        }
    }

    /// Looks at a row; false when it is impossible. What it has in common with others, [`Checks::vector`] is told.
    pub(crate) fn admits(&mut self, row: &Row) -> bool {
        self.rows += 1;
        if let Some(fault) = fault_of(&row.features) {
            *self.impossible.entry(fault).or_default() += 1;
            return false;
        }
        let attack = row.truth.is_attack();
        self.attacks += u64::from(attack);
        if &*row.source == "DRIFT" {
            let day = row.run.rsplit_once('/').and_then(|(_, day)| day.parse().ok());
            self.newest_day = self.newest_day.max(day);
        }
        true
    }

    /// Looks at all occurrences of one vector; their mark says whether an attack was seen.
    pub(super) fn vector(&mut self, occurrences: &[Entry]) {
        let attacks = occurrences.iter().filter(|entry| entry.mark).count() as u64;
        let benign = occurrences.len() as u64 - attacks;
        self.distinct += 1;
        self.duplicates += attacks.saturating_sub(1) + benign.saturating_sub(1);
        self.contradictions += u64::from(attacks > 0 && benign > 0);
    }

    /// What the hold-out came to, by kind and source, and how many rows were kept from it because training has them too.
    pub(crate) fn held_out(&mut self, counts: &BTreeMap<(&str, String), [u64; 2]>, leaked: u64) {
        self.leaked = leaked;
        for ((kind, _), [_, holdout]) in counts {
            self.held_out[usize::from(*kind == "attack")] += holdout;
        }
    }

    /// (check, holds, what was found).
    fn results(&self, now: u64) -> Vec<(&'static str, bool, String)> {
        let bad: u64 = self.impossible.values().sum();
        let sound = self.rows - bad;
        let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        let attacks = share(self.attacks, sound);
        let worst = self.impossible.iter().max_by_key(|(_, count)| **count);
        let worst = worst.map_or(String::new(), |(fault, count)| format!(", most often {fault} ({count})"));
        let contradictions = share(self.contradictions, self.distinct);
        let age = self.newest_day.map(|day| now.saturating_sub((day + 1) * DAY_MS) / 3_600_000);
        let fresh = self.fresh_h == 0 || age.is_none_or(|age| age <= u64::from(self.fresh_h));
        vec![
            ("rows", sound > 0, format!("{} rows, {sound} of them sound", self.rows)),
            (
                "ranges",
                share(bad, self.rows) <= IMPOSSIBLE_MAX,
                format!("{bad} impossible rows left out{worst}"),
            ),
            ("duplicates", true, format!("{} rows are there more than once", self.duplicates)),
            (
                "labels",
                contradictions <= CONTRADICTIONS_MAX,
                format!("{} vectors are attacks here and benign there", self.contradictions),
            ),
            (
                "balance",
                attacks >= self.balance_min && 1.0 - attacks >= self.balance_min,
                format!("{:.1} % of the rows are attacks", attacks * 100.0),
            ),
            (
                "leakage",
                true,
                format!("{} rows kept out of the hold-out: training has them too", self.leaked),
            ),
            (
                "hold-out",
                self.held_out[0] > 0 && self.held_out[1] > 0,
                format!("{} benign rows and {} attacks", self.held_out[0], self.held_out[1]),
            ),
            (
                "freshness",
                fresh,
                age.map_or("no drift rows with a day".to_owned(), |age| {
                    format!("the newest day ended {age} h ago")
                }),
            ),
        ]
    }

    /// The report.
    pub(crate) fn report(&self, now: u64, digest: &str) -> Value {
        let checks: Vec<Value> = self
            .results(now)
            .into_iter()
            .map(|(check, holds, what)| {
                json!({"check": check, "result": if holds { "passed" } else { "failed" }, "what": what})
            })
            .collect();
        json!({"data_sha256": digest, "checks": checks, "impossible": self.impossible})
    }

    /// The failed checks in one line; none when all hold.
    pub(crate) fn faults(&self, now: u64) -> Option<String> {
        let failed: Vec<String> = self
            .results(now)
            .into_iter()
            .filter(|(_, holds, _)| !holds)
            .map(|(check, _, what)| format!("check `{check}` failed ({what})"))
            .collect();
        (!failed.is_empty()).then(|| failed.join(", "))
    }
}
