//! `run` and `watch`: the whole circle. Each step leaves its answer in the run's folder, so a run that was cut off goes on where
//! it stopped; a lock in the object store lets one run at a time do anything.

use crate::archive;
use crate::args::RunArgs;
use crate::centre::Centre;
use crate::champion;
use crate::check_drift::{self, Before, Found, Handled};
use crate::clock;
use crate::config::{self, Config};
use crate::drift::{DriftType, traffic};
use crate::failure::{Failure, read_file, write_file};
use crate::fetch;
use crate::incremental::{self, Job};
use crate::lease::Lease;
use crate::merge::{self, Plan};
use crate::outcome::Outcome;
use crate::preprocess::{self, Paths};
use crate::promote;
use crate::pull_base;
use crate::register;
use crate::report;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// More rows than this go through Parquet.
const CSV_ROWS_MAX: u64 = 1_000_000;

/// `run`.
pub(crate) fn run(args: &RunArgs) -> Result<Outcome, Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let (facts, outcome) = once(&config, args)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(outcome)
}

/// `watch`: faults are told and the next run tries again; only settings that make no sense end it.
pub(crate) fn watch(args: &RunArgs) -> Result<Outcome, Failure> {
    let config = config::of(args.common.config.as_deref())?;
    loop {
        match once(&config, args) {
            Ok((facts, _)) => report::print(args.common.json, &facts, &text(&facts)),
            Err(fault) if fault.code == crate::failure::CONFIG => return Err(fault),
            Err(fault) => tracing::error!(code = fault.code, "{}", fault.message),
        }
        std::thread::sleep(Duration::from_secs(config.run.interval_s));
    }
}

/// One turn of the circle, under the lock.
fn once(config: &Config, args: &RunArgs) -> Result<(Value, Outcome), Failure> {
    let now = || args.common.now_ms.unwrap_or_else(clock::now_ms);
    let state = &config.run.state_dir;
    std::fs::create_dir_all(state).map_err(|fault| Failure::cannot_create(state, fault))?;
    let centre = Centre::open(config)?;
    let holder = format!("{}/{}", host(), std::process::id());
    // The lock runs on the real clock whatever time the data is judged at.
    let mut lease = Lease::take(&centre, &holder, config.run.lease_s, clock::now_ms())?;
    let turn = Turn { config, centre: &centre, force: args.force };
    let answer = turn.all(now(), &mut lease);
    let released = lease.release();
    let answer = answer?;
    released?;
    Ok(answer)
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "somewhere".to_owned() } else { name.trim().to_owned() }
}

struct Turn<'a> {
    config: &'a Config,
    centre: &'a Centre,
    force: bool,
}

/// The folder of one run and the answers of its steps.
struct Folder(PathBuf);

impl Folder {
    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A step's answer from an earlier attempt, or a new one, which is kept.
    fn step(
        &self,
        name: &str,
        lease: &mut Lease<'_>,
        work: impl FnOnce() -> Result<(Value, Outcome), Failure>,
    ) -> Result<(Value, Outcome), Failure> {
        let file = self.path(&format!("{name}.json"));
        if file.exists() {
            let kept: Option<(Value, Outcome)> = serde_json::from_slice(&read_file(&file)?).ok();
            if let Some(kept) = kept {
                tracing::info!(step = name, "done before");
                return Ok(kept);
            }
        }
        lease.renew(clock::now_ms())?;
        let began = clock::now_ms();
        let answer = work()?;
        let took = clock::now_ms().saturating_sub(began);
        tracing::info!(step = name, ms = took, outcome = answer.1.as_str(), "done");
        let bytes = serde_json::to_vec_pretty(&answer).map_err(Failure::software)?;
        write_file(&file, &bytes)?;
        Ok(answer)
    }
}

