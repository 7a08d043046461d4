//! The registry as a folder: a version is a folder of its own, and one small file a model says which version is at work.
//!
//! ```text
//! ARF Baseline Model/state.json              aliases, stages
//! ARF Baseline Model/7/version.json          run, parameters, metrics, tags
//! ARF Baseline Model/7/model.taphound        the model file
//! ARF Baseline Model/7/learner.taphound      the same with the state to go on learning
//! ARF Baseline Model/7/files/...             further files for people
//! ```

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{ARTIFACT, LEARNER, NewVersion, Registry, Version, check_name, check_new, no_version, stage_of};
use crate::DoorError;
use crate::folders::{self, INCOMING, Incoming, LOCK, blocking};

const STATE: &str = "state.json";
const VERSION: &str = "version.json";
const FILES: &str = "files";
/// Such a file is read whole: no larger one is.
const JSON_BYTES_MAX: u64 = 16 << 20;

/// A registry in a folder.
#[derive(Clone)]
pub struct FolderRegistry {
    inner: Arc<Inner>,
}

struct Inner {
    root: PathBuf,
    place: String,
}

/// What changes about a model.
#[derive(Default, Serialize, Deserialize)]
struct State {
    aliases: BTreeMap<String, u64>,
    stages: BTreeMap<u64, String>,
    /// The highest number ever given.
    last: u64,
}

/// What is known of a version.
#[derive(Serialize, Deserialize)]
struct About {
    run_name: String,
    parameters: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    tags: BTreeMap<String, String>,
}

impl FolderRegistry {
    /// Opens the folder, or makes it for its owner and group.
    ///
    /// # Errors
    /// [`DoorError::Denied`], [`DoorError::Invalid`] when it is no folder.
    pub fn open(root: &Path) -> Result<Self, DoorError> {
        let place = format!("folder:{}", root.display());
        folders::make_shared(root).map_err(|error| DoorError::io(&place, "the folder", &error))?;
        Ok(Self { inner: Arc::new(Inner { root: root.to_owned(), place }) })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, DoorError> + Send + 'static,
    ) -> Result<T, DoorError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

impl Inner {
    fn io(&self, thing: &str) -> impl Fn(io::Error) -> DoorError {
        move |error| DoorError::io(&self.place, thing, &error)
    }

    fn model(&self, model: &str) -> Result<PathBuf, DoorError> {
        check_name(&self.place, "model", model)?;
        Ok(self.root.join(model))
    }

    fn json<T: for<'a> Deserialize<'a>>(&self, path: &Path) -> Result<Option<T>, DoorError> {
        let thing = path.display().to_string();
        let mut text = Vec::new();
        match File::open(path).and_then(|file| file.take(JSON_BYTES_MAX).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(self.io(&thing)(error)),
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| DoorError::Damaged {
            place: self.place.clone(),
            thing,
            detail: error.to_string(),
        })
    }

    fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), DoorError> {
        let thing = path.display().to_string();
        let text = serde_json::to_vec_pretty(value)
            .map_err(|error| DoorError::invalid(&self.place, thing.clone(), error.to_string()))?;
        folders::write_whole(&self.root, path, &text).map_err(self.io(&thing))
    }

    fn state(&self, model: &Path) -> Result<State, DoorError> {
        Ok(self.json(&model.join(STATE))?.unwrap_or_default())
    }

    /// Changes a model's state while nobody else does.
    fn change<T>(
        &self,
        model: &str,
        work: impl FnOnce(&Path, &mut State) -> Result<T, DoorError>,
    ) -> Result<T, DoorError> {
        let folder = self.model(model)?;
        let _held = folders::lock(&self.root).map_err(self.io(LOCK))?;
        let mut state = self.state(&folder)?;
        let value = work(&folder, &mut state)?;
        self.write_json(&folder.join(STATE), &state)?;
        Ok(value)
    }

