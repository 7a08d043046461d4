//! A labelled flow as it comes from the centre's log table: what the sensor saw and said, and what somebody says it was.
//! In files it is CSV (`drift_raw.csv`) that every other step and `evaluate` read as a data set.

use crate::dataset::csv_fault;
use crate::failure::{Failure, read_file};
use fleet::log_table::{LogItem, StoredItem};
use model::{Category, FEATURES, N_FEATURES, schema_id};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// One labelled flow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) flow_id: String,
    /// Start of the flow, ms since the epoch.
    pub(crate) timestamp: u64,
    pub(crate) uid: String,
    pub(crate) sensor_id: String,
    /// Serial of the model that judged it.
    pub(crate) model_version: u64,
    pub(crate) predicted: Category,
    /// 1 - P(benign).
    pub(crate) score: f64,
    pub(crate) truth: Category,
    /// Who says so: way and name, such as `api:ann`.
    pub(crate) labeller: String,
    /// When they said so, ms since the epoch.
    pub(crate) labeled_at: u64,
    pub(crate) features: [f64; N_FEATURES],
}

/// Why an item of the table is no sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unusable {
    /// `unknown`, `unsure` or withdrawn.
    Undecided,
    /// Features of another schema.
    Schema,
    /// A feature is missing, a category unknown, a number not finite.
    Malformed,
    /// The flow was still alive.
    Provisional,
}

impl Unusable {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Unusable::Undecided => "undecided",
            Unusable::Schema => "other_schema",
            Unusable::Malformed => "malformed",
            Unusable::Provisional => "provisional",
        }
    }
}

const WORDS: [&str; 14] = [
    "flow_id",
    "timestamp",
    "uid",
    "sensor_id",
    "model_version",
    "label",
    "category",
    "score",
    "true_label",
    "true_category",
    "labeller",
    "labeled_at",
    "run",
    "Source",
];

impl Sample {
    /// Whether the sensor's verdict (attack or not) was wrong: what drift is watched by.
    pub(crate) fn is_wrong(&self) -> bool {
        self.predicted.is_attack() != self.truth.is_attack()
    }

    /// Sensor and UTC day: flows of one group are alike and stay on one side of a split.
    pub(crate) fn run(&self) -> String {
        format!("{}/{}", self.sensor_id, self.timestamp / 86_400_000)
    }

    /// An item of the log table. An attack without a category gets the sensor's if that called it an attack, else `unnamed`.
    pub(crate) fn of(stored: &StoredItem, unnamed: Category) -> Result<Sample, Unusable> {
        let item = &stored.item;
        let truth = stored.truth.as_ref().ok_or(Unusable::Undecided)?;
        let predicted: Category = item.category.parse().map_err(|_| Unusable::Malformed)?;
        let predicted = if item.label == "benign" { Category::Benign } else { predicted };
        let truth_category = match (truth.label.as_str(), truth.category.as_deref()) {
            ("benign", _) => Category::Benign,
            ("attack", Some(name)) if !name.is_empty() && name != "benign" => {
                name.parse().map_err(|_| Unusable::Malformed)?
            }
            ("attack", _) if predicted.is_attack() => predicted,
            ("attack", _) => unnamed,
            _ => return Err(Unusable::Undecided),
        };
        if item.rev == 0 {
            return Err(Unusable::Provisional);
        }
        if item.schema != schema_id() {
            return Err(Unusable::Schema);
        }
        let features = features_of(item).ok_or(Unusable::Malformed)?;
        Ok(Sample {
            flow_id: item.key.flow_id.clone(),
            timestamp: item.key.timestamp_ms,
            uid: item.uid.clone(),
            sensor_id: item.sensor_id.clone(),
            model_version: item.model_version,
            predicted,
            score: item.score,
            truth: truth_category,
            labeller: format!("{}:{}", truth.source, truth.by),
            labeled_at: truth.at_ms,
            features,
        })
    }
}

/// An item's features in the schema's order; none when one is missing or not finite.
pub(crate) fn features_of(item: &LogItem) -> Option<[f64; N_FEATURES]> {
    let mut features = [0.0; N_FEATURES];
    for (slot, name) in features.iter_mut().zip(FEATURES) {
        *slot = item.features.get(name).copied().filter(|value| value.is_finite())?;
    }
    Some(features)
}

/// Samples by time; of several with one uid the one labelled last.
pub(crate) fn in_order(samples: Vec<Sample>) -> Vec<Sample> {
    let mut by_uid = BTreeMap::<(String, u64), Sample>::new();
    for sample in samples {
        let key = (sample.uid.clone(), sample.timestamp);
        match by_uid.get(&key) {
            Some(known) if known.labeled_at >= sample.labeled_at => {}
            _ => {
                by_uid.insert(key, sample);
            }
        }
    }
    let mut samples: Vec<Sample> = by_uid.into_values().collect();
    samples.sort_by(|a, b| (a.timestamp, &a.uid).cmp(&(b.timestamp, &b.uid)));
    samples
}

