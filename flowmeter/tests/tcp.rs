//! How TCP conversations begin and end.

use flowmeter::EventKind::{Answered, Closed, Ended, Established, Refused, Started};
use flowmeter::{EndReason, EventKind, FlowRecord, TcpFlags};

use crate::build::{ACK, FIN, PSH, Pair, RST, SYN, Step};
use crate::run::{kinds, meter, records};

const S: u64 = 1_000_000;
const T: u64 = 1_700_000_000 * S;

fn pair() -> Pair {
    Pair::tcp(4000)
}

/// Handshake, request, answer; sequence numbers begin just below the wrap.
fn opening() -> Vec<Step> {
    let (p, c, s) = (pair(), u32::MAX - 5, u32::MAX - 50);
    vec![
        p.up(T, SYN, c, 0, 0),
        p.down(T + 10, SYN | ACK, s, c.wrapping_add(1), 0),
        p.up(T + 20, ACK, c.wrapping_add(1), s.wrapping_add(1), 0),
        p.up(T + 30, PSH | ACK, c.wrapping_add(1), s.wrapping_add(1), 100),
        p.down(T + 40, PSH | ACK, s.wrapping_add(1), c.wrapping_add(101), 200),
    ]
}

/// The opening's sequence numbers after request and answer.
fn numbers() -> (u32, u32) {
    ((u32::MAX - 5).wrapping_add(101), (u32::MAX - 50).wrapping_add(201))
}

fn closing(at: u64) -> Vec<Step> {
    let (p, (c, s)) = (pair(), numbers());
    vec![
        p.up(at, FIN | ACK, c, s, 0),
        p.down(at + 10, FIN | ACK, s, c.wrapping_add(1), 0),
        p.up(at + 20, ACK, c.wrapping_add(1), s.wrapping_add(1), 0),
    ]
}

fn ended(reason: EndReason) -> EventKind {
    Ended(reason)
}

/// One flow with this many packets forward and backward, for this reason.
#[track_caller]
fn assert_one(records: &[FlowRecord], reason: EndReason, forward: u64, backward: u64) {
    let found: Vec<_> =
        records.iter().map(|it| (it.end_reason.unwrap(), it.forward.packets, it.backward.packets)).collect();
    assert_eq!(found, [(reason, forward, backward)]);
}

#[test]
fn both_fins_acknowledged_close() {
    let all = meter(&[opening(), closing(T + 50)].concat());
    assert_eq!(
        kinds(&all),
        [Started, Answered, Established, EventKind::Snapshot(8), Closed, ended(EndReason::Fin)]
    );
    let records = records(&all);
    assert_one(&records, EndReason::Fin, 5, 3);
    assert_eq!((records[0].forward.retransmissions, records[0].backward.retransmissions), (0, 0));
    assert_eq!(records[0].forward.flags, [1, 1, 0, 1, 4, 0, 0, 0]);
    assert_eq!(records[0].forward.flags_seen().to_string(), "FSPA");
    assert_eq!(records[0].header_total(), 8 * 40);
}

trait HeaderTotal {
    fn header_total(&self) -> u64;
}

impl HeaderTotal for FlowRecord {
    fn header_total(&self) -> u64 {
        self.forward.header_bytes + self.backward.header_bytes
    }
}

#[test]
fn one_fin_does_not_close() {
    let (p, (c, s)) = (pair(), numbers());
    // Half-closed: the server acknowledges the FIN and goes on sending for a while.
    let steps = vec![
        p.up(T + 50, FIN | ACK, c, s, 0),
        p.down(T + 60, ACK, s, c.wrapping_add(1), 0),
        p.down(T + 5 * S, PSH | ACK, s, c.wrapping_add(1), 1000),
    ];
    let all = meter(&[opening(), steps].concat());
    assert!(!kinds(&all).contains(&Closed));
    assert_one(&records(&all), EndReason::EndOfInput, 4, 4);
}

#[test]
fn an_unacknowledged_fin_does_not_close() {
    let mut steps = [opening(), closing(T + 50)].concat();
    steps.last_mut().unwrap().ack = numbers().1;
    let all = meter(&steps);
    assert_one(&records(&all), EndReason::EndOfInput, 5, 3);
}

/// Two interfaces merged: the last acknowledgement was written before the FIN that it acknowledges.
#[test]
fn an_acknowledgement_captured_before_its_fin_counts() {
    let mut steps = [opening(), closing(T + 50)].concat();
    steps.swap(6, 7);
    assert_one(&records(&meter(&steps)), EndReason::Fin, 5, 3);
}

