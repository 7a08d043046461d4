//! The recorder thread: tells the recorder every event, in the order in which each ring met them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::parcel::Parcel;
use super::sums::{RecorderSums, Shared};
use crate::capture::Clock;
use crate::fault::Fault;
use crate::pipeline::Recorder;

/// How often a recorder hears that nothing has happened.
const QUIET: Duration = Duration::from_millis(100);

/// Tells `recorder` what comes until the scorers have ended. When it fails, its fault is published and the channel closes:
/// the stages before it then end, too.
pub(super) fn tell(
    mut recorder: impl Recorder,
    from_scorers: &Receiver<Parcel>,
    give_back: &Sender<Parcel>,
    clock: &Clock,
    shared: &Shared,
) {
    let mut sums = RecorderSums::default();
    let mut generation = None;
    loop {
        let told = match from_scorers.recv_timeout(QUIET) {
            Ok(mut parcel) => {
                let told = tell_parcel(&mut recorder, &parcel, &mut generation, &mut sums);
                let now_us = clock.monotonic_us();
                let records = parcel.events.records.len() as u64;
                sums.parcels += 1;
                sums.latency.add(now_us.saturating_sub(parcel.scored_us), records);
                shared.recorder.store(Arc::new(sums));
                if parcel.clear() {
                    // A full pool means that enough parcels are about.
                    let _ = give_back.try_send(parcel);
                }
                told
            }
            Err(RecvTimeoutError::Timeout) => recorder.quiet(),
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if let Err(fault) = told {
            shared.fault.store(Some(Arc::new(fault)));
            return;
        }
    }
}

fn tell_parcel(
    recorder: &mut impl Recorder,
    parcel: &Parcel,
    generation: &mut Option<u64>,
    sums: &mut RecorderSums,
) -> Result<(), Fault> {
    if let Some(serving) = &parcel.serving
        && *generation != Some(serving.generation)
    {
        *generation = Some(serving.generation);
        recorder.serving_changed(serving);
    }
    let Parcel { events: batch, scores, .. } = parcel;
    for event in &batch.events {
        let scored = event.record.map(|at| at.0 as usize).map(|at| (&batch.records[at], &scores[at]));
        let context = scored.and_then(|(record, _)| batch.context(record));
        recorder.event(event, scored, context)?;
        sums.events += 1;
        sums.finals += u64::from(scored.is_some_and(|(record, _)| record.end_reason.is_some()));
    }
    recorder.batch_ended()
}
