//! The rows a challenger learns, streamed: every tree sees every row in the same order, shuffled through a buffer of bounded
//! size, so that memory does not grow with the data and trees can be trained anywhere.

use super::Plan;
use crate::dataset::{self, Row};
use crate::failure::Failure;
use crate::preprocess::checks::vector_hash;
use crate::train::quantiles_of;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::artifact::Digest;
use model::draws::TreeRng;
use model::forest::TreeTrainer;
use model::quantiles::ReferenceQuantiles;
use model::{Artifact, Category, N_FEATURES, Scorer};
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Rows of the shuffle buffer: up to so many are shuffled perfectly, more are mixed within it.
const BUFFER_ROWS: usize = 1 << 20;
const BATCH_ROWS: usize = 1 << 15;
/// Rows of the slice that trees are compared by.
const COMMON_ROWS_MAX: usize = 20_000;
/// Rows of training that reference quantiles are taken from.
const REFERENCE_ROWS_MAX: usize = 50_000;
/// One real row in so many is kept from learning and tells which trees are weak.
const COMMON_EVERY: u64 = 10;

const ORDER_STREAM: u64 = u64::MAX;
const RESERVOIR_STREAM: u64 = u64::MAX - 1;

type Point = ([f64; N_FEATURES], Category);

/// What is known of the training rows after one pass, and where they are.
pub(super) struct Lesson {
    files: Vec<PathBuf>,
    champion: Scorer,
    pub(super) digest: Digest,
    pub(super) classes: Vec<Category>,
    pub(super) rows: u64,
    pub(super) by_source: BTreeMap<String, u64>,
    /// Rows of the drift that the champion misjudges, of those that are learned.
    pub(super) mistakes: u64,
    learned: u64,
    common: Vec<Point>,
    reference: Vec<Point>,
}

/// Kept from learning: a share of the real vectors, chosen by their hash.
fn is_common(row: &Row) -> bool {
    &*row.source != "SMOTE" && (vector_hash(&row.features) / 100).is_multiple_of(COMMON_EVERY)
}

/// What the champion gets wrong of the drift is what there is to learn: a few such rows among hundreds that it knows would hardly move it.
/// Elsewhere mistakes are what the champion could not be taught, and stay as they are.
fn is_mistake(champion: &Scorer, row: &Row) -> bool {
    &*row.source == "DRIFT" && champion.predict(&row.features).attack != row.truth.is_attack()
}

/// A row as trees learn it.
struct Taught {
    x: [f64; N_FEATURES],
    class: u8,
    mistake: bool,
}

impl Lesson {
    /// Looks through the files once.
    pub(super) fn read(files: &[PathBuf], champion: &Artifact) -> Result<Lesson, Failure> {
        let mut lesson = Lesson {
            files: files.to_vec(),
            champion: champion.scorer().clone(),
            digest: Digest([0; 32]),
            classes: champion.classes().to_vec(),
            rows: 0,
            by_source: BTreeMap::new(),
            mistakes: 0,
            learned: 0,
            common: Vec::new(),
            reference: Vec::new(),
        };
        let mut rng = TreeRng::for_tree(0, RESERVOIR_STREAM);
        let (mut commons, mut real) = (0usize, 0usize);
        let champion = champion.scorer();
        let mut reservoir = |kept: &mut Vec<Point>, seen: &mut usize, most: usize, point: Point| {
            *seen += 1;
            if kept.len() < most {
                kept.push(point);
            } else {
                let place = rng.below(*seen);
                if place < most {
                    kept[place] = point;
                }
            }
        };
        let mut found = [false; Category::COUNT];
        lesson.digest = dataset::stream(files, &mut |row| {
            lesson.rows += 1;
            *lesson.by_source.entry(row.source.to_string()).or_default() += 1;
            found[row.truth.index()] = true;
            if &*row.source != "SMOTE" {
                reservoir(&mut lesson.reference, &mut real, REFERENCE_ROWS_MAX, (row.features, row.truth));
            }
            if is_common(&row) {
                // Trees judge what has been transformed.
                let mut x = [0.0; N_FEATURES];
                champion.transform().apply(&row.features, &mut x);
                reservoir(&mut lesson.common, &mut commons, COMMON_ROWS_MAX, (x, row.truth));
            } else {
                lesson.learned += 1;
                lesson.mistakes += u64::from(is_mistake(champion, &row));
            }
            Ok(())
        })?;
        if lesson.learned == 0 {
            let names: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
            return Err(Failure::data(format!("{}: no rows to learn from", names.join(", "))));
        }
        // A class the champion has never heard of comes behind those it knows.
        let new = Category::ALL.into_iter().filter(|c| found[c.index()] && !lesson.classes.contains(c));
        let new: Vec<Category> = new.collect();
        lesson.classes.extend(new);
        Ok(lesson)
    }

