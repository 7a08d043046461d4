//! What is written to `nft`, and what is read of its answers.

use serde_json::json;

use super::{Nft, key_of, seen, set_of};
use crate::config::inline::Family;
use crate::inline::target::Target;

fn nft() -> Nft {
    Nft::new(Family::Bridge, &["p0".to_owned(), "p1".to_owned()])
}

#[test]
fn a_refresh_is_add_delete_add() {
    let target = Target::Source("2001:db8::9".parse().unwrap());
    let mut batch = String::new();
    nft().add(&mut batch, &target, 1_500);
    nft().delete(&mut batch, &target);
    assert_eq!(
        batch,
        "add element bridge taphound sources6 { 2001:db8::9 timeout 1500ms }\n\
         delete element bridge taphound sources6 { 2001:db8::9 }\n"
    );
}

#[test]
fn the_rules_are_for_two_families_and_nothing_else_is_touched() {
    let text = nft().skeleton();
    assert!(text.contains("iifname != { \"p0\", \"p1\" } accept"), "{text}");
    assert!(text.contains("hook forward priority 0; policy accept;"), "{text}");
    assert_eq!(text.matches(" drop\n").count(), 12);
    assert_eq!(text.matches("\nset ").count(), 10);
    assert!(
        text.lines()
            .filter(|line| line.starts_with("delete"))
            .all(|line| line == "delete table bridge taphound")
    );
}

#[test]
fn the_kernels_answer_is_matched_with_what_was_written() {
    let flow = Target::Flow {
        source: ("10.0.0.1".parse().unwrap(), 5000),
        target: ("10.0.0.2".parse().unwrap(), 22),
        protocol: 6,
    };
    let range = Target::Range("10.0.0.0/8".parse().unwrap());
    let gone = Target::Source("10.0.0.7".parse().unwrap());
    // As nft 1.0.6 prints it.
    let mut items = vec![
        json!({"counter": {"name": "dropped", "packets": 12, "bytes": 700}}),
        json!({"chain": {"name": "verdicts", "hook": "forward", "policy": "accept"}}),
        json!({"set": {"name": "ranges4", "elem": [{"elem": {"val": {"prefix": {"addr": "10.0.0.0", "len": 8}},
            "timeout": 60, "expires": 59, "counter": {"packets": 5, "bytes": 300}}}]}}),
        json!({"set": {"name": "flows4", "elem": [{"elem": {"val": {"concat": ["10.0.0.1", 5000, "10.0.0.2", 22, 6]},
            "timeout": 60, "expires": 59, "counter": {"packets": 7, "bytes": 400}}}]}}),
    ];
    items.extend((0..13).map(|_| json!({"rule": {"chain": "verdicts"}})));
    items.extend((0..8).map(|n| json!({"set": {"name": format!("s{n}")}})));
    let whole = seen(&json!({"nftables": items}));
    assert!(whole.whole);
    assert_eq!(
        (whole.dropped_packets, whole.packets(&flow), whole.packets(&range), whole.packets(&gone)),
        (12, Some(7), Some(5), None)
    );
    items.pop();
    assert!(!seen(&json!({"nftables": items})).whole);
    assert_eq!((set_of(&flow), key_of(&range)), ("flows4".into(), "10.0.0.0/8".into()));
}
