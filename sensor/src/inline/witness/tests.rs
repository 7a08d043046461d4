//! Who is vouched for: by answers with data, in most of what it began, lately.

use std::net::IpAddr;

use flowmeter::{EventBatch, Frame, HashKey, LinkType, Meter, MeterConfig};

use super::Witness;
use crate::inline::suspicion::Proof;

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];
const SYN: u8 = 2;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;
const RST: u8 = 4;

/// One TCP packet as Ethernet carries it.
fn packet(to_server: bool, port: u16, flags: u8, seq: u32, payload: usize) -> Vec<u8> {
    let (from, to) = if to_server { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
    let (source, target) = if to_server { (port, 80) } else { (80, port) };
    let mut bytes = vec![0; 12];
    bytes.extend_from_slice(&[8, 0, 0x45, 0]);
    bytes.extend_from_slice(&((40 + payload) as u16).to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 0, 64, 6, 0, 0]);
    bytes.extend_from_slice(&from);
    bytes.extend_from_slice(&to);
    bytes.extend_from_slice(&source.to_be_bytes());
    bytes.extend_from_slice(&target.to_be_bytes());
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.resize(54 + payload, 0);
    bytes
}

/// (towards the server, flags, sequence number, payload)
type Script = &'static [(bool, u8, u32, usize)];

const SERVED: Script = &[
    (true, SYN, 0, 0),
    (false, SYN_ACK, 0, 0),
    (true, ACK, 1, 0),
    (true, PUSH, 1, 10),
    (false, PUSH, 1, 500),
    (true, RST, 11, 0),
];
/// The same where the interface of the server's side was read first.
const ANSWERS_FIRST: Script = &[
    (false, SYN_ACK, 0, 0),
    (false, PUSH, 1, 500),
    (true, SYN, 0, 0),
    (true, ACK, 1, 0),
    (true, PUSH, 1, 10),
    (true, RST, 11, 0),
];
/// And where it was read so late that eight packets had come from the client alone.
const ANSWERS_LATE: Script = &[
    (true, SYN, 0, 0),
    (true, ACK, 1, 0),
    (true, PUSH, 1, 10),
    (true, PUSH, 11, 10),
    (true, PUSH, 21, 10),
    (true, PUSH, 31, 10),
    (true, PUSH, 41, 10),
    (true, PUSH, 51, 10),
    (false, SYN_ACK, 0, 0),
    (false, PUSH, 1, 500),
    (true, RST, 61, 0),
];
const HALF_OPEN: Script = &[(true, SYN, 0, 0), (false, SYN_ACK, 0, 0), (true, ACK, 1, 0), (false, RST, 1, 0)];
const REFUSED: Script = &[(true, SYN, 0, 0), (false, RST | ACK, 0, 0)];

/// What is known of the client after it has played these, one after the other, and when.
fn known(scripts: &[Script]) -> Proof {
    let config = MeterConfig { hash_key: HashKey::fixed(), ..MeterConfig::default() };
    let mut witness = Witness::new();
    let mut meter = Meter::new(&config).unwrap();
    let mut batch = EventBatch::default();
    let mut at_us = 1_800_000_000_000_000;
    for (n, script) in scripts.iter().enumerate() {
        for (to_server, flags, seq, payload) in *script {
            let bytes = packet(*to_server, 1024 + n as u16, *flags, *seq, *payload);
            at_us += 100;
            let wire_len = bytes.len() as u32;
            let frame = Frame { link: LinkType::Ethernet, time_us: at_us, wire_len, bytes: &bytes };
            meter.accept(&frame, &mut batch);
        }
    }
    meter.finish(&mut batch);
    batch.sort();
    for event in &batch.events {
        witness.observe(event, batch.record(event));
    }
    witness.of(IpAddr::from(CLIENT), at_us).0
}

#[test]
fn only_answers_with_data_vouch_for_a_source() {
    for (name, scripts, proof, suffices) in [
        ("served", &[SERVED][..], Proof { started: 1, proven: 1 }, true),
        ("served, answers read first", &[ANSWERS_FIRST], Proof { started: 1, proven: 1 }, true),
        ("served, answers read late", &[ANSWERS_LATE], Proof { started: 1, proven: 1 }, true),
        ("a SYN and an ACK that was guessed", &[HALF_OPEN], Proof { started: 1, proven: 0 }, false),
        ("refused", &[REFUSED], Proof { started: 1, proven: 0 }, false),
        ("half of it", &[SERVED, REFUSED], Proof { started: 2, proven: 1 }, true),
        (
            "a forger beside the real host",
            &[SERVED, REFUSED, REFUSED],
            Proof { started: 3, proven: 1 },
            false,
        ),
    ] {
        let known = known(scripts);
        assert_eq!((known, known.suffices()), (proof, suffices), "{name}");
    }
}
