//! Puts files and environment together and says in one line what is wrong with them.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Serialized, Toml};

use super::{Config, ConfigFault};

/// Reads `path`, then `sync.d/*.toml` beside it in the order of their names, then the environment; later ones win.
/// Without a file at `path` the defaults are in force, unless `must_exist`.
///
/// # Errors
/// A file that cannot be read, a key that does not exist, or a value outside its range; every fault on a line of its own.
pub fn load(path: &Path, must_exist: bool) -> Result<Config, ConfigFault> {
    finish(files(path, must_exist)?)
}

/// As [`load`], with settings that are not in a file yet before the environment.
///
/// # Errors
/// As [`load`].
pub fn load_with(path: &Path, more: &str, from: &str) -> Result<Config, ConfigFault> {
    let named = Named { data: Toml::string(more), name: from.to_owned() };
    finish(files(path, false)?.merge(named))
}

fn files(path: &Path, must_exist: bool) -> Result<Figment, ConfigFault> {
    let mut figment = Figment::new();
    if path.exists() {
        figment = figment.merge(toml(path)?);
    } else if must_exist {
        return Err(ConfigFault(format!(
            "{}: no such file; name the settings with --config, or leave it out for the defaults",
            path.display()
        )));
    }
    for part in parts(&path.with_file_name("sync.d"))? {
        figment = figment.merge(toml(&part)?);
    }
    Ok(figment)
}

fn finish(figment: Figment) -> Result<Config, ConfigFault> {
    let figment = earlier(figment).merge(Env::prefixed("TAPHOUND__").split("__"));
    let config: Config = figment.extract().map_err(|e| describe(&e))?;
    config.check()?;
    Ok(config)
}

/// The variables of the earlier system, under our own names for the same things.
fn earlier(mut figment: Figment) -> Figment {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut set = |key: &str, value: figment::value::Value| {
        figment = std::mem::take(&mut figment).merge(Serialized::default(key, value));
    };
    if let Some(uri) = variable("MLFLOW_TRACKING_URI") {
        set("centre.registry", uri.into());
    }
    if let Some(bucket) = variable("MODEL_BUCKET") {
        let objects = if bucket.contains("://") { bucket } else { format!("s3://{bucket}") };
        set("centre.models", objects.into());
    }
    if let Some(seconds) = variable("CHECK_INTERVAL") {
        set("down.poll_s", seconds.parse::<u32>().map_or_else(|_| seconds.into(), Into::into));
    }
    if let Some(level) = variable("LOG_LEVEL") {
        set("log.level", level.to_lowercase().into());
    }
    figment
}

/// A provider that reports faults under the name of the file it came from.
struct Named {
    data: figment::providers::Data<Toml>,
    name: String,
}

impl figment::Provider for Named {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::from(self.name.clone(), Path::new(&self.name))
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.data.data()
    }
}

fn unreadable(path: &Path, e: &std::io::Error) -> ConfigFault {
    ConfigFault(format!("{}: cannot be read ({e}); check its owner and mode", path.display()))
}

fn toml(path: &Path) -> Result<Named, ConfigFault> {
    let text = std::fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
    Ok(Named { data: Toml::string(&text), name: path.display().to_string() })
}

/// Only `*.toml`, in the order of their names: editors' and dpkg's left-overs are not settings.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, ConfigFault> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(unreadable(folder, &e)),
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml") && path.is_file())
        .collect();
    files.sort();
    Ok(files)
}

fn describe(error: &figment::Error) -> ConfigFault {
    let lines: Vec<String> = error.clone().into_iter().map(|e| one_line(&e)).collect();
    ConfigFault(lines.join("\n"))
}

fn one_line(error: &figment::Error) -> String {
    let place = error.metadata.as_ref().map_or("settings".to_owned(), |m| m.name.to_string());
    let key = error.path.join(".");
    match &error.kind {
        Kind::UnknownField(found, known) => {
            let likeness = |name: &str| strsim::jaro_winkler(found, name);
            let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let hint = match nearest {
                Some(nearest) if likeness(nearest) > 0.75 => format!("did you mean `{nearest}`?"),
                _ => format!("known here: {}", known.join(", ")),
            };
            let section = key.trim_end_matches(found.as_str()).trim_end_matches('.');
            let within = if section.is_empty() { String::new() } else { format!(" in [{section}]") };
            format!("{place}: unknown key `{found}`{within}; {hint}")
        }
        kind if key.is_empty() => format!("{place}: {kind}"),
        kind => format!("{place}: `{key}`: {kind}"),
    }
}
