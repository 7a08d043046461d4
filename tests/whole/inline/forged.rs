//! Packets with other people's addresses do not make the sensor block those people.

use std::net::Ipv4Addr;

use super::line::{GATEWAY, Line, SERVER_MAC, Side, VICTIM};
use super::traffic::{Honest, serve};
use super::{block, in_force, sensor, settings};
use crate::live_wire::sender::Sender;
use crate::run::Place;

/// A SYN from anybody to the victim, as a frame.
pub(super) fn syn(source: Ipv4Addr, source_port: u16, port: u16) -> Vec<u8> {
    let mut frame = Vec::with_capacity(54);
    frame.extend_from_slice(&SERVER_MAC);
    frame.extend_from_slice(&[2, 0, 0, 0, 0, 0x66, 8, 0]);
    let mut ip = vec![0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0];
    ip.extend_from_slice(&source.octets());
    ip.extend_from_slice(&VICTIM);
    let sum = checksum(&ip, 0);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut tcp = Vec::new();
    tcp.extend_from_slice(&source_port.to_be_bytes());
    tcp.extend_from_slice(&port.to_be_bytes());
    tcp.extend_from_slice(&[0, 0, 0, 9, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0]);
    let pseudo: u32 = source.octets().chunks(2).chain(VICTIM.chunks(2)).map(word).sum::<u32>() + 6 + 20;
    let sum = checksum(&tcp, pseudo);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    frame.extend_from_slice(&ip);
    frame.extend_from_slice(&tcp);
    frame
}

fn word(two: &[u8]) -> u32 {
    u32::from(u16::from_be_bytes([two[0], two[1]]))
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start + bytes.chunks(2).map(word).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn a_forged_flood_does_not_make_us_block_whom_it_names() {
    let Some(line) = Line::new("inline::forged::a_forged_flood_does_not_make_us_block_whom_it_names") else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings(""));
    let daemon = sensor(&line, &place);
    let honest = Honest::at_work(&line);
    let gateway: Ipv4Addr = GATEWAY.parse().unwrap();
    let somebody = Ipv4Addr::new(10, 77, 0, 200);
    line.on(Side::Client, move || {
        let mut sender = Sender::on("eth0");
        for round in 0..4u16 {
            // Scans and floods in the name of the gateway and of an honest host.
            for n in 0..400u16 {
                for source in [gateway, somebody] {
                    sender.send(&syn(source, 1024 + n + round * 400, 1000 + n % 200));
                    sender.send(&syn(source, 30_000 + n + round * 400, 21));
                }
            }
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
    })
    .join()
    .unwrap();
    let decided = |s: &serde_json::Value, why: &str| s["inline"]["outcomes"][why].as_u64().unwrap_or(0);
    // By the time that it is a flood it has no source of its own; before, its sources are protected or prove nothing.
    let refusals = ["protected", "unproven", "no_target"];
    let status = daemon.until("alerts, and decisions about them", 30, |s, _| {
        s["traffic"]["alerts"].as_u64() > Some(0) && refusals.iter().any(|why| decided(s, why) > 0)
    });
    assert_eq!(in_force(&place), Vec::<serde_json::Value>::new(), "{status:#}");
    assert_eq!(decided(&status, "blocked"), 0, "{status:#}");
    // Not even by hand.
    let by_hand = block(&place, &["add", GATEWAY, "--reason", "a mistake"]).unwrap_err();
    assert!(by_hand.contains("protected: a gateway"), "{by_hand}");
    let took = honest.end();
    daemon.end();
    println!(
        "measured forged: {} alerts, 0 blocks, decisions {}; {} questions of an honest client answered",
        status["traffic"]["alerts"],
        status["inline"]["outcomes"],
        took.len()
    );
}
