//! The registry in MLflow, over REST: runs with their figures, versions, aliases, and stages where the server still has them.

mod artifacts;
mod rest;

use std::path::PathBuf;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ARTIFACT, LEARNER, NewVersion, Registry, Version, check_name, check_new, no_version, stage_of};
use crate::{AwsSettings, DoorError};
use rest::{Rest, map, text, whole};

/// A version's folder among its run's artifacts.
const FOLDER: &str = "model";
/// Values of one `log-batch`.
const BATCH: usize = 100;
/// Versions a page, pages at most: what a registry holds of one model is read whole, within reason.
const VERSIONS_PAGE: usize = 200;
const PAGES_MAX: usize = 50;

/// Which server, and who asks it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlflowSettings {
    /// `http(s)://host[:port][/path]`.
    pub uri: String,
    /// Experiment whose runs the trainings are.
    #[serde(default = "default_experiment")]
    pub experiment: String,
    /// User of the server's basic authentication; without it `MLFLOW_TRACKING_USERNAME`.
    pub username: Option<String>,
    /// File with that user's password; without it `MLFLOW_TRACKING_PASSWORD`.
    pub password_file: Option<PathBuf>,
    /// File with a bearer token; without it `MLFLOW_TRACKING_TOKEN`.
    pub token_file: Option<PathBuf>,
    /// File with certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where artifacts are that the server does not hand out itself (`s3://` sources).
    #[serde(default)]
    pub s3: AwsSettings,
}

fn default_experiment() -> String {
    "taphound".into()
}

impl MlflowSettings {
    /// A server that asks for no name.
    #[must_use]
    pub fn at(uri: impl Into<String>) -> Self {
        Self { uri: uri.into(), experiment: default_experiment(), ..Self::default() }
    }
}

/// A registry in MLflow.
pub struct MlflowRegistry {
    rest: Rest,
    experiment: String,
    s3: AwsSettings,
}

impl MlflowRegistry {
    /// Prepares to ask the server; nothing is asked yet.
    ///
    /// # Errors
    /// [`DoorError::Invalid`] for a wrong URI, [`DoorError::Absent`] and [`DoorError::Denied`] for files that cannot be read.
    pub fn open(settings: &MlflowSettings) -> Result<Self, DoorError> {
        Ok(Self {
            rest: Rest::open(settings)?,
            experiment: settings.experiment.clone(),
            s3: settings.s3.clone(),
        })
    }

