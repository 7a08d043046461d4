//! The models at work: what they are, and putting others in their place. A bad one never gets there.

use std::fs;

use model::artifact::TrustedBy;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use super::Service;
use super::who::Actor;
use crate::check::trust;
use crate::control::Refusal;
use crate::fault::Fault;
use crate::feed::{Notice, Topic};
use crate::installed;
use crate::scoring::Model;
use crate::slot::installable_bytes;

/// A model's own words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ModelInfo {
    /// Its name, the same for all its versions.
    pub name: String,
    /// Its serial: `model_version` everywhere.
    pub version: u64,
    /// SHA-256 of the file, hex.
    pub digest: String,
    /// `key ID`, or `its digest`.
    pub trusted_by: String,
    /// Schema id of the features.
    pub schema: String,
    /// Categories it can tell apart.
    pub classes: Vec<&'static str>,
    /// Score from which on a verdict is "attack", for flows that have ended and for running ones.
    pub thresholds: [f64; 2],
    /// Serial of the model it was made from.
    pub parent: Option<u64>,
    /// When it was made, epoch seconds.
    pub created_s: u64,
    /// From when on it must not be installed, epoch seconds.
    pub expires_s: Option<u64>,
    /// Figures of merit by name.
    pub metrics: std::collections::BTreeMap<String, f64>,
}

/// The models at work.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Models {
    /// Its predictions count.
    pub active: ModelInfo,
    /// Scores beside it, for comparison.
    pub shadow: Option<ModelInfo>,
    /// Serial of the model that a rollback brings back.
    pub previous_version: Option<u64>,
    /// Changes since the start.
    pub changes: u64,
}

impl ModelInfo {
    fn of(model: &Model) -> Self {
        let artifact = model.artifact();
        let m = artifact.manifest();
        Self {
            name: m.name.clone(),
            version: m.serial,
            digest: artifact.digest().to_string(),
            trusted_by: match artifact.trusted_by() {
                TrustedBy::Key(id) => format!("key {id}"),
                TrustedBy::Digest => "its digest".to_owned(),
            },
            schema: m.schema.clone(),
            classes: m.classes.iter().map(|c| c.as_str()).collect(),
            thresholds: [m.thresholds.attack, m.thresholds.provisional],
            parent: m.parent,
            created_s: m.created,
            expires_s: m.expires,
            metrics: m.metrics.clone(),
        }
    }
}

impl Service {
    /// The models at work.
    #[must_use]
    pub fn models(&self) -> Models {
        let serving = self.slot().load();
        Models {
            active: ModelInfo::of(&serving.active),
            shadow: serving.shadow.as_deref().map(ModelInfo::of),
            previous_version: self.slot().previous_version(),
            changes: serving.generation,
        }
    }

    /// Whether a file could be installed: trust, format, schema, self-test, expiry. Changes nothing.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn verify_model(&self, bytes: &[u8]) -> Result<ModelInfo, Refusal> {
        self.checked(bytes).map(|model| ModelInfo::of(&model))
    }

    /// Puts a model to work, now and after a restart.
    ///
    /// # Errors
    /// A check fails, it is at work already, or it cannot be kept; then the one before goes on.
    pub fn install_model(&self, actor: &Actor, bytes: &[u8]) -> Result<Models, Refusal> {
        let model = self.checked(bytes)?;
        let now = self.slot().load();
        if now.active.artifact().digest() == model.artifact().digest() {
            return Err(Refusal::conflict(format!("model {} is at work already", model.version())));
        }
        let (version, digest) = (model.version(), model.artifact().digest().to_string());
        installed::put(&self.parts.state_dir, version, bytes).map_err(|e| not_kept(&e))?;
        self.slot().install(model);
        self.model_changed(
            actor,
            "model install",
            format!("{digest}, in place of {}", now.active.version()),
        )?;
        Ok(self.models())
    }

    /// Puts the model before to work again, now and after a restart.
    ///
    /// # Errors
    /// There is none in memory.
    pub fn roll_back_model(&self, actor: &Actor) -> Result<Models, Refusal> {
        let before = self.slot().load().active.version();
        self.slot().rollback().map_err(|e| Refusal::conflict(e.to_string()))?;
        let active = self.slot().load();
        let version = active.active.version();
        let models = self.parts.state_dir.join("models");
        if models.join(version.to_string()).exists() {
            installed::point(&self.parts.state_dir, version).map_err(|e| not_kept(&e))?;
        } else {
            // The embedded model needs no file: without a link it is the one that starts.
            let _ = fs::remove_file(models.join("current"));
        }
        self.model_changed(actor, "model rollback", format!("from {before}"))?;
        Ok(self.models())
    }

    /// Lets a model score beside the active one; nobody acts on it.
    ///
    /// # Errors
    /// A check fails.
    pub fn shadow_model(&self, actor: &Actor, bytes: &[u8]) -> Result<Models, Refusal> {
        let model = self.checked(bytes)?;
        let (version, digest) = (model.version(), model.artifact().digest());
        self.slot().set_shadow(Some(std::sync::Arc::new(model)));
        self.audit(actor, "model shadow", &version.to_string(), digest.to_string())?;
        Ok(self.models())
    }

    /// Ends the shadow.
    ///
    /// # Errors
    /// There is none.
    pub fn end_shadow(&self, actor: &Actor) -> Result<(), Refusal> {
        let Some(shadow) = self.slot().load().shadow.clone() else {
            return Err(Refusal::not_found("no model runs as shadow"));
        };
        self.slot().set_shadow(None);
        self.audit(actor, "model shadow end", &shadow.version().to_string(), String::new())
    }

    fn checked(&self, bytes: &[u8]) -> Result<Model, Refusal> {
        let (trust, _) = trust(&self.parts.keys_dir).map_err(|e| Refusal::unavailable(e.to_string()))?;
        installable_bytes(bytes, &trust, self.now_s()).map_err(|e| Refusal::invalid(e.to_string()))
    }

    fn model_changed(&self, actor: &Actor, action: &str, detail: String) -> Result<(), Refusal> {
        let serving = self.slot().load();
        let version = serving.active.version();
        let body = json!({"version": version, "reload_count": serving.generation});
        self.parts.telling.tell(Notice { topic: Topic::ModelUpdated, severity: None, body });
        self.audit(actor, action, &version.to_string(), detail)
    }
}

fn not_kept(fault: &Fault) -> Refusal {
    Refusal::unavailable(format!("{fault}; the model before stays at work"))
}
