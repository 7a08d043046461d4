//! Cases from bytes: any bytes are a configuration and some traffic, weighted towards what matters, so that a property test
//! and a fuzzer can share them.

use std::net::IpAddr;

use flowmeter::MeterConfig;

use crate::build::{ACK, FIN, PSH, Pair, RST, SYN, Step, v4, v6};

const START_US: u64 = 1_700_000_000_000_000;

/// Bytes of a configuration, and of a step.
const CONFIG_LEN: usize = 8;
const STEP_LEN: usize = 8;

/// Most steps of a case: the naive meter takes time with the square of them.
const STEPS_MAX: usize = 300;

/// Some traffic, a configuration for it, and after which steps a batch ends.
pub struct Case {
    pub config: MeterConfig,
    pub steps: Vec<Step>,
    pub cuts: Vec<bool>,
}

/// One of some choices.
fn pick<T: Copy>(byte: u8, choices: &[T]) -> T {
    choices[usize::from(byte) % choices.len()]
}

/// Short timeouts, so that a few hundred packets meet every one of them.
fn config(bytes: &[u8; CONFIG_LEN]) -> MeterConfig {
    let [idle, active, linger, flows_max, limit, snapshots, emergency, _] = *bytes;
    MeterConfig {
        idle_timeout_us: 100_000 + u64::from(idle) * 7_411,
        active_timeout_us: 200_000 + u64::from(active) * 14_909,
        linger_us: if linger < 64 { 0 } else { u64::from(linger) * 1_117 },
        snapshots: pick(snapshots, &[&[][..], &[1], &[2, 3], &[3, 9]]).to_vec(),
        flows_max: match flows_max % 8 {
            // Room for every step in one shard.
            0..4 => 16 * 2 * STEPS_MAX,
            4..6 => 1 + usize::from(limit) / 4,
            _ => 64 + usize::from(limit) / 2,
        },
        emergency_timeout_us: u64::from(emergency) * 389,
        ..MeterConfig::default()
    }
}

/// The case that some bytes are.
pub fn from_bytes(bytes: &[u8]) -> Option<Case> {
    let (head, mut rest) = bytes.split_first_chunk::<CONFIG_LEN>()?;
    let config = config(head);
    // In a calm case the clock behaves and few hosts talk, so that flows grow long.
    let wildness = head[7] % 3;
    let mut case = Case { config, steps: Vec::new(), cuts: Vec::new() };
    let mut time_us = START_US;
    while let Some((bytes, behind)) = rest.split_first_chunk::<STEP_LEN>() {
        rest = behind;
        let id = case.steps.len();
        if id == STEPS_MAX {
            break;
        }
        time_us = moved(time_us, bytes[0], bytes[1], &case.config, wildness);
        case.steps.push(step(bytes, time_us, wildness, id as u16));
        case.cuts.push(bytes[7] % 10 == 0);
    }
    Some(case)
}

/// Time moves on from the packet before: a little, or around a timeout, or (in a wild case) far either way.
fn moved(time_us: u64, kind: u8, by: u8, config: &MeterConfig, wildness: u8) -> u64 {
    let (idle, linger, by) = (config.idle_timeout_us, config.linger_us, u64::from(by));
    let around = (by % 3) as i64 - 1;
    match kind % 40 {
        0..4 => time_us,
        4..16 if wildness == 0 => time_us + by % 3,
        4..16 => time_us + by * 7,
        16..24 if wildness == 0 => time_us + by,
        16..24 => time_us + 2_000 + by * 463,
        // Near-constant: the hard case for a standard deviation.
        24..30 => (time_us + 50_000).saturating_add_signed(around),
        30..33 => time_us - by * 233,
        33..36 => (time_us + linger).saturating_add_signed(around),
        _ if wildness < 2 => time_us,
        36..38 => (time_us + idle).saturating_add_signed(around),
        38 => time_us + idle * (1 + by % 5) + 1,
        _ => time_us - idle * (1 + by % 5) - 1,
    }
}

fn step(bytes: &[u8; STEP_LEN], time_us: u64, wildness: u8, id: u16) -> Step {
    const FLAGS: [u8; 30] = {
        let mut flags = [ACK; 30];
        let chosen = [
            (4, SYN),
            (2, SYN | ACK),
            (6, PSH | ACK),
            (6, FIN | ACK),
            (1, FIN),
            (1, RST),
            (1, RST | ACK),
            (1, 0),
            (1, 0xff),
        ];
        let (mut at, mut kind) = (0, 0);
        while kind < chosen.len() {
            let mut left = chosen[kind].0;
            while left > 0 {
                flags[at] = chosen[kind].1;
                at += 1;
                left -= 1;
            }
            kind += 1;
        }
        flags
    };
    let [_, _, who, how, seq, ack, len, _] = *bytes;
    let host = 1 + (who & 3).min(1 + wildness);
    let port = 1 + u16::from(who >> 2 & 3);
    let (up, is_v6) = (who & 0x10 != 0, who >> 5 == 0);
    let protocol = pick(how / 30, &[6, 6, 6, 6, 6, 17, 17, 1]);
    let address = |last: u8| -> IpAddr { if is_v6 { v6(last.into()).into() } else { v4(last).into() } };
    let pair = Pair { protocol, client: (address(host), 1000 + port), server: (address(2), 80) };
    // A few sequence numbers on both sides of the wrap, so that segments meet each other.
    let seq = u32::from(seq % 120).wrapping_sub(60);
    let ack = match ack {
        0..160 => u32::from(ack).wrapping_sub(60),
        _ => 9_000 + u32::from(ack),
    };
    let payload_len = match len {
        0..100 => 0,
        100..200 => u16::from(len) - 99,
        200..230 => 1400 + (u16::from(len) - 200) * 4,
        _ => 1500 + (u16::from(len) - 230) * 300,
    };
    let flags = pick(how % 30, &FLAGS);
    let mut step = if up {
        pair.up(time_us, flags, seq, ack, payload_len)
    } else {
        pair.down(time_us, flags, seq, ack, payload_len)
    };
    if protocol == 1 {
        // Type and code: echo, its reply, or an error of the one-way kind, whose code may equal its type.
        (step.source.1, step.destination.1) = pick(who >> 2, &[(8, 0), (0, 0), (3, 3)]);
    }
    Step { id, ..step }
}
