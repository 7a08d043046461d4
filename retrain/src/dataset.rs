//! Labelled flows from CSV files, plain, gzip or zstd: twenty features by column name, the truth, and what a row is for.

use crate::failure::{Failure, read_file};
use crate::labels::category_of;
use model::artifact::Digest;
use model::{Category, FEATURES, N_FEATURES};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Validation,
    /// To measure by.
    Test,
}

impl Split {
    pub(crate) const ALL: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// One labelled flow.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) features: [f64; N_FEATURES],
    pub(crate) truth: Category,
    pub(crate) split: Split,
    /// Measured while the flow still lived.
    pub(crate) provisional: bool,
}

/// Rows of all files in their order, and a digest of what was read.
#[derive(Debug)]
pub(crate) struct Dataset {
    pub(crate) rows: Vec<Row>,
    /// SHA-256 over the SHA-256 of every file's decompressed bytes.
    pub(crate) digest: Digest,
    /// Values that were not finite; the model clamps them.
    pub(crate) not_finite: u64,
}

impl Dataset {
    /// Reads every file.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Dataset, Failure> {
        let mut dataset = Dataset { rows: Vec::new(), digest: Digest([0; 32]), not_finite: 0 };
        let mut digests = Vec::new();
        for path in paths {
            let text = decompress(path, read_file(path)?)?;
            digests.extend_from_slice(&Digest::of(&text).0);
            dataset.read_csv(path, &text)?;
        }
        dataset.digest = Digest::of(&digests);
        if dataset.rows.is_empty() {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            let names = names.join(", ");
            return Err(Failure::data(format!("{names}: no rows below the header; give labelled flows")));
        }
        Ok(dataset)
    }

    /// Categories that occur, benign first, in the order of their numbers.
    pub(crate) fn classes(&self, wanted: impl Fn(&Row) -> bool) -> Vec<Category> {
        let occurs = |category: Category| self.rows.iter().any(|row| wanted(row) && row.truth == category);
        Category::ALL.into_iter().filter(|c| *c == Category::Benign || occurs(*c)).collect()
    }

    fn read_csv(&mut self, path: &Path, text: &[u8]) -> Result<(), Failure> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
        let header = reader.headers().map_err(|fault| csv_fault(path, &fault))?.clone();
        let columns = Columns::find(path, &header)?;
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(|fault| csv_fault(path, &fault))? {
            let line = record.position().map_or(0, csv::Position::line);
            let row = columns.row(path, line, &record, &mut self.not_finite)?;
            self.rows.push(row);
        }
        Ok(())
    }
}

/// Where in a record the things lie.
struct Columns {
    features: [usize; N_FEATURES],
    truth: usize,
    truth_name: String,
    split: Option<usize>,
    provisional: Option<usize>,
}

impl Columns {
    fn find(path: &Path, header: &csv::StringRecord) -> Result<Columns, Failure> {
        let place = |name: &str| header.iter().position(|column| column == name);
        let file = path.display();
        let mut features = [0; N_FEATURES];
        for (slot, name) in features.iter_mut().zip(FEATURES) {
            *slot = place(name).ok_or_else(|| {
                Failure::data(format!(
                    "{file}:1: column `{name}` is missing; export flows with `taphound replay --format csv`"
                ))
            })?;
        }
        let truth_names = ["true_category", "category", "Label", "label"];
        let (truth, truth_name) =
            truth_names.iter().find_map(|name| Some((place(name)?, *name))).ok_or_else(|| {
                Failure::data(format!(
                    "{file}:1: no truth column; add `true_category` (replay with `--labels FILE` writes it)"
                ))
            })?;
        let truth_name = truth_name.to_owned();
        Ok(Columns { features, truth, truth_name, split: place("split"), provisional: place("provisional") })
    }

    fn row(
        &self,
        path: &Path,
        line: u64,
        record: &csv::StringRecord,
        not_finite: &mut u64,
    ) -> Result<Row, Failure> {
        let fault = |column: &str, what: String, remedy: &str| {
            Failure::data(format!("{}:{line}: column `{column}`: {what}; {remedy}", path.display()))
        };
        let mut features = [0.0f64; N_FEATURES];
        for ((slot, &place), name) in features.iter_mut().zip(&self.features).zip(FEATURES) {
            let text = record.get(place).unwrap_or("");
            let remedy = "correct the value or remove the row";
            *slot = text.parse().map_err(|_| fault(name, format!("`{text}` is no number"), remedy))?;
            *not_finite += u64::from(!slot.is_finite());
        }
        let label = record.get(self.truth).unwrap_or("");
        let truth = category_of(label).ok_or_else(|| {
            let known: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
            let remedy = format!("use one of: {}", known.join(", "));
            fault(&self.truth_name, format!("`{label}` is no category"), &remedy)
        })?;
        let split = match self.split.and_then(|place| record.get(place)) {
            None | Some("train") => Split::Train,
            Some("validation") => Split::Validation,
            Some("test" | "test-tool") => Split::Test,
            Some(other) => {
                return Err(fault("split", format!("`{other}` is unknown"), "use train, validation or test"));
            }
        };
        let provisional = self.provisional.and_then(|place| record.get(place)).unwrap_or("");
        let provisional = !matches!(provisional, "" | "0" | "false" | "final");
        Ok(Row { features, truth, split, provisional })
    }
}

fn csv_fault(path: &Path, fault: &csv::Error) -> Failure {
    let line = fault.position().map_or(1, csv::Position::line);
    let what = match fault.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        _ => fault.to_string(),
    };
    Failure::data(format!("{}:{line}: {what}; correct the row or remove it", path.display()))
}

/// gzip and zstd are told by their first bytes, not by the file's name.
fn decompress(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    let unpacked = if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text)
    } else if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::stream::read::Decoder::new(bytes.as_slice())
            .and_then(|mut decoder| decoder.read_to_end(&mut text))
    } else {
        return Ok(bytes);
    };
    unpacked.map_err(|fault| {
        Failure::data(format!("{}: cannot be decompressed ({fault}); fetch it again", path.display()))
    })?;
    Ok(text)
}