    fn point(&self, features: &[f64; N_FEATURES]) -> [f64; N_FEATURES] {
        let mut x = [0.0; N_FEATURES];
        self.champion.transform().apply(features, &mut x);
        x
    }

    /// Rows and class numbers by which trees are compared.
    pub(super) fn common_slice<'a>(
        &'a self,
        classes: &'a [Category],
    ) -> impl Iterator<Item = (&'a [f64], usize)> {
        self.common.iter().filter_map(|(x, truth)| {
            classes.iter().position(|class| class == truth).map(|class| (x.as_slice(), class))
        })
    }

    /// What was normal.
    pub(super) fn reference_quantiles(&self, scorer: &Scorer) -> ReferenceQuantiles {
        quantiles_of(scorer, self.reference.iter().map(|(x, truth)| (x, *truth)))
    }

    /// Trains the trees at the places `wanted` (all of them without), in the order of the plan.
    pub(super) fn train(
        &self,
        plan: &Plan,
        trees: Vec<TreeTrainer>,
        wanted: Option<Range<usize>>,
        workers: usize,
    ) -> Result<Vec<TreeTrainer>, Failure> {
        let wanted = wanted.unwrap_or(0..trees.len());
        let mut trees: Vec<Mutex<TreeTrainer>> =
            trees.into_iter().skip(wanted.start).take(wanted.len()).map(Mutex::new).collect();
        let bar = progress_bar(self.learned * u64::from(plan.passes));
        for pass in 0..plan.passes {
            let mut rng = TreeRng::for_tree(plan.seed.wrapping_add(u64::from(pass)), ORDER_STREAM);
            let mut buffer: Vec<Taught> = Vec::new();
            let mut batch = Vec::with_capacity(BATCH_ROWS);
            dataset::stream(&self.files, &mut |row| {
                if is_common(&row) {
                    return Ok(());
                }
                let class = plan.classes.iter().position(|class| *class == row.truth);
                let class = class.ok_or_else(|| Failure::data("the training data has changed meanwhile"))?;
                let mistake = is_mistake(&self.champion, &row);
                let entry = Taught { x: self.point(&row.features), class: class as u8, mistake };
                if buffer.len() < BUFFER_ROWS {
                    buffer.push(entry);
                    return Ok(());
                }
                let place = rng.below(buffer.len());
                batch.push(std::mem::replace(&mut buffer[place], entry));
                if batch.len() == BATCH_ROWS {
                    learn(&mut trees, &batch, plan.mistake_weight, workers);
                    bar.inc(batch.len() as u64);
                    batch.clear();
                }
                Ok(())
            })?;
            for i in (1..buffer.len()).rev() {
                buffer.swap(i, rng.below(i + 1));
            }
            for rest in [batch.as_slice(), buffer.as_slice()] {
                for rows in rest.chunks(BATCH_ROWS) {
                    learn(&mut trees, rows, plan.mistake_weight, workers);
                    bar.inc(rows.len() as u64);
                }
            }
        }
        bar.finish_and_clear();
        let inner =
            |tree: Mutex<TreeTrainer>| tree.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(trees.into_iter().map(inner).collect())
    }
}

/// Every tree learns the batch; workers take the next tree that nobody has.
fn learn(trees: &mut [Mutex<TreeTrainer>], rows: &[Taught], mistake_weight: f64, workers: usize) {
    let next = AtomicUsize::new(0);
    let trees = &*trees;
    std::thread::scope(|scope| {
        for _ in 0..workers.clamp(1, trees.len().max(1)) {
            scope.spawn(|| {
                while let Some(tree) = trees.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut tree = tree.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    for Taught { x, class, mistake } in rows {
                        let weight = if *mistake { mistake_weight } else { 1.0 };
                        tree.learn_one(x, usize::from(*class), weight);
                    }
                }
            });
        }
    });
}

/// A bar on stderr when that is a terminal, else nothing.
fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("training {bar:32} {percent:>3}% {per_sec} {eta} left") {
        bar.set_style(style);
    }
    bar
}
