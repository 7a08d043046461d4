//! Packets cut short, with options, extensions and fragments.

use super::Seen;

fn v4(protocol: u8, options: usize, fragment: u16, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 20 + options];
    bytes[0] = 0x40 | (5 + options as u8 / 4);
    bytes[6..8].copy_from_slice(&fragment.to_be_bytes());
    bytes[9] = protocol;
    bytes[12..16].copy_from_slice(&[10, 0, 0, 1]);
    bytes[16..20].copy_from_slice(&[10, 0, 0, 2]);
    bytes.extend_from_slice(rest);
    bytes
}

fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    bytes[0] = 0x60;
    bytes[6] = next;
    bytes[23] = 1;
    bytes[39] = 2;
    bytes.extend_from_slice(rest);
    bytes
}

#[test]
fn ends_are_read_and_nothing_is_guessed() {
    let ports = [0x12, 0x34, 0, 22, 0, 0];
    let read = |bytes: Vec<u8>| Seen::in_packet(&bytes).map(|s| (s.from.1, s.to.1, s.protocol));
    for (name, bytes, expected) in [
        ("tcp", v4(6, 0, 0, &ports), Some((0x1234, 22, 6))),
        ("with options", v4(6, 8, 0, &ports), Some((0x1234, 22, 6))),
        ("first fragment", v4(17, 0, 0x2000, &ports), Some((0x1234, 22, 17))),
        ("later fragment", v4(17, 0, 0x2001, &ports), Some((0, 0, 17))),
        ("icmp", v4(1, 0, 0, &[8, 0, 1, 1]), Some((0, 0, 1))),
        ("ports cut off", v4(6, 0, 0, &ports[..3]), Some((0, 0, 6))),
        ("header cut off", v4(6, 0, 0, &[])[..19].to_vec(), None),
        (
            "a header longer than the packet",
            {
                let mut b = v4(6, 0, 0, &[]);
                b[0] = 0x4f;
                b
            },
            None,
        ),
        ("nothing", Vec::new(), None),
        ("version 5", vec![0x50; 60], None),
        ("v6", v6(6, &ports), Some((0x1234, 22, 6))),
        (
            "v6 with an extension",
            v6(60, &[&[6, 0, 0, 0, 0, 0, 0, 0][..], &ports].concat()),
            Some((0x1234, 22, 6)),
        ),
        (
            "v6 first fragment",
            v6(44, &[&[17, 0, 0, 1, 0, 0, 0, 0][..], &ports].concat()),
            Some((0x1234, 22, 17)),
        ),
        ("v6 later fragment", v6(44, &[&[17, 0, 0, 9, 0, 0, 0, 0][..], &ports].concat()), Some((0, 0, 17))),
        ("v6 with nothing behind", v6(6, &[]), Some((0, 0, 6))),
    ] {
        assert_eq!(read(bytes), expected, "{name}");
    }
}

#[test]
fn both_directions_are_one_conversation() {
    let there = Seen::in_packet(&v4(6, 0, 0, &[0, 99, 0, 22])).unwrap();
    let back = Seen { from: there.to, to: there.from, ..there };
    assert_eq!(there.conversation(), back.conversation());
}
