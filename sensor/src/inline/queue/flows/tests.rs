//! Which packets wait, which pass, and when a flow is let past for good.

use super::{Flows, Judged, Says};
use crate::inline::queue::packet::Seen;

fn seen(back: bool) -> Seen {
    let (client, server) = (("10.0.0.1".parse().unwrap(), 4000), ("10.0.0.2".parse().unwrap(), 22));
    let (from, to) = if back { (server, client) } else { (client, server) };
    Seen { from, to, protocol: 6 }
}

fn judged(packets: u32, attack: bool) -> Judged {
    Judged { seen: seen(true), packets, attack }
}

#[test]
fn packets_wait_for_the_score_that_comes_with_them_and_a_benign_flow_passes_by() {
    let mut flows = Flows::new(&[5, 3]);
    assert_eq!([0, 1].map(|n| flows.packet(&seen(n == 1))), [Says::Pass, Says::Pass]);
    assert_eq!(flows.packet(&seen(false)), Says::Hold { at: 3 });
    assert_eq!(flows.packet(&seen(true)), Says::Hold { at: 3 }, "nothing overtakes what waits");
    assert_eq!(flows.verdict(&seen(false), 3), None);
    flows.judge(judged(3, false));
    assert_eq!(flows.verdict(&seen(false), 3), Some(Says::Pass));
    // A score that is there before its packet is not waited for.
    flows.judge(judged(5, false));
    assert_eq!(flows.packet(&seen(false)), Says::PassForGood { newly: true });
    assert_eq!(flows.packet(&seen(true)), Says::PassForGood { newly: false });
}

#[test]
fn an_attack_is_dropped_from_the_packet_that_was_held_on_until_it_is_taken_back() {
    let mut flows = Flows::new(&[1, 4]);
    assert_eq!(flows.packet(&seen(false)), Says::Hold { at: 1 });
    flows.judge(judged(1, true));
    assert_eq!(flows.verdict(&seen(false), 1), Some(Says::Drop));
    assert_eq!(flows.packet(&seen(true)), Says::Drop);
    flows.judge(judged(4, false));
    assert_eq!(flows.packet(&seen(true)), Says::PassForGood { newly: true });
}

#[test]
fn a_score_that_never_comes_is_waited_for_once() {
    let mut flows = Flows::new(&[1, 3]);
    assert_eq!(flows.packet(&seen(false)), Says::Hold { at: 1 });
    flows.give_up(&seen(false), 1);
    assert_eq!(flows.packet(&seen(false)), Says::Pass);
    assert_eq!(flows.packet(&seen(false)), Says::Hold { at: 3 });
    // An older score does not undo a newer one.
    flows.judge(judged(3, true));
    flows.judge(judged(1, false));
    assert_eq!(flows.packet(&seen(false)), Says::Drop);
}
