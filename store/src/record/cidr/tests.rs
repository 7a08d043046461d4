//! A range holds what it should, and its bounds are the first and last address in it.

use std::net::IpAddr;

use super::Cidr;

#[test]
fn ranges_are_read_normalised_and_bounded() {
    let table: &[(&str, &str, &[u8], &[u8])] = &[
        ("10.1.2.3", "10.1.2.3", &[10, 1, 2, 3], &[10, 1, 2, 3]),
        ("10.1.2.3/8", "10.0.0.0/8", &[10, 0, 0, 0], &[10, 255, 255, 255]),
        ("10.1.2.3/12", "10.0.0.0/12", &[10, 0, 0, 0], &[10, 15, 255, 255]),
        ("0.0.0.0/0", "0.0.0.0/0", &[0; 4], &[255; 4]),
        (" 192.0.2.128/25", "192.0.2.128/25", &[192, 0, 2, 128], &[192, 0, 2, 255]),
    ];
    for (text, shown, low, high) in table {
        let cidr: Cidr = text.parse().unwrap();
        assert_eq!(cidr.to_string(), *shown);
        assert_eq!(cidr.bounds(), (low.to_vec(), high.to_vec()), "{text}");
    }
    let six: Cidr = "2001:db8::5/33".parse().unwrap();
    assert_eq!(six.to_string(), "2001:db8::/33");
    let within: IpAddr = "2001:db8:7fff::1".parse().unwrap();
    let beyond: IpAddr = "2001:db8:8000::1".parse().unwrap();
    assert!(six.contains(within) && !six.contains(beyond) && !six.contains([10, 0, 0, 1].into()));
}

#[test]
fn nonsense_is_named() {
    for text in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.1/x", "::/129", "host"] {
        let refused = text.parse::<Cidr>().unwrap_err().to_string();
        assert!(refused.contains("10.0.0.0/8"), "{refused}");
    }
}
