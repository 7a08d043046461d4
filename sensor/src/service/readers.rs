//! Connections that read: opened when needed, kept for the next question, never more than can be busy at once.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use store::{Reader, StoreError};

use super::refusal_of;
use crate::control::Refusal;

/// Idle connections that are kept.
const IDLE_MAX: usize = 4;
/// A search that takes longer gives what it has, or gives up.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    path: PathBuf,
    clock: fn() -> u64,
    idle: Mutex<Vec<Reader>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, clock: fn() -> u64) -> Self {
        Self { path, clock, idle: Mutex::default() }
    }

    /// Asks the store something.
    pub(super) fn read<T>(
        &self,
        question: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<T, Refusal> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let reader = match idle {
            Some(reader) => reader,
            None => Reader::open(&self.path, PATIENCE, Arc::new(self.clock)).map_err(|e| refusal_of(&e))?,
        };
        let answer = question(&reader);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push(reader);
        }
        answer.map_err(|e| refusal_of(&e))
    }
}
