//! The door to the registry of models: named models, their versions, and the aliases that say which one is at work.

pub mod folder;
pub mod mlflow;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;

use crate::DoorError;

/// A version to be registered, with what is known of its making.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion<'a> {
    /// Name of the run that made it.
    pub run_name: &'a str,
    /// The model file, as sensors get it.
    pub artifact: &'a Path,
    /// The same model with the state to go on learning, which only the next retraining asks for.
    pub learner: Option<&'a Path>,
    /// Further files for people: name in the run's artifacts, file.
    pub files: &'a [(String, std::path::PathBuf)],
    /// Parameters of the run.
    pub parameters: &'a BTreeMap<String, String>,
    /// Metrics of the run.
    pub metrics: &'a BTreeMap<String, f64>,
    /// Tags of the version; `serial` and `digest` are among them.
    pub tags: &'a BTreeMap<String, String>,
}

/// A registered version.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// The registered model.
    pub model: String,
    /// The registry's own number for it.
    pub version: u64,
    /// Its tags; `serial` and `digest` are among them.
    pub tags: BTreeMap<String, String>,
    /// Aliases that point to it.
    pub aliases: Vec<String>,
    /// `None`, `Staging`, `Production` or `Archived`; none where the server has no stages.
    pub stage: Option<String>,
    /// Where its artifact lies, in the registry's own terms.
    pub source: String,
    /// When it was made, ms since the epoch.
    pub created_ms: u64,
}

/// The registry. Aliases are `production`, `staging`, `canary`; where a server still has stages they follow the aliases.
#[async_trait]
pub trait Registry: Send + Sync {
    /// What to call the place in messages.
    fn place(&self) -> &str;

    /// Makes the registered model where it is missing, writes a run with all that is given, and a version of it.
    async fn register(&self, model: &str, new: &NewVersion<'_>) -> Result<Version, DoorError>;

    /// Every version, newest first.
    async fn versions(&self, model: &str) -> Result<Vec<Version>, DoorError>;

    /// The version an alias points to.
    async fn aliased(&self, model: &str, alias: &str) -> Result<Option<Version>, DoorError>;

    /// Points an alias to a version; the one it pointed to is archived where the server has stages.
    async fn set_alias(&self, model: &str, alias: &str, version: u64) -> Result<(), DoorError>;

    /// Removes an alias; nothing happens where there is none.
    async fn remove_alias(&self, model: &str, alias: &str) -> Result<(), DoorError>;

    /// Sets a tag of a version.
    async fn set_tag(&self, model: &str, version: u64, key: &str, value: &str) -> Result<(), DoorError>;

    /// Reads a version's artifact of at most `bytes_max` into a new file.
    async fn download(&self, version: &Version, to: &Path, bytes_max: u64) -> Result<(), DoorError>;

    /// Reads a version's model with its learning state of at most `bytes_max` into a new file; [`DoorError::Absent`] where there is none.
    async fn download_learner(&self, version: &Version, to: &Path, bytes_max: u64) -> Result<(), DoorError>;
}

/// Name of the model file in a run's artifacts.
pub const ARTIFACT: &str = "model.taphound";
/// Name of the file with the learning state, beside it.
pub const LEARNER: &str = "learner.taphound";

/// The stage that follows an alias, where there is one.
fn stage_of(alias: &str) -> Option<&'static str> {
    match alias {
        "production" => Some("Production"),
        "staging" => Some("Staging"),
        _ => None,
    }
}

/// Names that MLflow and a folder take alike.
fn check_name(place: &str, kind: &str, name: &str) -> Result<(), DoorError> {
    let odd = |c: char| c.is_control() || matches!(c, '/' | ':' | '\\' | '"' | '\'');
    if name.is_empty() || name.len() > 200 || name.starts_with('.') || name.contains(odd) {
        let detail = "a name has 1 to 200 bytes, none of / : \\ \" ' among them, and no dot in front";
        return Err(DoorError::invalid(place, format!("{kind} {name:?}"), detail));
    }
    Ok(())
}

fn check_new(place: &str, model: &str, new: &NewVersion<'_>) -> Result<(), DoorError> {
    check_name(place, "model", model)?;
    for (name, _) in new.files {
        check_name(place, "file", name)?;
        if name == ARTIFACT || name == LEARNER {
            return Err(DoorError::invalid(place, format!("file {name:?}"), "a model file has this name"));
        }
    }
    if let Some((name, value)) = new.metrics.iter().find(|(_, value)| !value.is_finite()) {
        return Err(DoorError::invalid(place, format!("metric {name:?}"), format!("it is {value}")));
    }
    Ok(())
}

fn no_version(place: &str, model: &str, version: u64) -> DoorError {
    DoorError::Absent { place: place.to_owned(), thing: format!("version {version} of {model:?}") }
}
