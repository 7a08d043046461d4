//! A labelled CSV against the model at work: metrics and confusion matrix. Nothing is stored, nothing is learnt.

use model::Category;
use model::metrics::{ConfusionMatrix, roc_auc};
use model::schema::{FEATURES, N_FEATURES};
use serde::Serialize;
use utoipa::ToSchema;

use super::Service;
use super::vector::feature_named;
use crate::control::Refusal;

/// How the model did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Evaluation {
    /// Rows judged.
    pub rows: u64,
    /// Rows left out because a feature was no finite number (the public CIC files have some).
    pub rows_skipped: u64,
    /// Share of right predictions, attack or benign.
    pub accuracy: f64,
    /// Right among predicted attacks.
    pub precision: f64,
    /// Found among attacks.
    pub recall: f64,
    /// Harmonic mean of the two.
    pub f1: f64,
    /// Cohen's kappa.
    pub kappa: f64,
    /// Area under the ROC curve of the score; none when one class is missing.
    pub roc_auc: Option<f64>,
    /// True label by row, predicted by column, in the order of `labels`.
    pub confusion_matrix: [[u64; 2]; 2],
    /// `benign`, `attack`.
    pub labels: [&'static str; 2],
    /// Attacks by the file's own names: how many there are, and how many were found.
    pub by_label: Vec<LabelFound>,
    /// Serial of the model.
    pub model_version: u64,
}

/// How one kind of attack was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LabelFound {
    /// The file's name for it.
    pub label: String,
    /// Rows with it.
    pub rows: u64,
    /// Of them judged an attack.
    pub found: u64,
}

/// Names that files give to what is no attack.
const BENIGN: [&str; 4] = ["benign", "normal", "0", "normaltraffic"];
/// Kinds of attack told apart; more share a line.
const KINDS_MAX: usize = 64;

struct Columns {
    features: [usize; N_FEATURES],
    label: usize,
}

impl Service {
    /// Judges every row of a CSV with a `Label` column and the 20 features by any generation's names; more columns are left alone.
    ///
    /// # Errors
    /// It is no CSV, a column is missing or there twice, or no row can be judged; the refusal names which.
    pub fn evaluate(&self, csv: &[u8]) -> Result<Evaluation, Refusal> {
        let serving = self.slot().load();
        let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(csv);
        let columns = columns(reader.byte_headers().map_err(unreadable)?)?;
        let mut matrix = ConfusionMatrix::new(2);
        let (mut scores, mut skipped) = (Vec::new(), 0);
        let mut kinds: Vec<LabelFound> = Vec::new();
        let mut row = csv::ByteRecord::new();
        while reader.read_byte_record(&mut row).map_err(unreadable)? {
            let Some(vector) = vector_of(&row, &columns) else {
                skipped += 1;
                continue;
            };
            let label = String::from_utf8_lossy(row.get(columns.label).unwrap_or_default()).trim().to_owned();
            let bare: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
            let truth = !BENIGN.iter().any(|name| bare.eq_ignore_ascii_case(name));
            let prediction = serving.score_vector(&vector).prediction;
            let found = prediction.category != Category::Benign;
            matrix.update(usize::from(truth), usize::from(found));
            scores.push((prediction.score, truth));
            if truth {
                count_kind(&mut kinds, label, found);
            }
        }
        if scores.is_empty() {
            return Err(Refusal::invalid(format!(
                "the CSV has no row that can be judged ({skipped} had a feature that is no finite number)"
            )));
        }
        kinds.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.label.cmp(&b.label)));
        Ok(Evaluation {
            rows: matrix.total(),
            rows_skipped: skipped,
            accuracy: matrix.accuracy(),
            precision: matrix.precision(1),
            recall: matrix.recall(1),
            f1: matrix.f1(1),
            kappa: matrix.kappa(),
            roc_auc: roc_auc(&mut scores),
            confusion_matrix: [0, 1].map(|truth| [0, 1].map(|found| matrix.count(truth, found))),
            labels: ["benign", "attack"],
            by_label: kinds,
            model_version: serving.active.version(),
        })
    }
}

fn count_kind(kinds: &mut Vec<LabelFound>, label: String, found: bool) {
    let label = if kinds.len() >= KINDS_MAX && !kinds.iter().any(|k| k.label == label) {
        "(others)".to_owned()
    } else {
        label.chars().take(64).collect()
    };
    let known = kinds.iter().position(|kind| kind.label == label);
    let index = known.unwrap_or_else(|| {
        kinds.push(LabelFound { label, rows: 0, found: 0 });
        kinds.len() - 1
    });
    kinds[index].rows += 1;
    kinds[index].found += u64::from(found);
}

fn unreadable(error: csv::Error) -> Refusal {
    Refusal::invalid(format!("the CSV cannot be read: {error}"))
}

fn columns(header: &csv::ByteRecord) -> Result<Columns, Refusal> {
    let mut features = [None; N_FEATURES];
    let mut label = None;
    for (at, name) in header.iter().enumerate() {
        let name = String::from_utf8_lossy(name);
        let name = name.trim_start_matches('\u{feff}');
        if name.trim().eq_ignore_ascii_case("label") {
            label = Some(at);
        } else if let Some(feature) = feature_named(name) {
            // CIC-IDS2017 has `Fwd Header Length` twice, but none of ours.
            if features[feature].replace(at).is_some() {
                return Err(Refusal::invalid(format!(
                    "the CSV has the column `{}` twice",
                    FEATURES[feature]
                )));
            }
        }
    }
    let missing: Vec<&str> =
        FEATURES.iter().zip(&features).filter(|(_, at)| at.is_none()).map(|(name, _)| *name).collect();
    if !missing.is_empty() {
        return Err(Refusal::invalid(format!("the CSV lacks the columns {}", missing.join(", "))));
    }
    let label = label.ok_or_else(|| Refusal::invalid("the CSV lacks the column Label"))?;
    Ok(Columns { features: features.map(Option::unwrap_or_default), label })
}

fn vector_of(row: &csv::ByteRecord, columns: &Columns) -> Option<[f64; N_FEATURES]> {
    let mut vector = [0.0; N_FEATURES];
    for (slot, at) in vector.iter_mut().zip(columns.features) {
        let number: f64 = std::str::from_utf8(row.get(at)?).ok()?.trim().parse().ok()?;
        *slot = Some(number).filter(|n| n.is_finite())?;
    }
    Some(vector)
}
