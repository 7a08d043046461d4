//! Which addresses a webhook may lead to: the world's, unless the settings allow this network's own.
//!
//! A URL in a settings file must not make this machine ask its cloud for credentials or reach into the network it watches. What
//! counts is the address that is connected to, after the name was looked up, at every attempt anew.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Whether an address belongs to the world at large. Metadata services live on link-local and private addresses.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => {
            let within = |prefix: Ipv6Addr, bits: u32| (v6.to_bits() ^ prefix.to_bits()) >> (128 - bits) == 0;
            if let Some(v4) = carried(v6) {
                return is_public_v4(v4);
            }
            // Global unicast (RFC 4291) without documentation (3849, 9637), benchmarks (5180) and other special use (6890).
            within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
                && !within(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32)
                && !within(Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23)
                && !within(Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20)
        }
    }
}

/// The IPv4 address that a mapped, compatible, translated (RFC 6052) or 6to4 address leads to.
fn carried(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => Some(v4(high, low)),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        _ => None,
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let within = |a: u8, b: u8, c: u8, bits: u32| {
        (v4.to_bits() ^ Ipv4Addr::new(a, b, c, 0).to_bits()) >> (32 - bits) == 0
    };
    // RFC 6890, and multicast and class E above it.
    let special = [
        within(0, 0, 0, 8),
        within(10, 0, 0, 8),
        within(100, 64, 0, 10),
        within(127, 0, 0, 8),
        within(169, 254, 0, 16),
        within(172, 16, 0, 12),
        within(192, 0, 0, 24),
        within(192, 0, 2, 24),
        within(192, 88, 99, 24),
        within(192, 168, 0, 16),
        within(198, 18, 0, 15),
        within(198, 51, 100, 24),
        within(203, 0, 113, 24),
        within(224, 0, 0, 3),
    ];
    !special.contains(&true)
}

/// Looks names up, and forgets every address that is not the world's.
pub struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> = found.iter().copied().filter(|a| is_public(a.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(refusal(&host, found[0].ip()).into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// A client's name resolution.
#[must_use]
pub fn public_only() -> Arc<PublicOnly> {
    Arc::new(PublicOnly)
}

/// Why a receiver is not connected to.
#[must_use]
pub fn refusal(host: &str, address: IpAddr) -> String {
    format!(
        "{host} leads to {address}, an address of this network or machine; set `allow_private` if that is meant"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_network_machine_and_cloud_are_not_public() {
        let private = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::",
            "::1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "2001:db8::1",
            "2001::1",
        ];
        for text in private {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "2a00:1450::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
