//! Frames of every kind, one row each: the packet they are metered as, or the count they end in.

use flowmeter::{Direction, IntakeCounters, LinkType, MeterConfig, PacketAccounting};

use crate::build::{
    ACK, Ipv4, SYN, cat, ethernet, hex, icmp, ipv4, ipv6, ipv6_between, tag, tcp, tcp_with_options, udp,
    udp_of_len, v6, whole,
};
use crate::run::intake;

/// What a frame is metered as.
#[derive(Debug, PartialEq)]
struct Seen {
    tuple: String,
    payload_len: u32,
    header_len: u32,
    vlan: u16,
}

enum Fate {
    Metered(Seen),
    NotIp,
    Unsupported,
    Malformed,
}
use Fate::{Malformed, NotIp, Unsupported};

fn metered(tuple: &str, payload_len: u32, header_len: u32) -> Fate {
    on_vlan(0xffff, tuple, payload_len, header_len)
}

fn on_vlan(vlan: u16, tuple: &str, payload_len: u32, header_len: u32) -> Fate {
    Fate::Metered(Seen { tuple: tuple.to_owned(), payload_len, header_len, vlan })
}

const TCP4: &str = "10.0.0.1-10.0.0.2-1000-80-6";
const TCP6: &str = "fd00::1-fd00::2-1000-80-6";
const UDP4: &str = "10.0.0.1-10.0.0.2-1000-53-17";
const UDP6: &str = "fd00::1-fd00::2-1000-53-17";

fn syn(payload: &[u8]) -> Vec<u8> {
    tcp((1000, 80), 1, 0, SYN, payload)
}

#[track_caller]
fn check(
    name: &str,
    config: &MeterConfig,
    link: u32,
    bytes: &[u8],
    wire_len: usize,
    fate: &Fate,
) -> IntakeCounters {
    let frame = flowmeter::Frame {
        link: LinkType::from_pcap(link),
        wire_len: wire_len as u32,
        ..whole(1_000_000, bytes)
    };
    let (out, intake) = intake(config, [frame]);
    let count = |fate: PacketAccounting| PacketAccounting { received: 1, ..fate };
    let none = PacketAccounting::default();
    let expected = match fate {
        Fate::Metered(_) => count(PacketAccounting { metered: 1, ..none }),
        NotIp => count(PacketAccounting { not_ip: 1, ..none }),
        Unsupported => count(PacketAccounting { unsupported_link: 1, ..none }),
        Malformed => count(PacketAccounting { malformed: 1, ..none }),
    };
    assert_eq!(intake.accounting(), expected, "{name}");
    if let Fate::Metered(seen) = fate {
        let packet = &out.packets[0];
        let found = Seen {
            tuple: packet.key.tuple(packet.from_lower).to_string(),
            payload_len: packet.payload_len,
            header_len: packet.header_len,
            vlan: packet.vlan,
        };
        assert_eq!(&found, seen, "{name}");
    }
    intake.counters()
}

/// Whole frames.
#[track_caller]
fn check_all(config: &MeterConfig, cases: Vec<(&str, u32, Vec<u8>, Fate)>) {
    for (name, link, bytes, fate) in cases {
        check(name, config, link, &bytes, bytes.len(), &fate);
    }
}

