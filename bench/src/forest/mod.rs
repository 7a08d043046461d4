//! `bench forest`: what a tree of the forest costs, in CPU time of this process: learning, judging one vector and batches,
//! saying why, loading a model. With `--peers` it also prints one JSON line a figure, for `bench/forest/compare.py`.

mod streams;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use model::artifact::{Digest, Draft, Trust};
use model::forest::{ForestParams, TreeTrainer};
use model::metrics::ConfusionMatrix;
use model::quantiles::ReferenceQuantiles;
use model::scorer::Transform;
use model::{AdaptiveRandomForest, Artifact, Category, FlatForest, N_FEATURES, Scorer, Stage, Thresholds};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use streams::Stream;

/// Vectors judged at a time where batches are measured: what the product does.
const BATCH: usize = 64;
/// CPU time of a measurement: long against the clock's grain.
const MEASURE_US: i64 = 300_000;

/// The forests compared: ten trees as everybody has them, and the thirteen trees of the product.
fn settings(name: &str, n_classes: usize) -> ForestParams {
    match name {
        "10 trees" => ForestParams { seed: 1, ..ForestParams::new(N_FEATURES, n_classes) },
        _ => ForestParams { seed: 1, ..ForestParams::product(N_FEATURES, n_classes) },
    }
}
const SETTINGS: [&str; 2] = ["10 trees", "13 trees"];

/// CPU time of this process (or of this thread) so far, in microseconds.
fn cpu_us(who: UsageWho) -> Result<i64> {
    let usage = getrusage(who)?;
    Ok(usage.user_time().num_microseconds() + usage.system_time().num_microseconds())
}

/// Microseconds of CPU that one of the `n` things that `work` does takes; the least of three goes.
fn cost_us(n: usize, mut work: impl FnMut()) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..3 {
        let (started, mut rounds) = (cpu_us(UsageWho::RUSAGE_SELF)?, 0);
        loop {
            work();
            rounds += 1;
            let spent = cpu_us(UsageWho::RUSAGE_SELF)? - started;
            if spent >= MEASURE_US / 3 {
                least = least.min(spent as f64 / (rounds * n) as f64);
                break;
            }
        }
    }
    Ok(least)
}

/// One figure, as a line for people or for the comparison.
#[allow(clippy::print_stdout)]
fn tell(json: bool, stream: &str, setting: &str, figure: &str, value: f64) -> Result<()> {
    if json {
        let line = serde_json::json!({
            "program": "Taphound", "stream": stream, "setting": setting, "figure": figure, "value": value
        });
        println!("{line}");
    } else {
        println!("{stream:<16} {setting:<9} {figure:<34} {value:>12.3}");
    }
    Ok(())
}

/// Runs everything; `folder` holds the streams as files afterwards.
pub(crate) fn run(base: &Path, folder: &Path, json: bool) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for stream in streams::all(base)? {
        stream.write(folder)?;
        for setting in SETTINGS {
            let params = settings(setting, stream.n_classes());
            let tell = |figure: &str, value: f64| tell(json, stream.name, setting, figure, value);
            let forest = learn(&stream, &params, &tell)?;
            judge(&stream, &forest.freeze(), &tell)?;
            size(&stream, &forest, folder, &tell)?;
        }
    }
    product(base, json)
}

/// Predict, then learn, as every program does it; then learning alone, on one thread and on two.
fn learn(
    stream: &Stream,
    params: &ForestParams,
    tell: &impl Fn(&str, f64) -> Result<()>,
) -> Result<AdaptiveRandomForest> {
    let mut matrix = ConfusionMatrix::new(stream.n_classes());
    let mut forest = AdaptiveRandomForest::new(params.clone())?;
    for (x, class) in stream.rows.iter().zip(&stream.classes) {
        matrix.update(*class, forest.predict_one(x).unwrap_or(0));
        forest.learn_one(x, *class);
    }
    tell("accuracy %", 100.0 * matrix.accuracy())?;
    let fresh = AdaptiveRandomForest::new(params.clone())?;
    let one = cost_us(stream.rows.len(), || {
        let mut forest = fresh.clone();
        for (x, class) in stream.rows.iter().zip(&stream.classes) {
            forest.learn_one(x, *class);
        }
        black_box(&forest);
    })?;
    tell("learn, us a sample", one)?;
    let halves = [0, params.n_models / 2, params.n_models];
    let longest = std::thread::scope(|scope| {
        let threads: Vec<_> = halves
            .windows(2)
            .map(|range| {
                let (from, to) = (range[0], range[1]);
                scope.spawn(move || {
                    let started = cpu_us(UsageWho::RUSAGE_THREAD)?;
                    for id in from..to {
                        let mut trainer = TreeTrainer::new(params, id as u64);
                        for (x, class) in stream.rows.iter().zip(&stream.classes) {
                            trainer.learn_one(x, *class, 1.0);
                        }
                        black_box(&trainer);
                    }
                    anyhow::Ok(cpu_us(UsageWho::RUSAGE_THREAD)? - started)
                })
            })
            .collect();
        let mut longest = 0;
        for thread in threads {
            longest = longest.max(thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??);
        }
        anyhow::Ok(longest)
    })?;
    tell("learn on two threads, us a sample", longest as f64 / stream.rows.len() as f64)?;
    Ok(forest)
}

