//! How the control plane changes the store: commands to its one writer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use store::Store;
use store::record::{Batch, NewAudit, NewLabel, NewSuppression};

use super::refusal_of;
use crate::control::Refusal;

/// The store's writer as the service sees it.
pub trait Changes: Send + Sync {
    /// Gives labels and says their numbers. All are kept, or none.
    ///
    /// # Errors
    /// A subject does not exist, or the store fails.
    fn label(&self, labels: Vec<NewLabel>) -> Result<Vec<u64>, Refusal>;

    /// Adds a suppression and says its number.
    ///
    /// # Errors
    /// It would hide everything, or the store fails.
    fn suppress(&self, rule: NewSuppression) -> Result<u64, Refusal>;

    /// Ends a suppression; false when none of this number is in force.
    ///
    /// # Errors
    /// The store fails.
    fn lift_suppression(&self, id: u64, now_us: u64) -> Result<bool, Refusal>;

    /// Writes a line of the audit log.
    ///
    /// # Errors
    /// The store fails.
    fn audit(&self, entry: NewAudit) -> Result<(), Refusal>;

    /// Writes a line of the audit log when there is time for it. Never waits.
    fn note(&self, entry: NewAudit);

    /// Hands over rows without waiting; false when there is no room.
    fn append(&self, batch: Batch) -> bool;
}

/// A store without a thread of its own: of a replay that stays up, and of tests.
pub struct OwnStore {
    store: Mutex<Store>,
    feature_names: Vec<&'static str>,
}

impl OwnStore {
    /// Takes the store over.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store: Mutex::new(store), feature_names: model::schema::FEATURES.to_vec() }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Changes for OwnStore {
    fn label(&self, labels: Vec<NewLabel>) -> Result<Vec<u64>, Refusal> {
        let now_us = labels.first().map_or(0, |l| l.at_us);
        self.store().label(&labels, &self.feature_names, now_us).map_err(|e| refusal_of(&e))
    }

    fn suppress(&self, rule: NewSuppression) -> Result<u64, Refusal> {
        let now_us = rule.created_us;
        self.store().suppress(&rule, now_us).map_err(|e| refusal_of(&e))
    }

    fn lift_suppression(&self, id: u64, now_us: u64) -> Result<bool, Refusal> {
        self.store().lift_suppression(id, now_us).map_err(|e| refusal_of(&e))
    }

    fn audit(&self, entry: NewAudit) -> Result<(), Refusal> {
        let now_us = entry.at_us;
        self.store().audit(&entry, now_us).map(|_| ()).map_err(|e| refusal_of(&e))
    }

    fn note(&self, entry: NewAudit) {
        if let Err(refusal) = self.audit(entry) {
            tracing::error!(error = %refusal, "a refusal could not be written to the audit log");
        }
    }

    fn append(&self, batch: Batch) -> bool {
        self.store().commit(&batch, super::wall_clock_us()).is_ok()
    }
}
