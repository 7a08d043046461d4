//! The model at work in the sensor: loading it, scoring records, and saying why.

use std::path::Path;

use flowmeter::FlowRecord;
use model::artifact::{Digest, Trust};
use model::{Artifact, FEATURES, Opinion, Prediction, Stage};

use crate::embedded;
use crate::fault::Fault;

/// What the model says of one record.
#[derive(Debug, Clone, Copy)]
pub struct Scored {
    /// The forest's prediction.
    pub prediction: Prediction,
    /// How unlike benign traffic the record is; none for a model without a novelty forest.
    pub novelty: Option<f64>,
}

impl From<Opinion> for Scored {
    fn from(Opinion { prediction, novelty }: Opinion) -> Self {
        Self { prediction, novelty }
    }
}

/// Which threshold a record is held against.
fn stage(record: &FlowRecord) -> Stage {
    if record.end_reason.is_some() { Stage::Final } else { Stage::Provisional }
}

/// What scoring a batch needs room for; the thread that scores keeps it, so that a batch allocates nothing.
#[derive(Debug, Default)]
pub struct ScoringDesk {
    /// What is to be judged: vectors and stages that differ, as far as was noticed.
    vectors: Vec<[f64; FEATURES.len()]>,
    stages: Vec<Stage>,
    opinions: Vec<Opinion>,
    /// By record: which of `vectors` is its own.
    places: Vec<u16>,
    /// By hash: the latest of `vectors` with it, plus one; 0 is none.
    seen: Vec<u16>,
}

impl ScoringDesk {
    /// Records laid out at once: 160 KiB of vectors, which stay in a processor's own cache.
    const TOGETHER: usize = 1024;

    fn lay_out<'a>(&mut self, records: impl Iterator<Item = &'a FlowRecord>) {
        self.vectors.clear();
        self.stages.clear();
        self.places.clear();
        self.seen.clear();
        self.seen.resize(Self::TOGETHER * 2, 0);
        for record in records {
            let (vector, stage) = (record.features(), stage(record));
            let slot = slot_of(&vector) % self.seen.len();
            let known = usize::from(self.seen[slot]).checked_sub(1);
            let twin = known.filter(|&at| self.stages[at] == stage && is_same(&self.vectors[at], &vector));
            let at = twin.unwrap_or_else(|| {
                self.vectors.push(vector);
                self.stages.push(stage);
                self.seen[slot] = self.vectors.len() as u16;
                self.vectors.len() - 1
            });
            self.places.push(at as u16);
        }
    }
}

/// Bit for bit: the same verdict must not hang on how two zeros compare.
fn is_same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Where to look for a twin. Who makes vectors that meet here gains nothing: they are judged each for itself.
fn slot_of(vector: &[f64]) -> usize {
    let mixed = vector.iter().fold(0_u64, |hash, value| {
        (hash.rotate_left(5) ^ value.to_bits()).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (mixed >> 40) as usize
}

/// One feature moved the score away from the base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contribution {
    /// Index of the feature in the schema.
    pub feature: usize,
    /// Its value in this record.
    pub value: f64,
    /// Signed share of score minus base.
    pub weight: f64,
}

/// A verified model.
pub struct Model {
    artifact: Artifact,
}

impl Model {
    /// Reasons given for one detection.
    const REASONS: usize = 3;

    /// The model inside this program, or the one in `file`. Naming a file on the command line is trusting it: its format,
    /// schema and self-test are checked, its signature is not (`taphound model verify` does that).
    ///
    /// # Errors
    /// The file cannot be read, or is no sound model for this program.
    pub fn load(file: Option<&Path>) -> Result<Self, Fault> {
        let Some(file) = file else {
            let trust = Trust::none().with_digest(embedded::digest());
            return Artifact::read(embedded::BYTES, &trust).map(|artifact| Self { artifact }).map_err(|e| {
                Fault::Software(format!("the model inside this program is unusable: {e}; build it again"))
            });
        };
        let bytes = read(file)?;
        let trust = Trust::none().with_digest(Digest::of(&bytes));
        let artifact =
            Artifact::read(&bytes, &trust).map_err(|e| Fault::BadData(format!("{}: {e}", file.display())))?;
        Ok(Self { artifact })
    }

    /// The model in an artifact that was read, and so checked, already.
    #[must_use]
    pub fn of(artifact: Artifact) -> Self {
        Self { artifact }
    }

    /// Its serial.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.artifact.manifest().serial
    }

    /// Scores a record; one that has not ended is judged by the provisional threshold.
    #[must_use]
    pub fn score(&self, record: &FlowRecord) -> Scored {
        self.score_vector(&record.features(), record.end_reason.is_some())
    }

    /// Scores a vector, of a flow that has ended or not.
    #[must_use]
    pub fn score_vector(&self, features: &[f64; FEATURES.len()], ended: bool) -> Scored {
        let stage = if ended { Stage::Final } else { Stage::Provisional };
        self.artifact.scorer().judge(features, stage).into()
    }

    /// [`Model::score`] of every record of a batch, in order, into `scores` (cleared first): the same bits at less
    /// cost, because a tree stays in cache while many records pass it, and because what is alike (the flows of a flood, the
    /// probes of a scan) is judged once.
    pub fn score_batch<'a>(
        &self,
        records: impl IntoIterator<Item = &'a FlowRecord>,
        desk: &mut ScoringDesk,
        scores: &mut Vec<Scored>,
    ) {
        scores.clear();
        let mut records = records.into_iter();
        loop {
            desk.lay_out(records.by_ref().take(ScoringDesk::TOGETHER));
            if desk.places.is_empty() {
                return;
            }
            desk.opinions.clear();
            self.artifact.scorer().judge_batch(&desk.vectors, &desk.stages, &mut desk.opinions);
            scores.extend(desk.places.iter().map(|&at| Scored::from(desk.opinions[usize::from(at)])));
        }
    }

    /// The features that moved the score up most, strongest first.
    #[must_use]
    pub fn reasons(&self, record: &FlowRecord) -> Vec<Contribution> {
        let features = record.features();
        let weights = self.artifact.explain(&features).contributions;
        let mut order: Vec<usize> = (0..FEATURES.len()).filter(|&f| weights[f] > 0.0).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
        order
            .into_iter()
            .take(Self::REASONS)
            .map(|feature| Contribution { feature, value: features[feature], weight: weights[feature] })
            .collect()
    }

    /// What the model says of itself.
    #[must_use]
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }
}

/// The bytes of a model or key file.
///
/// # Errors
/// It is missing, a directory, or may not be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    if path.is_dir() {
        return Err(Fault::is_directory(path));
    }
    std::fs::read(path).map_err(|e| Fault::opening(path, &e))
}

#[cfg(test)]
mod tests;