fn judge(stream: &Stream, forest: &FlatForest, tell: &impl Fn(&str, f64) -> Result<()>) -> Result<()> {
    let n_classes = stream.n_classes();
    let mut out = vec![0.0; n_classes];
    let single = cost_us(stream.rows.len(), || {
        for x in &stream.rows {
            forest.predict_proba(x, &mut out);
            black_box(&out);
        }
    })?;
    tell("predict one, us a vector", single)?;
    let mut many = vec![0.0; n_classes * BATCH];
    let batch = cost_us(stream.rows.len(), || {
        for rows in stream.rows.chunks(BATCH) {
            forest.predict_proba_batch(rows.as_flattened(), &mut many[..rows.len() * n_classes]);
            black_box(&many);
        }
    })?;
    tell("predict 64, us a vector", batch)?;
    let mut parts = [0.0; N_FEATURES];
    let explain = cost_us(stream.rows.len(), || {
        for x in &stream.rows {
            black_box(forest.explain(x, 0, &mut parts));
        }
    })?;
    tell("contributions, us a vector", explain)?;
    tell("nodes", forest.n_nodes() as f64)
}

/// A model file of the forest, as the product would write it, with the learner's state and without.
fn size(
    stream: &Stream,
    forest: &AdaptiveRandomForest,
    folder: &Path,
    tell: &impl Fn(&str, f64) -> Result<()>,
) -> Result<()> {
    let classes = Category::ALL[..stream.n_classes()].to_vec();
    let scorer = Scorer::new(Transform::default(), forest.freeze(), None, classes, Thresholds::default())?;
    let draft = Draft {
        name: "bench".to_owned(),
        serial: 1,
        parent: None,
        training_data: Digest::of(b"bench"),
        metrics: Default::default(),
        quantiles: ReferenceQuantiles {
            probabilities: Vec::new(),
            features: vec![Vec::new(); N_FEATURES],
            score: Vec::new(),
            score_benign: Vec::new(),
            novelty_benign: Vec::new(),
        },
        created: 0,
        expires: None,
        scorer: &scorer,
        learner: None,
        self_test: stream.rows[..16].to_vec(),
    };
    let bytes = draft.write(None)?;
    let whole = Draft { learner: Some(forest), ..draft }.write(None)?;
    std::fs::write(folder.join("bench.taphound"), &bytes)?;
    tell("model file, KB", bytes.len() as f64 / 1e3)?;
    tell("model file with learner, KB", whole.len() as f64 / 1e3)?;
    let trust = Trust::none().with_digest(Digest::of(&bytes));
    let load = cost_us(1, || {
        black_box(Artifact::read(&bytes, &trust).is_ok());
    })?;
    tell("load, ms", load / 1e3)
}

/// The model inside the program on the lab's flows: what a record costs the sensor.
fn product(base: &Path, json: bool) -> Result<()> {
    let model = sensor::scoring::Model::load(None)?;
    let artifact = model.artifact();
    let lab = streams::all(base)?.swap_remove(0);
    let setting = format!("{} trees", artifact.scorer().forest().n_trees());
    let tell = |figure: &str, value: f64| tell(json, "shipped model", &setting, figure, value);
    let n = lab.rows.len();
    let one = cost_us(n, || {
        lab.rows.iter().for_each(|x| {
            black_box(artifact.predict(x));
        })
    })?;
    tell("predict one, us a vector", one)?;
    let (mut opinions, stages) = (Vec::with_capacity(BATCH), [Stage::Final; BATCH]);
    let many = cost_us(n, || {
        for rows in lab.rows.chunks(BATCH) {
            opinions.clear();
            artifact.scorer().judge_batch(rows, &stages[..rows.len()], &mut opinions);
            black_box(&opinions);
        }
    })?;
    tell("forest and novelty, 64, us", many)?;
    let novelty = cost_us(n, || {
        lab.rows.iter().for_each(|x| {
            black_box(artifact.novelty(x));
        })
    })?;
    tell("novelty one, us a vector", novelty)?;
    let why = cost_us(n / 8, || {
        lab.rows.iter().step_by(8).for_each(|x| {
            black_box(artifact.explain(x));
        })
    })?;
    tell("contributions, us a vector", why)?;
    tell("predict one, p99, us", p99_us(&lab, artifact))?;
    tell("nodes", artifact.scorer().forest().n_nodes() as f64)?;
    let file = PathBuf::from("data/default.taphound");
    let bytes = std::fs::read(&file).with_context(|| file.display().to_string())?;
    let trust = Trust::none().with_digest(Digest::of(&bytes));
    let load = cost_us(1, || drop(black_box(Artifact::read(&bytes, &trust))))?;
    tell("load, ms", load / 1e3)
}

/// The 99th percentile of single predictions by wall clock, the only measure that a percentile of one call can have.
#[allow(clippy::disallowed_methods)]
fn p99_us(lab: &Stream, artifact: &Artifact) -> f64 {
    let mut nanos: Vec<u128> = lab
        .rows
        .iter()
        .map(|x| {
            let started = Instant::now();
            black_box(artifact.predict(black_box(x)));
            started.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    nanos[nanos.len() * 99 / 100] as f64 / 1e3
}
