//! How many rows a second of processor time the store takes: `make proof-store` runs it in a release build.

use store::record::Batch;
use store::{Class, Limit, Limits};

use crate::rows::{self, T0};

/// Processor time of this process, user and system, s.
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

#[test]
#[ignore = "a measurement: it says nothing in a debug build"]
fn rows_a_second() {
    const FLOWS: u64 = 400_000;
    for (name, rows_max) in [("growing", None), ("at its limit", Some(100_000))] {
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits::default().with(Class::PlainFlows, Limit { rows_max, ..Limit::default() });
        let mut store = rows::store(&folder).with_limits(limits);
        let batches: Vec<Batch> = (0..FLOWS / 1_000)
            .map(|group| Batch {
                flows: (group * 1_000..group * 1_000 + 1_000).map(rows::flow).collect(),
                ..Batch::default()
            })
            .collect();
        let before = cpu_s();
        for (group, batch) in batches.iter().enumerate() {
            let now_us = T0 + group as u64 * 20_000;
            store.commit(batch, now_us).unwrap();
            store.trim(2_000, now_us).unwrap();
            store.checkpoint().unwrap();
        }
        let took = cpu_s() - before;
        let sizes = store.sizes().unwrap();
        println!(
            "     counted store {name}: {FLOWS} flows in groups of 1000, {took:.2} CPU s, {:.0} flows a CPU second, {} bytes a flow held",
            FLOWS as f64 / took,
            sizes.used_bytes / store.classes()[Class::PlainFlows as usize].rows.max(1)
        );
        assert!(took > 0.1, "too short to say anything");
    }
}