    async fn experiment(&self) -> Result<String, DoorError> {
        let name = [("experiment_name", self.experiment.as_str())];
        for _ in 0..2 {
            match self.rest.read("experiments/get-by-name", &name).await {
                Ok(answer) => return Ok(text(&answer["experiment"]["experiment_id"])),
                Err(DoorError::Absent { .. }) => {}
                Err(error) => return Err(error),
            }
            match self.rest.post("experiments/create", &json!({"name": self.experiment})).await {
                Ok(answer) => return Ok(text(&answer["experiment_id"])),
                // Somebody else made it meanwhile.
                Err(DoorError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(DoorError::Conflict { place: self.rest.place().to_owned(), thing: "the experiment".into() })
    }

    /// A finished run that holds everything; its id and where its model lies.
    async fn run(&self, new: &NewVersion<'_>) -> Result<(String, String), DoorError> {
        // The model file's own time: a library has no clock.
        let thing = new.artifact.display().to_string();
        let metadata = tokio::fs::metadata(new.artifact).await;
        let metadata = metadata.map_err(|error| DoorError::io(&thing, "the model file", &error))?;
        let at = crate::folders::modified_ms(&metadata);
        let experiment = self.experiment().await?;
        let begin = json!({"experiment_id": experiment, "run_name": new.run_name, "start_time": at});
        let answer = self.rest.post("runs/create", &begin).await?;
        let info = &answer["run"]["info"];
        let (id, root) = (text(&info["run_id"]), text(&info["artifact_uri"]));
        let filled = self.fill(&id, &root, new, at).await;
        let status = if filled.is_ok() { "FINISHED" } else { "FAILED" };
        let end = json!({"run_id": id, "status": status, "end_time": at});
        let ended = self.rest.post("runs/update", &end).await;
        filled?;
        ended?;
        Ok((id, format!("{root}/{FOLDER}")))
    }

    async fn fill(&self, id: &str, root: &str, new: &NewVersion<'_>, at: u64) -> Result<(), DoorError> {
        let parameters: Vec<Value> =
            new.parameters.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let metrics = new.metrics.iter();
        let metrics: Vec<Value> = metrics
            .map(|(key, value)| json!({"key": key, "value": value, "timestamp": at, "step": 0}))
            .collect();
        for (kind, values) in [("params", parameters), ("metrics", metrics)] {
            for chunk in values.chunks(BATCH) {
                self.rest.post("runs/log-batch", &json!({"run_id": id, kind: chunk})).await?;
            }
        }
        artifacts::send(self, &format!("{root}/{FOLDER}/{ARTIFACT}"), new.artifact).await?;
        if let Some(learner) = new.learner {
            artifacts::send(self, &format!("{root}/{FOLDER}/{LEARNER}"), learner).await?;
        }
        for (name, path) in new.files {
            artifacts::send(self, &format!("{root}/{name}"), path).await?;
        }
        Ok(())
    }

    async fn aliases(&self, model: &str) -> Result<Vec<(String, String)>, DoorError> {
        let answer = match self.rest.read("registered-models/get", &[("name", model)]).await {
            Err(DoorError::Absent { .. }) => return Ok(Vec::new()),
            answer => answer?,
        };
        let listed = answer["registered_model"]["aliases"].as_array().cloned().unwrap_or_default();
        Ok(listed.iter().map(|entry| (text(&entry["alias"]), text(&entry["version"]))).collect())
    }

    fn version(&self, held: &Value, aliases: &[(String, String)]) -> Result<Version, DoorError> {
        let number = text(&held["version"]);
        let damaged = || DoorError::Damaged {
            place: self.rest.place().to_owned(),
            thing: "a version".into(),
            detail: format!("its number is {number:?}"),
        };
        let own = aliases.iter().filter(|(_, version)| *version == number);
        Ok(Version {
            model: text(&held["name"]),
            version: number.parse().map_err(|_| damaged())?,
            tags: map(&held["tags"]),
            aliases: own.map(|(alias, _)| alias.clone()).collect(),
            stage: held["current_stage"].as_str().map(str::to_owned),
            source: text(&held["source"]),
            created_ms: whole(&held["creation_timestamp"]),
        })
    }

    /// The version in an alias's stage: how a server without aliases, or who came before them, says it.
    async fn staged(&self, model: &str, alias: &str) -> Result<Option<Version>, DoorError> {
        let Some(stage) = stage_of(alias) else { return Ok(None) };
        let question = json!({"name": model, "stages": [stage]});
        match self.rest.post("registered-models/get-latest-versions", &question).await {
            Ok(answer) => {
                let latest = answer["model_versions"].as_array().and_then(|versions| versions.first());
                latest.map(|held| self.version(held, &[])).transpose()
            }
            Err(DoorError::Absent { .. } | DoorError::Invalid { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Moves a version to a stage; a server without stages does without.
    async fn move_to(&self, model: &str, version: u64, stage: &str) -> Result<(), DoorError> {
        let request = json!({
            "name": model,
            "version": version.to_string(),
            "stage": stage,
            "archive_existing_versions": matches!(stage, "Production" | "Staging"),
        });
        match self.rest.post("model-versions/transition-stage", &request).await {
            Ok(_) | Err(DoorError::Absent { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Registry for MlflowRegistry {
    fn place(&self) -> &str {
        self.rest.place()
    }

    async fn register(&self, model: &str, new: &NewVersion<'_>) -> Result<Version, DoorError> {
        check_new(self.place(), model, new)?;
        let (run_id, source) = self.run(new).await?;
        match self.rest.post("registered-models/create", &json!({"name": model})).await {
            Ok(_) | Err(DoorError::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
        let tags: Vec<Value> =
            new.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        let request = json!({"name": model, "source": source, "run_id": run_id, "tags": tags});
        let answer = self.rest.post("model-versions/create", &request).await?;
        self.version(&answer["model_version"], &[])
    }

    async fn versions(&self, model: &str) -> Result<Vec<Version>, DoorError> {
        check_name(self.place(), "model", model)?;
        let aliases = self.aliases(model).await?;
        let (filter, page) = (format!("name='{model}'"), VERSIONS_PAGE.to_string());
        let (mut versions, mut token) = (Vec::new(), String::new());
        for _ in 0..PAGES_MAX {
            let mut question = vec![("filter", filter.as_str()), ("max_results", page.as_str())];
            if !token.is_empty() {
                question.push(("page_token", token.as_str()));
            }
            let answer = self.rest.read("model-versions/search", &question).await?;
            for held in answer["model_versions"].as_array().into_iter().flatten() {
                versions.push(self.version(held, &aliases)?);
            }
            token = text(&answer["next_page_token"]);
            if token.is_empty() {
                break;
            }
        }
        versions.sort_by_key(|version| std::cmp::Reverse(version.version));
        Ok(versions)
    }

    async fn aliased(&self, model: &str, alias: &str) -> Result<Option<Version>, DoorError> {
        check_name(self.place(), "model", model)?;
        check_name(self.place(), "alias", alias)?;
        let question = [("name", model), ("alias", alias)];
        match self.rest.read("registered-models/alias", &question).await {
            Ok(answer) => {
                let aliases = self.aliases(model).await?;
                self.version(&answer["model_version"], &aliases).map(Some)
            }
            // Unknown aliases are "invalid" there.
            Err(DoorError::Absent { .. } | DoorError::Invalid { .. }) => self.staged(model, alias).await,
            Err(error) => Err(error),
        }
    }

    async fn set_alias(&self, model: &str, alias: &str, version: u64) -> Result<(), DoorError> {
        check_name(self.place(), "model", model)?;
        check_name(self.place(), "alias", alias)?;
        // The stage first: should we end between the two, the alias, which is asked first, has not moved yet.
        if let Some(stage) = stage_of(alias) {
            let number = [("name", model), ("version", &version.to_string())];
            match self.rest.read("model-versions/get", &number).await {
                Err(DoorError::Absent { .. }) => return Err(no_version(self.place(), model, version)),
                answer => answer?,
            };
            self.move_to(model, version, stage).await?;
        }
        let request = json!({"name": model, "alias": alias, "version": version.to_string()});
        match self.rest.post("registered-models/alias", &request).await {
            Err(DoorError::Absent { .. }) => Err(no_version(self.place(), model, version)),
            answer => answer.map(|_| ()),
        }
    }

    async fn remove_alias(&self, model: &str, alias: &str) -> Result<(), DoorError> {
        let Some(held) = self.aliased(model, alias).await? else { return Ok(()) };
        match self.rest.delete("registered-models/alias", &json!({"name": model, "alias": alias})).await {
            Ok(_) | Err(DoorError::Absent { .. } | DoorError::Invalid { .. }) => {}
            Err(error) => return Err(error),
        }
        match stage_of(alias) {
            Some(stage) if held.stage.as_deref() == Some(stage) => {
                self.move_to(model, held.version, "None").await
            }
            _ => Ok(()),
        }
    }

    async fn set_tag(&self, model: &str, version: u64, key: &str, value: &str) -> Result<(), DoorError> {
        check_name(self.place(), "model", model)?;
        check_name(self.place(), "tag", key)?;
        let request = json!({"name": model, "version": version.to_string(), "key": key, "value": value});
        match self.rest.post("model-versions/set-tag", &request).await {
            Err(DoorError::Absent { .. }) => Err(no_version(self.place(), model, version)),
            answer => answer.map(|_| ()),
        }
    }

    async fn download(
        &self,
        version: &Version,
        to: &std::path::Path,
        bytes_max: u64,
    ) -> Result<(), DoorError> {
        let source =
            if is_file(version) { version.source.clone() } else { format!("{}/{ARTIFACT}", version.source) };
        artifacts::fetch(self, &source, to, bytes_max).await
    }

    async fn download_learner(
        &self,
        version: &Version,
        to: &std::path::Path,
        bytes_max: u64,
    ) -> Result<(), DoorError> {
        let folder = if is_file(version) {
            version.source.rsplit_once('/').map_or("", |(folder, _)| folder)
        } else {
            &version.source
        };
        artifacts::fetch(self, &format!("{folder}/{LEARNER}"), to, bytes_max).await
    }
}

/// Whether somebody registered the file itself and not its folder.
fn is_file(version: &Version) -> bool {
    version.source.rsplit('/').next().is_some_and(|name| name.ends_with(".taphound"))
}
