//! The settings of the pipeline: `/etc/taphound/retrain.toml` and `retrain.d/*.toml`, strict, with a default for everything.
//! `config/retrain.toml` shows every key with its default; a test holds it to that.

mod read;
#[cfg(test)]
mod tests;

use crate::failure::Failure;
use fleet::{DoorError, LogTableSettings, ObjectsSettings, RegistrySettings};
use model::Category;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use read::load;

/// Where the settings are unless `--config` says otherwise.
const DEFAULT_PATH: &str = "/etc/taphound/retrain.toml";

/// Everything that can be set.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) centre: Centre,
    pub(crate) model: ModelNames,
    pub(crate) drift: Drift,
    pub(crate) fetch: Fetch,
    pub(crate) base: Base,
    pub(crate) merge: Merge,
    pub(crate) preprocess: Preprocess,
    pub(crate) train: Train,
    pub(crate) promote: Promote,
    pub(crate) run: Run,
    pub(crate) log: Log,
}

/// `[centre]`: each door is a word or a section with `kind`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Centre {
    /// `sqlite:PATH`, `dynamodb://TABLE`, or a section.
    pub(crate) table: Door<LogTableSettings>,
    /// `folder:PATH`, `s3://BUCKET/PREFIX`, or a section.
    pub(crate) objects: Door<ObjectsSettings>,
    /// `folder:PATH`, `mlflow+http(s)://HOST`, or a section.
    pub(crate) registry: Door<RegistrySettings>,
}

/// A door in one word, or in a section with all that its kind can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Door<S> {
    Word(String),
    Section(S),
}

impl<S: Clone + FromStr<Err = DoorError>> Door<S> {
    /// What stands behind it.
    pub(crate) fn settings(&self) -> Result<S, Failure> {
        match self {
            Door::Word(word) => word.parse().map_err(|fault: DoorError| Failure::config(fault)),
            Door::Section(settings) => Ok(settings.clone()),
        }
    }
}

impl Default for Centre {
    fn default() -> Self {
        Centre {
            table: Door::Word("sqlite:/var/lib/taphound-fleet/log.db".to_owned()),
            objects: Door::Word("folder:/var/lib/taphound-fleet/objects".to_owned()),
            registry: Door::Word("folder:/var/lib/taphound-fleet/registry".to_owned()),
        }
    }
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ModelNames {
    pub(crate) name: String,
    /// Secret key that signs models and channel pointers.
    pub(crate) key: PathBuf,
    /// Public keys whose champions are trusted beside that key's.
    pub(crate) trust: Vec<PathBuf>,
}

impl Default for ModelNames {
    fn default() -> Self {
        ModelNames {
            name: "ARF Baseline Model".to_owned(),
            key: PathBuf::from("/etc/taphound/keys/signing.key"),
            trust: Vec::new(),
        }
    }
}

/// `[drift]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Drift {
    pub(crate) lookback_h: u32,
    pub(crate) adwin_delta: f64,
    /// Samples, 2K.
    pub(crate) trend_buffer_size: usize,
    /// Fewer labelled flows than this say nothing.
    pub(crate) labels_min: usize,
    pub(crate) cooldown_h: u32,
    /// Whether traffic that moved without more errors is a reason to retrain.
    pub(crate) distribution: bool,
    pub(crate) psi_max: f64,
    pub(crate) ks_max: f64,
    pub(crate) features_min: usize,
}

impl Default for Drift {
    fn default() -> Self {
        Drift {
            lookback_h: 24,
            adwin_delta: 0.002,
            trend_buffer_size: 200,
            labels_min: 200,
            cooldown_h: 24,
            distribution: false,
            psi_max: 0.25,
            ks_max: 0.1,
            features_min: 5,
        }
    }
}

/// `[fetch]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Fetch {
    pub(crate) samples: usize,
    pub(crate) samples_min: usize,
    /// No labeller gives more than this share of the samples, unless there is only one.
    pub(crate) labeller_share_max: f64,
    /// What an attack is called that neither its labeller nor the sensor gave a name.
    pub(crate) unnamed_attack: Category,
}

impl Default for Fetch {
    fn default() -> Self {
        Fetch { samples: 400, samples_min: 60, labeller_share_max: 0.5, unnamed_attack: Category::Dos }
    }
}

/// `[base]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Base {
    /// Where the base set lies: a file, or the key of its `.dvc` file in the object store.
    pub(crate) source: String,
    /// SHA-256 that it must have; empty: the one that was published with it.
    pub(crate) sha256: String,
}

impl Default for Base {
    fn default() -> Self {
        // Where the Debian package puts it.
        Base { source: "/usr/share/taphound-retrain/base.parquet".to_owned(), sha256: String::new() }
    }
}

