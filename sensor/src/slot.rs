//! The model slot: which models are at work, in one place that the data plane reads without a lock and the control plane swaps.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use flowmeter::FlowRecord;
use model::artifact::Trust;
use model::{Category, N_FEATURES, Prediction, Thresholds};

use crate::fault::Fault;
use crate::scoring::{Model, Scored, ScoringDesk};

/// What scores a batch: chosen once at its beginning, the same to its end.
pub struct Serving {
    /// Its predictions count.
    pub active: Arc<Model>,
    /// Scores beside the active one, for comparison; nobody acts on it.
    pub shadow: Option<Arc<Model>>,
    /// Scores that make a verdict "attack", in place of the model's own.
    pub thresholds: Option<Thresholds>,
    /// Grows with every change of the slot, from 0.
    pub generation: u64,
}

impl Serving {
    /// The active model's opinion on every record, in order, into `scores` (cleared first).
    pub fn score_batch(&self, records: &[FlowRecord], desk: &mut ScoringDesk, scores: &mut Vec<Scored>) {
        self.active.score_batch(records, desk, scores);
        if self.thresholds.is_some() {
            for (record, scored) in records.iter().zip(scores) {
                *scored = self.adjust(&self.active, *scored, record.end_reason.is_some());
            }
        }
    }

    /// The active model's opinion of a client's vector, as of a flow that has ended.
    #[must_use]
    pub fn score_vector(&self, features: &[f64; N_FEATURES]) -> Scored {
        self.adjust(&self.active, self.active.score_vector(features, true), true)
    }

    /// `model`'s opinion, under this serving's thresholds.
    #[must_use]
    pub(crate) fn judge(&self, model: &Model, record: &FlowRecord) -> Scored {
        self.adjust(model, model.score(record), record.end_reason.is_some())
    }

    fn adjust(&self, model: &Model, mut scored: Scored, ended: bool) -> Scored {
        if let Some(thresholds) = self.thresholds {
            let at = if ended { thresholds.attack } else { thresholds.provisional };
            rejudge(&mut scored.prediction, model.artifact().classes(), at);
        }
        scored
    }
}

/// The verdict that the same probabilities give at another threshold.
fn rejudge(prediction: &mut Prediction, classes: &[Category], threshold: f64) {
    let p = |category: Category| prediction.probabilities[category.index()];
    let attacks = classes.iter().copied().filter(|c| c.is_attack());
    // Of equals the first counts, as in the model.
    let strongest = attacks.reduce(|most, next| if p(next) > p(most) { next } else { most });
    let (category, attack) = match strongest {
        Some(category) if prediction.score >= threshold => (category, true),
        _ => (Category::Benign, false),
    };
    prediction.confidence = p(category);
    prediction.category = category;
    prediction.attack = attack;
}

/// The slot. Readers never wait; writers wait for one another only.
///
/// What is replaced is kept here until no reader holds it, so that freeing a model (megabytes) never happens on a thread of
/// the data plane: [`ModelSlot::reap`] frees on the caller's thread, and every change does so too.
pub struct ModelSlot {
    serving: ArcSwap<Serving>,
    /// Of the control plane alone.
    control: Mutex<Control>,
}

#[derive(Default)]
struct Control {
    previous: Option<Arc<Model>>,
    retired: Vec<Arc<Serving>>,
}

impl ModelSlot {
    /// A slot with one model at work.
    #[must_use]
    pub fn new(active: Model) -> Self {
        let serving = Serving { active: Arc::new(active), shadow: None, thresholds: None, generation: 0 };
        Self { serving: ArcSwap::from_pointee(serving), control: Mutex::default() }
    }

