//! `register`: a model and all that is known of its making go into the registry as `staging`, its files into the object store: one
//! for sensors, which only judge, and one with the learning state, which the next retrain goes on from.

use crate::args::RegisterArgs;
use crate::card;
use crate::centre::Centre;
use crate::config::{self, Config};
use crate::failure::{Failure, read_file, write_file};
use crate::report;
use fleet::objects::PutIf;
use fleet::registry::{NewVersion, Version};
use fleet::{DoorError, keys};
use model::Artifact;
use model::artifact::{PublicKey, SecretKey, Trust, without_learner};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const RUN_NAME: &str = "arf-incremental-retrain";
/// Tag of a version, and parameter of its run, that names the file with the learning state.
pub(crate) const LEARNER_DIGEST: &str = "learner_digest";

/// `register`.
pub(crate) fn run(args: &RegisterArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let centre = Centre::open(&config)?;
    let card = args.card.clone().or_else(|| args.model.parent().map(Path::to_owned)).unwrap_or_default();
    let facts = register(&centre, &config, &args.model, &card)?;
    let text = format!(
        "{}: version {} of `{}` (serial {}) is staging",
        args.model.display(),
        facts["version"],
        facts["name"].as_str().unwrap_or_default(),
        facts["serial"]
    );
    report::print(args.common.json, &facts, &text);
    Ok(())
}

/// Registers a model. Where it carries its learning state, what sensors get is a file of its own, signed by this centre.
pub(crate) fn register(
    centre: &Centre,
    config: &Config,
    model: &Path,
    card: &Path,
) -> Result<Value, Failure> {
    let (trust, bytes) = (trust(config)?, read_file(model)?);
    let fault = |fault| Failure::data(format!("{}: {fault}", model.display()));
    if !Artifact::read(&bytes, &trust).map_err(fault)?.can_learn() {
        return register_files(centre, config, model, None, card);
    }
    let folder = tempfile::tempdir().map_err(Failure::software)?;
    let lean = folder.path().join(fleet::registry::ARTIFACT);
    write_file(&lean, &without_learner(&bytes, &trust, Some(&signing_key(config)?)).map_err(fault)?)?;
    register_files(centre, config, &lean, Some(model), card)
}

