//! Labelled flows in CSV: a header names the columns, in any order, others beside them.

use super::bytes::Hashing;
use super::cic::Generation;
use super::{BadWord, Names, Row, Sink, Words, run_of};
use crate::failure::Failure;
use model::artifact::Digest;
use model::{FEATURES, N_FEATURES};
use std::io::Read;
use std::path::Path;

/// Reads every row; gives the digest of the text.
pub(super) fn read<R: Read>(
    path: &Path,
    text: Hashing<R>,
    labelled: bool,
    names: &mut Names,
    sink: Sink<'_>,
) -> Result<Digest, Failure> {
    // Fields are trimmed where they are read: the reader would copy every record for it.
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::Headers).from_reader(text);
    let header = reader.headers().map_err(|fault| csv_fault(path, &fault))?.clone();
    let columns = Columns::find(path, &header, labelled)?;
    let run = run_of(path);
    let mut bytes = csv::ByteRecord::new();
    while reader.read_byte_record(&mut bytes).map_err(|fault| csv_fault(path, &fault))? {
        let record = match csv::StringRecord::from_byte_record(std::mem::take(&mut bytes)) {
            Ok(record) => record,
            // The public sets spell "Web Attack - XSS" with a dash of Windows-1252.
            Err(odd) if columns.generation.is_foreign() => {
                csv::StringRecord::from_byte_record_lossy(odd.into_byte_record())
            }
            Err(odd) => {
                let odd = odd.into_byte_record();
                let line = odd.position().map_or(0, csv::Position::line);
                let what = "not UTF-8 text; correct the row or remove it";
                return Err(Failure::data(format!("{}:{line}: {what}", path.display())));
            }
        };
        if columns.generation.is_foreign()
            && record.get(columns.features[0]).map(str::trim) == header.get(columns.features[0])
        {
            continue; // CSE-CIC-IDS2018 repeats its header in the middle of days.
        }
        sink(columns.row(path, &run, &record, names)?)?;
        bytes = record.into_byte_record();
    }
    Ok(reader.into_inner().digest())
}

/// Where in a record the things lie.
struct Columns {
    features: [usize; N_FEATURES],
    /// Place and name; none for flows that nobody has labelled.
    truth: Option<(usize, String)>,
    split: Option<usize>,
    stage: Option<usize>,
    run: Option<usize>,
    tool: Option<usize>,
    source: Option<usize>,
    labeller: Option<usize>,
    generation: Generation,
}

impl Columns {
    fn find(path: &Path, header: &csv::StringRecord, labelled: bool) -> Result<Columns, Failure> {
        let place = |name: &str| header.iter().position(|column| column == name);
        let file = path.display();
        let mut features = [0; N_FEATURES];
        let generation = Generation::of(header);
        for (slot, name) in features.iter_mut().zip(generation.names()) {
            *slot = place(name).ok_or_else(|| {
                Failure::data(format!(
                    "{file}:1: column `{name}` is missing; export flows with `taphound replay --format csv`"
                ))
            })?;
        }
        let truth_names = ["true_category", "category", "Label", "label"];
        let truth = truth_names.iter().find_map(|name| Some((place(name)?, (*name).to_owned())));
        if truth.is_none() && labelled {
            return Err(Failure::data(format!(
                "{file}:1: no truth column; add `true_category` (replay with `--labels FILE` writes it)"
            )));
        }
        Ok(Columns {
            features,
            truth: truth.filter(|_| labelled),
            split: place("split"),
            stage: place("provisional"),
            run: place("run"),
            tool: place("tool"),
            source: place("Source"),
            labeller: place("labeller"),
            generation,
        })
    }

    fn row(
        &self,
        path: &Path,
        run: &str,
        record: &csv::StringRecord,
        names: &mut Names,
    ) -> Result<Row, Failure> {
        let line = record.position().map_or(0, csv::Position::line);
        let fault = |column: &str, what: String, remedy: &str| {
            Failure::data(format!("{}:{line}: column `{column}`: {what}; {remedy}", path.display()))
        };
        let mut features = [0.0f64; N_FEATURES];
        for ((slot, &place), name) in features.iter_mut().zip(&self.features).zip(FEATURES) {
            let text = record.get(place).unwrap_or("").trim();
            let remedy = "correct the value or remove the row";
            *slot = text.parse().map_err(|_| fault(name, format!("`{text}` is no number"), remedy))?;
        }
        self.generation
            .repair(&mut features)
            .map_err(|(name, what)| fault(name, what, "correct the value or remove the row"))?;
        let word = |place: Option<usize>| place.and_then(|place| record.get(place)).map(str::trim);
        let words = Words {
            truth: self.truth.as_ref().map_or("benign", |(place, _)| word(Some(*place)).unwrap_or("")),
            split: word(self.split).unwrap_or(""),
            stage: word(self.stage).unwrap_or(""),
            run: word(self.run).unwrap_or(run),
            tool: word(self.tool).unwrap_or(""),
            source: word(self.source).unwrap_or(""),
            labeller: word(self.labeller).unwrap_or(""),
        };
        words.row(features, names).map_err(|BadWord(role, what, remedy)| {
            fault(
                match &self.truth {
                    Some((_, name)) if role == "truth" => name,
                    _ => role,
                },
                what,
                &remedy,
            )
        })
    }
}

/// A fault of the text, told with its line. Compressed bytes that end early surface here too.
pub(crate) fn csv_fault(path: &Path, fault: &csv::Error) -> Failure {
    let line = fault.position().map_or(1, csv::Position::line);
    let what = match fault.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} columns where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8 text".to_owned(),
        csv::ErrorKind::Io(fault) => {
            let path = path.display();
            return Failure::data(format!("{path}: cannot be decompressed ({fault}); fetch it again"));
        }
        _ => fault.to_string(),
    };
    Failure::data(format!("{}:{line}: {what}; correct the row or remove it", path.display()))
}
