//! The command line.

mod steps;

use crate::recipe::{Balance, TransformKind};
use clap::{Args, Parser, Subcommand, ValueEnum};
use model::forest::{MaxFeatures, Vote};
use model::tree::{LeafPrediction, NaiveBayesRule, SplitCriterion};
use std::path::PathBuf;

pub(crate) use steps::{
    ArchiveArgs, CheckDriftArgs, FetchArgs, ImportArgs, IncrementalArgs, MergeArgs, PreprocessArgs,
    PromoteArgs, PublishArgs, PullBaseArgs, RebuildArgs, RegisterArgs, RollbackArgs, RunArgs,
};

/// Train, join, measure and sign Taphound's models.
#[derive(Debug, Parser)]
#[command(name = "taphound-retrain", version, max_term_width = 110)]
pub(crate) struct Cli {
    /// Write the outcome (done, no-drift, too-few-labels, cooling-down, refused) to this file and exit 0
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) outcome_file: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find out whether the model still fits the labelled traffic of the last day
    CheckDrift(CheckDriftArgs),
    /// Fetch the labelled flows of a drift from the log table
    Fetch(FetchArgs),
    /// Version drift data in the object store as DVC lays it out
    Archive(ArchiveArgs),
    /// Bring the base set, and hold it against its digest
    PullBase(PullBaseArgs),
    /// Join drift data with as much of the base set as keeps the old concept alive
    Merge(MergeArgs),
    /// Check merged data, hold rows out, and raise the rarer side of the rest
    Preprocess(PreprocessArgs),
    /// Train a model on labelled flows (CSV, plain or .gz or .zst)
    Train(Box<TrainArgs>),
    /// Join slices that `train --slice` made into the model that one run would have made
    Join(JoinArgs),
    /// Put a model and all that is known of it into the registry, as `staging`
    Register(RegisterArgs),
    /// Move a model on: staging to canary, a canary that has soaked to production
    Promote(PromoteArgs),
    /// Take the canary back, or return production to the model before
    Rollback(RollbackArgs),
    /// The whole circle once: drift, retrain, gate, register, promote; goes on where an earlier run was cut off
    Run(RunArgs),
    /// `run` again and again
    Watch(RunArgs),
    /// Measure a model on labelled flows, anybody's scores, or a sensor's incidents
    Evaluate(EvaluateArgs),
    /// Make a key pair for signing models
    Keygen(KeygenArgs),
    /// Let a sensor into the fleet (prints a token for `taphound-sync enroll`), or revoke one
    EnrollToken(crate::enroll_token::EnrollTokenArgs),
    /// List the sensors of the fleet: model, lag, health, last seen
    Fleet(crate::fleet::FleetArgs),
    /// Make few large log files out of many small ones
    Compact(crate::compact::CompactArgs),
    /// Make a lost log table or registry anew from the object store alone
    Rebuild(RebuildArgs),
    /// Turn labelled flows from one form into another
    Dataset {
        #[command(subcommand)]
        command: DatasetCommand,
    },
    /// Write man pages and shell completions
    #[command(hide = true)]
    Manual(ManualArgs),
}

/// Output of `manual`.
#[derive(Debug, Args)]
pub(crate) struct ManualArgs {
    /// Folder for `man/` and `completions/`
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

/// Subcommands of `dataset`.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Make one Parquet file of labelled flows
    Build(DatasetFiles),
    /// Put labelled flows of `taphound replay --labels --out` into the log table
    Import(ImportArgs),
    /// Version the base set in the object store as DVC lays it out
    Publish(PublishArgs),
    /// Make one CSV file of labelled flows (plain, or packed when its name ends in .gz or .zst)
    Export(DatasetFiles),
}