/// The samples as CSV; numbers are written so that they are read back as they were.
pub(crate) fn to_csv(samples: &[Sample]) -> Result<Vec<u8>, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = WORDS.iter().chain(FEATURES.iter());
    writer.write_record(header).map_err(Failure::software)?;
    for sample in samples {
        let binary = |category: Category| if category.is_attack() { "attack" } else { "benign" };
        let mut record = vec![
            sample.flow_id.clone(),
            sample.timestamp.to_string(),
            sample.uid.clone(),
            sample.sensor_id.clone(),
            sample.model_version.to_string(),
            binary(sample.predicted).to_owned(),
            sample.predicted.to_string(),
            sample.score.to_string(),
            binary(sample.truth).to_owned(),
            sample.truth.to_string(),
            sample.labeller.clone(),
            sample.labeled_at.to_string(),
            sample.run(),
            "DRIFT".to_owned(),
        ];
        record.extend(sample.features.iter().map(|value| {
            let mut text = String::new();
            let _ = write!(text, "{value}");
            text
        }));
        writer.write_record(&record).map_err(Failure::software)?;
    }
    writer.into_inner().map_err(Failure::software)
}

/// Reads samples from CSV. Rows whose `true_label` is `unknown`, `unsure` or empty are left out. Needed are `timestamp`,
/// `label` and `true_label`; whatever else is missing is empty.
pub(crate) fn read_csv(path: &Path) -> Result<Vec<Sample>, Failure> {
    let bytes = read_file(path)?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes.as_slice());
    let header = reader.headers().map_err(|fault| csv_fault(path, &fault))?.clone();
    let place = |name: &str| header.iter().position(|column| column == name);
    let needed = |name: &str| {
        place(name).ok_or_else(|| {
            let remedy = "`taphound-retrain fetch` writes such files";
            Failure::data(format!("{}:1: column `{name}` is missing; {remedy}", path.display()))
        })
    };
    let (timestamp, label, true_label) = (needed("timestamp")?, needed("label")?, needed("true_label")?);
    let features: Vec<Option<usize>> = FEATURES.iter().map(|name| place(name)).collect();
    let mut samples = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(|fault| csv_fault(path, &fault))?;
        let word = |name: &str| place(name).and_then(|at| record.get(at)).unwrap_or("");
        let fault = |name: &str, text: &str| {
            let place = format!("{}:{}", path.display(), number + 2);
            Failure::data(format!(
                "{place}: column `{name}`: `{text}` makes no sense; correct or remove the row"
            ))
        };
        let number_of = |name: &str| match word(name) {
            "" => Ok(0),
            text => text.parse::<u64>().map_err(|_| fault(name, text)),
        };
        let truth = match record.get(true_label).unwrap_or("") {
            "" | "unknown" | "unsure" => continue,
            text => side(text, word("true_category")).ok_or_else(|| fault("true_label", text))?,
        };
        let said = record.get(label).unwrap_or("");
        let predicted = side(said, word("category")).ok_or_else(|| fault("label", said))?;
        let mut values = [0.0; N_FEATURES];
        for ((slot, at), name) in values.iter_mut().zip(&features).zip(FEATURES) {
            if let Some(text) = at.and_then(|at| record.get(at)) {
                *slot = text.parse().map_err(|_| fault(name, text))?;
            }
        }
        let time = record.get(timestamp).unwrap_or("");
        samples.push(Sample {
            flow_id: word("flow_id").to_owned(),
            timestamp: time.parse().map_err(|_| fault("timestamp", time))?,
            uid: match word("uid") {
                "" => format!("row-{number}"),
                uid => uid.to_owned(),
            },
            sensor_id: word("sensor_id").to_owned(),
            model_version: number_of("model_version")?,
            predicted,
            score: word("score").parse().unwrap_or(if predicted.is_attack() { 1.0 } else { 0.0 }),
            truth,
            labeller: word("labeller").to_owned(),
            labeled_at: number_of("labeled_at")?,
            features: values,
        });
    }
    Ok(in_order(samples))
}

/// A label and its category; 0 and 1 are understood, as the oracles and the earlier system write them.
fn side(label: &str, category: &str) -> Option<Category> {
    match label.to_ascii_lowercase().as_str() {
        "benign" | "0" => Some(Category::Benign),
        "attack" | "1" => match category {
            "" | "benign" => Some(Category::Dos),
            name => name.parse().ok(),
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests;
