//! `train --champion`: a champion goes on learning. Its scaler is kept, new trees are planted, all of them learn the merged data,
//! the weakest are felled, and champion and challenger are judged by the same rows.

mod lesson;

use crate::args::{IncrementalArgs, JoinArgs, TrainArgs};
use crate::card;
use crate::comparison::{self, Comparison, Limits};
use crate::config::{self, Config};
use crate::dataset::Dataset;
use crate::failure::{Failure, read_file, write_file};
use crate::outcome::Outcome;
use crate::report;
use crate::train::{read_key, self_test_vectors};
use lesson::Lesson;
use model::artifact::{Artifact, Digest, Draft, SecretKey, Trust};
use model::forest::TreeTrainer;
use model::{AdaptiveRandomForest, Category, Scorer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"TAPHSLC2";
const LEVEL: i32 = 6;
/// Rows of a source that judge, evenly spread when there are more: enough that more would not tell more.
const HOLDOUT_ROWS_MAX: u64 = 100_000;

/// Everything that decides what a challenger becomes, apart from champion and data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) champion: Digest,
    pub(crate) data: Digest,
    pub(crate) classes: Vec<Category>,
    pub(crate) serial: u64,
    pub(crate) created: u64,
    pub(crate) expires: Option<u64>,
    pub(crate) add_ratio: f64,
    pub(crate) max_trees: usize,
    pub(crate) passes: u32,
    pub(crate) mistake_weight: f64,
    pub(crate) seed: u64,
}

/// Files and settings of one incremental training.
pub(crate) struct Job<'a> {
    pub(crate) champion: &'a Path,
    pub(crate) data: &'a [PathBuf],
    pub(crate) holdout: &'a Path,
    pub(crate) canon: Option<&'a Path>,
    pub(crate) out: &'a Path,
    pub(crate) card: &'a Path,
    pub(crate) key: Option<&'a SecretKey>,
    pub(crate) workers: usize,
    pub(crate) config: &'a Config,
    /// None: one above the champion's.
    pub(crate) serial: Option<u64>,
    pub(crate) created: u64,
}

/// Trees of one plan, trained apart.
#[derive(Serialize, Deserialize)]
struct Slice {
    plan: Plan,
    trainers: Vec<TreeTrainer>,
}

/// `train --champion`.
pub(crate) fn run(args: &TrainArgs) -> Result<Outcome, Failure> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let config = settings(&args.incremental)?;
    let champion =
        args.incremental.champion.as_deref().ok_or_else(|| Failure::usage("--champion is missing"))?;
    let created = crate::recipe::creation_time(args.recipe.created)?;
    let workers = workers(args.workers, &config);
    let given = (args.recipe.serial > 1).then_some(args.recipe.serial);
    if let Some((i, n)) = args.slice {
        let champion = read_champion(champion)?;
        let lesson = Lesson::read(&args.data, &champion)?;
        let plan = plan(&champion, &lesson, &config, given, created);
        let trees = planted(learner(&champion)?, &plan)?;
        let range = crate::slice::Slice::range(i, n, trees.len());
        let trainers = lesson.train(&plan, trees, Some(range.clone()), workers)?;
        write_slice(&args.out, &Slice { plan, trainers })?;
        let facts = json!({"slice": args.out, "trees": [range.start, range.end]});
        let text = format!("{}: trees {} to {}", args.out.display(), range.start, range.end as i64 - 1);
        report::print(args.json, &facts, &text);
        return Ok(Outcome::Done);
    }
    let holdout = needed_holdout(&args.incremental)?;
    let job = Job {
        champion,
        data: &args.data,
        holdout,
        canon: canon(&args.incremental, &config),
        out: &args.out,
        card: &card_folder(&args.incremental, &args.out),
        key: key.as_ref(),
        workers,
        config: &config,
        serial: given,
        created,
    };
    let (facts, outcome) = train(&job, UNTRAINED)?;
    report::print(args.json, &facts, &text(&facts));
    Ok(outcome)
}

/// `join --champion`: the challenger that one run would have made of the slices.
pub(crate) fn join(args: &JoinArgs) -> Result<Outcome, Failure> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let config = settings(&args.incremental)?;
    let champion =
        args.incremental.champion.as_deref().ok_or_else(|| Failure::usage("--champion is missing"))?;
    let mut joined: Option<Slice> = None;
    for path in &args.slices {
        let slice = read_slice(path)?;
        match &mut joined {
            Some(first) if first.plan != slice.plan => {
                let what = "has another plan; train every slice with the same champion, data and options";
                return Err(Failure::data(format!("{}: {what}", path.display())));
            }
            Some(first) => first.trainers.extend(slice.trainers),
            none => *none = Some(slice),
        }
    }
    let slice = joined.ok_or_else(|| Failure::usage("no slice given"))?;
    let job = Job {
        champion,
        data: &args.data,
        holdout: needed_holdout(&args.incremental)?,
        canon: canon(&args.incremental, &config),
        out: &args.out,
        card: &card_folder(&args.incremental, &args.out),
        key: key.as_ref(),
        workers: 1,
        config: &config,
        serial: Some(slice.plan.serial),
        created: slice.plan.created,
    };
    let (facts, outcome) = train(&job, Some(slice.into()))?;
    report::print(args.json, &facts, &text(&facts));
    Ok(outcome)
}

