//! Where a running sensor's news go.

use std::sync::Arc;

use crate::drift::{DriftConfig, DriftWatch};
use crate::eve_file::EveHandle;
use crate::feed::Telling;
use crate::slot::Serving;
use crate::suppression::Suppressions;
use crate::writer::WriterHandle;

/// Where a running sensor's news go.
pub struct Outlets {
    /// Goes into uids.
    pub sensor_id: String,
    /// Rows.
    pub writer: WriterHandle,
    /// Events for listeners.
    pub telling: Telling,
    /// The EVE file, and whether it gets flows too.
    pub eve: Option<(EveHandle, bool)>,
    /// What is not to be shown.
    pub suppressions: Arc<Suppressions>,
    /// Plain flows kept a second of capture time, and four times as many alerted ones.
    pub flows_per_second: u32,
    /// Looks for what might be stopped.
    pub watch: Option<crate::inline::Watch>,
    /// Items go to the outbox: all alerted flows, and of the others this share.
    pub outbox_share: Option<f64>,
    /// Whether the model still fits.
    pub drift: DriftWatch,
}

impl Outlets {
    /// The same outlets for a drill: its rows and news go out, but no file, block or drift comes of it.
    #[must_use]
    pub fn for_drill(&self, serving: &Arc<Serving>) -> Self {
        Self {
            sensor_id: self.sensor_id.clone(),
            writer: self.writer.clone(),
            telling: self.telling.clone(),
            eve: None,
            suppressions: Arc::clone(&self.suppressions),
            flows_per_second: self.flows_per_second,
            watch: None,
            outbox_share: self.outbox_share,
            drift: DriftWatch::new(DriftConfig::default(), Arc::default(), Arc::clone(serving)),
        }
    }
}
