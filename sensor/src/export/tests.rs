//! Golden files of the formats that others define, and the table of connection states. `TAPHOUND_BLESS=1` writes the files anew.

use std::net::IpAddr;
use std::path::Path;

use flowmeter::{
    Context, ContextKind, EndReason, Endpoint, EventKind, FlowKey, FlowRecord, OneWay, TcpFlags,
};
use model::{Category, Prediction};

use super::zeek::state::{conn_state, history};
use super::{FlowRow, RunColumns, eve, zeek};
use crate::detection::policy::Verdict;
use crate::scoring::Scored;

const START_US: u64 = 1_795_262_706_000_007;

fn endpoint(address: &str, port: u16) -> Endpoint {
    Endpoint { address: address.parse::<IpAddr>().unwrap(), port }
}

/// One direction: its packets by their flags, separated by spaces (`-` for none), and its payload bytes.
fn way(packets: &str, bytes: u64) -> OneWay {
    let mut way = OneWay { bytes, ..OneWay::default() };
    for packet in packets.split_whitespace() {
        way.packets += 1;
        way.header_bytes += 40;
        for letter in packet.chars().filter(|&letter| letter != '-') {
            way.flags[TcpFlags::LETTERS.iter().position(|&l| l == letter).unwrap()] += 1;
        }
    }
    way
}

fn record(
    src: Endpoint,
    dst: Endpoint,
    protocol: u8,
    ways: (OneWay, OneWay),
    reason: EndReason,
) -> FlowRecord {
    let one_way = matches!((protocol, src.port), (58, 0..=127));
    let (key, initiator_is_lower) = FlowKey::new(src, dst, protocol, None, None, one_way);
    FlowRecord {
        key,
        initiator_is_lower,
        began_with_syn: ways.0.flags[1] > 0,
        vlan: None,
        end_reason: Some(reason),
        flow_start_us: START_US,
        ordinal: 0,
        segment: 0,
        first_seq: 0,
        start_us: START_US,
        end_us: START_US + 1_999_994,
        forward: ways.0,
        backward: ways.1,
        gap_squares: 0,
        forward_gap_squares: 0,
        gap_max_us: 0,
        time_steps_back: 0,
        context: None,
    }
}

/// A tagged TLS conversation, its later segment, a refused attempt, a DNS answer, a ping, an ICMPv6 error, an unanswered GRE packet.
fn records() -> Vec<(FlowRecord, Option<Context>, Category)> {
    let (client, server) = (endpoint("192.0.2.1", 40_000), endpoint("198.51.100.2", 443));
    let talk = || (way("S A PA A FA", 517), way("SA PA A FA", 4_096));
    let mut tls = record(client, server, 6, talk(), EndReason::Fin);
    tls.vlan = Some(12);
    let later = FlowRecord {
        segment: 1,
        began_with_syn: true,
        ..record(client, server, 6, (way("PA", 9), way("A", 0)), EndReason::Active)
    };
    let refused = record(
        endpoint("2001:db8::1", 50_000),
        endpoint("2001:db8::2", 22),
        6,
        (way("S", 0), way("RA", 0)),
        EndReason::Rst,
    );
    let dns = record(
        endpoint("192.0.2.1", 5_353),
        endpoint("192.0.2.53", 53),
        17,
        (way("-", 30), way("-", 90)),
        EndReason::Idle,
    );
    let ping = record(
        endpoint("192.0.2.1", 8),
        endpoint("192.0.2.9", 0),
        1,
        (way("- -", 112), way("-", 56)),
        EndReason::EndOfInput,
    );
    let mut unreachable = record(
        endpoint("2001:db8::9", 1),
        endpoint("2001:db8::1", 4),
        58,
        (way("-", 48), OneWay::default()),
        EndReason::Idle,
    );
    unreachable.end_us = unreachable.start_us;
    let gre = record(
        endpoint("192.0.2.1", 0),
        endpoint("192.0.2.9", 0),
        47,
        (way("-", 100), OneWay::default()),
        EndReason::Evicted,
    );
    let named = |kind, name: &str| Some(Context::new(kind, name.as_bytes()));
    vec![
        (tls, named(ContextKind::TlsServerName, "example.org"), Category::Benign),
        (later, None, Category::Benign),
        (refused, None, Category::Scan),
        (dns, named(ContextKind::DnsName, "example.org"), Category::Benign),
        (ping, None, Category::Benign),
        (unreachable, None, Category::Benign),
        (gre, None, Category::Dos),
    ]
}

