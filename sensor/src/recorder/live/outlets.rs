//! Where a running sensor's news go.

use std::sync::Arc;

use crate::config::EveFormat;
use crate::corroborate::Hearing;
use crate::detection::{Detection, Incident};
use crate::drift::{DriftConfig, DriftWatch};
use crate::eve_file::EveHandle;
use crate::export::{self, FlowRow, RunColumns};
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
    /// The EVE file.
    pub eve: Option<EveOutlet>,
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
    /// What another engine says.
    pub hearing: Option<Hearing>,
}

/// The EVE file and what goes there.
pub struct EveOutlet {
    /// Takes lines.
    pub file: EveHandle,
    /// Under whose field names.
    pub format: EveFormat,
    /// Flows, too.
    pub flows: bool,
}

impl EveOutlet {
    pub(super) fn alert(
        &self,
        lines: &mut Vec<u8>,
        alert: &Detection,
        incident: &Incident,
        columns: &RunColumns,
    ) {
        match self.format {
            EveFormat::Eve => export::eve_alert(lines, alert, incident, columns.model_version),
            EveFormat::Ecs => export::ecs_alert(lines, alert, incident, columns),
        }
    }

    pub(super) fn flow(&self, lines: &mut Vec<u8>, row: &FlowRow<'_>, columns: &RunColumns) {
        match self.format {
            EveFormat::Eve => export::eve_flow(lines, row, columns),
            EveFormat::Ecs => export::ecs_flow(lines, row, columns),
        }
    }

    pub(super) fn witnesses(&self, lines: &mut Vec<u8>, incident: &Incident, columns: &RunColumns) {
        match self.format {
            EveFormat::Eve => export::eve_witnesses(lines, incident),
            EveFormat::Ecs => export::ecs_incident(lines, incident, columns),
        }
    }
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
            hearing: None,
        }
    }
}
