//! The meter against the naive one over random traffic: every event, reason, record and feature.

use std::cell::RefCell;

use flowmeter::MeterConfig;
use proptest::prelude::*;
use proptest::test_runner::{TestRng, TestRunner};

use crate::agree::{Tally, agree};
use crate::build::{Pair, Step};
use crate::draft::from_bytes;

/// The cases are the same on every run (the fuzz targets look for others); `PROPTEST_CASES` makes them more.
#[test]
fn the_naive_meter_agrees() {
    let cases = ProptestConfig::default().cases.max(1000);
    let settings = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(settings.rng_algorithm);
    let mut runner = TestRunner::new_with_rng(settings, rng);
    let tally = RefCell::new(Tally::new());
    let outcome = runner.run(&prop::collection::vec(any::<u8>(), 16..2000), |bytes| {
        let case = from_bytes(&bytes).expect("bytes enough for a configuration");
        agree(&case.config, &case.steps, &case.cuts, &mut tally.borrow_mut());
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    // Agreement on what never happens would say nothing.
    let tally = tally.into_inner();
    println!("{tally:#?}");
    let rare: Vec<_> = tally.iter().filter(|(_, count)| **count < 10).collect();
    assert!(rare.is_empty(), "hardly met: {rare:?}");
    assert_eq!(tally.keys().filter(|it| it.starts_with("Ended")).count(), 7, "{tally:?}");
}

/// What the fuzzer found worth keeping.
#[test]
fn the_naive_meter_agrees_on_the_fuzzers_corpus() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/table");
    let mut cases = 0;
    for file in std::fs::read_dir(corpus).unwrap() {
        let Some(case) = from_bytes(&std::fs::read(file.unwrap().path()).unwrap()) else { continue };
        agree(&case.config, &case.steps, &case.cuts, &mut Tally::new());
        cases += 1;
    }
    assert!(cases > 100, "{cases}");
}

/// Gaps of a second, give or take a microsecond: where a careless variance loses all its digits.
#[test]
fn near_constant_gaps_keep_their_deviation() {
    let pair = Pair::udp(5000);
    let mut time_us = 1_700_000_000_000_000;
    let made = (0u64..100).map(|i| {
        time_us += 1_000_000 + i * 7 % 3;
        pair.up(time_us, 0, 0, 0, 100 + (i % 2) as u16)
    });
    let steps: Vec<Step> = made.collect();
    agree(&MeterConfig::default(), &steps, &[], &mut Tally::new());
}