#[test]
fn simultaneous_close() {
    let (p, (c, s)) = (pair(), numbers());
    let steps = vec![
        p.up(T + 50, FIN | ACK, c, s, 0),
        p.down(T + 51, FIN | ACK, s, c, 0),
        p.up(T + 60, ACK, c.wrapping_add(1), s.wrapping_add(1), 0),
        p.down(T + 61, ACK, s.wrapping_add(1), c.wrapping_add(1), 0),
    ];
    let all = meter(&[opening(), steps].concat());
    assert_eq!(kinds(&all)[4..], [Closed, ended(EndReason::Fin)]);
    assert_one(&records(&all), EndReason::Fin, 5, 4);
}

#[test]
fn stragglers_count_and_make_no_second_flow() {
    let (p, (c, s)) = (pair(), numbers());
    let steps = vec![
        p.down(T + 100, FIN | ACK, s, c.wrapping_add(1), 0),
        p.up(T + S, ACK, c.wrapping_add(1), s.wrapping_add(1), 0),
        // The linger's last microsecond.
        p.up(T + 70 + S, RST, c.wrapping_add(1), 0, 0),
    ];
    let all = meter(&[opening(), closing(T + 50), steps].concat());
    let records = records(&all);
    assert_one(&records, EndReason::Fin, 7, 4);
    assert_eq!(records[0].backward.retransmissions, 1);
    // Closed once, by what closed it first.
    assert_eq!(kinds(&all).iter().filter(|it| **it == Closed).count(), 1);
}

#[test]
fn after_the_linger_any_packet_begins_another_flow() {
    let late = pair().up(T + 71 + S, ACK, 1, 1, 0);
    let all = meter(&[opening(), closing(T + 50), vec![late]].concat());
    let records = records(&all);
    assert_eq!(records.len(), 2);
    assert_eq!((records[0].end_reason, records[0].forward.packets), (Some(EndReason::Fin), 5));
    let end = all.iter().find(|it| it.kind() == ended(EndReason::Fin)).unwrap();
    assert_eq!(end.event.order.at_us, T + 70 + S, "the deadline that passed");
    assert!(!records[1].began_with_syn);
}

#[test]
fn in_the_linger_a_new_syn_begins_another_flow_and_an_old_one_does_not() {
    let p = pair();
    let again = p.up(T + 1000, SYN, u32::MAX - 5, 0, 0);
    let all = meter(&[opening(), closing(T + 50), vec![again]].concat());
    assert_one(&records(&all), EndReason::Fin, 6, 3);

    let other = p.up(T + 1000, SYN, 77, 0, 0);
    let all = meter(&[opening(), closing(T + 50), vec![other]].concat());
    let records = records(&all);
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].end_reason, Some(EndReason::Fin));
    assert_ne!(records[0].uid("x"), records[1].uid("x"));
    let order: Vec<_> = all.iter().rev().take(3).map(|it| (it.event.order.seq, it.event.order.sub)).collect();
    assert_eq!(
        order,
        [(8, 0), (8, 1), (8, 0)],
        "the packet ends one flow, then starts one; then the input ends"
    );

    // From the other side too: the server calls back on the same ports.
    let back = p.down(T + 1000, SYN, 77, 0, 0);
    let records = crate::run::records(&meter(&[opening(), closing(T + 50), vec![back]].concat()));
    assert_eq!(records[1].initiator().port, 80);
}

#[test]
fn a_syn_on_a_live_flow_is_part_of_it() {
    let all = meter(&[opening(), vec![pair().up(T + 100, SYN, 77, 0, 0)]].concat());
    assert_one(&records(&all), EndReason::EndOfInput, 4, 2);
}

#[test]
fn refusal_and_its_repetition() {
    let p = pair();
    let all = meter(&[
        p.up(T, SYN, 5, 0, 0),
        p.down(T + 10, RST | ACK, 0, 6, 0),
        p.up(T + 500, SYN, 5, 0, 0),
        p.down(T + 510, RST | ACK, 0, 6, 0),
    ]);
    assert_eq!(kinds(&all), [Started, Refused, Closed, ended(EndReason::Rst)]);
    assert_one(&records(&all), EndReason::Rst, 2, 2);
    assert!(all[0].event.began_with_syn);
    assert_eq!((all[0].event.packets, all[1].event.packets), ([1, 0], [1, 1]));
}

#[test]
fn a_reset_by_the_initiator_is_no_refusal() {
    let p = pair();
    let all =
        meter(&[p.up(T, SYN, 5, 0, 0), p.down(T + 10, SYN | ACK, 50, 6, 0), p.up(T + 20, RST, 6, 0, 0)]);
    assert_eq!(kinds(&all), [Started, Answered, Closed, ended(EndReason::Rst)]);
}

