//! Tunnels of every kind: to the inner flow, or (on demand, or where the inside cannot be read) as flows of their own.

use flowmeter::{IntakeCounters, MeterConfig, Packet, Tunnel, TunnelKind, Tunnels};

use crate::build::{Ipv4, SYN, cat, ethernet, hex, ipv4, ipv6, ipv6_between, tag, tcp, udp, v4, whole};
use crate::run::intake;

/// The packet inside: TCP from 192.0.2.1 to 192.0.2.2, five bytes.
fn inner() -> Vec<u8> {
    let header =
        Ipv4 { source: [192, 0, 2, 1].into(), destination: [192, 0, 2, 2].into(), ..Ipv4::default() };
    header.with(&tcp((1000, 80), 1, 0, SYN, b"hello"))
}

const INNER: &str = "192.0.2.1-192.0.2.2-1000-80-6";

fn inner6() -> Vec<u8> {
    let segment = tcp((1000, 80), 1, 0, SYN, b"hello");
    ipv6_between("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap(), 6, &segment, None)
}

const INNER6: &str = "2001:db8::1-2001:db8::2-1000-80-6";

fn frame(inner: &[u8]) -> Vec<u8> {
    ethernet(0x0800, inner)
}

fn over_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    ipv4(17, &udp((40_000, port), payload))
}

fn vxlan(vni: u32, inside: &[u8]) -> Vec<u8> {
    over_udp(4789, &cat(&[&hex("08000000"), &(vni << 8).to_be_bytes(), inside]))
}

fn meter(config: &MeterConfig, packet: &[u8]) -> (Packet, IntakeCounters) {
    let bytes = frame(packet);
    let (out, intake) = intake(config, [whole(1_000_000, &bytes)]);
    assert_eq!(intake.accounting().metered, 1);
    (out.packets[0], intake.counters())
}

fn tuple(packet: &Packet) -> String {
    packet.key.tuple(packet.from_lower).to_string()
}

