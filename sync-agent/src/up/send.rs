//! Sends parcels through the table's door: batches for what was surely never sent, conditional writes for everything else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet::log_table::{Key, LogItem, Written, limits};
use fleet::{DoorError, LogTable};
use store::record::OutboxRow;
use tokio::task::JoinSet;

use super::encode::Parcel;

/// What one row came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fate {
    /// The table has it, or something better.
    Done(Written),
    /// It can never be sent; why.
    Aside(String),
    /// Its flow is not at the centre yet.
    Early,
}

/// A row on its way.
pub(super) struct Sending {
    pub(super) row: OutboxRow,
    pub(super) parcel: Parcel,
    /// It was surely never sent before.
    pub(super) fresh: bool,
}

/// Sends parcels, at most `requests_max` requests at once. Gives the fate of every one that was decided, and the first error.
pub(super) async fn send(
    table: &Arc<dyn LogTable>,
    sending: Vec<Sending>,
    requests_max: usize,
) -> (Vec<(Sending, Fate)>, Option<DoorError>) {
    let (mut batches, mut queues): (Vec<Vec<Sending>>, BTreeMap<Key, Vec<Sending>>) = Default::default();
    let mut in_batches = BTreeSet::new();
    for one in sending {
        let fits = one.fresh && matches!(&one.parcel, Parcel::Item(i) if limits::fault(i).is_none());
        if fits && in_batches.insert(one.parcel.key().clone()) {
            match batches.last_mut().filter(|batch| batch.len() < limits::BATCH_ITEMS_MAX) {
                Some(batch) => batch.push(one),
                None => batches.push(vec![one]),
            }
        } else {
            // What goes to one item goes in its order.
            queues.entry(one.parcel.key().clone()).or_default().push(one);
        }
    }
    let (mut fates, mut failed) = (Vec::new(), None);
    // Conditional writes go after the batches: an item of a batch may be in a queue too.
    for (work, alone) in [(batches, false), (queues.into_values().collect(), true)] {
        let mut waiting = work.into_iter();
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < requests_max.max(1)
                && failed.is_none()
                && let Some(some) = waiting.next()
            {
                let table = Arc::clone(table);
                under_way.spawn(async move {
                    if alone { one_by_one(&*table, some).await } else { batch(&*table, some).await }
                });
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok((mut decided, error))) => {
                    fates.append(&mut decided);
                    failed = failed.or(error);
                }
                Some(Err(e)) => {
                    let detail = format!("a request ended in a way it should not ({e})");
                    failed = failed.or(Some(DoorError::Unavailable {
                        place: "this program".into(),
                        detail,
                        retry_after: None,
                    }));
                }
            }
        }
    }
    (fates, failed)
}

type Decided = (Vec<(Sending, Fate)>, Option<DoorError>);

async fn batch(table: &dyn LogTable, sending: Vec<Sending>) -> Decided {
    let items: Vec<LogItem> = sending
        .iter()
        .filter_map(|s| if let Parcel::Item(i) = &s.parcel { Some(i.clone()) } else { None })
        .collect();
    match table.put_fresh(&items).await {
        Ok(written) if written.len() == sending.len() => {
            let (mut fates, mut again) = (Vec::new(), Vec::new());
            for (one, written) in sending.into_iter().zip(written) {
                match written {
                    Written::Unprocessed => again.push(one),
                    Written::Rejected(reason) => fates.push((one, Fate::Aside(reason))),
                    known => fates.push((one, Fate::Done(known))),
                }
            }
            let (mut rest, error) = one_by_one(table, again).await;
            fates.append(&mut rest);
            (fates, error)
        }
        Ok(written) => {
            let detail = format!("it answered {} outcomes for {} items", written.len(), sending.len());
            (
                Vec::new(),
                Some(DoorError::Unavailable { place: "the table".into(), detail, retry_after: None }),
            )
        }
        // One of them is at fault, and must not hold up the others.
        Err(DoorError::Invalid { .. }) => one_by_one(table, sending).await,
        Err(error) => (Vec::new(), Some(error)),
    }
}

async fn one_by_one(table: &dyn LogTable, sending: Vec<Sending>) -> Decided {
    let mut fates = Vec::new();
    for one in sending {
        let written = match &one.parcel {
            Parcel::Item(item) => table.update(item).await,
            Parcel::Label { key, uid, truth, item, .. } => {
                table.label(key, uid, truth, item.as_deref()).await
            }
        };
        let fate = match written {
            Ok(Written::Rejected(reason)) => Fate::Aside(reason),
            Ok(Written::Unprocessed) => {
                let detail = "it did not take a single item".to_owned();
                let error = DoorError::Unavailable { place: "the table".into(), detail, retry_after: None };
                return (fates, Some(error));
            }
            Ok(written) => Fate::Done(written),
            Err(DoorError::Invalid { detail, .. }) => Fate::Aside(detail),
            Err(DoorError::Absent { .. }) if matches!(one.parcel, Parcel::Label { item: None, .. }) => {
                Fate::Early
            }
            Err(error) => return (fates, Some(error)),
        };
        fates.push((one, fate));
    }
    (fates, None)
}
