//! The self-test's capture: a port scan between addresses that nobody has (RFC 5737), as frames of a moment ago.

use flowmeter::{Frame, LinkType};

/// The scanner, in TEST-NET-1.
pub const SCANNER: [u8; 4] = [192, 0, 2, 66];
/// The scanned host, in TEST-NET-2.
pub const SCANNED: [u8; 4] = [198, 51, 100, 10];
/// Ports that are tried: well over what `detection.thresholds.fan_out_targets` asks for by default.
const PORTS: u16 = 60;
/// Between two tries.
const STEP_US: u64 = 20_000;

const SYN: u8 = 0x02;
const RST_ACK: u8 = 0x14;
/// Ethernet, IPv4 and TCP headers, nothing behind them.
const FRAME_BYTES: usize = 54;

/// The frames, each with its time; the last one's is `now_us`.
pub fn frames(now_us: u64) -> impl Iterator<Item = (u64, [u8; FRAME_BYTES])> {
    let first_us = now_us.saturating_sub(u64::from(PORTS) * STEP_US);
    (1..=PORTS).flat_map(move |port| {
        let at_us = first_us + u64::from(port) * STEP_US;
        let own = 40_000 + port;
        let asked = segment((SCANNER, own), (SCANNED, port), SYN);
        let refused = segment((SCANNED, port), (SCANNER, own), RST_ACK);
        [(at_us - STEP_US / 2, asked), (at_us, refused)]
    })
}

/// One of them as the meter takes it.
#[must_use]
pub fn frame(time_us: u64, bytes: &[u8; FRAME_BYTES]) -> Frame<'_> {
    Frame { link: LinkType::Ethernet, time_us, wire_len: FRAME_BYTES as u32, bytes }
}

fn segment(from: ([u8; 4], u16), to: ([u8; 4], u16), flags: u8) -> [u8; FRAME_BYTES] {
    let mut frame = [0; FRAME_BYTES];
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
    frame[12..14].copy_from_slice(&[0x08, 0x00]);
    let ip = &mut frame[14..34];
    ip[..10].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    ip[12..16].copy_from_slice(&from.0);
    ip[16..20].copy_from_slice(&to.0);
    let sum = checksum(ip, 0);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let tcp = &mut frame[34..];
    tcp[..2].copy_from_slice(&from.1.to_be_bytes());
    tcp[2..4].copy_from_slice(&to.1.to_be_bytes());
    (tcp[12], tcp[13]) = (5 << 4, flags);
    tcp[14..16].copy_from_slice(&1024_u16.to_be_bytes());
    let pseudo: u32 = [from.0, to.0].as_flattened().chunks(2).map(word).sum::<u32>() + 6 + 20;
    let sum = checksum(tcp, pseudo);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    frame
}

fn word(bytes: &[u8]) -> u32 {
    u32::from(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// RFC 1071.
fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start + bytes.chunks(2).map(word).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