#[test]
fn each_leads_to_the_inner_flow() {
    let some = |kind, id| Some(Tunnel { kind, id });
    let gre = |flags: &str, kind: &str, inside: &[u8]| ipv4(47, &cat(&[&hex(flags), &hex(kind), inside]));
    let erspan2 = hex("10010064 00000000");
    let erspan3 = |last: &str| cat(&[&hex("20010064 00000000 0000"), &hex(last)]);
    let geneve = |options: &str, kind: &str, inside: &[u8]| {
        let first = [hex(options).len() as u8 / 4];
        over_udp(6081, &cat(&[&first, &[0], &hex(kind), &hex("00007b00"), &hex(options), inside]))
    };
    let gtp = |head: &str, inside: &[u8]| over_udp(2152, &cat(&[&hex(head), inside]));
    let teredo = |head: &str| ipv4(17, &udp((3544, 50_000), &cat(&[&hex(head), &inner6()])));
    let ppp = cat(&[&hex("ff03 0021"), &inner()]);
    for (name, packet, expected, tunnel) in [
        ("IP in IP", ipv4(4, &inner()), INNER, None),
        ("6in4", ipv4(41, &inner6()), INNER6, None),
        ("4in6", ipv6(4, &inner()), INNER, None),
        ("GRE", gre("0000", "0800", &inner()), INNER, None),
        ("GRE over IPv6", ipv6(47, &cat(&[&hex("0000 86dd"), &inner6()])), INNER6, None),
        ("GRE, checksum", gre("8000", "0800", &cat(&[&[0; 4], &inner()])), INNER, None),
        (
            "GRE, key",
            gre("2000", "0800", &cat(&[&hex("00000009"), &inner()])),
            INNER,
            some(TunnelKind::Gre, 9),
        ),
        (
            "GRE, all",
            gre("b000", "0800", &cat(&[&[0; 4], &hex("00000009"), &[0; 4], &inner()])),
            INNER,
            some(TunnelKind::Gre, 9),
        ),
        ("GRE, Ethernet", gre("0000", "6558", &frame(&inner())), INNER, None),
        ("GRE, MPLS", gre("0000", "8847", &cat(&[&hex("00001140"), &inner()])), INNER, None),
        ("PPTP", gre("3081", "880b", &cat(&[&[0; 12], &ppp])), INNER, None),
        ("ERSPAN I", gre("0000", "88be", &frame(&inner())), INNER, None),
        ("ERSPAN II", gre("1000", "88be", &cat(&[&[0; 4], &erspan2, &frame(&inner())])), INNER, None),
        (
            "ERSPAN III",
            gre("1000", "22eb", &cat(&[&[0; 4], &erspan3("0000"), &frame(&inner())])),
            INNER,
            None,
        ),
        (
            "ERSPAN III with its subheader",
            gre("1000", "22eb", &cat(&[&[0; 4], &erspan3("0001"), &[0; 8], &frame(&inner())])),
            INNER,
            None,
        ),
        ("ERSPAN III, IP", gre("1000", "22eb", &cat(&[&[0; 4], &erspan3("0800"), &inner()])), INNER, None),
        ("Ethernet in IP", ipv4(97, &cat(&[&hex("3000"), &frame(&inner())])), INNER, None),
        ("MPLS in IP", ipv4(137, &cat(&[&hex("00001140"), &inner()])), INNER, None),
        ("VXLAN", vxlan(77, &frame(&inner())), INNER, some(TunnelKind::Vxlan, 77)),
        (
            "VXLAN on Linux's port, group policy",
            over_udp(8472, &cat(&[&hex("88000123 00004d00"), &frame(&inner())])),
            INNER,
            some(TunnelKind::Vxlan, 77),
        ),
        (
            "VXLAN-GPE",
            over_udp(4790, &cat(&[&hex("0c000001 00004d00"), &inner()])),
            INNER,
            some(TunnelKind::Vxlan, 77),
        ),
        ("GENEVE", geneve("", "6558", &frame(&inner())), INNER, some(TunnelKind::Geneve, 123)),
        (
            "GENEVE, options, IP",
            geneve("0102030405060708", "86dd", &inner6()),
            INNER6,
            some(TunnelKind::Geneve, 123),
        ),
        ("GTP-U", gtp("30ff0031 00000007", &inner()), INNER, None),
        ("GTP-U, sequence", gtp("32ff0035 00000007 00010000", &inner()), INNER, None),
        ("GTP-U, extension", gtp("34ff0039 00000007 00000085 01001000", &inner()), INNER, None),
        ("Teredo", teredo(""), INNER6, None),
        ("Teredo, origin", teredo("0000 1234 0a000001"), INNER6, None),
        (
            "Teredo, authentication and origin",
            teredo("0001 0000 0102030405060708 00 0000 1234 0a000001"),
            INNER6,
            None,
        ),
    ] {
        let (packet_in, counters) = meter(&MeterConfig::default(), &packet);
        assert_eq!((tuple(&packet_in).as_str(), packet_in.key.tunnel()), (expected, tunnel), "{name}");
        assert_eq!((packet_in.payload_len, counters.tunnel_unreadable), (5, 0), "{name}");
        let outside = MeterConfig { tunnels: Tunnels::Outer, ..MeterConfig::default() };
        let (packet_out, _) = meter(&outside, &packet);
        assert!(
            tuple(&packet_out).starts_with("10.0.0.1-10.0.0.2-")
                || tuple(&packet_out).starts_with("fd00::1-"),
            "{name}"
        );
        assert_eq!(packet_out.key.tunnel(), None, "{name}");
    }
}

#[test]
fn what_cannot_be_read_is_the_tunnels_own_flow() {
    let outer_udp = "10.0.0.1-10.0.0.2-40000-4789-17";
    for (name, packet, expected, unreadable) in [
        ("ARP in VXLAN", vxlan(7, &ethernet(0x0806, &[0; 28])), outer_udp, 1),
        ("rubbish in VXLAN", vxlan(7, &ethernet(0x0800, &[0x45; 10])), outer_udp, 1),
        ("no VXLAN flag", over_udp(4789, &cat(&[&[0; 8], &frame(&inner())])), outer_udp, 0),
        ("too short for VXLAN", over_udp(4789, &[8, 0, 0]), outer_udp, 0),
        (
            "GTP-U echo",
            over_udp(2152, &hex("32010004 00000000 00010000")),
            "10.0.0.1-10.0.0.2-40000-2152-17",
            0,
        ),
        (
            "GTP-U, an endless extension",
            over_udp(2152, &hex("34ff0010 00000007 00000085 00001000")),
            "10.0.0.1-10.0.0.2-40000-2152-17",
            0,
        ),
        ("not Teredo's length", ipv4(17, &udp((3544, 9), &inner6()[..44])), "10.0.0.1-10.0.0.2-3544-9-17", 0),
        ("GRE keepalive", ipv4(47, &hex("0000 0000")), "10.0.0.1-10.0.0.2-0-0-47", 1),
        (
            "GRE, routed",
            ipv4(47, &cat(&[&hex("4000 0800 00000000"), &inner()])),
            "10.0.0.1-10.0.0.2-0-0-47",
            1,
        ),
        ("GRE, version 2", ipv4(47, &cat(&[&hex("0002 0800"), &inner()])), "10.0.0.1-10.0.0.2-0-0-47", 1),
        ("GRE, cut", ipv4(47, &[0x20, 0, 8, 0, 0]), "10.0.0.1-10.0.0.2-0-0-47", 1),
        ("nothing in IP in IP", ipv4(4, &[]), "10.0.0.1-10.0.0.2-0-0-4", 1),
    ] {
        let (packet, counters) = meter(&MeterConfig::default(), &packet);
        assert_eq!((tuple(&packet).as_str(), counters.tunnel_unreadable), (expected, unreadable), "{name}");
    }
}