#[test]
fn link_types() {
    let packet = ipv4(6, &syn(b"hello"));
    let six = ipv6(6, &syn(b"hello"));
    let sll = |protocol: &str| cat(&[&hex("0000 0001 0006 020000000001 0000"), &hex(protocol)]);
    let sll2 = |protocol: &str| cat(&[&hex(protocol), &hex("0000 00000001 0001 00 06 020000000001 0000")]);
    let good = || metered(TCP4, 5, 40);
    let good6 = || metered(TCP6, 5, 60);
    check_all(
        &MeterConfig::default(),
        vec![
            ("ethernet", 1, ethernet(0x0800, &packet), good()),
            ("ethernet, IPv6", 1, ethernet(0x86dd, &six), good6()),
            ("ethernet, the version decides", 1, ethernet(0x0800, &six), good6()),
            ("ethernet, ARP", 1, ethernet(0x0806, &[0; 28]), NotIp),
            ("ethernet, LLDP", 1, ethernet(0x88cc, &[0; 46]), NotIp),
            ("ethernet, spanning tree in LLC", 1, ethernet(38, &cat(&[&hex("424203"), &[0; 35]])), NotIp),
            ("ethernet, SNAP", 1, ethernet(60, &cat(&[&hex("aaaa03 000000 0800"), &packet])), good()),
            (
                "ethernet, SNAP of Cisco's",
                1,
                ethernet(60, &cat(&[&hex("aaaa03 00000c 2000"), &packet])),
                NotIp,
            ),
            ("ethernet, cut", 1, ethernet(0x0800, &[])[..13].to_vec(), Malformed),
            ("ethernet, nothing behind", 1, ethernet(0x0800, &[]), Malformed),
            ("ethernet, empty", 1, vec![], Malformed),
            ("null, little-endian", 0, cat(&[&hex("02000000"), &packet]), good()),
            ("null, big-endian", 0, cat(&[&hex("00000002"), &packet]), good()),
            ("null, IPv6 on macOS", 0, cat(&[&hex("1e000000"), &six]), good6()),
            ("null, IPv6 on FreeBSD", 0, cat(&[&hex("1c000000"), &six]), good6()),
            ("null, AppleTalk", 0, cat(&[&hex("10000000"), &packet]), NotIp),
            ("null, an EtherType in its second half", 0, cat(&[&hex("0f000800"), &packet]), good()),
            ("null, cut", 0, vec![2, 0, 0], Malformed),
            ("loop", 108, cat(&[&hex("00000002"), &packet]), good()),
            ("raw", 101, packet.clone(), good()),
            ("raw by another number", 12, six.clone(), good6()),
            ("raw, IPv4", 228, packet.clone(), good()),
            ("raw, IPv6", 229, six.clone(), good6()),
            ("raw, neither version", 101, vec![0x75; 40], Malformed),
            ("PPP", 9, cat(&[&hex("ff03 0021"), &packet]), good()),
            ("PPP without address", 9, cat(&[&hex("0021"), &packet]), good()),
            ("PPP, compressed", 50, cat(&[&hex("ff03 57"), &six]), good6()),
            ("PPP, link control", 9, cat(&[&hex("ff03 c021"), &[0; 20]]), NotIp),
            ("PPP, empty", 9, vec![], Malformed),
            ("Cisco HDLC", 104, cat(&[&hex("0f00 0800"), &packet]), good()),
            ("Cisco HDLC, keepalive", 104, cat(&[&hex("8f00 8035"), &[0; 14]]), NotIp),
            ("PPPoE without Ethernet", 51, cat(&[&hex("11000001002f 0021"), &packet]), good()),
            ("cooked", 113, cat(&[&sll("0800"), &packet]), good()),
            ("cooked, ARP", 113, cat(&[&sll("0806"), &[0; 28]]), NotIp),
            ("cooked, LLC", 113, cat(&[&sll("0004"), &hex("424203"), &[0; 35]]), NotIp),
            ("cooked, VLAN", 113, cat(&[&sll("8100"), &tag(7, 0x0800, &packet)]), on_vlan(7, TCP4, 5, 40)),
            ("cooked, cut", 113, sll("0800")[..15].to_vec(), Malformed),
            ("cooked 2", 276, cat(&[&sll2("86dd"), &six]), good6()),
            ("cooked 2, cut", 276, sll2("0800")[..19].to_vec(), Malformed),
            ("a link not read", 127, packet.clone(), Unsupported),
        ],
    );
}

