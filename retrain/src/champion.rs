//! The champion of a run: the production model; where there is none yet, the default model, trained again from the base set by its own
//! recipe, this time with its learning state and under the key of this centre.

use crate::args::{Cli, Command, TrainArgs};
use crate::centre::Centre;
use crate::config::Config;
use crate::failure::{Failure, read_file};
use crate::promote;
use crate::register;
use crate::train;
use clap::Parser;
use fleet::registry::Version;
use fleet::{DoorError, keys};
use model::Artifact;
use model::artifact::{ARTIFACT_BYTES_MAX, Channel};
use serde_json::{Value, json};
use std::path::Path;

/// How the model inside the sensor is made, an argument of `train` a line.
const DEFAULT_RECIPE: &str = include_str!("../../data/default.args");

/// Brings the production model, whose signature must be one we trust, to `to`, and says which serial its challenger gets.
pub(crate) fn bring(
    centre: &Centre,
    config: &Config,
    base: &Path,
    to: &Path,
    now: u64,
) -> Result<Value, Failure> {
    let name = config.model.name.as_str();
    let registry = centre.registry()?;
    let (production, is_first) = match production(centre, name)? {
        Some(production) => (production, false),
        None => {
            train_first(centre, config, base, to, now)?;
            let there = production(centre, name)?;
            (there.ok_or_else(|| Failure::software("a model that was just promoted is not there"))?, true)
        }
    };
    let artifact = download_learner(centre, config, &production, to)?;
    let versions = centre.ask(|| registry.versions(name)).or_else(register::absent_is_empty)?;
    let highest = versions.iter().map(promote::serial).max().unwrap_or(0).max(artifact.manifest().serial);
    Ok(json!({
        "file": to, "serial": artifact.manifest().serial, "digest": artifact.digest().to_string(),
        "version": production.version, "next_serial": highest + 1, "first": is_first,
    }))
}

/// The production model as it is now, if there is one.
pub(crate) fn production_model(centre: &Centre, config: &Config) -> Result<Option<Artifact>, Failure> {
    let Some(version) = production(centre, &config.model.name)? else { return Ok(None) };
    let file = config.run.state_dir.join("production.taphound");
    let artifact = download(centre, config, &version, &file)?;
    let _ = std::fs::remove_file(&file);
    Ok(Some(artifact))
}

/// The model as sensors have it.
fn download(centre: &Centre, config: &Config, version: &Version, to: &Path) -> Result<Artifact, Failure> {
    let registry = centre.registry()?;
    let _ = std::fs::remove_file(to);
    centre
        .ask(|| registry.download(version, to, ARTIFACT_BYTES_MAX as u64))
        .map_err(|fault| Failure::door(&fault))?;
    read(config, to)
}

/// The same model as one can go on from. A version whose tags name no such file carries it in the model itself, if at all.
fn download_learner(
    centre: &Centre,
    config: &Config,
    version: &Version,
    to: &Path,
) -> Result<Artifact, Failure> {
    let Some(digest) = version.tags.get(register::LEARNER_DIGEST) else {
        return download(centre, config, version, to);
    };
    let (registry, name, serial) = (centre.registry()?, config.model.name.as_str(), promote::serial(version));
    let _ = std::fs::remove_file(to);
    match centre.ask(|| registry.download_learner(version, to, ARTIFACT_BYTES_MAX as u64)) {
        Ok(()) => {}
        Err(DoorError::Absent { .. }) => {
            let (objects, key) = (centre.objects()?, keys::learner(name, serial, digest));
            centre
                .ask(|| objects.download(&key, to, ARTIFACT_BYTES_MAX as u64))
                .map_err(|fault| Failure::door(&fault))?;
        }
        Err(fault) => return Err(Failure::door(&fault)),
    }
    let artifact = read(config, to)?;
    let found = (artifact.digest().to_string(), artifact.manifest().serial);
    if found != (digest.clone(), serial) {
        let what = format!("its learning state is {} of serial {}", found.0, found.1);
        let remedy = "register a model anew, or `rollback`";
        return Err(Failure::data(format!(
            "production model of `{name}`: {what}, the registry names {digest} of {serial}; {remedy}"
        )));
    }
    Ok(artifact)
}

fn read(config: &Config, file: &Path) -> Result<Artifact, Failure> {
    Artifact::read(&read_file(file)?, &register::trust(config)?)
        .map_err(|fault| Failure::data(format!("production model of `{}`: {fault}", config.model.name)))
}

fn production(centre: &Centre, name: &str) -> Result<Option<Version>, Failure> {
    let registry = centre.registry()?;
    centre.ask(|| registry.aliased(name, "production")).or_else(|fault| match fault {
        DoorError::Absent { .. } => Ok(None),
        fault => Err(Failure::door(&fault)),
    })
}

/// The sensors judge by the same trees already, so it needs no canary.
fn train_first(centre: &Centre, config: &Config, base: &Path, to: &Path, now: u64) -> Result<(), Failure> {
    let name = config.model.name.as_str();
    let first = to.with_file_name("first.taphound");
    // A run that was cut off behind this goes on with the same file: its serial is taken.
    if !first.exists() {
        tracing::warn!(name, "no production model: the first champion is trained from the base set");
        train::from_nothing(&first_recipe(config, base, &first, now)?)?;
    }
    register::register(centre, config, &first, &to.with_file_name("first"))?;
    promote::promote(centre, config, Some(Channel::Production), true, now)?;
    Ok(())
}

/// `train` as the default model was made, but for whose it is.
fn first_recipe(config: &Config, base: &Path, to: &Path, now: u64) -> Result<TrainArgs, Failure> {
    let default = default_arguments();
    let serial = default.iter().find(|(option, _)| *option == "--serial");
    let serial: u64 = serial.and_then(|(_, serial)| serial.parse().ok()).unwrap_or(0);
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut line = ["taphound-retrain", "train", "--with-learner"].map(str::to_owned).to_vec();
    let ours = [
        ("--data", text(base)),
        ("--out", text(to)),
        ("--key", text(&config.model.key)),
        ("--name", config.model.name.clone()),
        ("--serial", (serial + 1).to_string()),
        ("--parent", serial.to_string()),
        ("--created", (now / 1000).to_string()),
    ];
    for (option, value) in default {
        if !ours.iter().any(|(known, _)| *known == option) {
            line.extend([option, value].into_iter().filter(|part| !part.is_empty()).map(str::to_owned));
        }
    }
    line.extend(ours.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    match Cli::try_parse_from(line).map_err(Failure::software)?.command {
        Command::Train(args) => Ok(*args),
        _ => Err(Failure::software("the default recipe is no `train`")),
    }
}

fn default_arguments() -> Vec<(&'static str, &'static str)> {
    let lines = DEFAULT_RECIPE.lines().map(str::trim).filter(|line| line.starts_with("--"));
    lines.map(|line| line.split_once(' ').unwrap_or((line, ""))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_champion_is_made_as_the_default_model_but_for_whose_it_is() {
        let config = Config::default();
        let args = first_recipe(&config, Path::new("base"), Path::new("first"), 5_000).unwrap();
        assert_eq!((args.recipe.name.as_str(), args.recipe.created), ("ARF Baseline Model", Some(5)));
        assert_eq!(args.recipe.parent.map(|parent| parent + 1), Some(args.recipe.serial));
        assert!(args.recipe.with_learner && args.forest.no_drift);
        assert_eq!(args.recipe.threshold, 0.7);
        assert!(args.recipe.without_tool.contains(&"worm.py".to_owned()));
    }
}