/// What `write` makes of every record.
fn written(write: impl Fn(&mut Vec<u8>, &FlowRow<'_>, &RunColumns)) -> Vec<u8> {
    let columns = RunColumns {
        sensor_id: "golden".to_owned(),
        model_version: 3,
        with_truth: false,
        with_provisional: false,
    };
    let mut lines = Vec::new();
    for (record, context, category) in &records() {
        let attack = *category != Category::Benign;
        let mut probabilities = [0.0; Category::COUNT];
        probabilities[category.index()] = 1.0;
        let score = f64::from(u8::from(attack));
        let prediction = Prediction { category: *category, attack, score, confidence: 1.0, probabilities };
        let row = FlowRow {
            record,
            context: context.as_ref(),
            stage: EventKind::Ended(record.end_reason.unwrap()),
            scored: &Scored { prediction, novelty: attack.then_some(0.5) },
            verdict: if attack { Verdict::Attack(*category) } else { Verdict::Benign },
            truth: None,
        };
        write(&mut lines, &row, &columns);
    }
    lines
}

fn assert_golden(name: &str, found: &[u8]) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/export/golden").join(name);
    let found = std::str::from_utf8(found).unwrap();
    if std::env::var_os("TAPHOUND_BLESS").is_some() {
        std::fs::write(&file, found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{name}:{}: TAPHOUND_BLESS=1 writes the file anew", line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "lines of {name}");
}

#[test]
fn eve_flows_are_as_written_down() {
    assert_golden("eve.json", &written(eve::flow));
}

#[test]
fn zeek_connections_are_as_written_down() {
    let mut log = Vec::new();
    zeek::header(&mut log, START_US);
    log.extend(written(zeek::row));
    zeek::footer(&mut log, START_US + 5_000_000);
    assert_golden("conn.log", &log);
    assert_golden("conn.json", &written(zeek::json_row));
}

#[test]
fn connection_states_and_histories_follow_from_flags() {
    for (forward, backward, state, letters) in [
        ("S", "", "S0", "S"),
        ("S S", "", "S0", "S"),
        ("S A", "SA", "S1", "ShA"),
        ("S A PA FA A", "SA A PA FA A", "SF", "ShADadFf"),
        ("S", "RA", "REJ", "Sr"),
        ("S A R", "SA RA", "REJ", "ShARr"),
        ("S A PA FA", "SA PA", "S2", "ShADdF"),
        ("S A PA", "SA PA FA", "S3", "ShADdf"),
        ("S R", "SA", "RSTO", "ShR"),
        ("S A PA R", "SA PA", "RSTO", "ShADdR"),
        ("S A PA", "SA RA", "RSTR", "ShADr"),
        ("S R", "", "RSTOS0", "SR"),
        ("", "SA R", "RSTRH", "hr"),
        ("S FA", "", "SH", "SF"),
        ("", "SA FA", "SHR", "hf"),
        ("PA", "A", "OTH", "Da"),
        ("A R", "PA", "OTH", "AdR"),
        ("", "PA", "OTH", "d"),
    ] {
        let bytes = |packets: &str| u64::from(packets.contains('P')) * 10;
        let ways = (way(forward, bytes(forward)), way(backward, bytes(backward)));
        let (a, b) = (endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 2));
        let record = record(a, b, 6, ways, EndReason::Idle);
        assert_eq!(conn_state(&record), state, "{forward} | {backward}");
        // With data in the side's only plain packets, its acknowledgements and its data cannot be told apart.
        let told = history(&record);
        assert_eq!(told.replace(['A', 'a'], ""), letters.replace(['A', 'a'], ""), "{forward} | {backward}");
        if !forward.contains('P') && !backward.contains('P') {
            assert_eq!(told, letters, "{forward} | {backward}");
        }
    }
}
