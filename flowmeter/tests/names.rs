//! Names of flows: Community ID against its published vectors, uid against its definition, CICFlowMeter's flow id.

use std::net::IpAddr;
use std::str::FromStr;

use flowmeter::{Endpoint, FlowRecord, LinkType, MeterConfig, TcpFlags, Uid};
use sha2::{Digest, Sha256};

use crate::build::{ACK, Ipv4, Pair, SYN, cat, ethernet, icmp, ipv6_between, tcp, udp, whole};
use crate::run::{meter, records};

/// The first record of one packet.
fn record_of(source: &str, destination: &str, protocol: u8, ports: (u16, u16)) -> FlowRecord {
    let payload = match protocol {
        1 | 58 => icmp(ports.0 as u8, ports.1 as u8, &[]),
        6 => tcp(ports, 1, 0, SYN, &[]),
        17 => udp(ports, &[]),
        132 => cat(&[&ports.0.to_be_bytes(), &ports.1.to_be_bytes(), &[0; 8]]),
        _ => vec![0; 8],
    };
    let bytes = match (IpAddr::from_str(source).unwrap(), IpAddr::from_str(destination).unwrap()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ethernet(0x0800, &Ipv4 { source, destination, protocol, ..Ipv4::default() }.with(&payload))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            ethernet(0x86dd, &ipv6_between(source, destination, protocol, &payload, None))
        }
        mixed => panic!("{mixed:?}"),
    };
    let mut meter = flowmeter::Meter::new(&MeterConfig::default()).unwrap();
    let mut out = flowmeter::EventBatch::default();
    meter.accept(&whole(1, &bytes), &mut out);
    meter.finish(&mut out);
    out.records[0].clone()
}

/// The vectors that the specification's reference implementation (pycommunityid) is tested with, seed 0.
#[test]
fn community_id_vectors() {
    let neighbours = ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea");
    let far = ("3ffe:507:0:1:260:97ff:fe07:69ea", "3ffe:507:0:1:200:86ff:fe05:80da");
    for (source, destination, protocol, ports, id) in [
        ("192.168.0.89", "192.168.0.1", 1, (8, 0), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        ("192.168.0.1", "192.168.0.89", 1, (0, 8), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        ("192.168.0.89", "192.168.0.1", 1, (20, 0), "1:3o2RFccXzUgjl7zDpqmY7yJi8rI="),
        ("192.168.0.89", "192.168.0.1", 1, (20, 1), "1:tz/fHIDUHs19NkixVVoOZywde+I="),
        ("192.168.0.1", "192.168.0.89", 1, (0, 20), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (neighbours.0, neighbours.1, 58, (135, 0), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
        (neighbours.1, neighbours.0, 58, (136, 0), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
        (far.0, far.1, 58, (3, 0), "1:NdobDX8PQNJbAyfkWxhtL2Pqp5w="),
        (far.1, far.0, 58, (3, 0), "1:/OGBt9BN1ofenrmSPWYicpij2Vc="),
        ("192.168.170.8", "192.168.170.56", 132, (7, 80), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
        ("192.168.170.56", "192.168.170.8", 132, (80, 7), "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
        ("128.232.110.120", "66.35.250.204", 6, (34855, 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ("66.35.250.204", "128.232.110.120", 6, (80, 34855), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        ("192.168.1.52", "8.8.8.8", 17, (54585, 53), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ("8.8.8.8", "192.168.1.52", 17, (53, 54585), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        ("10.1.24.4", "10.1.12.1", 46, (0, 0), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
        ("10.1.12.1", "10.1.24.4", 46, (0, 0), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
    ] {
        let record = record_of(source, destination, protocol, ports);
        assert_eq!(record.community_id(), id, "{source} {destination} {protocol} {ports:?}");
        let initiator = Endpoint { address: source.parse().unwrap(), port: record.initiator().port };
        assert_eq!(record.initiator(), initiator, "who spoke first is kept beside the order of the key");
    }
}

/// What the reference implementation makes of every kind of flow (`fixtures/community_id.py` asks it).
#[test]
fn community_id_as_the_reference_implementation_computes_it() {
    let rows = include_str!("fixtures/community_id.csv").lines().filter(|line| !line.starts_with('#'));
    let mut compared = 0;
    for row in rows {
        let [source, destination, protocol, first, second, id] = row.split(',').collect::<Vec<_>>()[..]
        else {
            panic!("{row}")
        };
        let number = |text: &str| text.parse::<u16>().unwrap();
        let record =
            record_of(source, destination, protocol.parse().unwrap(), (number(first), number(second)));
        assert_eq!(record.community_id(), id, "{row}");
        compared += 1;
    }
    assert_eq!(compared, 726);
}

/// Byte by byte, as the foundations spell it.
#[test]
fn uid_by_its_definition() {
    let time_us = 1_700_000_000_000_000u64;
    let steps = [Pair::tcp(4000).down(time_us, SYN | ACK, 0, 0, 0)];
    let record = &records(&meter(&steps))[0];
    let mut hash = Sha256::new();
    hash.update(b"sensor-1\0");
    hash.update([6]);
    hash.update([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
    hash.update(4000u16.to_be_bytes());
    hash.update([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 2]);
    hash.update(80u16.to_be_bytes());
    hash.update([0xff, 0xff]); // no VLAN
    hash.update([0]); // no tunnel
    hash.update([0; 4]);
    hash.update(time_us.to_be_bytes());
    hash.update([0; 4]); // ordinal
    let hex: String = hash.finalize()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    let uid = record.uid("sensor-1");
    assert_eq!(uid.to_string(), hex);
    assert_eq!(Uid::from_str(&hex), Ok(uid));
    assert_eq!(Uid::from(*uid.as_bytes()), uid);
    assert_ne!(record.uid("sensor-2"), uid);
    for wrong in ["", "00", &hex[1..], &format!("{hex}0"), &format!("+{}", &hex[1..]), &"é".repeat(16)] {
        assert!(Uid::from_str(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn flow_id_is_as_cicflowmeter_writes_it() {
    let steps = [Pair::tcp(4000).down(1, SYN | ACK, 0, 0, 0)];
    assert_eq!(records(&meter(&steps))[0].flow_id(), "10.0.0.1-10.0.0.2-4000-80-6");
}

#[test]
fn flags_are_letters_in_one_order() {
    assert_eq!(TcpFlags(0xff).to_string(), "FSRPAUEC");
    assert_eq!((TcpFlags::ACK | TcpFlags::SYN).to_string(), "SA");
    assert_eq!(TcpFlags(0).to_string(), "");
}

#[test]
fn link_types_by_number() {
    for (number, link) in [
        (0, LinkType::Null),
        (1, LinkType::Ethernet),
        (0x5000_0001, LinkType::Ethernet),
        (9, LinkType::Ppp),
        (12, LinkType::RawIp),
        (14, LinkType::RawIp),
        (101, LinkType::RawIp),
        (108, LinkType::Loop),
        (113, LinkType::LinuxSll),
        (228, LinkType::Ipv4),
        (229, LinkType::Ipv6),
        (276, LinkType::LinuxSll2),
        (127, LinkType::Unsupported(127)),
    ] {
        assert_eq!(LinkType::from_pcap(number), link);
    }
}
