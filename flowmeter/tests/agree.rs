//! The meter and the naive one, run side by side over one case: they must agree on everything.

use std::collections::BTreeMap;

use flowmeter::{MeterConfig, Packet};

use crate::build::{Step, whole};
use crate::naive;
use crate::run::{Told, intake, meter_with_cuts};

/// How often each kind of thing was met.
pub type Tally = BTreeMap<String, usize>;

fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// Runs both and compares every event, record and feature. Panics where they differ.
pub fn agree(config: &MeterConfig, steps: &[Step], cuts: &[bool], tally: &mut Tally) {
    let (told, meter) = meter_with_cuts(config, steps, |number| cuts.get(number).copied().unwrap_or(false));
    let frames: Vec<Vec<u8>> = steps.iter().map(Step::frame).collect();
    let frames = steps.iter().zip(&frames).map(|(step, bytes)| whole(step.time_us, bytes));
    let shards: Vec<usize> = intake(config, frames).0.packets.iter().map(Packet::shard).collect();
    let expected = naive::run(config, steps, &shards);
    for (ours, theirs) in told.iter().zip(&expected.told) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(told.len(), expected.told.len());
    for Told { event, record } in &told {
        *tally.entry(format!("{:?}", event.kind)).or_default() += 1;
        let Some(record) = record else { continue };
        let features = record.features();
        for (i, (ours, theirs)) in features.iter().zip(expected.features[&event.order]).enumerate() {
            assert!(ours.is_finite());
            assert!(close(*ours, theirs), "{}: {ours} {theirs}", flowmeter::schema::FEATURES[i]);
        }
        let ways = [record.forward, record.backward];
        let mut note = |name: &str, met: bool| *tally.entry(name.to_owned()).or_default() += usize::from(met);
        note("retransmission", ways.iter().any(|it| it.retransmissions > 0));
        note("out of order", ways.iter().any(|it| it.out_of_order > 0));
        note("ordinal", record.ordinal % 65536 > 0);
        note("later segment", record.segment > 0);
        note("later epoch", record.ordinal > 65535);
        note("step back", record.time_steps_back > 0);
    }
    let counters = meter.shards().counters();
    for (name, count) in [
        ("outlier", meter.counters().clock_outliers),
        ("evicted, emergency", counters.evicted_emergency),
        ("evicted, unreplied", counters.evicted_unreplied),
        ("evicted, replied", counters.evicted_replied),
    ] {
        *tally.entry(name.to_owned()).or_default() += count as usize;
    }
}