/// Input and output of `dataset`.
#[derive(Debug, Args)]
pub(crate) struct DatasetFiles {
    /// Labelled flows: CSV (plain, .gz or .zst) or Parquet
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Input and output of `train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Labelled flows: the 20 features by name, and the truth in `true_category`, `category` or `Label`
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// The model file to write (with `--slice`: the slice file)
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Sign with this secret key (a file that `keygen` made)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Threads; the result does not depend on it [default: one a core]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<usize>,
    /// Train only slice I of N (I from 1), to be joined later
    #[arg(long, value_name = "I/N", value_parser = parse_slice)]
    pub(crate) slice: Option<(usize, usize)>,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) recipe: RecipeArgs,
    #[command(flatten)]
    pub(crate) forest: ForestArgs,
    #[command(flatten)]
    pub(crate) incremental: IncrementalArgs,
}

/// What the model is called and how it is made.
#[derive(Debug, Args)]
pub(crate) struct RecipeArgs {
    /// The model's name
    #[arg(long, default_value = "ARF Baseline Model")]
    pub(crate) name: String,
    /// The model's serial: higher than every one before it
    #[arg(long, default_value_t = 1)]
    pub(crate) serial: u64,
    /// Serial of the model this one replaces
    #[arg(long)]
    pub(crate) parent: Option<u64>,
    /// Time of making, epoch seconds [default: SOURCE_DATE_EPOCH, else now]
    #[arg(long, value_name = "EPOCH_S")]
    pub(crate) created: Option<u64>,
    /// From when on the model must not be installed any more, epoch seconds
    #[arg(long, value_name = "EPOCH_S")]
    pub(crate) expires: Option<u64>,
    /// Seed of the row order and of every tree
    #[arg(long, default_value_t = 7)]
    pub(crate) seed: u64,
    /// Passes over the training rows, each in an order of its own
    #[arg(long, default_value_t = 1)]
    pub(crate) epochs: u32,
    /// How much rare classes are raised: a row's Poisson mean is multiplied by (rows / (classes * rows of its
    /// class)) to the power 0 (none), 1/2 (sqrt) or 1 (full), at most 20
    #[arg(long, default_value = "sqrt")]
    pub(crate) balance: Balance,
    /// What is done to features first
    #[arg(long, default_value = "log-standard")]
    pub(crate) transform: TransformKind,
    /// Score at or above which a verdict is "attack"
    #[arg(long, default_value_t = 0.5)]
    pub(crate) threshold: f64,
    /// The same for flows that still live [default: as --threshold]
    #[arg(long)]
    pub(crate) provisional_threshold: Option<f64>,
    /// Trees of the novelty forest; 0 leaves novelty out
    #[arg(long, default_value_t = 64)]
    pub(crate) novelty_trees: usize,
    /// Carry the state to go on learning in the file, too
    #[arg(long)]
    pub(crate) with_learner: bool,
    /// Learn from final records only, not from those of flows that still lived
    #[arg(long)]
    pub(crate) final_only: bool,
    /// Do not learn from rows that this tool made (may be repeated)
    #[arg(long, value_name = "TOOL")]
    pub(crate) without_tool: Vec<String>,
}

/// Forest parameters, named as river names them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Forest parameters (river's names)")]
pub(crate) struct ForestArgs {
    #[arg(long, default_value_t = 13, help = "Trees")]
    pub(crate) n_models: usize,
    #[arg(long, default_value = "sqrt", value_parser = parse_max_features)]
    #[arg(help = "Features a leaf watches: sqrt, log2, all, a count or a share below 1")]
    pub(crate) max_features: MaxFeatures,
    #[arg(long, default_value_t = 7.0, help = "Mean of the Poisson draw that says how often a row counts")]
    pub(crate) lambda: f64,
    #[arg(long, default_value_t = 50.0, help = "Weight a leaf sees between two attempts to split")]
    pub(crate) grace_period: f64,
    #[arg(long, default_value_t = 10, help = "Deepest leaf; the root has depth 0")]
    pub(crate) max_depth: u32,
    #[arg(long, default_value_t = 0.01, help = "Allowed error of a split decision")]
    pub(crate) delta: f64,
    #[arg(long, default_value_t = 0.05, help = "A Hoeffding bound below this settles a tie")]
    pub(crate) tau: f64,
    #[arg(long, default_value = "info_gain", help = "Split criterion: info_gain or gini")]
    pub(crate) split_criterion: SplitCriterion,
    #[arg(long, default_value = "nba", help = "Leaf predictor: mc, nb or nba")]
    pub(crate) leaf_prediction: LeafPrediction,
    #[arg(long, default_value = "moa", help = "Rule of the naive-Bayes leaves: river or moa")]
    pub(crate) naive_bayes: NaiveBayesRule,
    #[arg(long, default_value = "confident", value_parser = parse_vote)]
    #[arg(help = "Vote: confident, unweighted or weighted")]
    pub(crate) vote: Vote,
    #[arg(long, default_value_t = 0.00025, help = "Significance of the detector that replaces a tree")]
    pub(crate) drift_delta: f64,
    #[arg(long, default_value_t = 0.01, help = "Significance of the detector that plants a background tree")]
    pub(crate) warning_delta: f64,
    #[arg(long, help = "No drift detection")]
    pub(crate) no_drift: bool,
    #[arg(long, default_value_t = 16 << 20, help = "Memory a tree may take, bytes")]
    pub(crate) max_bytes: usize,
}

/// Input and output of `join`.
#[derive(Debug, Args)]
pub(crate) struct JoinArgs {
    /// Every slice, in any order
    #[arg(required = true, value_name = "SLICE")]
    pub(crate) slices: Vec<PathBuf>,
    /// The data the slices were trained on, to measure the joined model
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    pub(crate) data: Vec<PathBuf>,
    /// The model file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Another score at or above which a verdict is "attack" than the slices were trained with
    #[arg(long)]
    pub(crate) threshold: Option<f64>,
    /// The same for flows that still live
    #[arg(long)]
    pub(crate) provisional_threshold: Option<f64>,
    /// Sign with this secret key (a file that `keygen` made)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) incremental: IncrementalArgs,
}

/// Rows that were held out of training in one of two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeldOut {
    /// Runs of tools that are known from training: the split `test`.
    Runs,
    /// Tools that are not: the split `test-tool`, with the benign rows of `test` beside it.
    Tools,
}

/// Input of `evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// The model file
    #[arg(long, value_name = "FILE")]
    pub(crate) model: Option<PathBuf>,
    /// Labelled flows for the model to judge: CSV or Parquet
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with_all = ["scored", "replays"])]
    pub(crate) data: Vec<PathBuf>,
    /// Flows that somebody has judged: CSV with true_category, category and score
    #[arg(long, num_args = 1.., value_name = "FILE", conflicts_with = "replays")]
    pub(crate) scored: Vec<PathBuf>,
    /// A list of replayed captures (CSV: case,group,variant,flows,findings,labels): what was found, how soon, what falsely
    #[arg(long, value_name = "FILE")]
    pub(crate) replays: Option<PathBuf>,
    /// Only rows of runs held out of training, or of tools held out
    #[arg(long, value_name = "WHAT", requires = "data")]
    pub(crate) held_out: Option<HeldOut>,
    /// Judge the rows again with noise, with each feature missing, and with outliers
    #[arg(long, requires = "data")]
    pub(crate) robustness: bool,
    /// Give the points of the ROC and precision-recall curves, too (in the JSON)
    #[arg(long, requires = "json")]
    pub(crate) curves: bool,
    /// Only rows of this split: train, validation, test or test-tool
    #[arg(long, value_name = "SPLIT")]
    pub(crate) split: Option<String>,
    /// Measure the rows of flows that still lived instead of final ones
    #[arg(long)]
    pub(crate) provisional: bool,
    /// Show what the model looks at: mean absolute contribution of each feature by true category
    #[arg(long)]
    pub(crate) explain: bool,
    /// Accept the model only if one of these public keys signed it (else any sound file is measured)
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) trust: Vec<PathBuf>,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Output of `keygen`.
#[derive(Debug, Args)]
pub(crate) struct KeygenArgs {
    /// File for the secret key; the public one gets the same name with `.pub` at its end
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_slice(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((i, n)) if 1 <= i && i <= n => Ok((i, n)),
        _ => Err("give I/N with I from 1 to N, such as 2/4".to_owned()),
    }
}

fn parse_max_features(text: &str) -> Result<MaxFeatures, String> {
    match text {
        "sqrt" => Ok(MaxFeatures::Sqrt),
        "log2" => Ok(MaxFeatures::Log2),
        "all" => Ok(MaxFeatures::All),
        _ => match (text.parse::<usize>(), text.parse::<f64>()) {
            (Ok(count), _) if count > 0 => Ok(MaxFeatures::Count(count)),
            (_, Ok(share)) if share > 0.0 && share < 1.0 => Ok(MaxFeatures::Fraction(share)),
            _ => Err("give sqrt, log2, all, a count from 1 or a share between 0 and 1".to_owned()),
        },
    }
}

fn parse_vote(text: &str) -> Result<Vote, String> {
    match text {
        "confident" => Ok(Vote::CONFIDENT),
        "unweighted" => Ok(Vote::Unweighted),
        "weighted" => Ok(Vote::Weighted),
        _ => Err("give confident, unweighted or weighted".to_owned()),
    }
}
