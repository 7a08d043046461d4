//! What can be asked of a running sensor, and who may: typed questions and answers, the same for HTTP and the control socket.
//!
//! Reading goes through connections that cannot write; every change goes to the store's one writer, or to the
//! model slot, and leaves a line in the audit log. Nothing here holds a lock that the data plane takes.

pub mod answers;
pub mod blocks;
pub mod evaluate;
pub mod evidence;
pub mod flows;
mod import;
pub mod labels;
pub mod models;
pub mod operations;
pub mod predict;
mod readers;
pub mod search;
pub mod suppress;
pub mod tokens;
pub mod vector;
pub mod when;
pub mod who;

use std::path::PathBuf;
use std::sync::Arc;

use store::record::NewAudit;
use store::{Store, StoreError};

pub use crate::capture::wall_clock_us;
use crate::control::Refusal;
use crate::evidence::Evidence;
use crate::fault::Fault;
use crate::feed::{Feed, Telling};
use crate::slot::ModelSlot;
use crate::status::Status;
use crate::suppression::Suppressions;
use crate::writer::{WriteError, WriterHandle};
use readers::Readers;
use tokens::Tokens;
use who::Actor;

/// What the service needs of the sensor that it is about.
pub struct Parts {
    /// Its name in the fleet.
    pub sensor_id: String,
    /// The database file.
    pub store: PathBuf,
    /// Folder of the sensor's state: models and tokens lie in it.
    pub state_dir: PathBuf,
    /// Folder of public keys that may sign models.
    pub keys_dir: PathBuf,
    /// The store's writer.
    pub writer: WriterHandle,
    /// The models at work.
    pub slot: Arc<ModelSlot>,
    /// Where listeners come.
    pub feed: Arc<Feed>,
    /// How the feed is told something.
    pub telling: Telling,
    /// What is not shown.
    pub suppressions: Arc<Suppressions>,
    /// What is stopped, and where to ask for more or less of it; none on a sensor that decides nothing.
    pub inline: Option<(Arc<crate::inline::Board>, crate::inline::Asking)>,
    /// How the sensor is.
    pub status: Box<dyn Fn() -> Status + Send + Sync>,
    /// The newest packets, where they are kept.
    pub evidence: Option<Evidence>,
    /// Its metrics in Prometheus' text format.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Microseconds since the epoch.
    pub clock: fn() -> u64,
    /// What is sent to be predicted is stored, fed and synced.
    pub store_predictions: bool,
    /// Clocks may differ by so much when a token's time is judged.
    pub token_leeway_s: u32,
}

/// A sensor that can be asked.
pub struct Service {
    /// Who may ask.
    pub tokens: Tokens,
    /// What happens.
    pub feed: Arc<Feed>,
    /// What clients sent to be predicted, and where it went.
    pub predictions: predict::PredictionSums,
    parts: Parts,
    readers: Readers,
}

impl Service {
    /// The service over a sensor's parts.
    ///
    /// # Errors
    /// Its key or list of tokens cannot be read or made.
    pub fn new(parts: Parts) -> Result<Self, Fault> {
        let tokens = Tokens::open(&parts.state_dir.join("api"), parts.token_leeway_s)?;
        let readers = Readers::new(parts.store.clone(), parts.clock);
        let (feed, predictions) = (Arc::clone(&parts.feed), predict::PredictionSums::default());
        let service = Self { tokens, feed, predictions, parts, readers };
        match service.readers.read(|reader| reader.suppressions()) {
            Ok(rows) => service.parts.suppressions.put_in_force(&rows, service.now_us()),
            Err(refusal) => return Err(Fault::Unavailable(refusal.message)),
        }
        Ok(service)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        (self.parts.clock)()
    }

    /// Seconds since the epoch.
    #[must_use]
    pub fn now_s(&self) -> u64 {
        self.now_us() / 1_000_000
    }

    /// How the sensor is.
    #[must_use]
    pub fn status(&self) -> Status {
        (self.parts.status)()
    }

    /// The sensor's metrics in Prometheus' text format.
    #[must_use]
    pub fn metrics(&self) -> String {
        (self.parts.metrics)()
    }

    /// The models at work.
    #[must_use]
    pub fn slot(&self) -> &ModelSlot {
        &self.parts.slot
    }

    /// Writes that somebody changed something that is not the service's own. Waits until it is kept.
    ///
    /// # Errors
    /// The store does not take it.
    pub fn note_change(&self, actor: &Actor, action: &str, detail: String) -> Result<(), Refusal> {
        self.audit(actor, action, "", detail)
    }

    /// Writes that somebody was refused something. Never waits.
    pub fn note_refusal(&self, who: String, what: String, why: String) {
        let entry = self.entry(&who, "", &what, "", false, why);
        self.parts.writer.ask(
            move |store, now_us| store.audit(&entry, now_us),
            |outcome| {
                if let Err(error) = outcome {
                    tracing::error!(%error, "a refusal could not be written to the audit log");
                }
            },
        );
    }

    /// Writes that somebody changed something. Waits until it is kept.
    fn audit(&self, actor: &Actor, action: &str, subject: &str, detail: String) -> Result<(), Refusal> {
        let entry = self.entry(&actor.name, actor.role.as_str(), action, subject, true, detail);
        self.write(move |store, now_us| store.audit(&entry, now_us)).map(|_| ())
    }

    /// Has the writer change the store, and waits until it is kept.
    pub(crate) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store, u64) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.parts.writer.wait_for(work).map_err(|e| match e {
            WriteError::Store(e) => refusal_of(&e),
            other => Refusal::unavailable(other.to_string()),
        })
    }

    fn entry(
        &self,
        who: &str,
        role: &str,
        action: &str,
        subject: &str,
        allowed: bool,
        detail: String,
    ) -> NewAudit {
        NewAudit {
            at_us: self.now_us(),
            actor: who.to_owned(),
            role: role.to_owned(),
            action: action.to_owned(),
            subject: subject.to_owned(),
            allowed,
            detail,
        }
    }
}

/// Whose fault a fault of the store is.
pub(crate) fn refusal_of(error: &StoreError) -> Refusal {
    match error {
        StoreError::Request(what) => Refusal::invalid(what.clone()),
        other => Refusal::unavailable(other.to_string()),
    }
}
