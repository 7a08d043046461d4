//! The verdict: what it takes to be ok, and what is said otherwise.

use super::*;

fn judged(change: impl FnOnce(&mut Status)) -> (Health, String) {
    let mut status = Status { now_us: 1_000_000_000, ..Status::default() };
    change(&mut status);
    status.judge(1_001_000_000);
    (status.health, status.reasons.join("; "))
}

#[test]
fn each_thing_that_is_wrong_has_its_verdict_and_its_words() {
    assert_eq!(judged(|_| {}), (Health::Ok, String::new()));
    type Change = fn(&mut Status);
    let trouble = |since_us, lasting| Trouble { detail: "away".into(), since_us, failures: 1, lasting };
    let cases: Vec<(Change, Health, &str)> = vec![
        (|s| s.now_us = 0, Health::Critical, "nothing was heard of it for 16 min"),
        (|s| s.ended = true, Health::Critical, "it was stopped"),
        (|s| s.revoked = Some("stolen".into()), Health::Critical, "revoked this sensor: stolen"),
        (|s| s.up.lag.set_aside = 3, Health::Degraded, "3 rows could not be sent"),
        (|s| s.down.refused = Some("expired".into()), Health::Degraded, "not taken: expired"),
        (|s| s.clock_skew_s = Some(-3_600), Health::Degraded, "1 h 0 min behind the centre's"),
    ];
    for (change, health, words) in cases {
        let (found, reasons) = judged(change);
        assert_eq!(found, health, "{reasons}");
        assert!(reasons.contains(words), "{reasons} lacks {words}");
    }
    // A link that has just gone is nobody's concern yet; one that somebody has to see to is.
    assert_eq!(
        judged(|s| drop(s.troubles.insert("table".into(), trouble(990_000_000, false)))).0,
        Health::Ok
    );
    assert_eq!(
        judged(|s| drop(s.troubles.insert("table".into(), trouble(900_000_000, false)))).0,
        Health::Degraded
    );
    assert_eq!(
        judged(|s| drop(s.troubles.insert("table".into(), trouble(990_000_000, true)))).0,
        Health::Degraded
    );
}

#[test]
fn facts_survive_their_file() {
    let folder = tempfile::tempdir().unwrap();
    let facts = Facts::new(5);
    facts.trouble("table", "away".into(), false, 7);
    facts.trouble("table", "away".into(), false, 9);
    facts.write(&folder.path().join("status.json"), 11).unwrap();
    let text = std::fs::read(folder.path().join("status.json")).unwrap();
    let read: Status = serde_json::from_slice(&text).unwrap();
    assert_eq!(read, *facts.lock());
    assert_eq!((read.troubles["table"].since_us, read.troubles["table"].failures, read.now_us), (7, 2, 11));
    facts.works("table");
    assert!(facts.lock().troubles.is_empty());
}