impl Turn<'_> {
    fn all(&self, now: u64, lease: &mut Lease<'_>) -> Result<(Value, Outcome), Failure> {
        let open = self.config.run.state_dir.join("open");
        let mut facts = json!({});
        let folder = match std::fs::read_to_string(&open) {
            Ok(name) if self.config.run.state_dir.join("runs").join(name.trim()).is_dir() => {
                tracing::info!(run = name.trim(), "goes on");
                Folder(self.config.run.state_dir.join("runs").join(name.trim()))
            }
            _ => {
                if self.config.promote.automatic {
                    facts["promotion"] = self.advance(now)?;
                }
                let found = self.check(now)?;
                facts["drift"] = serde_json::to_value(&found).map_err(Failure::software)?;
                if found.outcome != Outcome::Done {
                    return Ok((finish(facts, found.outcome, &found.reason), found.outcome));
                }
                let folder = Folder(self.config.run.state_dir.join("runs").join(now.to_string()));
                std::fs::create_dir_all(&folder.0)
                    .map_err(|fault| Failure::cannot_create(&folder.0, fault))?;
                check_drift::write_results(&found, &folder.0)?;
                let bytes = serde_json::to_vec_pretty(&found).map_err(Failure::software)?;
                write_file(&folder.path("check-drift.json"), &bytes)?;
                write_file(&open, now.to_string().as_bytes())?;
                folder
            }
        };
        let found: Found = serde_json::from_slice(&read_file(&folder.path("check-drift.json"))?)
            .map_err(|fault| Failure::data(format!("{}: {fault}; remove the run", folder.0.display())))?;
        facts["drift"] = serde_json::to_value(&found).map_err(Failure::software)?;
        facts["run"] = json!(folder.0);
        let (outcome, reason) = self.retrain(&folder, &found, &mut facts, now, lease)?;
        let _ = std::fs::remove_file(&open);
        self.forget_old_runs();
        Ok((finish(facts, outcome, &reason), outcome))
    }

    fn check(&self, now: u64) -> Result<Found, Failure> {
        let before = if self.force { Before::default() } else { self.centre.before()? };
        let from = check_drift::window_from(&before, self.config, now);
        let samples = self.centre.samples(self.config, from, now)?;
        let shifts = match self.config.drift.distribution {
            true => traffic::shifts(self.centre, self.config, from, now)?,
            false => None,
        };
        Ok(check_drift::judge(&samples, shifts.as_deref(), &before, self.config, now))
    }

    /// Moves a canary on, or takes it back.
    fn advance(&self, now: u64) -> Result<Value, Failure> {
        promote::promote(self.centre, self.config, None, false, now).map(|(facts, _)| facts)
    }

    fn retrain(
        &self,
        folder: &Folder,
        found: &Found,
        facts: &mut Value,
        now: u64,
        lease: &mut Lease<'_>,
    ) -> Result<(Outcome, String), Failure> {
        let config = self.config;
        // A drift that labels know nothing of has what the window has.
        let lookback = check_drift::window_from(&Before::default(), config, now);
        let from = found.window_ts.or(found.first_drift_ts).unwrap_or(lookback);
        let raw = folder.path("drift_raw.csv");
        let done = |value: Value| (value, Outcome::Done);
        let (fetched, outcome) = folder.step("fetch", lease, || {
            let window = self.centre.samples(config, from, now)?;
            fetch::fetch(window, &config.fetch, &raw)
        })?;
        facts["fetch"] = fetched;
        if outcome != Outcome::Done {
            return Ok((outcome, "too few labelled flows in the drift".to_owned()));
        }
        let project = config.run.state_dir.join("project");
        let archived = folder
            .step("archive", lease, || archive::archive_drift(self.centre, &raw, &project).map(done))?;
        facts["archive"] = archived.0;
        let base = folder.path("base");
        facts["base"] = folder
            .step("pull-base", lease, || {
                pull_base::pull(self.centre, &config.base.source, &config.base.sha256, &base).map(done)
            })?
            .0;
        let champion = folder.path("champion.taphound");
        facts["champion"] = folder
            .step("champion", lease, || {
                champion::bring(self.centre, config, &base, &champion, now).map(done)
            })?
            .0;
        let merged = folder.path("merged.parquet");
        facts["merge"] = folder
            .step("merge", lease, || {
                merge::merge(&Plan {
                    drift: &raw,
                    base: std::slice::from_ref(&base),
                    out: &merged,
                    base_ratio: config.merge.base_ratio,
                    trust_min: config.merge.trust_min,
                    known: Some(incremental::classes_of(&champion)?),
                })
                .map(done)
            })?
            .0;
        let large = facts["merge"]["rows"].as_u64().unwrap_or(0) > CSV_ROWS_MAX;
        let form = if large { "parquet" } else { "csv" };
        let (train, holdout) =
            (folder.path(&format!("train_smote.{form}")), folder.path(&format!("test_holdout.{form}")));
        let checks = folder.path("data_checks.json");
        facts["preprocess"] = folder
            .step("preprocess", lease, || {
                let paths = Paths { data: &merged, train: &train, holdout: &holdout, report: &checks };
                preprocess::preprocess(&paths, &config.preprocess, now).map(done)
            })?
            .0;
        let challenger = folder.path("challenger.taphound");
        let (compared, outcome) = folder.step("train", lease, || {
            let key = register::signing_key(config)?;
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let job = Job {
                champion: &champion,
                data: std::slice::from_ref(&train),
                holdout: &holdout,
                canon: config.train.canon(),
                out: &challenger,
                card: &folder.0,
                key: Some(&key),
                workers: if config.train.workers > 0 { config.train.workers } else { cores() },
                config,
                serial: facts["champion"]["next_serial"].as_u64(),
                created: now / 1000,
            };
            incremental::train(&job, incremental::UNTRAINED)
        })?;
        facts["train"] = brief(&compared);
        let of_drift = facts["fetch"]["found"].as_u64().unwrap_or(0) as usize;
        let handled = Handled {
            first_drift_ts: found.first_drift_ts.unwrap_or(from),
            labels: of_drift,
            at_ms: now,
            distribution: found.drift_type == DriftType::Distribution,
        };
        if outcome != Outcome::Done {
            self.centre.remember(&handled)?;
            let reasons: Vec<&str> =
                compared["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            return Ok((outcome, format!("new model does not outperform ({})", reasons.join("; "))));
        }
        facts["register"] = folder
            .step("register", lease, || {
                register::register(self.centre, config, &challenger, &folder.0).map(done)
            })?
            .0;
        self.centre.remember(&handled)?;
        self.centre.cool_down(now)?;
        if config.promote.automatic {
            facts["promotion"] =
                folder.step("promote", lease, || promote::promote(self.centre, config, None, false, now))?.0;
        }
        Ok((Outcome::Done, "a new model has passed the gate".to_owned()))
    }

    /// Keeps the newest runs' files.
    fn forget_old_runs(&self) {
        let runs = self.config.run.state_dir.join("runs");
        let mut names: Vec<PathBuf> =
            std::fs::read_dir(runs).into_iter().flatten().flatten().map(|e| e.path()).collect();
        names.sort();
        let surplus = names.len().saturating_sub(self.config.run.keep_runs.max(1));
        for folder in names.into_iter().take(surplus) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

/// The comparison without its tables.
fn brief(compared: &Value) -> Value {
    let names = [
        "F1_new",
        "F1_prod",
        "F1_gain",
        "F1_gain_95",
        "Kappa_new",
        "Kappa_prod",
        "Kappa_gain",
        "FPR_new",
        "FPR_prod",
        "holdout_rows",
        "promote",
        "reasons",
        "by_source",
        "canon",
        "model",
        "training",
    ];
    names
        .iter()
        .map(|name| ((*name).to_owned(), compared[*name].clone()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn finish(mut facts: Value, outcome: Outcome, reason: &str) -> Value {
    facts["outcome"] = json!(outcome);
    facts["reason"] = json!(reason);
    facts
}

fn text(facts: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut text = format!("{}: {}", word(&facts["outcome"]), word(&facts["reason"]));
    if facts["train"].is_object() {
        text.push_str(&format!("\n{}", incremental::text(&facts["train"])));
    }
    if let Some(what) = facts["promotion"]["what"].as_str() {
        text.push_str(&format!("\n{what}"));
    }
    text
}
