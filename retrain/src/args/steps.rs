//! The command line of the pipeline's steps. What is not said here comes from the settings.

use clap::Args;
use std::path::PathBuf;

/// What every step understands.
#[derive(Debug, Clone, Args)]
pub(crate) struct Common {
    /// The settings [default: /etc/taphound/retrain.toml]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print a JSON object instead of text
    #[arg(long)]
    pub(crate) json: bool,
    /// Take this for the time of day, ms since the epoch
    #[arg(long, value_name = "EPOCH_MS", hide = true)]
    pub(crate) now_ms: Option<u64>,
}

/// Input and output of `check-drift`.
#[derive(Debug, Args)]
pub(crate) struct CheckDriftArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Labelled flows (CSV with timestamp, label, true_label) instead of those in the log table
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Option<PathBuf>,
    /// Folder for a file a result: DRIFT, DRIFT_TYPE, FIRST_DRIFT_TS, SECOND_DRIFT_TS, RETRAIN, WINDOW_TS
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Hours to look back [default: drift.lookback_h]
    #[arg(long, value_name = "HOURS")]
    pub(crate) lookback_h: Option<u32>,
    /// ADWIN's significance; lower is less sensitive [default: drift.adwin_delta]
    #[arg(long, value_name = "DELTA")]
    pub(crate) adwin_delta: Option<f64>,
    /// Samples of the trend buffer, 2K [default: drift.trend_buffer_size]
    #[arg(long, value_name = "N")]
    pub(crate) trend_buffer_size: Option<usize>,
    /// Fewest labelled flows to judge by [default: drift.labels_min]
    #[arg(long, value_name = "N")]
    pub(crate) labels_min: Option<usize>,
    /// Flows of the window, labelled or not (CSV or Parquet), for the label-free test
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) flows: Vec<PathBuf>,
    /// The model whose reference quantiles say what was normal, with --flows
    #[arg(long, value_name = "FILE", requires = "flows")]
    pub(crate) model: Option<PathBuf>,
    /// Do not look at the cooldown, nor at what has been handled before
    #[arg(long)]
    pub(crate) force: bool,
}

/// Input and output of `fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Labelled flows (CSV) instead of those in the log table
    #[arg(long, value_name = "FILE")]
    pub(crate) rows: Option<PathBuf>,
    /// Flows from this time on, ms since the epoch: the WINDOW_TS or FIRST_DRIFT_TS of `check-drift`
    #[arg(long, value_name = "EPOCH_MS")]
    pub(crate) from: u64,
    /// Up to this time, not included
    #[arg(long, value_name = "EPOCH_MS")]
    pub(crate) to: Option<u64>,
    /// At most so many samples, the newest ones [default: fetch.samples]
    #[arg(long, value_name = "N")]
    pub(crate) samples: Option<usize>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "drift_raw.csv")]
    pub(crate) out: PathBuf,
}

/// Input and output of `archive`.
#[derive(Debug, Args)]
pub(crate) struct ArchiveArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The file of drift data to version
    #[arg(default_value = "drift_raw.csv", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Folder of a DVC project: the copy and its .dvc file are put into datasets/drift/ there
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
}

/// Input and output of `dataset publish`.
#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The base set
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Folder of a DVC project: the .dvc file is put into datasets/base/ there
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
}

/// Input and output of `pull-base`.
#[derive(Debug, Args)]
pub(crate) struct PullBaseArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// A file, or the key of a .dvc file in the object store [default: base.source]
    #[arg(long, value_name = "FILE|KEY")]
    pub(crate) from: Option<String>,
    /// SHA-256 it must have [default: base.sha256, else the one published with it]
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "base.parquet")]
    pub(crate) out: PathBuf,
}

/// Input and output of `merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The drift data (`fetch` wrote it)
    #[arg(long, value_name = "FILE", default_value = "drift_raw.csv")]
    pub(crate) drift: PathBuf,
    /// The base set: ours, or a public CIC set under any of its column names
    #[arg(long, value_name = "FILE", num_args = 1.., required = true)]
    pub(crate) base: Vec<PathBuf>,
    /// Base attacks for each attack of the drift [default: merge.base_ratio]
    #[arg(long, value_name = "RATIO")]
    pub(crate) base_ratio: Option<f64>,
    /// Take only those categories of the base that this model knows [default: all]
    #[arg(long, value_name = "FILE")]
    pub(crate) champion: Option<PathBuf>,
    /// Trust every labeller
    #[arg(long)]
    pub(crate) trust_all: bool,
    /// The file to write (.parquet, .csv or .csv.zst)
    #[arg(long, value_name = "FILE", default_value = "merged.parquet")]
    pub(crate) out: PathBuf,
}

