//! Labelled flows from CSV files (plain, gzip or zstd) and Parquet files: twenty features by column name, the truth, and
//! what a row is for.

mod bytes;
mod cic;
mod csv_rows;
mod files;
mod import;
mod parquet_rows;
mod writer;

pub(crate) use csv_rows::csv_fault;
pub(crate) use files::run;
pub(crate) use writer::RowWriter;

use crate::failure::Failure;
use crate::labels::category_of;
use model::artifact::Digest;
use model::{Category, N_FEATURES};
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To measure by.
    Test,
    /// To measure by, and made by a tool that no other row comes from.
    TestTool,
}

impl Split {
    pub(crate) const ALL: [Split; 4] = [Split::Train, Split::Validation, Split::Test, Split::TestTool];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
            Split::TestTool => "test-tool",
        }
    }
}

/// One labelled flow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) features: [f64; N_FEATURES],
    pub(crate) truth: Category,
    pub(crate) split: Split,
    /// When the flow was measured while it still lived (`snapshot_8`, `closed`, ...); empty for final records.
    pub(crate) stage: Arc<str>,
    /// Which run of the lab, or which day, the flow comes from; empty when not said.
    pub(crate) run: Arc<str>,
    /// The tool that made the flow; empty when nobody knows.
    pub(crate) tool: Arc<str>,
    /// `DRIFT`, `BASE` or `SMOTE`: how the row came into a retrain; empty outside of one.
    pub(crate) source: Arc<str>,
    /// Who said what the flow was; empty when nobody in particular did.
    pub(crate) labeller: Arc<str>,
}

/// Takes rows as they are read.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Row) -> Result<(), Failure>;

/// Reads every file, a row at a time (a Parquet file a row group at a time); what a file is, its first bytes say. Gives
/// the digest that [`Dataset`] describes.
pub(crate) fn stream(paths: &[PathBuf], sink: Sink<'_>) -> Result<Digest, Failure> {
    read_all(paths, true, sink)
}

/// [`stream`] of flows that nobody has labelled; those without a truth come as benign.
pub(crate) fn stream_unlabelled(paths: &[PathBuf], sink: Sink<'_>) -> Result<Digest, Failure> {
    read_all(paths, false, sink)
}

fn read_all(paths: &[PathBuf], labelled: bool, sink: Sink<'_>) -> Result<Digest, Failure> {
    let mut names = Names::default();
    let mut digests = Vec::new();
    for path in paths {
        let digest = match bytes::open(path)? {
            bytes::Opened::Parquet(file) => parquet_rows::read(path, file, labelled, &mut names, sink)?,
            bytes::Opened::Text(text) => csv_rows::read(path, text, labelled, &mut names, sink)?,
        };
        digests.extend_from_slice(&digest.0);
    }
    Ok(Digest::of(&digests))
}

impl Row {
    /// Measured while the flow still lived.
    pub(crate) fn is_provisional(&self) -> bool {
        !self.stage.is_empty()
    }
}

/// Rows of all files in their order, and a digest of what was read.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) rows: Vec<Row>,
    /// SHA-256 over the SHA-256 of every file: of a CSV file's decompressed bytes, of a Parquet file's own.
    pub(crate) digest: Digest,
    /// Values that were not finite; the model clamps them.
    pub(crate) not_finite: u64,
}

impl Dataset {
    /// Reads every file into memory.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Dataset, Failure> {
        let mut dataset = Dataset { rows: Vec::new(), digest: Digest([0; 32]), not_finite: 0 };
        dataset.digest = stream(paths, &mut |row| {
            dataset.rows.push(row);
            Ok(())
        })?;
        let values = dataset.rows.iter().flat_map(|row| &row.features);
        dataset.not_finite = values.filter(|value| !value.is_finite()).count() as u64;
        if dataset.rows.is_empty() {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let names = names.join(", ");
            return Err(Failure::data(format!("{names}: no rows below the header; give labelled flows")));
        }
        Ok(dataset)
    }

    /// As [`Dataset::read`], but at most `most` rows of each source (drift, base), evenly spread.
    pub(crate) fn read_thinned(paths: &[PathBuf], most: u64) -> Result<Dataset, Failure> {
        let mut given = BTreeMap::<Arc<str>, u64>::new();
        let digest = stream(paths, &mut |row| {
            *given.entry(row.source).or_default() += 1;
            Ok(())
        })?;
        if given.values().all(|rows| *rows <= most) {
            return Dataset::read(paths);
        }
        let mut places = BTreeMap::<Arc<str>, u64>::new();
        let mut dataset = Dataset { rows: Vec::new(), digest, not_finite: 0 };
        stream(paths, &mut |row| {
            let (given, place) = (given[&row.source], places.entry(row.source.clone()).or_default());
            let due = |place: u64| place * most.min(given) / given;
            *place += 1;
            if due(*place) > due(*place - 1) {
                dataset.rows.push(row);
            }
            Ok(())
        })?;
        Ok(dataset)
    }

    /// Categories that occur, benign first, in the order of their numbers.
    pub(crate) fn classes(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Category> {
        let occurs = |category: Category| self.rows.iter().any(|row| wanted(row) && row.truth == category);
        Category::ALL.into_iter().filter(|c| *c == Category::Benign || occurs(*c)).collect()
    }
}

/// Words that repeat on many rows, kept once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn of(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let name: Arc<str> = text.into();
        self.0.insert(name.clone());
        name
    }
}

/// The words of one row as a file spells them.
struct Words<'a> {
    truth: &'a str,
    split: &'a str,
    stage: &'a str,
    run: &'a str,
    tool: &'a str,
    source: &'a str,
    labeller: &'a str,
}

/// Which word of a row makes no sense: its role, what is wrong, the remedy.
struct BadWord(&'static str, String, String);

impl Words<'_> {
    fn row(&self, features: [f64; N_FEATURES], names: &mut Names) -> Result<Row, BadWord> {
        let truth = category_of(self.truth).ok_or_else(|| {
            let known: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
            let remedy = format!("use one of: {}", known.join(", "));
            BadWord("truth", format!("`{}` is no category", self.truth), remedy)
        })?;
        let split = match self.split {
            "" => Split::Train,
            word => Split::ALL.into_iter().find(|split| split.as_str() == word).ok_or_else(|| {
                BadWord(
                    "split",
                    format!("`{word}` is unknown"),
                    "use train, validation, test or test-tool".into(),
                )
            })?,
        };
        let stage = if matches!(self.stage, "0" | "false" | "final") { "" } else { self.stage };
        Ok(Row {
            features,
            truth,
            split,
            stage: names.of(stage),
            run: names.of(self.run),
            tool: names.of(self.tool),
            source: names.of(self.source),
            labeller: names.of(self.labeller),
        })
    }
}

/// The run of a file that does not name any: the file's name without endings.
fn run_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}