#[test]
fn tags_and_labels() {
    let packet = ipv4(6, &syn(b"hello"));
    let pppoe = |code: u8, protocol: &str| cat(&[&[0x11, code], &hex("0001 002f"), &hex(protocol), &packet]);
    let label = |bottom: u8| [0, 1, 0x20 | bottom, 64];
    let good = || metered(TCP4, 5, 40);
    check_all(
        &MeterConfig::default(),
        vec![
            ("security group tag", 1, ethernet(0x8909, &cat(&[&hex("0101000100020800"), &packet])), good()),
            (
                "security group tag, unknown version",
                1,
                ethernet(0x8909, &cat(&[&hex("0201000100020800"), &packet])),
                NotIp,
            ),
            ("VLAN", 1, ethernet(0x8100, &tag(7, 0x0800, &packet)), on_vlan(7, TCP4, 5, 40)),
            (
                "VLAN with priority bits",
                1,
                ethernet(0x8100, &tag(0xe007, 0x0800, &packet)),
                on_vlan(7, TCP4, 5, 40),
            ),
            ("priority tag", 1, ethernet(0x8100, &tag(0xe000, 0x0800, &packet)), good()),
            (
                "QinQ: the inner tag",
                1,
                ethernet(0x88a8, &tag(100, 0x8100, &tag(7, 0x0800, &packet))),
                on_vlan(7, TCP4, 5, 40),
            ),
            (
                "old QinQ",
                1,
                ethernet(0x9100, &tag(100, 0x8100, &tag(7, 0x0800, &packet))),
                on_vlan(7, TCP4, 5, 40),
            ),
            ("VLAN, ARP", 1, ethernet(0x8100, &tag(7, 0x0806, &[0; 28])), NotIp),
            ("VLAN, cut", 1, ethernet(0x8100, &[0, 7, 8]), Malformed),
            ("tags without end", 1, ethernet(0x8100, &hex("0001 8100").repeat(300)), NotIp),
            ("PPPoE", 1, ethernet(0x8864, &pppoe(0, "0021")), good()),
            (
                "PPPoE on a VLAN",
                1,
                ethernet(0x8100, &tag(7, 0x8864, &pppoe(0, "0021"))),
                on_vlan(7, TCP4, 5, 40),
            ),
            ("PPPoE, link control", 1, ethernet(0x8864, &pppoe(0, "c021")), NotIp),
            ("PPPoE, wrong code", 1, ethernet(0x8864, &pppoe(9, "0021")), Malformed),
            ("PPPoE discovery", 1, ethernet(0x8863, &pppoe(9, "0021")), NotIp),
            ("MPLS", 1, ethernet(0x8847, &cat(&[&label(1), &packet])), good()),
            ("MPLS, two labels", 1, ethernet(0x8847, &cat(&[&label(0), &label(1), &packet])), good()),
            (
                "MPLS, Ethernet behind a control word",
                1,
                ethernet(0x8847, &cat(&[&label(1), &[0; 4], &ethernet(0x0800, &packet)])),
                good(),
            ),
            (
                "MPLS, Ethernet, no control word",
                1,
                ethernet(0x8847, &cat(&[&label(1), &ethernet(0x0800, &packet)])),
                good(),
            ),
            ("MPLS, something else", 1, ethernet(0x8847, &cat(&[&label(1), &[0x95; 40]])), NotIp),
            ("MPLS, cut", 1, ethernet(0x8848, &label(0)), Malformed),
        ],
    );
    let untracked = MeterConfig { track_vlan: false, ..MeterConfig::default() };
    let tagged = ethernet(0x8100, &tag(7, 0x0800, &packet));
    check("VLAN not tracked is still shown", &untracked, 1, &tagged, tagged.len(), &on_vlan(7, TCP4, 5, 40));
}