/// Trains (unless the trees come trained), fells, freezes, judges, and writes what there is to know.
pub(crate) fn train(job: &Job<'_>, trained: Option<Trained>) -> Result<(Value, Outcome), Failure> {
    let champion = read_champion(job.champion)?;
    let lesson = Lesson::read(job.data, &champion)?;
    let old = learner(&champion)?;
    let (mut params, before) = (old.params().clone(), old.trainers().len());
    let (plan, trainers) = match trained {
        Some(Trained(plan, trainers)) => {
            if plan.data != lesson.digest || plan.champion != champion.digest() {
                let what = "not the champion or not the data that the slices were trained with";
                return Err(Failure::data(format!("{}: {what}", job.champion.display())));
            }
            (plan, trainers)
        }
        None => {
            let plan = plan(&champion, &lesson, job.config, job.serial, job.created);
            let trainers = lesson.train(&plan, planted(old, &plan)?, None, job.workers)?;
            (plan, trainers)
        }
    };
    params.n_models = trainers.len();
    params.tree.n_classes = plan.classes.len();
    let mut forest = AdaptiveRandomForest::from_parts(params, trainers).map_err(Failure::data)?;
    let strengths = forest.kappas(lesson.common_slice(&plan.classes));
    let planted = forest.trainers().len() - before;
    let felled = forest.prune(plan.max_trees, &strengths);
    let scorer = Scorer::new(
        champion.scorer().transform().clone(),
        forest.freeze(),
        champion.scorer().novelty_forest().cloned(),
        plan.classes.clone(),
        *champion.scorer().thresholds(),
    )
    .map_err(Failure::software)?;
    let holdout = Dataset::read_thinned(&[job.holdout.to_owned()], HOLDOUT_ROWS_MAX)?;
    let canon = job.canon.map(|path| Dataset::read(&[path.to_owned()])).transpose()?;
    let limits = Limits { margin: job.config.train.margin, canon: job.config.train.canon_tolerance };
    let comparison = Comparison::of(champion.scorer(), &scorer, &holdout, canon.as_ref(), &limits);
    let draft = Draft {
        name: champion.manifest().name.clone(),
        serial: plan.serial,
        parent: Some(champion.manifest().serial),
        training_data: plan.data,
        metrics: comparison.manifest_metrics(),
        quantiles: lesson.reference_quantiles(&scorer),
        created: plan.created,
        expires: plan.expires,
        scorer: &scorer,
        learner: Some(&forest),
        self_test: self_test_vectors(&holdout),
    };
    let bytes = draft.write(job.key).map_err(Failure::software)?;
    let trust = Trust::none().with_digest(Digest::of(&bytes));
    let artifact = Artifact::read(&bytes, &trust).map_err(Failure::software)?;
    write_file(job.out, &bytes)?;
    let mut facts = comparison.to_json();
    facts["model"] = json!({
        "file": job.out, "name": artifact.manifest().name, "serial": plan.serial, "bytes": bytes.len(),
        "digest": artifact.digest().to_string(), "signed_by": job.key.map(|key| key.public().id().to_string()),
        "parent": champion.manifest().serial, "parent_digest": champion.digest().to_string(),
        "training_data": plan.data.to_string(), "classes": plan.classes, "created": plan.created,
        "schema": artifact.manifest().schema,
    });
    facts["training"] = json!({
        "rows": lesson.rows, "by_source": lesson.by_source, "passes": plan.passes, "mistake_weight": plan.mistake_weight, "mistakes": lesson.mistakes, "seed": plan.seed,
        "trees_before": before, "trees_planted": planted, "trees_felled": felled.len(),
        "felled": felled, "trees": forest.trainers().len(), "add_ratio": plan.add_ratio, "max_trees": plan.max_trees,
    });
    std::fs::create_dir_all(job.card).map_err(|fault| Failure::cannot_create(job.card, fault))?;
    write_file(&job.card.join("comparison.json"), format!("{facts:#}\n").as_bytes())?;
    write_file(&job.card.join("promote"), if comparison.promote() { b"true" } else { b"false" })?;
    card::write(job.card, &facts, &comparison)?;
    let outcome = if comparison.promote() { Outcome::Done } else { Outcome::Refused };
    Ok((facts, outcome))
}

/// Trees that come trained, with the plan they were trained by.
pub(crate) struct Trained(Plan, Vec<TreeTrainer>);

