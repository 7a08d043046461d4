//! Gateways and name servers as the system's files spell them.

use std::net::IpAddr;

use store::record::Cidr;

use super::{Protected, gateways4, gateways6, name_servers};

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn gateways_and_name_servers_are_read() {
    let route = "Iface\tDestination\tGateway \tFlags\n\
        eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\neth0\t0002A8C0\t00000000\t0001\nbroken\n";
    assert_eq!(gateways4(route), ips(&["192.168.2.1"]));
    let zero = "00000000000000000000000000000000";
    let route6 = format!(
        "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 0 0 00000003 eth0\n{zero} 00 {zero} 00 {zero} ffffffff\n"
    );
    assert_eq!(gateways6(&route6), ips(&["fe80::1"]));
    let resolv =
        "# none\nsearch example\nnameserver 10.0.0.53\nnameserver fe80::53%eth0\nnameserver nonsense\n";
    assert_eq!(name_servers(resolv), ips(&["10.0.0.53", "fe80::53"]));
}

#[test]
fn a_range_that_holds_a_protected_address_is_protected() {
    let range = |text: &str| text.parse::<Cidr>().unwrap();
    let protected = Protected::only(&[range("192.0.2.1"), range("10.0.0.0/8"), range("2001:db8::/32")]);
    for (text, covered) in [
        ("192.0.2.1", true),
        ("192.0.2.0/24", true),
        ("192.0.2.2", false),
        ("10.9.9.9", true),
        ("0.0.0.0/0", true),
        ("2001:db8:1::/48", true),
        ("2001:db9::1", false),
        ("::/0", true),
    ] {
        assert_eq!(protected.covers(&range(text)).is_some(), covered, "{text}");
    }
}

#[test]
fn this_machine_and_nobodys_addresses_are_always_protected() {
    let found = Protected::find(&[]);
    for text in ["127.0.0.1", "0.0.0.0/0", "224.0.0.251", "ff02::1", "255.255.255.255"] {
        assert!(found.covers(&text.parse().unwrap()).is_some(), "{text}");
    }
}
