//! SMOTE on the training part: the rarer side grows to the size of the other, its rarest categories first, none beyond a
//! factor. Lines are drawn between the logarithms of the features: in raw units the largest would be all that counts, and on
//! a logarithmic line min <= mean <= max stays true.

use crate::config::Preprocess;
use crate::dataset::{Row, Sink, Split};
use crate::failure::Failure;
use model::draws::TreeRng;
use model::resample::smote_to;
use model::{Category, numeric};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Generator number of the reservoir, out of reach of any tree's.
const RESERVOIR_STREAM: u64 = u64::MAX - 1;
const SMOTE_STREAM: u64 = u64::MAX - 2;
/// Synthetic rows in memory at once.
const ROWS_AT_ONCE: usize = 1 << 17;

pub(crate) struct Oversampler {
    neighbours: usize,
    factor_max: f64,
    rows_max: usize,
    rng: TreeRng,
    seed: u64,
    counts: BTreeMap<Category, u64>,
    /// An even sample of each category.
    kept: BTreeMap<Category, Vec<Row>>,
}

impl Oversampler {
    pub(crate) fn new(settings: &Preprocess) -> Oversampler {
        Oversampler {
            neighbours: settings.smote_neighbours,
            factor_max: settings.smote_factor_max,
            rows_max: settings.smote_rows_max,
            rng: TreeRng::for_tree(settings.seed, RESERVOIR_STREAM),
            seed: settings.seed,
            counts: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Counts a training row and may keep it (Vitter's reservoir).
    pub(crate) fn count(&mut self, row: &Row) {
        let count = self.counts.entry(row.truth).or_default();
        *count += 1;
        let kept = self.kept.entry(row.truth).or_default();
        if kept.len() < self.rows_max {
            kept.push(row.clone());
        } else {
            let place = self.rng.below(*count as usize);
            if place < self.rows_max {
                kept[place] = row.clone();
            }
        }
    }

    /// Synthetic rows wanted of each category.
    fn wanted(&self) -> BTreeMap<Category, u64> {
        let benign = self.counts.get(&Category::Benign).copied().unwrap_or(0);
        let attacks: u64 = self.counts.values().sum::<u64>() - benign;
        let mut missing = benign.abs_diff(attacks);
        let rarer = |category: &Category| category.is_attack() == (attacks < benign);
        let mut sizes: BTreeMap<Category, (u64, u64)> = self
            .counts
            .iter()
            .filter(|(category, count)| rarer(category) && **count > self.neighbours as u64)
            .map(|(category, count)| (*category, (*count, (*count as f64 * self.factor_max) as u64)))
            .collect();
        let start = sizes.clone();
        // Water filling: the smallest that may still grow grows first.
        while missing > 0 {
            let open = |(size, most): &(u64, u64)| size < most;
            let Some(low) = sizes.values().filter(|s| open(s)).map(|(size, _)| *size).min() else { break };
            let at_low: Vec<Category> =
                sizes.iter().filter(|(_, s)| open(s) && s.0 == low).map(|(category, _)| *category).collect();
            let above = sizes.values().filter(|s| s.0 > low).map(|(size, _)| *size).min().unwrap_or(u64::MAX);
            let most = at_low.iter().map(|category| sizes[category].1).min().unwrap_or(low);
            let step = (above.min(most) - low).min((missing / at_low.len() as u64).max(1));
            for category in at_low {
                let more = step.min(missing);
                if let Some((size, _)) = sizes.get_mut(&category) {
                    *size += more;
                }
                missing -= more;
            }
        }
        sizes.into_iter().map(|(category, (size, _))| (category, size - start[&category].0)).collect()
    }

    /// Makes the synthetic rows, so many at a time; gives how many there were.
    pub(crate) fn rows(&self, sink: Sink<'_>) -> Result<u64, Failure> {
        let mut made = 0;
        for (category, wanted) in self.wanted() {
            if wanted == 0 {
                continue;
            }
            made += wanted;
            let kept = &self.kept[&category];
            let points: Vec<Vec<f64>> = kept.iter().map(|row| row.features.map(logarithm).to_vec()).collect();
            let mut rng = TreeRng::for_tree(self.seed, SMOTE_STREAM - category.index() as u64);
            let (empty, run, source): (Arc<str>, Arc<str>, Arc<str>) =
                ("".into(), "smote".into(), "SMOTE".into());
            let mut left = wanted as usize;
            while left > 0 {
                let now = left.min(ROWS_AT_ONCE);
                left -= now;
                let goal = [points.len() + now];
                let (rows, _) = smote_to(&points, &vec![0; points.len()], &goal, self.neighbours, &mut rng)
                    .map_err(Failure::data)?;
                for point in &rows[points.len()..] {
                    sink(Row {
                        features: std::array::from_fn(|feature| power(point[feature])),
                        truth: category,
                        split: Split::Train,
                        stage: empty.clone(),
                        run: run.clone(),
                        tool: empty.clone(),
                        source: source.clone(),
                        labeller: empty.clone(),
                    })?;
                }
            }
        }
        Ok(made)
    }
}

fn logarithm(value: f64) -> f64 {
    let value = numeric::tame(value);
    numeric::ln(1.0 + value.abs()).copysign(value)
}

fn power(value: f64) -> f64 {
    (numeric::exp(value.abs()) - 1.0).copysign(value)
}

/// Whether `x` lies between `a` and `b` on the line that SMOTE draws.
#[cfg(test)]
pub(super) fn on_one_line(x: &[f64], a: &[f64], b: &[f64]) -> bool {
    let logarithms = |values: &[f64]| values.iter().map(|value| logarithm(*value)).collect::<Vec<f64>>();
    let (x, a, b) = (logarithms(x), logarithms(a), logarithms(b));
    let steps: Vec<f64> =
        (0..x.len()).filter(|f| a[*f] != b[*f]).map(|f| (x[f] - a[f]) / (b[f] - a[f])).collect();
    let step = steps.first().copied().unwrap_or(0.0);
    (-1e-9..=1.0 + 1e-9).contains(&step)
        && (0..x.len()).all(|f| (a[f] + step * (b[f] - a[f]) - x[f]).abs() < 1e-7)
}