impl From<Slice> for Trained {
    fn from(slice: Slice) -> Trained {
        Trained(slice.plan, slice.trainers)
    }
}

/// Nothing has been trained yet.
pub(crate) const UNTRAINED: Option<Trained> = None;

fn settings(args: &IncrementalArgs) -> Result<Config, Failure> {
    let mut config = config::of(args.config.as_deref())?;
    let train = &mut config.train;
    train.add_ratio = args.add_ratio.unwrap_or(train.add_ratio);
    train.max_trees = args.max_trees.unwrap_or(train.max_trees);
    train.passes = args.passes.unwrap_or(train.passes);
    train.margin = args.margin.unwrap_or(train.margin);
    Ok(config)
}

fn workers(given: Option<usize>, config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    given.or(Some(config.train.workers).filter(|n| *n > 0)).unwrap_or_else(cores)
}

fn canon<'a>(args: &'a IncrementalArgs, config: &'a Config) -> Option<&'a Path> {
    args.canon.as_deref().or_else(|| config.train.canon())
}

fn needed_holdout(args: &IncrementalArgs) -> Result<&Path, Failure> {
    args.holdout.as_deref().ok_or_else(|| {
        Failure::usage(
            "train --champion: give the rows to judge by with --holdout (`preprocess` writes them)",
        )
    })
}

fn card_folder(args: &IncrementalArgs, out: &Path) -> PathBuf {
    args.card.clone().unwrap_or_else(|| out.parent().map_or_else(PathBuf::new, Path::to_owned))
}

/// Whoever names a champion vouches for it; `run` has checked its signature before.
fn read_champion(path: &Path) -> Result<Artifact, Failure> {
    let bytes = read_file(path)?;
    let trust = Trust::none().with_digest(Digest::of(&bytes));
    Artifact::read(&bytes, &trust).map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))
}

/// Categories that a model knows.
pub(crate) fn classes_of(model: &Path) -> Result<Vec<Category>, Failure> {
    Ok(read_champion(model)?.classes().to_vec())
}

fn learner(champion: &Artifact) -> Result<AdaptiveRandomForest, Failure> {
    champion.learner().map_err(Failure::data)?.ok_or_else(|| {
        let manifest = champion.manifest();
        let what = "carries no state to go on learning from; train it anew with `--with-learner`";
        Failure::data(format!("`{}` serial {} {what}", manifest.name, manifest.serial))
    })
}

fn plan(champion: &Artifact, lesson: &Lesson, config: &Config, serial: Option<u64>, created: u64) -> Plan {
    let train = &config.train;
    let days = (train.expires_days > 0).then(|| created + u64::from(train.expires_days) * 86_400);
    Plan {
        champion: champion.digest(),
        data: lesson.digest,
        classes: lesson.classes.clone(),
        serial: serial.unwrap_or(champion.manifest().serial + 1),
        created,
        expires: days,
        add_ratio: train.add_ratio,
        max_trees: train.max_trees,
        passes: train.passes,
        mistake_weight: train.mistake_weight,
        seed: train.seed,
    }
}

/// The champion's trees with room for new classes, and the new ones.
fn planted(mut forest: AdaptiveRandomForest, plan: &Plan) -> Result<Vec<TreeTrainer>, Failure> {
    forest.widen(plan.classes.len()).map_err(Failure::data)?;
    forest.add_cuttings(plan.add_ratio).map_err(Failure::usage)?;
    Ok(forest.into_parts().1)
}

fn write_slice(path: &Path, slice: &Slice) -> Result<(), Failure> {
    let plain = rmp_serde::to_vec_named(slice).map_err(Failure::software)?;
    let packed = zstd::stream::encode_all(plain.as_slice(), LEVEL).map_err(Failure::software)?;
    write_file(path, &[MAGIC.as_slice(), &packed].concat())
}

fn read_slice(path: &Path) -> Result<Slice, Failure> {
    let bytes = read_file(path)?;
    let fault = |what: String| Failure::data(format!("{}: {what}; train the slice again", path.display()));
    let packed = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| fault("not a slice that `train --champion --slice` wrote".to_owned()))?;
    let plain = zstd::stream::decode_all(packed).map_err(|e| fault(format!("damaged ({e})")))?;
    rmp_serde::from_slice(&plain).map_err(|e| fault(format!("damaged ({e})")))
}

/// What people are told.
pub(crate) fn text(facts: &Value) -> String {
    let number = |name: &str| facts[name].as_f64().unwrap_or(f64::NAN);
    let mut text = comparison::table(facts);
    if facts["promote"] == true {
        text.push_str(&format!("promote=true: the new model is better by {:+.4} F1", number("F1_gain")));
    } else {
        let reasons: Vec<&str> =
            facts["reasons"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        text.push_str(&format!("promote=false: new model does not outperform ({})", reasons.join("; ")));
    }
    text
}