/// Input and output of `preprocess`.
#[derive(Debug, Args)]
pub(crate) struct PreprocessArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The merged data
    #[arg(long, value_name = "FILE", default_value = "merged.parquet")]
    pub(crate) data: PathBuf,
    /// The training part to write, synthetic rows included
    #[arg(long, value_name = "FILE", default_value = "train_smote.csv")]
    pub(crate) train: PathBuf,
    /// The part to write that nothing is trained on
    #[arg(long, value_name = "FILE", default_value = "test_holdout.csv")]
    pub(crate) holdout: PathBuf,
    /// The report of the data checks to write (JSON)
    #[arg(long, value_name = "FILE", default_value = "data_checks.json")]
    pub(crate) report: PathBuf,
}

/// How `train --champion` goes on from a model.
#[derive(Debug, Args)]
#[command(next_help_heading = "From a champion (incremental)")]
pub(crate) struct IncrementalArgs {
    /// Go on from this model: it must carry its learning state (`train --with-learner` writes it; a registry has it in `learner.taphound`)
    #[arg(long, value_name = "FILE")]
    pub(crate) champion: Option<PathBuf>,
    /// Rows to judge champion and challenger by; nothing is trained on them
    #[arg(long, value_name = "FILE", requires = "champion")]
    pub(crate) holdout: Option<PathBuf>,
    /// Attacks that the challenger must find as well as the champion
    #[arg(long, value_name = "FILE", requires = "champion")]
    pub(crate) canon: Option<PathBuf>,
    /// New trees for each old one [default: train.add_ratio]
    #[arg(long, value_name = "RATIO", requires = "champion")]
    pub(crate) add_ratio: Option<f64>,
    /// Trees left after the weakest are felled [default: train.max_trees]
    #[arg(long, value_name = "N", requires = "champion")]
    pub(crate) max_trees: Option<usize>,
    /// Passes over the training rows [default: train.passes]
    #[arg(long, value_name = "N", requires = "champion")]
    pub(crate) passes: Option<u32>,
    /// By this much F1 and kappa must be better [default: train.margin]
    #[arg(long, value_name = "DELTA", requires = "champion", allow_negative_numbers = true)]
    pub(crate) margin: Option<f64>,
    /// Folder for comparison.json, promote, model_card.md and its plots [default: that of --out]
    #[arg(long, value_name = "FOLDER", requires = "champion")]
    pub(crate) card: Option<PathBuf>,
    /// The settings [default: /etc/taphound/retrain.toml]
    #[arg(long, value_name = "FILE", requires = "champion")]
    pub(crate) config: Option<PathBuf>,
}

/// Input of `register`.
#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The model file
    #[arg(long, value_name = "FILE")]
    pub(crate) model: PathBuf,
    /// Folder with comparison.json, model_card.md and its plots [default: that of --model]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) card: Option<PathBuf>,
}

/// Input of `promote`.
#[derive(Debug, Args)]
pub(crate) struct PromoteArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// `canary` or `production` [default: the next one]
    #[arg(long, value_name = "CHANNEL")]
    pub(crate) to: Option<String>,
    /// Percent of the sensors that try a canary [default: promote.canary_percent]
    #[arg(long, value_name = "PERCENT")]
    pub(crate) percent: Option<u8>,
    /// By hand: do not wait for the canary to soak, nor for reports; straight from staging if there is no canary
    #[arg(long)]
    pub(crate) force: bool,
}

/// Input of `rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollbackArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Serial of the model to return to [default: the canary goes; without one, the production model before]
    #[arg(long, value_name = "SERIAL")]
    pub(crate) serial: Option<u64>,
}

/// What to make anew.
#[derive(Debug, Args)]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Only this one
    #[arg(long, value_parser = ["table", "registry"])]
    pub(crate) only: Option<String>,
}

/// Input of `run` and `watch`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Do not look at the cooldown, nor at what has been handled before
    #[arg(long)]
    pub(crate) force: bool,
}

/// Input of `dataset import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Flows with their truth: `taphound replay --labels FILE --out FLOWS.csv`
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Name of the sensor that saw them
    #[arg(long, value_name = "ID", default_value = "replay")]
    pub(crate) sensor_id: String,
    /// Who says what they were
    #[arg(long, value_name = "NAME", default_value = "import")]
    pub(crate) by: String,
    /// Take this share of them, evenly spread
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    pub(crate) share: f64,
    /// Move their times so that the last one began just before this, ms since the epoch
    #[arg(long, value_name = "EPOCH_MS")]
    pub(crate) until_ms: Option<u64>,
}
