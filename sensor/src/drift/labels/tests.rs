//! Verdicts and labels meet in numbers that can be worked out by hand.

use super::{Judged, LabelWatch};

fn judged(n: usize, called: bool, is: Option<bool>) -> Judged {
    Judged { subject: format!("{n}"), version: 7, called, is, random: n.is_multiple_of(5) }
}

#[test]
fn groups_are_kept_apart_and_a_label_that_changes_counts_once() {
    let mut watch = LabelWatch::new(0.002);
    assert_eq!(watch.health(7), None);
    for n in 0..10 {
        watch.judge(judged(n, true, Some(n != 0)));
    }
    for n in 10..20 {
        watch.judge(judged(n, false, Some(n == 15)));
    }
    let health = watch.health(7).unwrap();
    assert_eq!((health.labelled, health.errors), (20, 2));
    assert_eq!(health.alerted.precision, Some(0.9));
    assert_eq!(health.alerted.recall, Some(1.0), "among what was alerted nothing can be missed");
    let random = health.random;
    assert_eq!((random.true_positives, random.false_positives), (1, 1), "{random:?}");
    assert_eq!((random.false_negatives, random.true_negatives), (1, 1), "{random:?}");
    watch.judge(judged(0, true, Some(true)));
    watch.judge(judged(15, false, None));
    let health = watch.health(7).unwrap();
    assert_eq!((health.labelled, health.errors), (19, 0), "one put right, one taken back");
    assert_eq!(watch.health(8), None);
}

#[test]
fn errors_that_rise_are_a_drift_and_errors_that_fall_end_it() {
    let mut watch = LabelWatch::new(0.002);
    let errors = |from: usize, to: usize, every: usize, watch: &mut LabelWatch| {
        for n in from..to {
            watch.judge(judged(n, true, Some(!n.is_multiple_of(every))));
        }
    };
    errors(0, 600, 20, &mut watch);
    let calm = watch.health(7).unwrap();
    assert!(!calm.drift && calm.changes == 0, "{calm:?}");
    errors(600, 900, 2, &mut watch);
    let failing = watch.health(7).unwrap();
    assert!(failing.is_failing(), "{failing:?}");
    assert!(failing.error_rate_recent > failing.error_rate_before, "{failing:?}");
    errors(900, 1700, 50, &mut watch);
    let over = watch.health(7).unwrap();
    assert!(!over.drift, "{over:?}");
}