    /// What is at work now.
    #[must_use]
    pub fn load(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Puts `model` to work; the one before stays in memory for [`ModelSlot::rollback`]. The shadow goes, if it is this model
    /// (by digest): it has been promoted.
    pub fn install(&self, model: impl Into<Arc<Model>>) {
        let model = model.into();
        let mut control = self.control();
        let now = self.load();
        let promoted = |shadow: &Arc<Model>| shadow.artifact().digest() == model.artifact().digest();
        let shadow = now.shadow.clone().filter(|shadow| !promoted(shadow));
        control.previous = Some(now.active.clone());
        self.change(&mut control, Serving { active: model, shadow, ..Serving::copy(&now) });
    }

    /// Puts the shadow to work.
    ///
    /// # Errors
    /// There is none.
    pub fn promote_shadow(&self) -> Result<(), Fault> {
        let mut control = self.control();
        let now = self.load();
        let Some(active) = now.shadow.clone() else {
            return Err(Fault::Usage("no model runs as shadow; `model shadow FILE` starts one".into()));
        };
        control.previous = Some(now.active.clone());
        self.change(&mut control, Serving { active, shadow: None, ..Serving::copy(&now) });
        Ok(())
    }

    /// Puts the previous model back to work; the one that it replaces becomes the previous one.
    ///
    /// # Errors
    /// No model was installed since the start.
    pub fn rollback(&self) -> Result<(), Fault> {
        let mut control = self.control();
        let Some(active) = control.previous.take() else {
            return Err(Fault::Usage(
                "there is no previous model in memory: none was installed since the start; install one by file"
                    .into(),
            ));
        };
        let now = self.load();
        control.previous = Some(now.active.clone());
        self.change(&mut control, Serving { active, ..Serving::copy(&now) });
        Ok(())
    }

    /// Sets or removes the shadow.
    pub fn set_shadow(&self, shadow: Option<Arc<Model>>) {
        let mut control = self.control();
        let now = self.load();
        self.change(&mut control, Serving { shadow, ..Serving::copy(&now) });
    }

    /// Sets the thresholds, or gives each model its own back.
    ///
    /// # Errors
    /// One lies outside [0, 1].
    pub fn set_thresholds(&self, thresholds: Option<Thresholds>) -> Result<(), Fault> {
        for (name, value) in
            thresholds.iter().flat_map(|t| [("attack", t.attack), ("provisional", t.provisional)])
        {
            if !(0.0..=1.0).contains(&value) {
                return Err(Fault::Usage(format!(
                    "the {name} threshold is {value}: use a value from 0 to 1"
                )));
            }
        }
        let mut control = self.control();
        let now = self.load();
        self.change(&mut control, Serving { thresholds, ..Serving::copy(&now) });
        Ok(())
    }

    /// Serial of the model that a rollback would bring back.
    #[must_use]
    pub fn previous_version(&self) -> Option<u64> {
        self.control().previous.as_ref().map(|model| model.version())
    }

    /// Frees what the data plane has let go of, and says how much it still holds. The control plane calls this now and then.
    pub fn reap(&self) -> usize {
        Self::free(&mut self.control())
    }

    fn change(&self, control: &mut Control, mut next: Serving) {
        next.generation += 1;
        let old = self.serving.swap(Arc::new(next));
        control.retired.push(old);
        Self::free(control);
    }

    fn free(control: &mut Control) -> usize {
        // A count of one is ours: `load` takes whole counts, and nobody can load a retired one any more.
        control.retired.retain(|serving| Arc::strong_count(serving) > 1);
        control.retired.len()
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Serving {
    fn copy(from: &Serving) -> Serving {
        Serving {
            active: from.active.clone(),
            shadow: from.shadow.clone(),
            thresholds: from.thresholds,
            generation: from.generation,
        }
    }
}

/// A model file that may be put to work: trusted, sound (its self-test vectors give the outputs it promises), not expired.
///
/// # Errors
/// The file cannot be read, or fails one of these checks at `now_s` (epoch seconds).
pub fn installable(file: &Path, trust: &Trust, now_s: u64) -> Result<Model, Fault> {
    let bytes = crate::scoring::read(file)?;
    installable_bytes(&bytes, trust, now_s).map_err(|e| match e {
        Fault::BadData(what) => Fault::BadData(format!("{}: {what}", file.display())),
        other => other,
    })
}

/// As [`installable`], for the bytes of a file.
///
/// # Errors
/// They fail one of the checks.
pub fn installable_bytes(bytes: &[u8], trust: &Trust, now_s: u64) -> Result<Model, Fault> {
    let artifact = model::Artifact::read(bytes, trust).map_err(|e| Fault::BadData(e.to_string()))?;
    artifact.installable(now_s).map_err(|e| Fault::BadData(e.to_string()))?;
    Ok(Model::of(artifact))
}

#[cfg(test)]
mod tests;