/// `[merge]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Merge {
    /// Base attacks for each attack of the drift.
    pub(crate) base_ratio: f64,
    /// A labeller whose labels stand up to their neighbours less often than this is left out.
    pub(crate) trust_min: f64,
    pub(crate) seed: u64,
}

impl Default for Merge {
    fn default() -> Self {
        Merge { base_ratio: 1.0, trust_min: 0.95, seed: 7 }
    }
}

/// `[preprocess]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Preprocess {
    pub(crate) test_share: f64,
    /// Percent of all vectors that no version ever trains on, chosen by their hash.
    pub(crate) hold_out_percent: u8,
    pub(crate) smote_neighbours: usize,
    /// No class grows to more than this many times its size.
    pub(crate) smote_factor_max: f64,
    /// Rows of a class among which neighbours are sought.
    pub(crate) smote_rows_max: usize,
    /// Attacks must be at least this share of the rows, and benign flows too.
    pub(crate) balance_min: f64,
    /// The newest drift row may be this old; 0: as old as it likes.
    pub(crate) fresh_h: u32,
    pub(crate) seed: u64,
}

impl Default for Preprocess {
    fn default() -> Self {
        Preprocess {
            test_share: 0.2,
            hold_out_percent: 5,
            smote_neighbours: 5,
            smote_factor_max: 4.0,
            smote_rows_max: 4000,
            balance_min: 0.05,
            fresh_h: 0,
            seed: 7,
        }
    }
}

/// Where the Debian package puts the canon.
const PACKAGED_CANON: &str = "/usr/share/taphound-retrain/canon.csv.zst";

impl Train {
    /// The canon, if there is one. A program that was not installed as a package goes without the package's.
    pub(crate) fn canon(&self) -> Option<&Path> {
        let path = self.canon.as_path();
        if path == Path::new(PACKAGED_CANON) && !path.exists() {
            tracing::warn!(
                path = PACKAGED_CANON,
                "no canon: the gate does not look at it; set `train.canon`"
            );
            return None;
        }
        (!path.as_os_str().is_empty()).then_some(path)
    }
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Train {
    pub(crate) add_ratio: f64,
    pub(crate) max_trees: usize,
    pub(crate) passes: u32,
    /// A flow of the drift that the champion misjudges counts so many times.
    pub(crate) mistake_weight: f64,
    pub(crate) seed: u64,
    /// By this much the challenger's F1 and kappa must be better.
    pub(crate) margin: f64,
    /// A category of the canon may be found less often by this much.
    pub(crate) canon_tolerance: f64,
    /// Labelled attacks that no new model may miss; empty: none.
    pub(crate) canon: PathBuf,
    /// A model must not be installed any more this many days after it was made; 0: it does not expire.
    pub(crate) expires_days: u32,
    /// Threads; 0: one a core.
    pub(crate) workers: usize,
}

impl Default for Train {
    fn default() -> Self {
        Train {
            add_ratio: 0.4,
            max_trees: 20,
            passes: 3,
            mistake_weight: 5.0,
            seed: 7,
            margin: 0.0,
            canon_tolerance: 0.02,
            canon: PathBuf::from(PACKAGED_CANON),
            expires_days: 0,
            workers: 0,
        }
    }
}

/// `[promote]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Promote {
    pub(crate) canary_percent: u8,
    pub(crate) soak_h: f64,
    /// Healthy sensors of the canary that must have reported.
    pub(crate) sensors_min: usize,
    /// `run` goes on to the canary and, once that has soaked, to production.
    pub(crate) automatic: bool,
    pub(crate) pointer_valid_days: u32,
}

impl Default for Promote {
    fn default() -> Self {
        Promote { canary_percent: 5, soak_h: 24.0, sensors_min: 1, automatic: true, pointer_valid_days: 90 }
    }
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Run {
    pub(crate) state_dir: PathBuf,
    /// `watch`: seconds between two runs.
    pub(crate) interval_s: u64,
    /// A run that does not renew its lock for this long has died.
    pub(crate) lease_s: u64,
    /// Runs whose files are kept.
    pub(crate) keep_runs: usize,
}

impl Default for Run {
    fn default() -> Self {
        Run {
            state_dir: PathBuf::from("/var/lib/taphound-retrain"),
            interval_s: 3600,
            lease_s: 900,
            keep_runs: 10,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    pub(crate) level: String,
    pub(crate) json: bool,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".to_owned(), json: false }
    }
}

/// The settings a command works by; its log begins here.
pub(crate) fn of(path: Option<&Path>) -> Result<Config, Failure> {
    let config = load(path.unwrap_or(Path::new(DEFAULT_PATH)), path.is_some())?;
    crate::logging::start(&config.log)?;
    Ok(config)
}
