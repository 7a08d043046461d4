//! The mapping against the vectors of Crypto-PAn's own distribution, and its promises by property.

use proptest::prelude::*;

use super::*;

/// The key and addresses of `sample.cpp` and `sample_trace_sanitized.dat`.
const KEY: [u8; 32] = [
    21, 34, 23, 141, 51, 164, 207, 128, 19, 10, 91, 22, 73, 144, 125, 16, 216, 152, 143, 131, 121, 121, 101,
    39, 98, 87, 76, 45, 42, 132, 34, 2,
];
const VECTORS: &[(&str, &str)] = &[
    ("128.11.68.132", "135.242.180.132"),
    ("129.118.74.4", "134.136.186.123"),
    ("130.132.252.244", "133.68.164.234"),
    ("141.223.7.43", "141.167.8.160"),
    ("141.233.145.108", "141.129.237.235"),
    ("152.163.225.39", "151.140.114.167"),
    ("156.29.3.236", "147.225.12.42"),
    ("165.247.96.84", "162.9.99.234"),
    ("166.107.77.190", "160.132.178.185"),
    ("192.102.249.13", "252.138.62.131"),
];

#[test]
fn addresses_map_as_in_the_reference_implementation() {
    let names = Pseudonyms::new(&KEY);
    for (address, pseudonym) in VECTORS {
        assert_eq!(names.address(address.parse().unwrap()).to_string(), *pseudonym, "{address}");
    }
}

#[test]
fn texts_lose_every_address_and_nothing_else() {
    let names = Pseudonyms::new(&KEY);
    let of = |text: &str| names.address(text.parse().unwrap()).to_string();
    let cases = [
        (
            "protocol 6 128.11.68.132:443 -> 129.118.74.4:80, 1+2 packets, 0.123 s",
            "protocol 6 135.242.180.132:443 -> 134.136.186.123:80, 1+2 packets, 0.123 s".to_owned(),
        ),
        ("[2001:db8::1]:53 asked 10.0.0.1.", format!("[{}]:53 asked {}.", of("2001:db8::1"), of("10.0.0.1"))),
        ("seen at 12:30:11, version 1.2.3, face", "seen at 12:30:11, version 1.2.3, face".to_owned()),
        ("", String::new()),
        ("ünïcode 10.0.0.1é", format!("ünïcode {}é", of("10.0.0.1"))),
    ];
    for (text, wanted) in cases {
        assert_eq!(names.text(text), wanted);
    }
    assert_eq!(
        names.flow_id("s-1|128.11.68.132-129.118.74.4-1-2-6", "u"),
        "s-1|135.242.180.132-134.136.186.123-1-2-6"
    );
    assert_eq!(names.flow_id("s|host 10.0.0.1 again", "abc"), "s|abc");
}

fn shared_prefix(a: u128, b: u128) -> u32 {
    (a ^ b).leading_zeros()
}

proptest! {
    #[test]
    fn a_shared_prefix_stays_as_long_as_it_was(a: u32, b: u32, c: u128, d: u128, key: [u8; 32]) {
        let names = Pseudonyms::new(&key);
        let v4 = |n: u32| match names.address(IpAddr::V4(n.into())) { IpAddr::V4(x) => u128::from(x.to_bits()) << 96, IpAddr::V6(_) => unreachable!() };
        prop_assert_eq!(shared_prefix(v4(a), v4(b)).min(32), shared_prefix(u128::from(a) << 96, u128::from(b) << 96).min(32));
        let v6 = |n: u128| match names.address(IpAddr::V6(n.into())) { IpAddr::V6(x) => x.to_bits(), IpAddr::V4(_) => unreachable!() };
        prop_assert_eq!(shared_prefix(v6(c), v6(d)), shared_prefix(c, d));
    }

    #[test]
    fn no_text_makes_it_stumble(text in ".{0,200}") {
        let _ = Pseudonyms::new(&KEY).text(&text);
    }
}
