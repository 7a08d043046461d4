//! From a score to a verdict.

use model::Category;

use crate::scoring::Scored;

/// What the sensor decides on one flow vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing to say.
    Benign,
    /// An attack of this category.
    Attack(Category),
}

impl Verdict {
    /// The category, `Benign` when it is no attack.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Verdict::Benign => Category::Benign,
            Verdict::Attack(category) => category,
        }
    }
}

/// Whether a flow alone can look like an attack of this category. A call of a beacon, an answer of a reflector, an upload and a
/// worm's probe are, one by one, a call, an answer, an upload and a probe: however sure a forest is, only counters that see many
/// of them (or another engine) may make an incident of them.
#[must_use]
pub fn shows_in_one_flow(category: Category) -> bool {
    matches!(category, Category::Scan | Category::Dos | Category::Bruteforce | Category::Web)
}

/// When a score is an attack. The thresholds are the model's own, calibrated with it and signed with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy;

impl Policy {
    /// Decides on one scored vector.
    #[must_use]
    pub fn decide(self, scored: &Scored) -> Verdict {
        if scored.prediction.attack { Verdict::Attack(scored.prediction.category) } else { Verdict::Benign }
    }
}
