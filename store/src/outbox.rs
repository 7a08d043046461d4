//! What the agent is given, and what it has confirmed.

use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::error::StoreError;
use crate::log::class_of;
use crate::record::OutboxKind;

/// What the far side has confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledged {
    /// Every row of a kind, up to and with this sequence.
    UpTo {
        /// The kind.
        kind: OutboxKind,
        /// The last one confirmed.
        sequence: u64,
    },
    /// These rows.
    Rows(Vec<u64>),
}

impl Store {
    /// Removes what the far side has confirmed; on the disk when it returns. Gives how many rows that were.
    ///
    /// # Errors
    /// SQLite fails; then all of it is still queued.
    pub fn acknowledge(&mut self, what: &Acknowledged, now_us: u64) -> Result<u64, StoreError> {
        self.durably(now_us, |store| {
            store.transact(|transaction, writing| {
                let mut removed = [0; OutboxKind::ALL.len()];
                match what {
                    Acknowledged::UpTo { kind, sequence } => {
                        removed[*kind as usize] += transaction
                            .prepare_cached("DELETE FROM outbox WHERE kind = ?1 AND sequence <= ?2")?
                            .execute(params![*kind as i64, sequence.cast_signed()])?;
                    }
                    Acknowledged::Rows(sequences) => {
                        let mut delete = transaction
                            .prepare_cached("DELETE FROM outbox WHERE sequence = ?1 RETURNING kind")?;
                        for sequence in sequences {
                            let mut gone = delete.query([sequence.cast_signed()])?;
                            while let Some(row) = gone.next()? {
                                let kind = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX);
                                removed[kind.min(OutboxKind::ALL.len() - 1)] += 1;
                            }
                        }
                    }
                }
                for (kind, rows) in OutboxKind::ALL.into_iter().zip(removed) {
                    writing.tally.take(class_of(kind), rows as u64);
                }
                Ok(removed.iter().sum::<usize>() as u64)
            })
        })
    }
}
