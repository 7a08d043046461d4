//! The appliance's readings, taken now and then, and what is told of them.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::health::host::{self, Before, Own};
use crate::health::{Appliance, Concern, HealthWatch, Told};
use crate::live::Reports;
use crate::status::{Health, Status};

/// Takes readings and remembers what they were.
#[derive(Default)]
pub struct HealthDesk {
    watched: Mutex<(HealthWatch, Before)>,
}

impl HealthDesk {
    /// Takes readings of machine and sensor, and says what has changed.
    pub(super) fn look(
        &self,
        status: &Status,
        reports: Option<&Reports>,
        waiting_max: u64,
        state_dir: &Path,
    ) -> Vec<Told> {
        let (kernel, interface) = reports.map_or((0, 0), Reports::dropped);
        let waiting = reports.map_or(0, |reports| reports.queues.scorer_records);
        let own = Own {
            cpu_s: status.host.cpu_seconds,
            rss_bytes: status.host.rss_bytes,
            received: reports.map_or(0, |reports| reports.packets.received),
            dropped: kernel + interface,
            queue_share: waiting as f64 / waiting_max.max(1) as f64,
            rows_waiting: status.store.queued,
            database_bytes: status.store.bytes + status.store.wal_bytes,
        };
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let (watch, before) = &mut *watched;
        let readings = host::read(&own, state_dir, status.now_us, before);
        watch.observe(&readings)
    }

    /// Writes into `status` what is known of the appliance, and complains of what is coming.
    pub(super) fn note(&self, status: &mut Status) {
        let appliance: Appliance =
            self.watched.lock().unwrap_or_else(PoisonError::into_inner).0.appliance().clone();
        // What is only unusual is worth a look, not a verdict.
        for warning in appliance.warnings.iter().filter(|warning| warning.concern != Concern::Unusual) {
            status.complain(Health::Degraded, warning.text.clone());
        }
        status.appliance = appliance;
    }
}
