//! Everything that decides what a model becomes, apart from its data: slices carry it, so that only slices of one
//! recipe are joined.

use crate::args::{ForestArgs, RecipeArgs};
use crate::dataset::{Row, Split};
use crate::failure::Failure;
use clap::ValueEnum;
use model::artifact::Digest;
use model::forest::{DriftParams, ForestParams};
use model::tree::TreeParams;
use model::{Category, N_FEATURES, Thresholds};
use serde::{Deserialize, Serialize};

/// How much rare classes are raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Balance {
    /// Not at all.
    None,
    /// By the square root of their rarity.
    Sqrt,
    /// By their rarity.
    Full,
}

/// No row counts more than this many times its share: a handful of rows must not be a class's whole truth.
const RAISE_MAX: f64 = 20.0;

impl Balance {
    /// Weight of each class of the given sizes.
    pub(crate) fn weights(self, counts: &[u64]) -> Vec<f64> {
        let present = counts.iter().filter(|count| **count > 0).count() as f64;
        let total: u64 = counts.iter().sum();
        counts
            .iter()
            .map(|&count| {
                if count == 0 {
                    return 1.0;
                }
                let rarity = total as f64 / (present * count as f64);
                match self {
                    Balance::None => 1.0,
                    Balance::Sqrt => rarity.sqrt().min(RAISE_MAX),
                    Balance::Full => rarity.min(RAISE_MAX),
                }
            })
            .collect()
    }
}

/// What is done to features first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub(crate) enum TransformKind {
    /// Nothing.
    Raw,
    /// Standard scores.
    Standard,
    /// sign(x) ln(1 + |x|).
    Log,
    /// The logarithm, then standard scores.
    LogStandard,
}

/// The recipe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recipe {
    pub(crate) name: String,
    pub(crate) serial: u64,
    pub(crate) parent: Option<u64>,
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) epochs: u32,
    pub(crate) balance: Balance,
    pub(crate) transform: TransformKind,
    pub(crate) thresholds: Thresholds,
    pub(crate) novelty_trees: usize,
    pub(crate) with_learner: bool,
    pub(crate) final_only: bool,
    pub(crate) without_tools: Vec<String>,
    pub(crate) classes: Vec<Category>,
    pub(crate) training_data: Digest,
    pub(crate) forest: ForestParams,
}

impl Recipe {
    /// What the command line and the data ask for.
    pub(crate) fn new(
        args: &RecipeArgs,
        forest: &ForestArgs,
        classes: Vec<Category>,
        training_data: Digest,
    ) -> Result<Recipe, Failure> {
        let provisional = args.provisional_threshold.unwrap_or(args.threshold);
        let thresholds = thresholds(args.threshold, provisional)?;
        if args.epochs == 0 || args.epochs > 1000 {
            return Err(Failure::usage(format!("--epochs {}: give a number from 1 to 1000", args.epochs)));
        }
        if args.novelty_trees > model::forest::TREES_MAX {
            return Err(Failure::usage(format!(
                "--novelty-trees {}: give 1024 or fewer",
                args.novelty_trees
            )));
        }
        let params = forest_params(forest, args.seed, classes.len());
        params.check().map_err(Failure::usage)?;
        Ok(Recipe {
            name: args.name.clone(),
            serial: args.serial,
            parent: args.parent,
            created: creation_time(args.created)?,
            expires: args.expires,
            epochs: args.epochs,
            balance: args.balance,
            transform: args.transform,
            thresholds,
            novelty_trees: args.novelty_trees,
            with_learner: args.with_learner,
            final_only: args.final_only,
            without_tools: args.without_tool.clone(),
            classes,
            training_data,
            forest: params,
        })
    }

    /// Whether the row is learned from.
    pub(crate) fn learns(&self, row: &Row) -> bool {
        row.split == Split::Train
            && !(self.final_only && row.is_provisional())
            && !self.without_tools.iter().any(|tool| **tool == *row.tool)
    }

    /// The forest's class number of a category.
    pub(crate) fn class_of(&self, category: Category) -> Option<usize> {
        self.classes.iter().position(|class| *class == category)
    }
}

/// Checks scores that are to decide.
pub(crate) fn thresholds(attack: f64, provisional: f64) -> Result<Thresholds, Failure> {
    for threshold in [attack, provisional] {
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Failure::usage(format!("threshold {threshold}: give a score from 0 to 1")));
        }
    }
    Ok(Thresholds { attack, provisional })
}

fn forest_params(args: &ForestArgs, seed: u64, n_classes: usize) -> ForestParams {
    let base = ForestParams::product(N_FEATURES, n_classes);
    ForestParams {
        n_models: args.n_models,
        max_features: args.max_features,
        lambda: args.lambda,
        drift: (!args.no_drift).then_some(DriftParams {
            drift_delta: args.drift_delta,
            warning_delta: args.warning_delta,
            one_sided: true,
        }),
        vote: args.vote,
        seed,
        tree: TreeParams {
            grace_period: args.grace_period,
            max_depth: Some(args.max_depth),
            delta: args.delta,
            tau: args.tau,
            split_criterion: args.split_criterion,
            leaf_prediction: args.leaf_prediction,
            naive_bayes: args.naive_bayes,
            max_bytes: args.max_bytes,
            ..base.tree
        },
    }
}

/// A model made without a given date carries today's.
pub(crate) fn creation_time(given: Option<u64>) -> Result<u64, Failure> {
    if let Some(given) = given {
        return Ok(given);
    }
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        let remedy = "give epoch seconds or unset it";
        return text
            .trim()
            .parse()
            .map_err(|_| Failure::usage(format!("SOURCE_DATE_EPOCH is `{text}`; {remedy}")));
    }
    Ok(crate::clock::now_ms() / 1000)
}