#[test]
fn depth_is_limited_and_counted() {
    let mut packet = inner();
    for layer in 0..5 {
        packet = Ipv4 { source: v4(layer), protocol: 4, ..Ipv4::default() }.with(&packet);
    }
    for (depth, expected, exceeded) in
        [(0, "10.0.0.4-10.0.0.2-0-0-4", 1), (4, "10.0.0.0-10.0.0.2-0-0-4", 1), (5, INNER, 0)]
    {
        let config = MeterConfig { tunnel_depth_max: depth, ..MeterConfig::default() };
        let (packet, counters) = meter(&config, &packet);
        assert_eq!((tuple(&packet).as_str(), counters.tunnel_depth_exceeded), (expected, exceeded));
    }
}

#[test]
fn networks_keep_their_flows_apart() {
    let key = |packet: &[u8]| meter(&MeterConfig::default(), packet).0.key;
    assert_ne!(key(&vxlan(1, &frame(&inner()))), key(&vxlan(2, &frame(&inner()))));
    assert_eq!(key(&vxlan(1, &frame(&inner()))), key(&vxlan(1, &frame(&inner()))));
    assert_ne!(key(&vxlan(1, &frame(&inner()))), key(&inner()));
    // A VLAN inside counts, one around the tunnel does not.
    let tagged = vxlan(1, &ethernet(0x8100, &tag(5, 0x0800, &inner())));
    assert_eq!(key(&tagged).vlan(), Some(5));
    let around = ethernet(0x8100, &tag(5, 0x0800, &vxlan(1, &frame(&inner()))));
    let (out, _) = intake(&MeterConfig::default(), [whole(1, &around)]);
    assert_eq!(out.packets[0].key.vlan(), None);
}

/// The tunnel's packet is fragmented, the packet inside is not: bytes are counted once.
#[test]
fn a_fragmented_tunnel_counts_its_bytes_once() {
    let payload = vec![5; 1400];
    let inside = Ipv4 { source: [192, 0, 2, 1].into(), protocol: 17, ..Ipv4::default() }
        .with(&udp((1000, 53), &payload));
    let whole_payload = udp((40_000, 4789), &cat(&[&hex("08000000 00000100"), &frame(&inside)]));
    let piece = |from: usize, to: usize, more: bool| {
        let fragment = if more { 0x2000 } else { 0 } | (from / 8) as u16;
        frame(&Ipv4 { protocol: 17, fragment, ..Ipv4::default() }.with(&whole_payload[from..to]))
    };
    let len = whole_payload.len();
    let pieces = [piece(0, 800, true), piece(800, 1400, true), piece(1400, len, false)];
    let (out, intake) = intake(&MeterConfig::default(), pieces.iter().map(|it| whole(1, it)));
    assert_eq!(out.packets.len(), 3);
    assert!(out.packets.iter().all(|it| it.key == out.packets[0].key));
    assert_eq!(tuple(&out.packets[0]), "192.0.2.1-10.0.0.2-1000-53-17");
    assert_eq!(out.packets.iter().map(|it| it.payload_len).sum::<u32>(), 1400);
    assert_eq!(intake.counters().lengths_beyond_wire, 0);
}

