//! Proxies: whom we believe, and who is on this machine.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::{Client, Peer};

fn client(peer: &str, trusted: &[&str], headers: &[(&'static str, &str)]) -> Client {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let trusted: Vec<IpAddr> = trusted.iter().map(|t| t.parse().unwrap()).collect();
    Client::behind(Peer { address: Some(peer.parse().unwrap()), tls: false }, &map, &trusted)
}

#[test]
fn only_trusted_proxies_are_believed() {
    for (peer, trusted, forwarded, expected, here) in [
        ("127.0.0.1", &[][..], None, "127.0.0.1", true),
        ("::ffff:127.0.0.1", &[], None, "127.0.0.1", true),
        ("192.0.2.7", &[], None, "192.0.2.7", false),
        ("192.0.2.7", &[], Some("127.0.0.1"), "192.0.2.7", false),
        ("127.0.0.1", &[], Some("198.51.100.1"), "127.0.0.1", false),
        ("127.0.0.1", &["127.0.0.1"], Some("198.51.100.1"), "198.51.100.1", false),
        ("127.0.0.1", &["127.0.0.1"], Some("10.0.0.1, 198.51.100.1"), "198.51.100.1", false),
        ("127.0.0.1", &["127.0.0.1", "10.0.0.2"], Some("198.51.100.1, 10.0.0.2"), "198.51.100.1", false),
        ("127.0.0.1", &["127.0.0.1"], Some("198.51.100.1, nonsense"), "127.0.0.1", false),
        ("127.0.0.1", &["127.0.0.1"], None, "127.0.0.1", false),
    ] {
        let headers: Vec<_> = forwarded.iter().map(|f| ("x-forwarded-for", *f)).collect();
        let found = client(peer, trusted, &headers);
        assert_eq!(
            (found.address.to_string().as_str(), found.is_here),
            (expected, here),
            "{peer} {forwarded:?}"
        );
    }
}

#[test]
fn encryption_is_what_the_trusted_proxy_says() {
    let https = [("x-forwarded-proto", "https")];
    assert!(client("127.0.0.1", &["127.0.0.1"], &https).secure);
    assert!(!client("127.0.0.1", &[], &https).secure);
}