#[test]
fn network_layer() {
    let v4_with = |header: Ipv4| ethernet(0x0800, &header.with(&syn(b"hello")));
    let six = |next: u8, payload: &[u8]| ethernet(0x86dd, &ipv6(next, payload));
    let options = |next: u8| cat(&[&[next, 0], &hex("0104 00000000")]);
    let ah = |next: u8| cat(&[&[next, 4], &[0; 22]]);
    let fragment = |next: u8, offset_more: u16| cat(&[&[next, 0], &offset_more.to_be_bytes(), &[0, 0, 0, 9]]);
    let bad = |at: usize, value: u8| {
        let mut bytes = v4_with(Ipv4::default());
        bytes[14 + at] = value;
        bytes
    };
    let routing = cat(&[&[6, 2], &hex("0400 00000000"), &v6(9).octets()]);
    check_all(
        &MeterConfig::default(),
        vec![
            ("IPv4 options", 1, v4_with(Ipv4 { options: 3, ..Ipv4::default() }), metered(TCP4, 5, 52)),
            ("IPv4, header length 4", 1, bad(0, 0x44), Malformed),
            ("IPv4, header that eats into TCP", 1, bad(0, 0x4f), Malformed),
            ("IPv4, version 5", 1, bad(0, 0x55), Malformed),
            (
                "IPv4, total below header",
                1,
                v4_with(Ipv4 { total_len: Some(19), ..Ipv4::default() }),
                Malformed,
            ),
            ("IPv4, total cuts TCP", 1, v4_with(Ipv4 { total_len: Some(39), ..Ipv4::default() }), Malformed),
            (
                "IPv4, total cuts payload",
                1,
                v4_with(Ipv4 { total_len: Some(42), ..Ipv4::default() }),
                metered(TCP4, 2, 40),
            ),
            (
                "IPv4, authentication",
                1,
                ethernet(0x0800, &ipv4(51, &cat(&[&ah(6), &syn(b"hello")]))),
                metered(TCP4, 5, 64),
            ),
            ("IPv6, hop by hop", 1, six(0, &cat(&[&options(6), &syn(b"hello")])), metered(TCP6, 5, 68)),
            (
                "IPv6, a chain",
                1,
                six(0, &cat(&[&options(60), &options(43), &routing, &syn(b"hello")])),
                metered(TCP6, 5, 100),
            ),
            (
                "IPv6, authentication",
                1,
                six(51, &cat(&[&ah(17), &udp((1000, 53), b"hi")])),
                metered(UDP6, 2, 72),
            ),
            (
                "IPv6, atomic fragment",
                1,
                six(44, &cat(&[&fragment(6, 0), &syn(b"hello")])),
                metered(TCP6, 5, 68),
            ),
            (
                "IPv6, first fragment",
                1,
                six(44, &cat(&[&fragment(17, 1), &udp_of_len((1000, 53), 2000, &[0; 16])])),
                metered(UDP6, 16, 56),
            ),
            ("IPv6, extension cut", 1, six(60, &[6]), Malformed),
            ("IPv6, extension too long", 1, six(60, &cat(&[&[6, 200], &[0; 30]])), Malformed),
            ("IPv6, extensions without end", 1, six(60, &options(60).repeat(40)), Malformed),
            ("IPv6, nothing next", 1, six(59, &[]), metered("fd00::1-fd00::2-0-0-59", 0, 40)),
            (
                "IPv6, mobility",
                1,
                six(135, &[59, 0, 0, 0, 0, 0, 0, 0]),
                metered("fd00::1-fd00::2-0-0-135", 8, 40),
            ),
            ("IPv6, cut", 1, ethernet(0x86dd, &ipv6(6, &[])[..39]), Malformed),
            ("ESP", 1, ethernet(0x0800, &ipv4(50, &[1; 40])), metered("10.0.0.1-10.0.0.2-0-0-50", 40, 20)),
            ("IGMP", 1, ethernet(0x0800, &ipv4(2, &[0x16; 8])), metered("10.0.0.1-10.0.0.2-0-0-2", 8, 20)),
        ],
    );
}

