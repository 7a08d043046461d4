//! Settings of an adaptive random forest; names are river's.

use crate::numeric::MAGNITUDE_MAX;
use crate::tree::{CLASSES_MAX, LeafPrediction, NaiveBayesRule, SplitCriterion, TreeParams};
use serde::{Deserialize, Serialize};

/// How many features a leaf watches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxFeatures {
    /// The rounded square root of their number.
    Sqrt,
    /// The rounded binary logarithm of their number.
    Log2,
    /// This many.
    Count(usize),
    /// This share of them.
    Fraction(f64),
    /// All.
    All,
}

impl MaxFeatures {
    /// The number for samples of `n` features, at least 1 and at most `n`.
    pub fn of(self, n: usize) -> usize {
        let wanted = match self {
            MaxFeatures::Sqrt => round_half_even((n as f64).sqrt()),
            MaxFeatures::Log2 => round_half_even(crate::numeric::log2(n as f64)),
            MaxFeatures::Count(count) => count,
            MaxFeatures::Fraction(share) => (share * n as f64) as usize,
            MaxFeatures::All => n,
        };
        wanted.clamp(1, n.max(1))
    }
}

fn round_half_even(x: f64) -> usize {
    libm::rint(x) as usize
}

/// How the trees' opinions become the forest's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// Every tree counts by its accuracy since it was planted.
    Weighted,
    /// Every tree counts the same.
    Unweighted,
    /// Trees whose entropy (nats) is below `entropy_max` decide when there are at least `trees_min` of them,
    /// else all do; every tree counts the same.
    Confident {
        /// Entropy in nats below which a tree is sure.
        entropy_max: f64,
        /// Fewest sure trees that may decide alone.
        trees_min: usize,
    },
}

impl Vote {
    /// The default: sure trees are those below 0.25 nats, at least three.
    pub const CONFIDENT: Vote = Vote::Confident { entropy_max: 0.25, trees_min: 3 };
}

/// When a drop of a tree's accuracy replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftParams {
    /// Significance of the detector that replaces a tree.
    pub drift_delta: f64,
    /// Significance of the detector that plants a background tree.
    pub warning_delta: f64,
    /// Whether only a growing error counts (MOA) or any change of it (river).
    pub one_sided: bool,
}

/// Settings of an adaptive random forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForestParams {
    /// Trees.
    pub n_models: usize,
    /// Features a leaf watches.
    pub max_features: MaxFeatures,
    /// Mean of the Poisson draw that says how often a sample counts.
    pub lambda: f64,
    /// Drift detection; `None` for a stream that does not drift.
    pub drift: Option<DriftParams>,
    /// How the trees' opinions become the forest's.
    pub vote: Vote,
    /// Seed of the trees' generators.
    pub seed: u64,
    /// Settings of each tree; `max_features` there is overruled by the one here.
    pub tree: TreeParams,
}

impl ForestParams {
    /// river's `ARFClassifier` defaults, but with MOA's leaf rule and one-sided detectors and with no leaf kept from
    /// splitting: `docs/parity.md` shows what each of the three is worth.
    pub fn new(n_features: usize, n_classes: usize) -> Self {
        ForestParams {
            n_models: 10,
            max_features: MaxFeatures::Sqrt,
            lambda: 6.0,
            drift: Some(DriftParams { drift_delta: 0.001, warning_delta: 0.01, one_sided: true }),
            vote: Vote::Weighted,
            seed: 0,
            tree: TreeParams { grace_period: 50.0, delta: 0.01, ..TreeParams::new(n_features, n_classes) },
        }
    }

    /// The product's forest: 13 trees, lambda 7, depth 10, the confident vote.
    pub fn product(n_features: usize, n_classes: usize) -> Self {
        let base = ForestParams::new(n_features, n_classes);
        ForestParams {
            n_models: 13,
            lambda: 7.0,
            drift: Some(DriftParams { drift_delta: 0.00025, warning_delta: 0.01, one_sided: true }),
            vote: Vote::CONFIDENT,
            tree: TreeParams { max_depth: Some(10), ..base.tree.clone() },
            ..base
        }
    }

    /// The tree settings with the number of watched features worked out.
    pub fn tree_params(&self) -> TreeParams {
        TreeParams { max_features: self.max_features.of(self.tree.n_features), ..self.tree.clone() }
    }

    /// Refuses settings that no forest can be grown with.
    pub fn check(&self) -> Result<(), ParamsError> {
        let tree = &self.tree;
        let within = |name, value: f64, low: f64, high: f64| {
            if value >= low && value <= high { Ok(()) } else { Err(ParamsError { name, value, low, high }) }
        };
        within("n_models", self.n_models as f64, 1.0, TREES_MAX as f64)?;
        within("lambda", self.lambda, 0.001, 1e6)?;
        within("n_features", tree.n_features as f64, 1.0, f64::from(u16::MAX))?;
        within("n_classes", tree.n_classes as f64, 1.0, CLASSES_MAX as f64)?;
        within("grace_period", tree.grace_period, 1.0, MAGNITUDE_MAX)?;
        within("max_depth", f64::from(tree.max_depth.unwrap_or(0)), 0.0, 1e6)?;
        within("delta", tree.delta, f64::MIN_POSITIVE, 1.0)?;
        within("tau", tree.tau, 0.0, 10.0)?;
        within("n_splits", f64::from(tree.n_splits), 1.0, 1000.0)?;
        within("min_branch_fraction", tree.min_branch_fraction, 0.0, 0.5)?;
        within("max_share_to_split", tree.max_share_to_split, 0.0, 1.0)?;
        if let Some(drift) = &self.drift {
            within("drift_delta", drift.drift_delta, f64::MIN_POSITIVE, 1.0)?;
            within("warning_delta", drift.warning_delta, f64::MIN_POSITIVE, 1.0)?;
        }
        Ok(())
    }
}

/// The most trees a forest may have.
pub const TREES_MAX: usize = 1024;

/// A setting outside its bounds.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("forest parameter `{name}` is {value}; give it a value from {low} to {high}")]
pub struct ParamsError {
    /// The setting.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// The least allowed.
    pub low: f64,
    /// The greatest allowed.
    pub high: f64,
}

/// Leaf predictors and rules by the names used on the command line.
impl std::str::FromStr for LeafPrediction {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "mc" => Ok(LeafPrediction::Mc),
            "nb" => Ok(LeafPrediction::Nb),
            "nba" => Ok(LeafPrediction::Nba),
            _ => Err(UnknownSetting { text: text.to_owned(), known: "mc, nb, nba" }),
        }
    }
}

impl std::str::FromStr for NaiveBayesRule {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "river" => Ok(NaiveBayesRule::River),
            "moa" => Ok(NaiveBayesRule::Moa),
            _ => Err(UnknownSetting { text: text.to_owned(), known: "river, moa" }),
        }
    }
}

impl std::str::FromStr for SplitCriterion {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "info_gain" => Ok(SplitCriterion::InfoGain),
            "gini" => Ok(SplitCriterion::Gini),
            _ => Err(UnknownSetting { text: text.to_owned(), known: "info_gain, gini" }),
        }
    }
}

/// A word that names no choice of a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not known here; choose one of: {known}")]
pub struct UnknownSetting {
    /// What was written.
    pub text: String,
    /// What is known.
    pub known: &'static str,
}
