//! Growing the trees: every tree sees every row in the same order, and workers share nothing but the next tree's
//! number, so the result is the same for any number of workers.

use crate::dataset::Dataset;
use crate::recipe::{Recipe, TransformKind};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use model::draws::TreeRng;
use model::forest::TreeTrainer;
use model::scorer::Transform;
use model::{N_FEATURES, StandardScaler};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Training rows, transformed, with their class numbers and weights.
pub(crate) struct Lesson {
    pub(crate) transform: Transform,
    pub(crate) rows: Vec<[f64; N_FEATURES]>,
    pub(crate) classes: Vec<usize>,
    weights: Vec<f64>,
}

/// Generator number of the row order, out of reach of any tree's.
const ORDER_STREAM: u64 = u64::MAX;

impl Lesson {
    /// Fits the transform on the training rows and applies it.
    pub(crate) fn new(dataset: &Dataset, recipe: &Recipe) -> Lesson {
        let learned: Vec<_> = dataset.rows.iter().filter(|row| recipe.learns(row)).collect();
        let mut transform = Transform::default();
        transform.log = matches!(recipe.transform, TransformKind::Log | TransformKind::LogStandard);
        let apply = |transform: &Transform, features: &[f64; N_FEATURES]| {
            let mut x = [0.0; N_FEATURES];
            transform.apply(features, &mut x);
            x
        };
        if matches!(recipe.transform, TransformKind::Standard | TransformKind::LogStandard) {
            let mut scaler = StandardScaler::new(N_FEATURES);
            for row in &learned {
                scaler.learn_one(&apply(&transform, &row.features));
            }
            transform.scaler = Some(scaler);
        }
        let rows = learned.iter().map(|row| apply(&transform, &row.features)).collect();
        let classes: Vec<usize> = learned.iter().filter_map(|row| recipe.class_of(row.truth)).collect();
        let mut counts = vec![0u64; recipe.classes.len()];
        for class in &classes {
            counts[*class] += 1;
        }
        Lesson { transform, rows, classes, weights: recipe.balance.weights(&counts) }
    }

    /// Row numbers in the order in which they are learned: a shuffle for each pass, fixed by the seed.
    fn order(&self, recipe: &Recipe) -> Vec<u32> {
        let mut rng = TreeRng::for_tree(recipe.forest.seed, ORDER_STREAM);
        let mut order = Vec::with_capacity(self.rows.len() * recipe.epochs as usize);
        let mut pass: Vec<u32> = (0..self.rows.len() as u32).collect();
        for _ in 0..recipe.epochs {
            for i in (1..pass.len()).rev() {
                pass.swap(i, rng.below(i + 1));
            }
            order.extend_from_slice(&pass);
        }
        order
    }

    /// Trains the trees of `wanted`, in their order.
    pub(crate) fn train(&self, recipe: &Recipe, wanted: Range<usize>, workers: usize) -> Vec<TreeTrainer> {
        let order = self.order(recipe);
        let progress = progress_bar(order.len() as u64 * wanted.len() as u64);
        let next = AtomicUsize::new(wanted.start);
        let done: Mutex<Vec<TreeTrainer>> = Mutex::new(Vec::with_capacity(wanted.len()));
        std::thread::scope(|scope| {
            for _ in 0..workers.clamp(1, wanted.len().max(1)) {
                scope.spawn(|| {
                    loop {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        if id >= wanted.end {
                            return;
                        }
                        let trainer = self.train_tree(recipe, id, &order, &progress);
                        done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(trainer);
                    }
                });
            }
        });
        progress.finish_and_clear();
        let mut trainers = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        trainers.sort_by_key(TreeTrainer::id);
        trainers
    }

    fn train_tree(&self, recipe: &Recipe, id: usize, order: &[u32], progress: &ProgressBar) -> TreeTrainer {
        const REPORT_EVERY: usize = 4096;
        let mut trainer = TreeTrainer::new(&recipe.forest, id as u64);
        for batch in order.chunks(REPORT_EVERY) {
            for &row in batch {
                let class = self.classes[row as usize];
                trainer.learn_one(&self.rows[row as usize], class, self.weights[class]);
            }
            progress.inc(batch.len() as u64);
        }
        trainer
    }
}

/// A bar on stderr when that is a terminal, else nothing.
fn progress_bar(length: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("training {bar:32} {percent:>3}% {per_sec} {eta} left") {
        bar.set_style(style);
    }
    bar
}