#[test]
fn transport_layer() {
    let four = |protocol: u8, payload: &[u8]| ethernet(0x0800, &ipv4(protocol, payload));
    let offset = |words: u8| {
        let mut segment = syn(b"hello");
        segment[12] = words << 4;
        four(6, &segment)
    };
    let sctp = cat(&[&hex("03e8 0050 00000001 00000000"), &[1, 0, 0, 20], &[0; 16]]);
    check_all(
        &MeterConfig::default(),
        vec![
            (
                "TCP options",
                1,
                four(6, &tcp_with_options((1000, 80), 1, 0, SYN, 5, b"")),
                metered(TCP4, 0, 60),
            ),
            ("TCP, offset below 5", 1, offset(4), Malformed),
            ("TCP, offset beyond the packet", 1, offset(7), Malformed),
            ("TCP, 19 bytes", 1, four(6, &syn(b"")[..19]), Malformed),
            ("TCP, none", 1, four(6, b""), Malformed),
            ("UDP", 1, four(17, &udp((1000, 53), b"query")), metered(UDP4, 5, 28)),
            ("UDP, empty", 1, four(17, &udp((1000, 53), b"")), metered(UDP4, 0, 28)),
            (
                "UDP, shorter than IP says",
                1,
                four(17, &udp_of_len((1000, 53), 10, b"query")),
                metered(UDP4, 2, 28),
            ),
            (
                "UDP, longer than IP says",
                1,
                four(17, &udp_of_len((1000, 53), 100, b"query")),
                metered(UDP4, 5, 28),
            ),
            ("UDP, length below its header", 1, four(17, &udp_of_len((1000, 53), 7, b"query")), Malformed),
            ("UDP, length 0", 1, four(17, &udp_of_len((1000, 53), 0, b"query")), Malformed),
            ("UDP, 7 bytes", 1, four(17, &udp((1000, 53), b"")[..7]), Malformed),
            ("ICMP echo", 1, four(1, &icmp(8, 0, &[0; 56])), metered("10.0.0.1-10.0.0.2-8-0-1", 56, 28)),
            ("ICMP reply", 1, four(1, &icmp(0, 0, &[0; 56])), metered("10.0.0.1-10.0.0.2-0-8-1", 56, 28)),
            (
                "ICMP unreachable",
                1,
                four(1, &icmp(3, 1, &[0; 28])),
                metered("10.0.0.1-10.0.0.2-3-1-1", 28, 28),
            ),
            ("ICMP, cut", 1, four(1, &[8, 0, 0, 0, 0, 0, 0]), Malformed),
            (
                "ICMPv6 solicitation",
                1,
                ethernet(0x86dd, &ipv6(58, &icmp(135, 0, &[0; 16]))),
                metered("fd00::1-fd00::2-135-136-58", 16, 48),
            ),
            ("SCTP", 1, four(132, &sctp), metered("10.0.0.1-10.0.0.2-1000-80-132", 32, 20)),
            ("SCTP, cut", 1, four(132, &sctp[..11]), Malformed),
        ],
    );
}

