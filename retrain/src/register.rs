//! `register`: a model and all that is known of its making go into the registry as `staging`, its file into the object store.

use crate::args::RegisterArgs;
use crate::card;
use crate::centre::Centre;
use crate::config::{self, Config};
use crate::failure::{Failure, read_file};
use crate::report;
use fleet::objects::PutIf;
use fleet::registry::{NewVersion, Version};
use fleet::{DoorError, keys};
use model::Artifact;
use model::artifact::{PublicKey, SecretKey, Trust};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const RUN_NAME: &str = "arf-incremental-retrain";

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

/// Registers once: a model that is there already is found by its digest.
pub(crate) fn register(
    centre: &Centre,
    config: &Config,
    model: &Path,
    card: &Path,
) -> Result<Value, Failure> {
    let bytes = read_file(model)?;
    let artifact = Artifact::read(&bytes, &trust(config)?)
        .map_err(|fault| Failure::data(format!("{}: {fault}", model.display())))?;
    let manifest = artifact.manifest();
    let (name, serial) = (config.model.name.as_str(), manifest.serial);
    if manifest.name != name {
        let what = format!("is a model of `{}`, the registry is kept for `{name}`", manifest.name);
        return Err(Failure::data(format!("{}: {what}; set `model.name`", model.display())));
    }
    let digest = artifact.digest().to_string();
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
    let key = keys::model(name, serial, &digest);
    match centre.ask(|| objects.upload(&key, model, PutIf::Absent)) {
        Ok(_) | Err(DoorError::Conflict { .. }) => {}
        Err(fault) => return Err(Failure::door(&fault)),
    }
    let version = match known {
        Some(version) => version,
        None => {
            let facts = comparison(card)?;
            let files: Vec<(String, PathBuf)> = card::FILES
                .iter()
                .map(|file| ((*file).to_owned(), card.join(file)))
                .filter(|(_, path)| path.is_file())
                .collect();
            let parameters = parameters(&facts);
            let mut metrics = manifest.metrics.clone();
            metrics.retain(|_, value| value.is_finite());
            let tags = BTreeMap::from([
                ("serial".to_owned(), serial.to_string()),
                ("digest".to_owned(), digest.clone()),
                ("parent".to_owned(), manifest.parent.map_or(String::new(), |parent| parent.to_string())),
                ("training_data".to_owned(), manifest.training_data.to_string()),
                ("schema".to_owned(), manifest.schema.clone()),
            ]);
            let new = NewVersion {
                run_name: RUN_NAME,
                artifact: model,
                files: &files,
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
        "name": name, "serial": serial, "version": version.version, "digest": digest, "object": key,
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
