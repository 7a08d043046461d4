//! The feed: numbers without gaps, a place that is kept, and a slow listener that hurts nobody.

use serde_json::json;

use super::{Feed, Notice, Topic};

fn notice(n: u64) -> Notice {
    Notice { topic: Topic::Alert, severity: None, body: json!({"n": n}) }
}

#[test]
fn a_listener_that_comes_back_misses_nothing_and_sees_nothing_twice() {
    let (feed, _, _) = Feed::new(100);
    (0..10).for_each(|n| feed.publish(notice(n)));
    let mut listening = feed.listen(Some(104));
    (10..15).for_each(|n| feed.publish(notice(n)));
    let mut seen: Vec<u64> = listening.missed.iter().map(|e| e.sequence).collect();
    while let Ok(event) = listening.live.try_recv() {
        seen.push(event.sequence);
    }
    assert_eq!(seen, (105..115).collect::<Vec<_>>());
    assert!(!listening.gap);
}

#[test]
fn what_is_no_longer_kept_is_told_as_a_gap() {
    let (feed, _, _) = Feed::new(1);
    (0..Feed::KEPT_MAX as u64 + 5).for_each(|n| feed.publish(notice(n)));
    let listening = feed.listen(Some(2));
    assert!(listening.gap);
    assert_eq!(listening.missed.len(), Feed::KEPT_MAX);
    assert!(!feed.listen(Some(6)).gap);
}

#[test]
fn telling_never_waits_and_counts_what_found_no_room() {
    let (feed, telling, notices) = Feed::new(1);
    (0..10_000).for_each(|n| telling.tell(notice(n)));
    assert_eq!(feed.dropped(), 10_000 - Feed::QUEUE as u64);
    drop(telling);
    feed.pass_on(&notices);
    assert_eq!(feed.newest(), Some(Feed::QUEUE as u64));
}

#[test]
fn an_event_says_its_type_and_number() {
    let (feed, _, _) = Feed::new(7);
    feed.publish(notice(1));
    let event = &feed.listen(Some(0)).missed[0];
    let object: serde_json::Value = serde_json::from_str(&event.json).unwrap();
    assert_eq!(object, json!({"type": "alert", "sequence": 7, "n": 1}));
}
