//! What a look says of a model, case by case.

use super::*;

fn watch(before: Behaviour) -> Watch {
    Watch {
        version: 2,
        digest: "d".into(),
        since_s: 0,
        until_s: 0,
        before,
        last: Behaviour::default(),
        failures: 0,
    }
}

fn behaviour(scored: u64, attacks: u64) -> Behaviour {
    Behaviour { version: 1, scored, attacks, latency_p99_us: Some(500.0), ..Behaviour::default() }
}

#[test]
fn each_bad_fact_is_seen_and_named() {
    let gate = Gate::default();
    let usual = behaviour(10_000, 100);
    let none = Verdicts::default();
    let cases: Vec<(Behaviour, Behaviour, Verdicts, Option<&str>)> = vec![
        (usual.clone(), behaviour(1_000, 10), none, None),
        (usual.clone(), behaviour(1_000, 40), none, None),
        (usual.clone(), behaviour(1_000, 60), none, Some("6.0 % of the flows attacks, model 1 called 1.0 %")),
        (usual.clone(), behaviour(1_000, 900), none, Some("90.0 % of 1000 flows")),
        // A model that was never asked is no measure.
        (behaviour(0, 0), behaviour(1_000, 600), none, None),
        (usual.clone(), behaviour(1_000, 10), Verdicts { labels: 19, errors: 19 }, None),
        (usual.clone(), behaviour(1_000, 10), Verdicts { labels: 20, errors: 7 }, Some("7 of 20 labels")),
        (usual.clone(), Behaviour { unsound: 1, ..behaviour(10, 0) }, none, Some("no number from 0 to 1")),
        (
            usual.clone(),
            Behaviour { psi: Some(2.5), ..behaviour(1_000, 10) },
            none,
            Some("stability index 2.50"),
        ),
        (
            usual.clone(),
            Behaviour { latency_p99_us: Some(30_000.0), ..behaviour(1_000, 10) },
            none,
            Some("30.0 ms"),
        ),
        (usual, Behaviour { latency_p99_us: Some(10_000.0), ..behaviour(1_000, 10) }, none, None),
    ];
    for (before, now, labels, wanted) in cases {
        let look = judge(&gate, &watch(before), &now, labels);
        match (wanted, &look) {
            (None, Look::Good) => {}
            (Some(words), Look::Bad(reason)) => assert!(reason.contains(words), "{reason} lacks {words}"),
            _ => panic!("{now:?}: {look:?}, wanted {wanted:?}"),
        }
    }
}

#[test]
fn a_look_counts_what_came_since_the_last_one() {
    let gate = Gate::default();
    let mut watch = watch(behaviour(10_000, 100));
    watch.last = behaviour(5_000, 50);
    let none = Verdicts::default();
    assert_eq!(judge(&gate, &watch, &behaviour(5_050, 99), none), Look::TooEarly);
    assert!(matches!(judge(&gate, &watch, &behaviour(5_100, 150), none), Look::Bad(_)));
    // A sensor that was started anew counts from nought again.
    assert_eq!(judge(&gate, &watch, &behaviour(200, 2), none), Look::Good);
}