/// The packet inside is fragmented, the tunnel's are not.
#[test]
fn fragments_inside_a_tunnel_find_their_flow() {
    let datagram = udp((1000, 53), &[5; 40]);
    let piece = |vni: u32, from: usize, to: usize, more: bool| {
        let fragment = if more { 0x2000 } else { 0 } | (from / 8) as u16;
        let inside = Ipv4 { protocol: 17, fragment, ..Ipv4::default() }.with(&datagram[from..to]);
        frame(&vxlan(vni, &frame(&inside)))
    };
    let pieces = [piece(1, 0, 24, true), piece(1, 24, 48, false), piece(2, 24, 48, false)];
    let (out, intake) = intake(&MeterConfig::default(), pieces.iter().map(|it| whole(1, it)));
    assert_eq!((out.packets.len(), intake.accounting().fragments_unmatched), (2, 1));
    assert_eq!(out.packets[0].key, out.packets[1].key);
    assert_eq!(out.packets[1].key.tunnel().map(|it| it.id), Some(1));
}

/// Both at once: the tunnel's later fragments belong to the inner flow, and so do the inner datagram's.
#[test]
fn fragments_within_fragments() {
    let datagram = udp((1000, 53), &[5; 400]);
    let first = Ipv4 { source: [192, 0, 2, 1].into(), protocol: 17, fragment: 0x2000, ..Ipv4::default() };
    let second = Ipv4 { fragment: 25, ..first };
    let outer = |id: u16, fragment: u16, payload: &[u8]| {
        frame(&Ipv4 { protocol: 4, id, fragment, ..Ipv4::default() }.with(payload))
    };
    let inside = first.with(&datagram[..200]);
    let frames = [
        outer(1, 0x2000, &inside[..104]),
        outer(1, 13, &inside[104..]),
        outer(2, 0, &second.with(&datagram[200..])),
    ];
    let (out, intake) = intake(&MeterConfig::default(), frames.iter().map(|it| whole(1, it)));
    assert_eq!(intake.accounting().fragments_unmatched, 0);
    assert!(out.packets.iter().all(|it| it.key == out.packets[0].key));
    assert_eq!(out.packets.iter().map(|it| it.payload_len).sum::<u32>(), 400);
    assert_eq!(intake.counters().fragments, 4);
}

#[test]
fn both_directions_of_a_tunnelled_flow_are_one() {
    let there = vxlan(9, &frame(&inner()));
    let header =
        Ipv4 { source: [192, 0, 2, 2].into(), destination: [192, 0, 2, 1].into(), ..Ipv4::default() };
    let answer = frame(&header.with(&tcp((80, 1000), 1, 2, SYN | 0x10, b"")));
    // The tunnel's own source port differs by direction.
    let back = Ipv4 { source: v4(2), destination: v4(1), protocol: 17, ..Ipv4::default() };
    let back = back.with(&udp((51_111, 4789), &cat(&[&hex("08000000 00000900"), &answer])));
    let key = |packet: &[u8]| meter(&MeterConfig::default(), packet).0.key;
    assert_eq!(key(&there), key(&back));
}

#[test]
fn a_teredo_bubble_is_a_packet_of_its_own_flow_without_payload() {
    // RFC 4380, 2.8: an IPv6 header that says "no next header", and nothing behind it; RFC 6081: but for trailers.
    let bubble = ipv6(59, &[]);
    for head in [
        "",
        "0000 1234 0a000001",
        "0001 0000 0102030405060708 00",
        "0001 0000 0102030405060708 00 0000 1234 0a000001",
    ] {
        for trailers in ["", "0104 6908dbf5", "0104 6908dbf5 0308 0000c0a80165e908 0502 7a96"] {
            for ports in [(3544, 50_000), (50_000, 3544)] {
                let packet = ipv4(17, &udp(ports, &cat(&[&hex(head), &bubble, &hex(trailers)])));
                let (inner, counters) = meter(&MeterConfig::default(), &packet);
                assert_eq!(tuple(&inner), "fd00::1-fd00::2-0-0-59", "{head} {trailers}");
                assert_eq!((inner.payload_len, inner.header_len), (0, 40), "{head} {trailers}");
                assert_eq!((counters.tunnel_unreadable, counters.offload_zero_length), (0, 0));
            }
        }
    }
    let outer = "10.0.0.1-10.0.0.2-3544-50000-17";
    for (name, inside, unreadable) in [
        ("a protocol and nothing of it", ipv6(6, &[]), 1),
        ("a trailer cut short", cat(&[&bubble, &hex("0104 6908db")]), 0),
        ("half a trailer", cat(&[&bubble, &hex("01")]), 0),
    ] {
        let (packet, counters) = meter(&MeterConfig::default(), &ipv4(17, &udp((3544, 50_000), &inside)));
        assert_eq!((tuple(&packet).as_str(), packet.payload_len as usize), (outer, inside.len()), "{name}");
        assert_eq!(counters.tunnel_unreadable, unreadable, "{name}");
    }
}
