//! Who learns and who judges: some vectors are held out for ever by their hash, some rows because their set says so, and of the
//! rest whole groups (a run, a sensor's day) go to one side; where groups are too few or too large for a class's share, rows.

use super::checks::vector_hash;
use crate::config::Preprocess;
use crate::dataset::{Row, Split};
use model::Category;
use model::artifact::Digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Where a row goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Train,
    /// Held out now.
    Test,
    /// Held out for ever.
    Permanent,
}

/// Groups and classes are counted apart for each source: both concepts must be judged.
type Class = (Arc<str>, Category);

/// A group may push a class this far beyond its share.
const OVERSHOOT: f64 = 1.25;

pub(crate) struct Splitter {
    test_share: f64,
    percent: u8,
    seed: u64,
    /// Rows that are free to go either way, by group and class.
    groups: BTreeMap<Arc<str>, BTreeMap<Class, u64>>,
    /// Rows held out already, by class.
    already: BTreeMap<Class, u64>,
    test_groups: HashSet<Arc<str>>,
    /// Rows yet to be held out of those in no test group, by class: wanted, there.
    by_row: BTreeMap<Class, (u64, u64)>,
}

impl Splitter {
    pub(crate) fn new(settings: &Preprocess) -> Splitter {
        Splitter {
            test_share: settings.test_share,
            percent: settings.hold_out_percent,
            seed: settings.seed,
            groups: BTreeMap::new(),
            already: BTreeMap::new(),
            test_groups: HashSet::new(),
            by_row: BTreeMap::new(),
        }
    }

    /// Rows that have no choice.
    fn bound(&self, row: &Row) -> Option<Side> {
        if vector_hash(&row.features) % 100 < u64::from(self.percent) {
            Some(Side::Permanent)
        } else if row.split == Split::Train {
            None
        } else {
            Some(Side::Test)
        }
    }

    pub(crate) fn count(&mut self, row: &Row) {
        let class = (row.source.clone(), row.truth);
        let count = match self.bound(row) {
            Some(_) => self.already.entry(class).or_default(),
            None => self.groups.entry(row.run.clone()).or_default().entry(class).or_default(),
        };
        *count += 1;
    }

    /// Chooses the groups, and how many rows of each class must come from elsewhere.
    pub(crate) fn decide(&mut self) {
        let mut free = BTreeMap::<Class, u64>::new();
        for (class, count) in self.groups.values().flatten() {
            *free.entry(class.clone()).or_default() += count;
        }
        let wanted: BTreeMap<Class, u64> = free
            .iter()
            .map(|(class, count)| {
                let already = self.already.get(class).copied().unwrap_or(0);
                let share = ((count + already) as f64 * self.test_share).ceil() as u64;
                (class.clone(), share.saturating_sub(already).min(count.saturating_sub(1)))
            })
            .collect();
        let mut order: Vec<&Arc<str>> = self.groups.keys().collect();
        order.sort_by_key(|group| Digest::of(format!("{}\n{group}", self.seed).as_bytes()).0);
        let mut have = BTreeMap::<Class, u64>::new();
        let mut chosen = HashSet::new();
        for group in order {
            let counts = &self.groups[group];
            let fits = counts.iter().all(|(class, count)| {
                let sum = have.get(class).copied().unwrap_or(0) + count;
                sum as f64 <= wanted[class] as f64 * OVERSHOOT
            });
            if fits {
                for (class, count) in counts {
                    *have.entry(class.clone()).or_default() += count;
                }
                chosen.insert(group.clone());
            }
        }
        for (class, wanted) in &wanted {
            let have = have.get(class).copied().unwrap_or(0);
            if have < *wanted {
                self.by_row.insert(class.clone(), (wanted - have, free[class] - have));
            }
        }
        self.test_groups = chosen;
    }

    /// Decides row by row, in the order of the file.
    pub(crate) fn deciding(&self) -> Deciding<'_> {
        Deciding { splitter: self, seen: BTreeMap::new() }
    }

    pub(crate) fn facts(&self) -> Value {
        let by_row: u64 = self.by_row.values().map(|(wanted, _)| wanted).sum();
        json!({"groups": self.groups.len(), "test_groups": self.test_groups.len(), "rows_without_group": by_row})
    }
}

/// A walk through the file; two walks decide alike.
pub(crate) struct Deciding<'a> {
    splitter: &'a Splitter,
    seen: BTreeMap<Class, u64>,
}

impl Deciding<'_> {
    pub(crate) fn side(&mut self, row: &Row) -> Side {
        if let Some(side) = self.splitter.bound(row) {
            return side;
        }
        if self.splitter.test_groups.contains(&row.run) {
            return Side::Test;
        }
        let class = (row.source.clone(), row.truth);
        let Some((wanted, there)) = self.splitter.by_row.get(&class) else { return Side::Train };
        let seen = self.seen.entry(class).or_default();
        *seen += 1;
        let due = |place: u64| place * wanted / there;
        if due(*seen) > due(*seen - 1) { Side::Test } else { Side::Train }
    }
}