    fn version(
        &self,
        model: &str,
        folder: &Path,
        number: u64,
        state: &State,
    ) -> Result<Option<Version>, DoorError> {
        let at = folder.join(number.to_string());
        let Some(about) = self.json::<About>(&at.join(VERSION))? else { return Ok(None) };
        let artifact = at.join(ARTIFACT);
        let metadata = std::fs::metadata(&artifact).map_err(self.io(&artifact.display().to_string()))?;
        let aliases = state.aliases.iter().filter(|(_, to)| **to == number).map(|(alias, _)| alias.clone());
        Ok(Some(Version {
            model: model.to_owned(),
            version: number,
            tags: about.tags,
            aliases: aliases.collect(),
            stage: Some(state.stages.get(&number).cloned().unwrap_or_else(|| "None".into())),
            source: format!("{number}/{ARTIFACT}"),
            created_ms: folders::modified_ms(&metadata),
        }))
    }

    fn versions(&self, model: &str) -> Result<Vec<Version>, DoorError> {
        let folder = self.model(model)?;
        let state = self.state(&folder)?;
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.io(model)(error)),
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u64>().ok());
        let mut numbers: Vec<u64> = names.collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let versions = numbers.into_iter().map(|number| self.version(model, &folder, number, &state));
        versions.filter_map(Result::transpose).collect()
    }

    fn register(&self, model: &str, new: &Owned) -> Result<Version, DoorError> {
        let about = About {
            run_name: new.run_name.clone(),
            parameters: new.parameters.clone(),
            metrics: new.metrics.clone(),
            tags: new.tags.clone(),
        };
        // Everything is copied before the lock is taken, and moved to its place in one step under it.
        let mut copies = vec![(ARTIFACT.to_owned(), self.copy(&new.artifact)?)];
        if let Some(learner) = &new.learner {
            copies.push((LEARNER.to_owned(), self.copy(learner)?));
        }
        for (name, path) in &new.files {
            copies.push((format!("{FILES}/{name}"), self.copy(path)?));
        }
        let created = self.change(model, |folder, state| {
            let number = state.last + 1;
            let at = folder.join(number.to_string());
            for (name, copy) in copies {
                copy.place(&at.join(&name)).map_err(self.io(&name))?;
            }
            // Without this file the version does not exist; it comes last.
            self.write_json(&at.join(VERSION), &about)?;
            state.last = number;
            Ok(number)
        })?;
        let folder = self.model(model)?;
        let state = self.state(&folder)?;
        self.version(model, &folder, created, &state)?.ok_or_else(|| no_version(&self.place, model, created))
    }

    fn copy(&self, from: &Path) -> Result<Incoming, DoorError> {
        let thing = from.display().to_string();
        let mut file = File::open(from).map_err(|error| DoorError::io(&thing, "the file", &error))?;
        let mut incoming = Incoming::begin(&self.root).map_err(self.io(INCOMING))?;
        incoming.take(&mut file).map_err(self.io(&thing))?;
        Ok(incoming)
    }

    fn set_alias(&self, model: &str, alias: &str, version: u64) -> Result<(), DoorError> {
        check_name(&self.place, "alias", alias)?;
        self.change(model, |folder, state| {
            if !folder.join(version.to_string()).join(VERSION).is_file() {
                return Err(no_version(&self.place, model, version));
            }
            state.aliases.insert(alias.to_owned(), version);
            if let Some(stage) = stage_of(alias) {
                for (other, held) in &mut state.stages {
                    if *other != version && held == stage {
                        *held = "Archived".into();
                    }
                }
                state.stages.insert(version, stage.to_owned());
            }
            Ok(())
        })
    }

    fn set_tag(&self, model: &str, version: u64, key: &str, value: &str) -> Result<(), DoorError> {
        check_name(&self.place, "tag", key)?;
        self.change(model, |folder, _| {
            let path = folder.join(version.to_string()).join(VERSION);
            let about = self.json::<About>(&path)?;
            let mut about = about.ok_or_else(|| no_version(&self.place, model, version))?;
            about.tags.insert(key.to_owned(), value.to_owned());
            self.write_json(&path, &about)
        })
    }

    fn download(&self, version: &Version, file: &str, to: &Path, bytes_max: u64) -> Result<(), DoorError> {
        let at = self.model(&version.model)?.join(version.version.to_string()).join(file);
        let thing = format!("{file} of version {} of {:?}", version.version, version.model);
        let from = File::open(&at).map_err(self.io(&thing))?;
        let bytes = from.metadata().map_err(self.io(&thing))?.len();
        if bytes > bytes_max {
            let detail = format!("it has {bytes} bytes, at most {bytes_max} are read");
            return Err(DoorError::Damaged { place: self.place.clone(), thing, detail });
        }
        let local = |error: io::Error| DoorError::io(&to.display().to_string(), "the new file", &error);
        let mut file = OpenOptions::new().write(true).create_new(true).open(to).map_err(local)?;
        io::copy(&mut from.take(bytes_max), &mut file).and_then(|_| file.sync_all()).map_err(|error| {
            let _ = std::fs::remove_file(to);
            local(error)
        })
    }
}