#[test]
fn the_syn_ack_seen_first_names_the_initiator() {
    let p = pair();
    let all = meter(&[p.down(T, SYN | ACK, 50, 6, 0), p.up(T + 10, ACK, 6, 51, 0)]);
    assert_eq!(kinds(&all), [Started, Answered, ended(EndReason::EndOfInput)]);
    let record = &records(&all)[0];
    assert_eq!((record.initiator().port, record.forward.packets, record.backward.packets), (4000, 1, 1));
    assert!(!record.began_with_syn);
    assert_eq!(record.forward.first_us, T + 10);
    assert_eq!(record.backward.first_us, T);
}

#[test]
fn without_a_handshake_the_first_sender_is_the_initiator() {
    let p = pair();
    let record = &records(&meter(&[p.down(T, ACK, 50, 6, 10), p.up(T + 10, ACK, 6, 60, 0)]))[0];
    assert_eq!((record.initiator().port, record.forward.packets), (80, 1));
}

#[test]
fn simultaneous_open() {
    let p = pair();
    let all = meter(&[
        p.up(T, SYN, 5, 0, 0),
        p.down(T + 1, SYN, 50, 0, 0),
        p.up(T + 10, SYN | ACK, 5, 51, 0),
        p.down(T + 11, SYN | ACK, 50, 6, 0),
    ]);
    assert_eq!(kinds(&all), [Started, Answered, Established, ended(EndReason::EndOfInput)]);
    let record = &records(&all)[0];
    assert_eq!((record.initiator().port, record.forward.packets, record.backward.packets), (4000, 2, 2));
    assert_eq!(record.forward.retransmissions, 1, "the SYN's number is sent twice");
}

#[test]
fn half_open_ends_idle() {
    let p = pair();
    let elsewhere = Pair::udp(9).up(T + 70 * S, 0, 0, 0, 1);
    let also = Pair::udp(9).up(T + 70 * S, 0, 0, 0, 2);
    let all = meter(&[p.up(T, SYN, 5, 0, 0), p.up(T + S, SYN, 5, 0, 0), elsewhere, also]);
    let first = &records(&all)[0];
    assert_eq!((first.end_reason, first.forward.packets), (Some(EndReason::Idle), 2));
    assert_eq!(first.forward.retransmissions, 1);
}

#[test]
fn retransmissions_and_order_across_the_wrap() {
    let p = pair();
    let at = |offset: u32| (u32::MAX - 99).wrapping_add(offset);
    let steps: Vec<Step> = [
        (0, 100),   // up to the wrap
        (200, 100), // 100 bytes are missing
        (100, 100), // here they are: out of order
        (0, 100),   // all old
        (250, 100), // half old, half new: neither
        (300, 0),   // bare acknowledgement: not judged
        (350, 1),   // new
    ]
    .iter()
    .zip(0..)
    .map(|(&(offset, len), i)| p.up(T + i, ACK, at(offset), 0, len))
    .collect();
    let forward = records(&meter(&steps))[0].forward;
    assert_eq!((forward.out_of_order, forward.retransmissions, forward.packets), (1, 1, 7));
}

#[test]
fn all_eight_flags_are_counted() {
    let p = pair();
    let record = &records(&meter(&[p.up(T, 0xfb, 5, 0, 0), p.down(T + 1, 0x50, 5, 0, 0)]))[0];
    assert_eq!(record.forward.flags, [1, 1, 0, 1, 1, 1, 1, 1]);
    assert_eq!(record.backward.flags_seen(), TcpFlags::ACK | TcpFlags::ECE);
}

#[test]
fn a_conversation_met_in_its_middle_is_told_as_such() {
    let p = pair();
    for (flags, cleanly) in [(SYN, true), (SYN | ACK, true), (0, true), (FIN, true), (FIN | PSH | 0x20, true)]
    {
        assert_eq!(meter(&[p.up(T, flags, 5, 0, 0)])[0].event.began_cleanly, cleanly, "{flags:#x}");
    }
    for flags in [ACK, ACK | PSH, RST, RST | ACK, FIN | ACK] {
        let all = meter(&[p.up(T, flags, 5, 0, 0), p.up(T + 1, ACK, 5, 0, 0)]);
        assert!(all.iter().all(|it| !it.event.began_cleanly && !it.event.established), "{flags:#x}");
    }
    assert!(meter(&[Pair::udp(1).up(T, 0, 0, 0, 0)])[0].event.began_cleanly);
}

/// Still an attempt after two minutes: a segment more does not make it a connection.
#[test]
fn an_attempt_stays_one_over_segments() {
    let steps: Vec<Step> = (0..6).map(|i| pair().up(T + i * 30 * S, SYN, 5, 0, 0)).collect();
    let all = meter(&steps);
    assert_eq!(records(&all).len(), 2);
    assert!(all.iter().all(|it| !it.event.established));
}
