//! Puts files and environment together and says in one line what is wrong with them.

use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::Kind;
use figment::providers::{Env, Format, Toml};

use super::Config;

/// Why settings cannot be used. Exit code 78.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigFault(pub String);

/// Reads `path`, then `conf.d/*.toml` beside it in the order of their names, then `TAPHOUND__SECTION__KEY` from the
/// environment; later ones win. Without a file at `path` the defaults are in force, unless `must_exist`.
///
/// # Errors
/// A file that cannot be read, a key that does not exist, or a value outside its range; every fault on a line of its own.
pub fn load(path: &Path, must_exist: bool) -> Result<Config, ConfigFault> {
    let mut figment = Figment::new();
    if path.exists() {
        figment = figment.merge(Toml::string(&text_of(path)?).named(path));
    } else if must_exist {
        return Err(ConfigFault(format!(
            "{}: no such file; name the settings with --config, or leave it out for the defaults",
            path.display()
        )));
    }
    for part in parts(&path.with_file_name("conf.d"))? {
        figment = figment.merge(Toml::string(&text_of(&part)?).named(&part));
    }
    figment = figment.merge(Env::prefixed("TAPHOUND__").split("__"));
    let config: Config = figment.extract().map_err(|e| describe(&e))?;
    config.check()?;
    Ok(config)
}

/// A provider that reports faults under the name of the file it came from.
trait Named {
    fn named(self, path: &Path) -> NamedToml;
}

impl Named for figment::providers::Data<Toml> {
    fn named(self, path: &Path) -> NamedToml {
        NamedToml { data: self, path: path.to_owned() }
    }
}

struct NamedToml {
    data: figment::providers::Data<Toml>,
    path: PathBuf,
}

impl figment::Provider for NamedToml {
    fn metadata(&self) -> figment::Metadata {
        figment::Metadata::from(self.path.display().to_string(), self.path.as_path())
    }

    fn data(&self) -> Result<figment::value::Map<figment::Profile, figment::value::Dict>, figment::Error> {
        self.data.data()
    }
}

fn text_of(path: &Path) -> Result<String, ConfigFault> {
    std::fs::read_to_string(path).map_err(|e| {
        ConfigFault(format!("{}: cannot be read ({e}); check its owner and mode", path.display()))
    })
}

/// The files of `conf.d` in the order of their names. Only `*.toml`: editors' and dpkg's left-overs are not settings.
fn parts(folder: &Path) -> Result<Vec<PathBuf>, ConfigFault> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => {
            return Err(ConfigFault(format!(
                "{}: cannot be read ({e}); check its owner and mode",
                folder.display()
            )));
        }
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
            let nearest = known
                .iter()
                .max_by(|a, b| strsim::jaro_winkler(found, a).total_cmp(&strsim::jaro_winkler(found, b)));
            let hint = match nearest {
                Some(nearest) if strsim::jaro_winkler(found, nearest) > 0.75 => {
                    format!("did you mean `{nearest}`?")
                }
                _ => format!("known here: {}", known.join(", ")),
            };
            let within = if key.is_empty() || key == *found {
                String::new()
            } else {
                format!(" in [{}]", key.trim_end_matches(&format!(".{found}")))
            };
            format!("{place}: unknown key `{found}`{within}; {hint}")
        }
        kind if key.is_empty() => format!("{place}: {kind}"),
        kind => format!("{place}: `{key}`: {kind}"),
    }
}

impl Config {
    /// Refuses values outside their ranges.
    ///
    /// # Errors
    /// Every key that is wrong, a line each.
    pub fn check(&self) -> Result<(), ConfigFault> {
        let mut wrong = Vec::new();
        let mut demand = |holds: bool, line: String| {
            if !holds {
                wrong.push(line);
            }
        };
        let c = &self.capture;
        demand(
            (96..=262_144).contains(&c.snaplen),
            format!("`capture.snaplen` is {}: use a value from 96 to 262144", c.snaplen),
        );
        demand(
            (1..=16).contains(&c.rings),
            format!("`capture.rings` is {}: use a value from 1 to 16", c.rings),
        );
        demand(
            c.ring_mib <= 4096,
            format!("`capture.ring_mib` is {}: use a value from 0 (automatic) to 4096", c.ring_mib),
        );
        demand(
            (0.0..=1.0).contains(&c.one_way_share),
            format!("`capture.one_way_share` is {}: use a value from 0 to 1", c.one_way_share),
        );
        demand(
            c.interfaces.iter().all(|name| !name.is_empty() && name.len() < 16),
            format!("`capture.interfaces` is {:?}: an interface's name has 1 to 15 characters", c.interfaces),
        );
        if let Err(e) = self.meter.settings(flowmeter::HashKey::fixed()).check() {
            demand(false, format!("[meter]: {e}"));
        }
        demand(
            self.store.size_max_mib >= 16,
            format!("`store.size_max_mib` is {}: use 16 or more", self.store.size_max_mib),
        );
        demand(
            ["production", "canary", "staging"].contains(&self.model.channel.as_str()),
            format!("`model.channel` is `{}`: use production, canary or staging", self.model.channel),
        );
        demand(
            self.sensor.id.len() <= 64 && !self.sensor.id.contains(['|', '/', '#', ' ']),
            format!(
                "`sensor.id` is `{}`: use at most 64 characters without spaces, `|`, `/` and `#`",
                self.sensor.id
            ),
        );
        demand(
            (0.0..=1.0).contains(&self.outbox.flows_share),
            format!("`outbox.flows_share` is {}: use a value from 0 to 1", self.outbox.flows_share),
        );
        demand(
            c.interfaces.is_empty() || c.directory.as_os_str().is_empty(),
            "`capture.interfaces` and `capture.directory` are both set: a sensor has one kind of source; run two sensors".to_owned(),
        );
        wrong.extend(self.api.faults());
        wrong.extend(self.drift.faults());
        wrong.extend(self.evidence.faults());
        wrong.extend(self.corroborate.faults(&self.eve.path));
        wrong.extend(self.inline.faults(&self.capture.interfaces));
        if wrong.is_empty() { Ok(()) } else { Err(ConfigFault(wrong.join("\n"))) }
    }
}
