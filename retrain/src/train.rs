//! `train` and `join`: from labelled flows, or slices of a forest, to a model file.

use crate::args::{JoinArgs, TrainArgs};
use crate::dataset::{Dataset, Row, Split};
use crate::evaluate::Measured;
use crate::failure::{Failure, read_file, write_file};
use crate::fit::Lesson;
use crate::incremental;
use crate::outcome::Outcome;
use crate::recipe::{self, Recipe};
use crate::report;
use crate::slice::Slice;
use model::artifact::{Artifact, Digest, Draft, SecretKey, Trust};
use model::novelty::{IsolationForest, NoveltyParams};
use model::quantiles::{PROBABILITIES, ReferenceQuantiles, quantiles};
use model::{AdaptiveRandomForest, Category, N_FEATURES, Scorer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Vectors in the self-test that come from the data.
const SELF_TEST_ROWS: usize = 30;

/// `train`: the whole model, or with `--slice` a part of its trees.
pub(crate) fn run(args: &TrainArgs) -> Result<Outcome, Failure> {
    if args.incremental.champion.is_some() {
        return incremental::run(args);
    }
    let (facts, text) = from_nothing(args)?;
    report::print(args.json, &facts, &text);
    Ok(Outcome::Done)
}

/// Trains what the arguments ask for; gives its facts and what people are told.
pub(crate) fn from_nothing(args: &TrainArgs) -> Result<(Value, String), Failure> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let dataset = Dataset::read(&args.data)?;
    let without = &args.recipe.without_tool;
    let classes =
        dataset.classes(|row| row.split == Split::Train && !without.iter().any(|tool| **tool == *row.tool));
    if classes.len() < 2 {
        let what = "training rows of benign traffic only, no attack to learn; add labelled attacks";
        return Err(Failure::data(format!("{}: {what}", args.data[0].display())));
    }
    let recipe = Recipe::new(&args.recipe, &args.forest, classes, dataset.digest)?;
    let workers = args.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let lesson = Lesson::new(&dataset, &recipe);
    let Some((i, n)) = args.slice else {
        let trainers = lesson.train(&recipe, 0..recipe.forest.n_models, workers);
        let forest =
            AdaptiveRandomForest::join(recipe.forest.clone(), trainers).map_err(Failure::software)?;
        return finish(&recipe, &dataset, &lesson, &forest, key.as_ref(), &args.out);
    };
    let range = Slice::range(i, n, recipe.forest.n_models);
    let trainers = lesson.train(&recipe, range.clone(), workers);
    write_file(&args.out, &Slice { recipe, trainers }.to_bytes()?)?;
    let facts = json!({"slice": args.out, "trees": [range.start, range.end], "of": args.forest.n_models});
    let text = format!("{}: trees {} to {}", args.out.display(), range.start, range.end as i64 - 1);
    Ok((facts, text))
}

/// `join`: the model that one run would have made of the slices.
pub(crate) fn join(args: &JoinArgs) -> Result<Outcome, Failure> {
    if args.incremental.champion.is_some() {
        return incremental::join(args);
    }
    join_slices(args).map(|()| Outcome::Done)
}

fn join_slices(args: &JoinArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(read_key).transpose()?;
    let mut recipe: Option<Recipe> = None;
    let mut trainers = Vec::new();
    for path in &args.slices {
        let slice = Slice::from_bytes(path, &read_file(path)?)?;
        if recipe.as_ref().is_some_and(|first| *first != slice.recipe) {
            let (path, first) = (path.display(), args.slices[0].display());
            let what = "has another recipe; train every slice with the same data and options";
            return Err(Failure::data(format!("{path}: {what} as {first}")));
        }
        recipe = Some(slice.recipe);
        trainers.extend(slice.trainers);
    }
    let mut recipe = recipe.ok_or_else(|| Failure::usage("no slice given"))?;
    let attack = args.threshold.unwrap_or(recipe.thresholds.attack);
    let provisional = args.provisional_threshold.unwrap_or(recipe.thresholds.provisional);
    recipe.thresholds = recipe::thresholds(attack, provisional)?;
    let dataset = Dataset::read(&args.data)?;
    if dataset.digest != recipe.training_data {
        let what = "not the data that the slices were trained on; give the same files in the same order";
        return Err(Failure::data(format!("{}: {what}", args.data[0].display())));
    }
    let forest = AdaptiveRandomForest::join(recipe.forest.clone(), trainers).map_err(Failure::data)?;
    let lesson = Lesson::new(&dataset, &recipe);
    let (facts, text) = finish(&recipe, &dataset, &lesson, &forest, key.as_ref(), &args.out)?;
    report::print(args.json, &facts, &text);
    Ok(())
}

