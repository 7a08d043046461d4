//! The same packets in every wrapping that captures come in: byte order, resolution, pcapng, gzip, zstd, a pipe.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{capture, last_line, summary, taphound};

/// A packet of a plain little-endian microsecond pcap file.
struct Packet {
    seconds: u32,
    micros: u32,
    wire_len: u32,
    bytes: Vec<u8>,
}

/// Reads the case, whatever it is packed with, into packets.
fn packets(case: &str) -> Vec<Packet> {
    let raw = std::fs::read(capture(case)).unwrap();
    let plain = if raw.starts_with(&[0x1f, 0x8b]) {
        let mut plain = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&raw[..]), &mut plain).unwrap();
        plain
    } else if raw.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        zstd::decode_all(&raw[..]).unwrap()
    } else {
        raw
    };
    let word = |at: usize| u32::from_le_bytes(plain[at..at + 4].try_into().unwrap());
    assert_eq!(word(0), 0xa1b2_c3d4, "{case} is a little-endian microsecond pcap");
    let (mut at, mut packets) = (24, Vec::new());
    while at < plain.len() {
        let captured = word(at + 8) as usize;
        packets.push(Packet {
            seconds: word(at),
            micros: word(at + 4),
            wire_len: word(at + 12),
            bytes: plain[at + 16..at + 16 + captured].to_vec(),
        });
        at += 16 + captured;
    }
    packets
}

fn pcap(packets: &[Packet], nanoseconds: bool, big_endian: bool) -> Vec<u8> {
    let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let mut out = Vec::new();
    out.extend(word(if nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    out.extend([half(2), half(4)].concat());
    out.extend([word(0), word(0), word(262_144), word(1)].concat());
    for p in packets {
        let fraction = if nanoseconds { p.micros * 1000 + 999 } else { p.micros };
        out.extend([word(p.seconds), word(fraction), word(p.bytes.len() as u32), word(p.wire_len)].concat());
        out.extend(&p.bytes);
    }
    out
}

/// A pcapng file whose packets alternate between two interfaces with different resolutions.
fn pcapng(packets: &[Packet], big_endian: bool) -> Vec<u8> {
    let word = |value: u32| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: u16| if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let len = (body.len() + 12) as u32;
        [word(kind).as_slice(), &word(len), body, &word(len)].concat()
    };
    let mut out =
        block(0x0a0d_0d0a, &[word(0x1a2b_3c4d).as_slice(), &half(1), &half(0), &[0xff; 8]].concat());
    for resolution in [6u8, 9] {
        let options = [half(9).as_slice(), &half(1), &[resolution, 0, 0, 0], &half(0), &half(0)].concat();
        out.extend(block(1, &[half(1).as_slice(), &half(0), &word(262_144), &options].concat()));
    }
    for (index, p) in packets.iter().enumerate() {
        let interface = (index % 2) as u32;
        let micros = u64::from(p.seconds) * 1_000_000 + u64::from(p.micros);
        let ticks = if interface == 0 { micros } else { micros * 1000 };
        let mut body = [
            word(interface),
            word((ticks >> 32) as u32),
            word(ticks as u32),
            word(p.bytes.len() as u32),
            word(p.wire_len),
        ]
        .concat();
        body.extend(&p.bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        out.extend(block(6, &body));
    }
    out
}

#[test]
fn the_same_packets_give_the_same_flows_in_every_wrapping() {
    const CASE: &str = "scan-syn";
    let packets = packets(CASE);
    let folder = tempfile::tempdir().unwrap();
    let plain = pcap(&packets, false, false);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let wrappings = [
        ("little.pcap", plain.clone()),
        ("big.pcap", pcap(&packets, false, true)),
        ("nano.pcap", pcap(&packets, true, false)),
        ("nano-big.pcap", pcap(&packets, true, true)),
        ("little.pcapng", pcapng(&packets, false)),
        ("big.pcapng", pcapng(&packets, true)),
        ("packed.gz", gzip.finish().unwrap()),
        ("packed.zst", zstd::encode_all(&plain[..], 1).unwrap()),
    ];
    let mut expected: Option<(Vec<u8>, Value)> = None;
    for (name, bytes) in &wrappings {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let found = rows(&file);
        match &expected {
            None => expected = Some(found),
            Some(first) => assert!(*first == found, "{name} differs"),
        }
    }
    let mut child = taphound()
        .args(["replay", "-", "--summary", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&plain).unwrap();
    let piped = last_line(&child.wait_with_output().unwrap());
    assert_eq!(piped["flows"], expected.unwrap().1);
}

fn rows(file: &Path) -> (Vec<u8>, Value) {
    let out = file.with_extension("csv");
    let summary = summary(&[file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    (std::fs::read(out).unwrap(), summary["flows"].clone())
}
