//! Which addresses are inside: the sensor's own side of the world.

use std::net::IpAddr;

/// Private, link-local and loopback addresses (RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291).
pub(super) fn is_inside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private() || ip.is_link_local() || ip.is_loopback() || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}