/// Freezes, measures, writes, and reads back what was written.
fn finish(
    recipe: &Recipe,
    dataset: &Dataset,
    lesson: &Lesson,
    forest: &AdaptiveRandomForest,
    key: Option<&SecretKey>,
    out: &Path,
) -> Result<(Value, String), Failure> {
    let scorer = Scorer::new(
        lesson.transform.clone(),
        forest.freeze(),
        fit_novelty(recipe, lesson),
        recipe.classes.clone(),
        recipe.thresholds,
    )
    .map_err(Failure::software)?;
    let draft = Draft {
        name: recipe.name.clone(),
        serial: recipe.serial,
        parent: recipe.parent,
        training_data: recipe.training_data,
        metrics: metrics(dataset, &scorer),
        quantiles: reference_quantiles(dataset, &scorer),
        created: recipe.created,
        expires: recipe.expires,
        scorer: &scorer,
        learner: recipe.with_learner.then_some(forest),
        self_test: self_test_vectors(dataset),
    };
    let bytes = draft.write(key).map_err(Failure::software)?;
    let digest = Digest::of(&bytes);
    let trust = Trust::none().with_digest(digest);
    let artifact = Artifact::read(&bytes, &trust).map_err(Failure::software)?;
    write_file(out, &bytes)?;
    let manifest = artifact.manifest();
    let rows = lesson.rows.len();
    let facts = json!({
        "model": out, "name": manifest.name, "serial": manifest.serial, "digest": digest.to_string(),
        "bytes": bytes.len(), "signed_by": key.map(|key| key.public().id().to_string()),
        "schema": manifest.schema, "classes": manifest.classes, "training_rows": rows,
        "values_not_finite": dataset.not_finite,
        "trees": artifact.forest().n_trees(), "nodes": artifact.forest().n_nodes(), "metrics": manifest.metrics,
    });
    Ok((facts, report::trained(out, &artifact, bytes.len(), rows, key)))
}

pub(crate) fn read_key(path: &Path) -> Result<SecretKey, Failure> {
    let text = String::from_utf8_lossy(&read_file(path)?).into_owned();
    text.parse().map_err(|fault| Failure::data(format!("{}: {fault}", path.display())))
}

/// The isolation forest is fitted on benign training rows, at most this many, evenly spaced.
const NOVELTY_ROWS_MAX: usize = 50_000;

fn fit_novelty(recipe: &Recipe, lesson: &Lesson) -> Option<IsolationForest> {
    let benign = recipe.class_of(Category::Benign)?;
    let rows: Vec<Vec<f64>> = lesson
        .rows
        .iter()
        .zip(&lesson.classes)
        .filter(|(_, c)| **c == benign)
        .map(|(x, _)| x.to_vec())
        .collect();
    let step = rows.len().div_ceil(NOVELTY_ROWS_MAX).max(1);
    let rows: Vec<Vec<f64>> = rows.into_iter().step_by(step).collect();
    let params =
        NoveltyParams { trees: recipe.novelty_trees, seed: recipe.forest.seed, ..NoveltyParams::default() };
    IsolationForest::fit(&rows, params)
}

/// What is measured by every split that has rows, final and provisional ones apart.
fn metrics(dataset: &Dataset, scorer: &Scorer) -> BTreeMap<String, f64> {
    let mut metrics = BTreeMap::new();
    for split in Split::ALL {
        for (provisional, suffix) in [(false, ""), (true, ".provisional")] {
            let of_split = |row: &&Row| row.split == split && row.is_provisional() == provisional;
            let measured = Measured::of(scorer, dataset.rows.iter().filter(of_split), provisional);
            if measured.rows() > 0 {
                metrics.extend(measured.figures(&format!("{}{suffix}", split.as_str())));
            }
        }
    }
    metrics
}

/// Validation rows tell what is normal without having been learned; without them training rows do.
fn reference_quantiles(dataset: &Dataset, scorer: &Scorer) -> ReferenceQuantiles {
    let of =
        |split: Split| dataset.rows.iter().filter(move |row| row.split == split && !row.is_provisional());
    let split = if of(Split::Validation).next().is_some() { Split::Validation } else { Split::Train };
    quantiles_of(scorer, of(split).map(|row| (&row.features, row.truth)))
}

/// Quantiles of the features, and of what the model says of them.
pub(crate) fn quantiles_of<'a>(
    scorer: &Scorer,
    rows: impl Iterator<Item = (&'a [f64; N_FEATURES], Category)>,
) -> ReferenceQuantiles {
    let mut features = vec![Vec::new(); N_FEATURES];
    let (mut score, mut score_benign, mut novelty_benign) = (Vec::new(), Vec::new(), Vec::new());
    for (x, truth) in rows {
        for (values, value) in features.iter_mut().zip(x) {
            values.push(model::numeric::tame(*value));
        }
        let prediction = scorer.predict(x);
        score.push(prediction.score);
        if truth == Category::Benign {
            score_benign.push(prediction.score);
            novelty_benign.push(scorer.novelty(x));
        }
    }
    ReferenceQuantiles {
        probabilities: PROBABILITIES.to_vec(),
        features: features.iter_mut().map(|values| quantiles(values)).collect(),
        score: quantiles(&mut score),
        score_benign: quantiles(&mut score_benign),
        novelty_benign: quantiles(&mut novelty_benign),
    }
}

/// Rows spread evenly over the data, and two vectors that no network sends.
pub(crate) fn self_test_vectors(dataset: &Dataset) -> Vec<[f64; N_FEATURES]> {
    let step = dataset.rows.len().div_ceil(SELF_TEST_ROWS).max(1);
    let from_data = dataset.rows.iter().step_by(step).map(|row| row.features.map(model::numeric::tame));
    from_data.chain([[0.0; N_FEATURES], [1e12; N_FEATURES]]).collect()
}
