//! Three streams that every program of the forest's bench learns: flows of the lab, and two made here, the same bytes every time.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use model::N_FEATURES;
use model::draws::TreeRng;

/// Rows of every stream.
pub(crate) const ROWS: usize = 20_000;

/// Rows in the order in which they are learned.
pub(crate) struct Stream {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<[f64; N_FEATURES]>,
    pub(crate) classes: Vec<usize>,
}

impl Stream {
    pub(crate) fn n_classes(&self) -> usize {
        self.classes.iter().max().map_or(1, |most| most + 1)
    }

    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.csv", self.name.replace(' ', "-")))
    }

    /// Writes the stream for the other programs: numeric columns, the class number last.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        let mut text = String::new();
        for feature in 0..N_FEATURES {
            write!(text, "f{feature},")?;
        }
        text.push_str("class\n");
        for (row, class) in self.rows.iter().zip(&self.classes) {
            for value in row {
                write!(text, "{value},")?;
            }
            writeln!(text, "{class}")?;
        }
        std::fs::write(self.file(folder), text).context("writing a stream")
    }
}

/// All streams; `base` is the lab's data set.
pub(crate) fn all(base: &Path) -> Result<Vec<Stream>> {
    let categories = lab(base)?;
    let attack = |class: &usize| usize::from(*class > 0);
    let binary = Stream {
        name: "lab binary",
        rows: categories.rows.clone(),
        classes: categories.classes.iter().map(attack).collect(),
    };
    Ok(vec![categories, binary, moving_clusters(), hyperplane()])
}

/// Final flow records of the base data set, drawn without replacement; class 0 is benign.
fn lab(base: &Path) -> Result<Stream> {
    let mut reader = csv::Reader::from_path(base).with_context(|| base.display().to_string())?;
    let headers = reader.headers()?.clone();
    let place =
        |name: &str| headers.iter().position(|h| h == name).with_context(|| format!("no column {name}"));
    let (category, provisional) = (place("category")?, place("provisional")?);
    let (mut rows, mut names) = (Vec::new(), vec!["benign".to_owned()]);
    for record in reader.records() {
        let record = record?;
        if !record[provisional].is_empty() {
            continue;
        }
        let mut x = [0.0; N_FEATURES];
        for (slot, field) in x.iter_mut().zip(&record) {
            *slot = field.parse()?;
        }
        let known = names.iter().position(|name| *name == record[category]);
        let class = known.unwrap_or_else(|| {
            names.push(record[category].to_owned());
            names.len() - 1
        });
        rows.push((x, class));
    }
    let mut draw = TreeRng::for_tree(1, 1);
    for i in 0..ROWS.min(rows.len()) {
        let other = i + draw.below(rows.len() - i);
        rows.swap(i, other);
    }
    rows.truncate(ROWS);
    let (rows, classes) = rows.into_iter().unzip();
    Ok(Stream { name: "lab", rows, classes })
}

/// Four classes of five clusters each that wander through the unit cube: smooth, multi-class, drifting.
fn moving_clusters() -> Stream {
    const CLUSTERS: usize = 20;
    const STEP: f64 = 2e-5;
    let mut draw = TreeRng::for_tree(2, 1);
    let mut centres: [[f64; N_FEATURES]; CLUSTERS] =
        std::array::from_fn(|_| std::array::from_fn(|_| draw.uniform()));
    let mut speeds: [[f64; N_FEATURES]; CLUSTERS] =
        std::array::from_fn(|_| std::array::from_fn(|_| STEP * (2.0 * draw.uniform() - 1.0)));
    let (mut rows, mut classes) = (Vec::with_capacity(ROWS), Vec::with_capacity(ROWS));
    for _ in 0..ROWS {
        for (centre, speed) in centres.iter_mut().zip(&mut speeds) {
            for (place, velocity) in centre.iter_mut().zip(speed) {
                *place += *velocity;
                if !(0.0..=1.0).contains(place) {
                    *velocity = -*velocity;
                }
            }
        }
        let cluster = draw.below(CLUSTERS);
        // The sum of twelve uniform numbers less six is nearly normal.
        let noise = |draw: &mut TreeRng| (0..12).map(|_| draw.uniform()).sum::<f64>() - 6.0;
        rows.push(std::array::from_fn(|f| centres[cluster][f] + 0.12 * noise(&mut draw)));
        classes.push(cluster % 4);
    }
    Stream { name: "moving clusters", rows, classes }
}

/// Two classes parted by a plane that turns, with 5 % of the labels wrong.
fn hyperplane() -> Stream {
    let mut draw = TreeRng::for_tree(3, 1);
    let mut weights: [f64; N_FEATURES] = std::array::from_fn(|_| draw.uniform());
    let (mut rows, mut classes) = (Vec::with_capacity(ROWS), Vec::with_capacity(ROWS));
    for _ in 0..ROWS {
        for weight in weights.iter_mut().take(N_FEATURES / 2) {
            *weight += 1e-4;
        }
        let x: [f64; N_FEATURES] = std::array::from_fn(|_| draw.uniform());
        let side: f64 = x.iter().zip(&weights).map(|(value, weight)| weight * (value - 0.5)).sum();
        let class = usize::from(side >= 0.0);
        classes.push(if draw.below(20) == 0 { 1 - class } else { class });
        rows.push(x);
    }
    Stream { name: "hyperplane", rows, classes }
}
