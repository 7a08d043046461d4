//! Puts files and environment together and says in one line what is wrong with them.

use super::Config;
use crate::failure::Failure;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map};
use std::path::{Path, PathBuf};

/// Names of the earlier system's environment and the keys they set.
const EARLIER: [(&str, &str); 6] = [
    ("MLFLOW_TRACKING_URI", "centre.registry"),
    ("MODEL_BUCKET", "centre.objects"),
    ("CHECK_INTERVAL", "run.interval_s"),
    ("ADWIN_DELTA", "drift.adwin_delta"),
    ("TREND_BUFFER_SIZE", "drift.trend_buffer_size"),
    ("LOG_LEVEL", "log.level"),
];

/// Reads `path`, then `retrain.d/*.toml` beside it in the order of their names, then the environment; later ones win.
/// Without a file at `path` the defaults are in force, unless `must_exist`.
pub(crate) fn load(path: &Path, must_exist: bool) -> Result<Config, Failure> {
    let mut figment = Figment::new();
    if path.exists() {
        figment = figment.merge(named(path)?);
    } else if must_exist {
        let what = "no such file; name the settings with --config, or leave it out for the defaults";
        return Err(Failure::config(format!("{}: {what}", path.display())));
    }
    for part in parts(&path.with_file_name("retrain.d"))? {
        figment = figment.merge(named(&part)?);
    }
    for (name, key) in EARLIER {
        if let Ok(text) = std::env::var(name) {
            figment = figment.merge(Serialized::default(key, earlier(name, &text)));
        }
    }
    figment = figment.merge(Env::prefixed("TAPHOUND__").split("__"));
    let config: Config = figment.extract().map_err(|fault| {
        let lines: Vec<String> = fault.into_iter().map(|fault| one_line(&fault)).collect();
        Failure::config(lines.join("\n"))
    })?;
    config.check()?;
    Ok(config)
}

/// The earlier system wrote a plain URL and a plain bucket name.
fn earlier(name: &str, text: &str) -> figment::value::Value {
    let text = match name {
        "MLFLOW_TRACKING_URI" if text.starts_with("http") => format!("mlflow+{text}"),
        "MODEL_BUCKET" if !text.contains(':') => format!("s3://{text}"),
        _ => text.to_owned(),
    };
    // As in the environment: a number is a number.
    text.parse().unwrap_or_else(|_| figment::value::Value::from(text))
}

/// A provider that reports faults under the name of the file it came from.
struct Named(figment::providers::Data<Toml>, PathBuf);

fn named(path: &Path) -> Result<Named, Failure> {
    let text = std::fs::read_to_string(path).map_err(|fault| {
        Failure::config(format!("{}: cannot be read ({fault}); check its owner and mode", path.display()))
    })?;
    Ok(Named(Toml::string(&text), path.to_owned()))
}

impl figment::Provider for Named {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::from(self.1.display().to_string(), self.1.as_path())
    }

    fn data(&self) -> Result<Map<figment::Profile, Dict>, figment::Error> {
        self.0.data()
    }
}

/// The files of a folder whose names end in `.toml`, by name; a package manager's leavings end otherwise.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => {
            let what = format!("cannot be read ({fault}); check its owner and mode");
            return Err(Failure::config(format!("{}: {what}", folder.display())));
        }
    };
    let ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".toml") && path.is_file()
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(ours).collect();
    files.sort();
    Ok(files)
}

fn one_line(fault: &figment::Error) -> String {
    let place = fault.metadata.as_ref().map_or("settings".to_owned(), |m| m.name.to_string());
    let key = fault.path.join(".");
    match &fault.kind {
        Kind::UnknownField(found, known) => {
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(found, a).total_cmp(&strsim::jaro_winkler(found, b)));
            let hint = match nearest {
                Some(nearest) if strsim::jaro_winkler(found, nearest) > 0.75 => {
                    format!("did you mean `{nearest}`?")
                }
                _ => format!("known here: {}", known.join(", ")),
            };
            format!("{place}: unknown key `{found}`; {hint}")
        }
        kind if key.is_empty() => format!("{place}: {kind}; correct it"),
        kind => format!("{place}: `{key}`: {kind}; correct it"),
    }
}

impl Config {
    /// Refuses values outside their ranges, a line each.
    fn check(&self) -> Result<(), Failure> {
        let mut wrong = Vec::new();
        let mut within = |key: &str, value: f64, low: f64, high: f64| {
            if !(value >= low && value <= high) {
                wrong.push(format!("`{key}` is {value}: use a value from {low} to {high}"));
            }
        };
        within("drift.adwin_delta", self.drift.adwin_delta, 1e-12, 1.0);
        within("drift.trend_buffer_size", self.drift.trend_buffer_size as f64, 2.0, 100_000.0);
        within("drift.lookback_h", f64::from(self.drift.lookback_h), 1.0, 8784.0);
        within("drift.psi_max", self.drift.psi_max, 0.0, 100.0);
        within("drift.ks_max", self.drift.ks_max, 0.0, 1.0);
        within("fetch.samples", self.fetch.samples as f64, 1.0, 10_000_000.0);
        within("fetch.labeller_share_max", self.fetch.labeller_share_max, 0.01, 1.0);
        within("merge.base_ratio", self.merge.base_ratio, 0.0, 1000.0);
        within("merge.trust_min", self.merge.trust_min, 0.0, 1.0);
        within("preprocess.test_share", self.preprocess.test_share, 0.01, 0.9);
        within("preprocess.hold_out_percent", f64::from(self.preprocess.hold_out_percent), 0.0, 50.0);
        within("preprocess.smote_neighbours", self.preprocess.smote_neighbours as f64, 1.0, 100.0);
        within("preprocess.smote_factor_max", self.preprocess.smote_factor_max, 1.0, 100.0);
        within("preprocess.smote_rows_max", self.preprocess.smote_rows_max as f64, 10.0, 50_000.0);
        within("preprocess.balance_min", self.preprocess.balance_min, 0.0, 0.5);
        within("train.add_ratio", self.train.add_ratio, 0.0, 10.0);
        within("train.max_trees", self.train.max_trees as f64, 1.0, 1024.0);
        within("train.passes", f64::from(self.train.passes), 1.0, 1000.0);
        within("train.mistake_weight", self.train.mistake_weight, 1.0, 100.0);
        within("train.margin", self.train.margin, -1.0, 1.0);
        within("train.canon_tolerance", self.train.canon_tolerance, 0.0, 1.0);
        within("promote.canary_percent", f64::from(self.promote.canary_percent), 1.0, 100.0);
        within("promote.soak_h", self.promote.soak_h, 0.0, 8784.0);
        within("promote.pointer_valid_days", f64::from(self.promote.pointer_valid_days), 1.0, 3660.0);
        within("run.interval_s", self.run.interval_s as f64, 1.0, 31_622_400.0);
        within("run.lease_s", self.run.lease_s as f64, 10.0, 86_400.0);
        if !self.fetch.unnamed_attack.is_attack() {
            wrong.push("`fetch.unnamed_attack` is `benign`: name a category of attacks".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(Failure::config(wrong.join("\n"))) }
    }
}