/// Registers once: a model that is there already is found by its digest.
pub(crate) fn register_files(
    centre: &Centre,
    config: &Config,
    model: &Path,
    learner: Option<&Path>,
    card: &Path,
) -> Result<Value, Failure> {
    let read = |path: &Path| {
        Artifact::read(&read_file(path)?, &trust(config)?)
            .map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))
    };
    let artifact = read(model)?;
    let learner = learner.map(|path| Ok((path, read(path)?))).transpose()?;
    let manifest = artifact.manifest();
    let (name, serial) = (config.model.name.as_str(), manifest.serial);
    if manifest.name != name {
        let what = format!("is a model of `{}`, the registry is kept for `{name}`", manifest.name);
        return Err(Failure::data(format!("{}: {what}; set `model.name`", model.display())));
    }
    let digest = artifact.digest().to_string();
    let mut files = vec![(keys::model(name, serial, &digest), model)];
    if let Some((path, learner)) = &learner {
        if !learner.judges_as(&artifact) || learner.manifest().serial != serial {
            let what = format!("is not the learning state of serial {serial}");
            return Err(Failure::data(format!("{}: {what}; train it again", path.display())));
        }
        files.push((keys::learner(name, serial, &learner.digest().to_string()), path));
    }
    let learner_digest = learner.as_ref().map(|(_, learner)| learner.digest().to_string());
    let registry = centre.registry()?;
    let versions = centre.ask(|| registry.versions(name)).or_else(absent_is_empty)?;
    let tag = |version: &Version, key: &str| version.tags.get(key).cloned().unwrap_or_default();
    let known = versions.iter().find(|version| tag(version, "digest") == digest).cloned();
    if let Some(other) =
        versions.iter().find(|v| tag(v, "serial") == serial.to_string() && tag(v, "digest") != digest)
    {
        let what = format!("serial {serial} belongs to version {} with another digest", other.version);
        return Err(Failure::data(format!("{}: {what}; train with a higher --serial", model.display())));
    }
    let objects = centre.objects()?;
    for (key, file) in &files {
        match centre.ask(|| objects.upload(key, file, PutIf::Absent)) {
            Ok(_) | Err(DoorError::Conflict { .. }) => {}
            Err(fault) => return Err(Failure::door(&fault)),
        }
    }
    let version = match known {
        Some(version) => version,
        None => {
            let facts = comparison(card)?;
            let shown: Vec<(String, PathBuf)> = card::FILES
                .iter()
                .map(|file| ((*file).to_owned(), card.join(file)))
                .filter(|(_, path)| path.is_file())
                .collect();
            let mut parameters = parameters(&facts);
            parameters.extend(learner_digest.clone().map(|digest| (LEARNER_DIGEST.to_owned(), digest)));
            let mut metrics = manifest.metrics.clone();
            metrics.retain(|_, value| value.is_finite());
            let mut tags = BTreeMap::from([
                ("serial".to_owned(), serial.to_string()),
                ("digest".to_owned(), digest.clone()),
                ("parent".to_owned(), manifest.parent.map_or(String::new(), |parent| parent.to_string())),
                ("training_data".to_owned(), manifest.training_data.to_string()),
                ("schema".to_owned(), manifest.schema.clone()),
            ]);
            tags.extend(learner_digest.clone().map(|digest| (LEARNER_DIGEST.to_owned(), digest)));
            let new = NewVersion {
                run_name: RUN_NAME,
                artifact: model,
                learner: learner.as_ref().map(|(path, _)| *path),
                files: &shown,
                parameters: &parameters,
                metrics: &metrics,
                tags: &tags,
            };
            centre.ask(|| registry.register(name, &new)).map_err(|fault| Failure::door(&fault))?
        }
    };
    centre
        .ask(|| registry.set_alias(name, "staging", version.version))
        .map_err(|fault| Failure::door(&fault))?;
    tracing::info!(name, serial, version = version.version, "registered as staging");
    Ok(json!({
        "name": name, "serial": serial, "version": version.version, "digest": digest, "object": files[0].0,
        "learner_digest": learner_digest,
        "registry": registry.place(), "objects": objects.place(),
    }))
}

/// A registry that has never heard of the model has no versions of it.
pub(crate) fn absent_is_empty(fault: DoorError) -> Result<Vec<Version>, Failure> {
    match fault {
        DoorError::Absent { .. } => Ok(Vec::new()),
        fault => Err(Failure::door(&fault)),
    }
}

/// The model's comparison, if it was made by a retrain.
fn comparison(card: &Path) -> Result<Value, Failure> {
    let path = card.join(card::FILES[2]);
    if !path.is_file() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&read_file(&path)?)
        .map_err(|fault| Failure::data(format!("{}: {fault}; run `train` again", path.display())))
}

fn parameters(facts: &Value) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    for group in ["training", "model"] {
        for (name, value) in facts[group].as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // MLflow takes 500 letters.
            parameters.insert(format!("{group}.{name}"), text.chars().take(400).collect());
        }
    }
    parameters
}

/// The key that signs, and the public keys beside it.
pub(crate) fn signing_key(config: &Config) -> Result<SecretKey, Failure> {
    crate::train::read_key(&config.model.key)
}

/// Whose models are believed: our own key's and those of the keys that are named.
pub(crate) fn trust(config: &Config) -> Result<Trust, Failure> {
    let mut trust = Trust::none().with_key(signing_key(config)?.public());
    for path in &config.model.trust {
        let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
        let key: PublicKey =
            text.parse().map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))?;
        trust = trust.with_key(key);
    }
    Ok(trust)
}
