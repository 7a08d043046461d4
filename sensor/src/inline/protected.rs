//! Whom the sensor never blocks: gateways, name servers, its own addresses, and what the settings name.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use nix::ifaddrs::getifaddrs;
use store::record::Cidr;

/// Ranges that are never blocked, and what each is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protected {
    ranges: Vec<(Cidr, &'static str)>,
}

/// Addresses that are no single host.
const NOBODYS: [&str; 9] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fe80::/10",
    "ff00::/8",
];
/// Most that is believed of one of the system's files.
const FILE_BYTES_MAX: usize = 1 << 20;

impl Protected {
    /// What is found on this machine, and `never` from the settings.
    #[must_use]
    pub fn find(never: &[Cidr]) -> Self {
        let read = |path: &str| {
            let mut text = std::fs::read(Path::new(path)).unwrap_or_default();
            text.truncate(FILE_BYTES_MAX);
            String::from_utf8_lossy(&text).into_owned()
        };
        let mut ranges: Vec<(Cidr, &'static str)> =
            never.iter().map(|range| (*range, "`inline.never`")).collect();
        let mut add = |addresses: Vec<IpAddr>, what: &'static str| {
            ranges.extend(addresses.into_iter().map(|address| (address.into(), what)));
        };
        add(own_addresses(), "an address of this host");
        add(gateways4(&read("/proc/net/route")), "a gateway");
        add(gateways6(&read("/proc/net/ipv6_route")), "a gateway");
        add(name_servers(&read("/etc/resolv.conf")), "a name server");
        add(name_servers(&read("/run/systemd/resolve/resolv.conf")), "a name server");
        ranges
            .extend(NOBODYS.iter().filter_map(|text| Some((text.parse().ok()?, "no single host's address"))));
        Self { ranges }
    }

    /// Only these ranges.
    #[must_use]
    pub fn only(ranges: &[Cidr]) -> Self {
        Self { ranges: ranges.iter().map(|range| (*range, "`inline.never`")).collect() }
    }

    /// What protects at least a part of this range.
    #[must_use]
    pub fn covers(&self, range: &Cidr) -> Option<&'static str> {
        self.ranges.iter().find(|(mine, _)| mine.overlaps(range)).map(|(_, what)| *what)
    }

    /// Every range and what it is.
    #[must_use]
    pub fn shown(&self) -> Vec<(String, &'static str)> {
        let mut shown: Vec<(String, &'static str)> =
            self.ranges.iter().map(|(range, what)| (range.to_string(), *what)).collect();
        shown.dedup();
        shown
    }
}

fn own_addresses() -> Vec<IpAddr> {
    let Ok(all) = getifaddrs() else {
        return Vec::new();
    };
    all.filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
    })
    .collect()
}

/// Gateways of `/proc/net/route`: hexadecimal words as they lie in memory.
fn gateways4(text: &str) -> Vec<IpAddr> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let gateway = u32::from_str_radix(line.split_whitespace().nth(2)?, 16).ok()?;
            (gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()).into())
        })
        .collect()
}

/// Next hops of `/proc/net/ipv6_route`: 32 hex digits in the fifth column.
fn gateways6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let next = u128::from_str_radix(line.split_whitespace().nth(4)?, 16).ok()?;
            (next != 0).then(|| Ipv6Addr::from(next).into())
        })
        .collect()
}

fn name_servers(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let address = line.trim().strip_prefix("nameserver")?.trim();
            address.split('%').next()?.parse().ok()
        })
        .collect()
}
