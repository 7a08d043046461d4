//! The rule against streams whose answer is known.

use super::*;
use model::{Category, N_FEATURES};

/// A stream of verdicts, right or wrong, one a second.
pub(crate) fn stream(wrong: impl IntoIterator<Item = bool>) -> Vec<Sample> {
    let of = |(index, wrong): (usize, bool)| Sample {
        flow_id: format!("s|{index}"),
        timestamp: 1_700_000_000_000 + index as u64 * 1000,
        uid: index.to_string(),
        sensor_id: "s".into(),
        model_version: 1,
        predicted: if wrong { Category::Benign } else { Category::Dos },
        score: 0.5,
        truth: Category::Dos,
        labeller: "test:t".into(),
        labeled_at: 0,
        features: [0.0; N_FEATURES],
    };
    wrong.into_iter().enumerate().map(of).collect()
}

fn every(n: usize, count: usize) -> impl Iterator<Item = bool> {
    (0..count).map(move |i| i % n == 0)
}

#[test]
fn errors_that_rise_and_fall_are_found_with_their_ends() {
    let cases: [(&str, Vec<bool>, DriftType, bool, bool); 5] = [
        ("steady", every(20, 3000).collect(), DriftType::None, false, false),
        ("rise", every(20, 1000).chain(every(2, 1000)).collect(), DriftType::Negative, true, false),
        (
            "rise and fall",
            every(20, 1000).chain(every(2, 1000)).chain(every(20, 1500)).collect(),
            DriftType::Negative,
            true,
            true,
        ),
        ("fall", every(2, 1000).chain(every(20, 1000)).collect(), DriftType::Positive, false, false),
        (
            "fall, then rise",
            every(2, 1000).chain(every(20, 1500)).chain(every(2, 800)).collect(),
            DriftType::Negative,
            true,
            false,
        ),
    ];
    for (name, errors, kind, first, second) in cases {
        let found = judge(&stream(errors), 0.002, 200);
        let ends = (found.first.is_some(), found.second.is_some());
        assert_eq!((found.kind, ends), (kind, (first, second)), "{name}: {found:?}");
        assert_eq!(found.window.is_some(), found.detected.is_some(), "{name}");
    }
}

#[test]
fn the_window_begins_where_the_proof_does() {
    let found = judge(&stream(every(20, 1000).chain(every(2, 1000))), 0.002, 200);
    let (first, window) = (found.first.unwrap(), found.window.unwrap());
    assert_eq!(window + 100, first + 1, "half a buffer up to the detection");
    let (past, recent) = found.means.unwrap();
    assert!(recent > past && found.error_recent > found.error, "{found:?}");
}

#[test]
fn few_samples_say_nothing() {
    for n in [0, 1, 150] {
        assert_eq!(judge(&stream(every(1, n)), 0.002, 200).kind, DriftType::None, "{n}");
    }
}