#[test]
fn lengths_are_the_headers() {
    let config = MeterConfig::default();
    let whole_frame = ethernet(0x0800, &ipv4(6, &tcp((1000, 80), 1, 0, ACK, &[7; 1000])));
    let good = || metered(TCP4, 1000, 40);
    // Snapped anywhere behind the flags of the TCP header.
    for len in [14 + 20 + 14, 14 + 40, 68, 96, 500, whole_frame.len()] {
        let counters = check("snapped", &config, 1, &whole_frame[..len], whole_frame.len(), &good());
        assert_eq!(counters.lengths_beyond_wire, 0);
        // Some tools rewrite the wire length too; the header is believed.
        let counters = check("snapped and rewritten", &config, 1, &whole_frame[..len], len, &good());
        assert_eq!(counters.lengths_beyond_wire, u64::from(len < whole_frame.len()));
    }
    check(
        "snapped before the flags",
        &config,
        1,
        &whole_frame[..14 + 20 + 13],
        whole_frame.len(),
        &Malformed,
    );
    check("snapped within IP", &config, 1, &whole_frame[..33], whole_frame.len(), &Malformed);
    let options = ethernet(0x0800, &ipv4(6, &tcp_with_options((1000, 80), 1, 0, ACK, 8, &[7; 1000])));
    check("snapped within options", &config, 1, &options[..60], options.len(), &metered(TCP4, 1000, 72));
    let datagram = ethernet(0x0800, &ipv4(17, &udp((1000, 53), &[7; 1000])));
    check(
        "UDP snapped behind its ports",
        &config,
        1,
        &datagram[..38],
        datagram.len(),
        &metered(UDP4, 1000, 28),
    );

    // Padding to the least Ethernet frame counts for nothing.
    let padded = cat(&[&ethernet(0x0800, &ipv4(6, &syn(b""))), &[0xee; 6]]);
    check("padded", &config, 1, &padded, 60, &metered(TCP4, 0, 40));

    // Segmentation offload leaves a length of 0: the frame's stands in.
    let offload = ethernet(0x0800, &Ipv4 { total_len: Some(0), ..Ipv4::default() }.with(&syn(b"hello")));
    let counters = check("IPv4, length 0", &config, 1, &offload, offload.len(), &metered(TCP4, 5, 40));
    assert_eq!(counters.offload_zero_length, 1);
    check("IPv4, length 0, snapped", &config, 1, &offload[..54], 65_000, &metered(TCP4, 65_000 - 54, 40));
    let big = ethernet(0x86dd, &ipv6_between(v6(1), v6(2), 6, &syn(b"hello"), Some(0)));
    let counters = check("IPv6, length 0", &config, 1, &big[..74], 200_000, &metered(TCP6, 200_000 - 74, 60));
    assert_eq!(counters.offload_zero_length, 1);
    let datagram = ethernet(
        0x0800,
        &Ipv4 { total_len: Some(0), protocol: 17, ..Ipv4::default() }.with(&udp_of_len((1000, 53), 0, b"x")),
    );
    check("UDP, both lengths 0", &config, 1, &datagram, datagram.len(), &metered(UDP4, 1, 28));

    // A jumbogram tells its length in an option.
    let jumbo = cat(&[&[6, 0], &hex("c204 00013880"), &syn(b"hello")]);
    let jumbo = ethernet(0x86dd, &ipv6_between(v6(1), v6(2), 0, &jumbo, Some(0)));
    let counters = check("jumbogram", &config, 1, &jumbo, 80_054, &metered(TCP6, 80_000 - 28, 68));
    assert_eq!((counters.offload_zero_length, counters.lengths_beyond_wire), (0, 0));
    check("a jumbogram longer than the wire", &config, 1, &jumbo, 10_054, &metered(TCP6, 10_000 - 28, 68));
}

#[test]
fn both_directions_have_one_key() {
    let config = MeterConfig::default();
    let there = ethernet(0x0800, &ipv4(6, &syn(b"")));
    let header = Ipv4 { source: crate::build::v4(2), destination: crate::build::v4(1), ..Ipv4::default() };
    let back = ethernet(0x0800, &header.with(&tcp((80, 1000), 1, 0, ACK, b"")));
    let (out, _) = intake(&config, [whole(1, &there), whole(2, &back)]);
    assert_eq!(out.packets[0].key, out.packets[1].key);
    assert_eq!(out.packets[0].shard(), out.packets[1].shard());
    assert_ne!(out.packets[0].from_lower, out.packets[1].from_lower);
    assert_eq!((Direction::Forward.reverse(), Direction::Backward.index()), (Direction::Backward, 1));
}
