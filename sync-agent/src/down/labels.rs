//! Labels set at the centre come down to the sensor's store.

use std::sync::Arc;

use fleet::LogTable;
use fleet::log_table::{CENTRE, StoredItem, UNKNOWN};
use store::record::{Label, TrueLabel};

use super::Follower;
use crate::up::{Trouble, bears_out};

/// Clocks at the centre may be so far apart, and a label may become visible so late.
const OVERLAP_MS: u64 = 3_600_000;
const PAGE: usize = 500;

impl Follower {
    /// Fetches labels since the last one, with an hour's overlap; the sensor knows which it has.
    ///
    /// # Errors
    /// The centre or the sensor does not answer; what was handed over stays.
    pub async fn labels(&mut self, table: &Arc<dyn LogTable>, sensor_id: &str) -> Result<(), Trouble> {
        if sensor_id.is_empty() {
            return Ok(());
        }
        let fact = format!("labels {sensor_id}");
        let newest: u64 = self.cursors().fact(&fact)?.unwrap_or(0);
        let (mut after, mut latest) = (None, newest);
        loop {
            let since = newest.saturating_sub(OVERLAP_MS);
            let page = table.labelled(sensor_id, since, after.as_ref(), PAGE).await?;
            let labels: Vec<TrueLabel> = page.rows.iter().filter_map(central).collect();
            if !labels.is_empty() {
                let changed = tokio::task::block_in_place(|| self.sensor.label_centrally(&labels))?;
                self.facts.lock().down.labels += changed;
                let judged: Vec<_> = page.rows.iter().filter_map(judged).collect();
                self.cursors().judge(&judged)?;
            }
            let times = page.rows.iter().filter_map(|row| Some(row.truth.as_ref()?.at_ms));
            latest = latest.max(times.max().unwrap_or(0));
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        if latest > newest {
            self.cursors().keep(&fact, &latest)?;
        }
        Ok(())
    }
}

fn central(row: &StoredItem) -> Option<TrueLabel> {
    let truth = row.truth.as_ref().filter(|truth| truth.source == CENTRE)?;
    let label = if truth.label == UNKNOWN { Label::Withdrawn } else { Label::named(&truth.label)? };
    Some(TrueLabel {
        subject: row.item.uid.clone(),
        label,
        category: truth.category.clone(),
        actor: truth.by.clone(),
        at_us: truth.at_ms.saturating_mul(1_000),
    })
}

fn judged(row: &StoredItem) -> Option<(u64, String, Option<bool>)> {
    let truth = row.truth.as_ref().filter(|truth| truth.source == CENTRE)?;
    Some((row.item.model_version, row.item.uid.clone(), bears_out(&truth.label, &row.item.label)))
}
