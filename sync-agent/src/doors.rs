//! The doors that the settings name, open.

use std::sync::Arc;

use fleet::{LogTable, ObjectStore, Registry};

use crate::config::Centre;
use crate::fault::Fault;

/// What there is of a centre.
#[derive(Clone, Default)]
pub struct Doors {
    /// The log table.
    pub table: Option<Arc<dyn LogTable>>,
    /// Logs, reports, enrolment.
    pub objects: Option<Arc<dyn ObjectStore>>,
    /// Models and channel pointers: the same store unless the settings say otherwise.
    pub models: Option<Arc<dyn ObjectStore>>,
    /// The registry.
    pub registry: Option<Arc<dyn Registry>>,
}

impl Doors {
    /// Opens what is named. Nothing is asked of the far side yet.
    ///
    /// # Errors
    /// A door cannot be opened with these settings.
    pub async fn open(centre: &Centre) -> Result<Self, Fault> {
        let mut doors = Self::default();
        if let Some(settings) = centre.table.settings()? {
            doors.table = Some(settings.open().await?.into());
        }
        if let Some(settings) = centre.objects.settings()? {
            doors.objects = Some(settings.open().await?.into());
        }
        doors.models = match centre.models.settings()? {
            Some(settings) => Some(settings.open().await?.into()),
            None => doors.objects.clone(),
        };
        if let Some(settings) = centre.registry.settings()? {
            doors.registry = Some(settings.open().await?.into());
        }
        Ok(doors)
    }

    /// Nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.is_none() && self.objects.is_none() && self.models.is_none() && self.registry.is_none()
    }
}
