//! How much weight of each class a node has seen, in the order in which the classes first came.

use serde::{Deserialize, Serialize};

/// The most classes a tree can tell apart; votes live in arrays of this size on the stack.
pub const CLASSES_MAX: usize = 16;

/// Weights by class. The order of arrival decides ties and the order of summation, as in the reference
/// implementations, so that weights agree to the last bit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ClassStats {
    /// Classes in the order of their arrival, each once, and its weight (which may be 0).
    entries: Vec<(u8, f64)>,
}

impl FromIterator<(usize, f64)> for ClassStats {
    fn from_iter<I: IntoIterator<Item = (usize, f64)>>(entries: I) -> Self {
        ClassStats { entries: entries.into_iter().map(|(class, weight)| (class as u8, weight)).collect() }
    }
}

impl ClassStats {
    /// The entries, in the order of their arrival.
    pub fn entries(&self) -> &[(u8, f64)] {
        &self.entries
    }

    /// Adds weight to a class.
    pub fn add(&mut self, class: usize, weight: f64) {
        match self.entries.iter_mut().find(|(known, _)| usize::from(*known) == class) {
            Some((_, sum)) => *sum += weight,
            None => self.entries.push((class as u8, weight)),
        }
    }

    /// Weight of all classes.
    pub fn total(&self) -> f64 {
        self.entries.iter().fold(0.0, |sum, (_, weight)| sum + weight)
    }

    /// Weight of one class.
    pub fn weight(&self, class: usize) -> f64 {
        self.entries.iter().find(|(known, _)| usize::from(*known) == class).map_or(0.0, |(_, weight)| *weight)
    }

    /// The heaviest class, the earliest of equals.
    pub fn majority(&self) -> Option<usize> {
        let mut best: Option<(u8, f64)> = None;
        for &(class, weight) in &self.entries {
            if best.is_none_or(|(_, most)| weight > most) {
                best = Some((class, weight));
            }
        }
        best.map(|(class, _)| usize::from(class))
    }

    /// The heaviest class's weight.
    pub fn majority_weight(&self) -> f64 {
        self.entries.iter().fold(0.0, |most: f64, (_, weight)| most.max(*weight))
    }

    /// Whether fewer than two classes have weight.
    pub fn is_pure(&self) -> bool {
        self.entries.iter().filter(|(_, weight)| *weight != 0.0).count() < 2
    }

    /// How many classes have come, those with weight 0 included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no class has come yet.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, class: u8, weight: f64) {
        self.entries.push((class, weight));
    }
}