/// A [`NewVersion`] that may go to another thread.
struct Owned {
    run_name: String,
    artifact: PathBuf,
    learner: Option<PathBuf>,
    files: Vec<(String, PathBuf)>,
    parameters: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    tags: BTreeMap<String, String>,
}

#[async_trait]
impl Registry for FolderRegistry {
    fn place(&self) -> &str {
        &self.inner.place
    }

    async fn register(&self, model: &str, new: &NewVersion<'_>) -> Result<Version, DoorError> {
        check_new(&self.inner.place, model, new)?;
        let owned = Owned {
            run_name: new.run_name.to_owned(),
            artifact: new.artifact.to_owned(),
            learner: new.learner.map(Path::to_owned),
            files: new.files.to_vec(),
            parameters: new.parameters.clone(),
            metrics: new.metrics.clone(),
            tags: new.tags.clone(),
        };
        let model = model.to_owned();
        self.run(move |inner| inner.register(&model, &owned)).await
    }

    async fn versions(&self, model: &str) -> Result<Vec<Version>, DoorError> {
        let model = model.to_owned();
        self.run(move |inner| inner.versions(&model)).await
    }

    async fn aliased(&self, model: &str, alias: &str) -> Result<Option<Version>, DoorError> {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        self.run(move |inner| {
            let folder = inner.model(&model)?;
            let state = inner.state(&folder)?;
            match state.aliases.get(&alias) {
                Some(number) => inner.version(&model, &folder, *number, &state),
                None => Ok(None),
            }
        })
        .await
    }

    async fn set_alias(&self, model: &str, alias: &str, version: u64) -> Result<(), DoorError> {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        self.run(move |inner| inner.set_alias(&model, &alias, version)).await
    }

    async fn remove_alias(&self, model: &str, alias: &str) -> Result<(), DoorError> {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        self.run(move |inner| {
            if !inner.model(&model)?.is_dir() {
                return Ok(());
            }
            inner.change(&model, |_, state| {
                let held = state.aliases.remove(&alias);
                // A stage that followed the alias ends with it.
                if let (Some(version), Some(stage)) = (held, stage_of(&alias)) {
                    state.stages.retain(|other, held| *other != version || held != stage);
                }
                Ok(())
            })
        })
        .await
    }

    async fn set_tag(&self, model: &str, version: u64, key: &str, value: &str) -> Result<(), DoorError> {
        let (model, key, value) = (model.to_owned(), key.to_owned(), value.to_owned());
        self.run(move |inner| inner.set_tag(&model, version, &key, &value)).await
    }

    async fn download(&self, version: &Version, to: &Path, bytes_max: u64) -> Result<(), DoorError> {
        let (version, to) = (version.clone(), to.to_owned());
        self.run(move |inner| inner.download(&version, ARTIFACT, &to, bytes_max)).await
    }

    async fn download_learner(&self, version: &Version, to: &Path, bytes_max: u64) -> Result<(), DoorError> {
        let (version, to) = (version.clone(), to.to_owned());
        self.run(move |inner| inner.download(&version, LEARNER, &to, bytes_max)).await
    }
}
