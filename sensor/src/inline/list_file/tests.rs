//! The files as other tools read them.

use super::write;
use crate::inline::ledger::Block;
use crate::inline::target::Target;

#[test]
fn whole_sources_are_listed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let block = |id: u64, target: Target, expires_us: u64| Block {
        id,
        target,
        category: None,
        subject: None,
        owner: "mia".into(),
        reason: "why".into(),
        created_us: 0,
        expires_us,
        offence: 0,
        dropped_packets: 0,
        unenforceable: false,
    };
    let ip = |text: &str| text.parse().unwrap();
    let blocks = [
        block(1, Target::Source(ip("203.0.113.9")), 61_000_000),
        block(2, Target::Source(ip("2001:db8::9")), 3_000_000_000_000),
        block(3, Target::Range("198.51.100.0/24".parse().unwrap()), 61_500_000),
        block(4, Target::Service { source: ip("203.0.113.7"), protocol: 6, port: 22 }, 61_000_000),
        block(5, Target::Source(ip("203.0.113.8")), 1_000_000),
    ];
    write(folder.path(), blocks.iter(), 1_000_000).unwrap();
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(text("blocks.txt"), "203.0.113.9\n2001:db8::9\n198.51.100.0/24\n");
    let ipset = text("blocks.ipset");
    assert!(ipset.contains("add taphound4-new 203.0.113.9 timeout 60\n"), "{ipset}");
    assert!(ipset.contains("add taphound4-new 198.51.100.0/24 timeout 61\n"), "{ipset}");
    assert!(ipset.contains("add taphound6-new 2001:db8::9 timeout 2147483\n"), "{ipset}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside them");
}
