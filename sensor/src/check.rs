//! `taphound check`: are the settings sound, and would the sensor start with them here?

use std::path::{Path, PathBuf};

use model::artifact::{PublicKey, Trust};

use crate::cli::CheckArgs;
use crate::config::{self, Config, DEFAULT_PATH};
use crate::embedded;
use crate::fault::Fault;
use crate::report::print;
use crate::source::filter::Filter;

/// Reads the settings named on the command line, or the usual ones.
///
/// # Errors
/// They cannot be used.
pub fn settings(path: Option<&Path>) -> Result<(Config, PathBuf), Fault> {
    let (path, must_exist) = (path.unwrap_or(Path::new(DEFAULT_PATH)), path.is_some());
    let config = config::load(path, must_exist).map_err(|e| Fault::Config(e.to_string()))?;
    Ok((config, path.to_owned()))
}

/// Checks settings and what they name, and prints what is in force.
///
/// # Errors
/// The settings cannot be used (78). What is merely not there yet (an interface, a folder) is told, not refused.
pub fn run(arguments: &CheckArgs) -> Result<(), Fault> {
    let (config, path) = settings(arguments.config.as_deref())?;
    let filter = &config.capture.filter;
    if !filter.is_empty() {
        Filter::new(filter).map_err(|e| Fault::Config(format!("`capture.filter`: {e}")))?;
    }
    let trust = trust(&config.model.keys_dir)?;
    if arguments.quiet {
        return Ok(());
    }
    if arguments.json {
        let object = serde_json::to_value(&config).unwrap_or_default();
        return print(&format!("{object}\n"));
    }
    let mut text = format!("# in force, from {} and what lies beside it\n", path.display());
    text.push_str(
        &toml::to_string(&config).map_err(|e| Fault::Software(format!("settings cannot be shown: {e}")))?,
    );
    text.push_str(&format!("\n# {} keys may sign models\n", trust.1));
    for remark in remarks(&config) {
        text.push_str(&format!("# note: {remark}\n"));
    }
    print(&text)
}

/// The keys in a folder, beside the digest of the model inside this program; and how many there are.
///
/// # Errors
/// A file named `*.pub` that is no key.
pub fn trust(folder: &Path) -> Result<(Trust, usize), Fault> {
    let mut trust = Trust::none().with_digest(embedded::digest());
    let mut keys = 0;
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "pub")) {
        let text = std::fs::read_to_string(file).map_err(|e| Fault::opening(file, &e))?;
        let key: PublicKey = text.parse().map_err(|e| Fault::Config(format!("{}: {e}", file.display())))?;
        trust = trust.with_key(key);
        keys += 1;
    }
    Ok((trust, keys))
}

/// What a person may have meant otherwise.
fn remarks(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    let capture = &config.capture;
    if capture.interfaces.is_empty() && capture.directory.as_os_str().is_empty() {
        remarks.push(
            "no interface and no folder is named: nothing will be captured (`capture.interfaces`)".to_owned(),
        );
    }
    for name in &capture.interfaces {
        if !Path::new("/sys/class/net").join(name).exists() {
            remarks.push(format!("there is no interface `{name}` on this machine now"));
        }
    }
    if !config.sensor.state_dir.is_dir() {
        remarks.push(format!("{}: does not exist yet", config.sensor.state_dir.display()));
    }
    remarks
}
