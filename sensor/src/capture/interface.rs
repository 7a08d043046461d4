//! What the kernel says of a network interface: whether it is there and up, how fast it is, how large its frames are.

use nix::net::if_::{InterfaceFlags, if_nametoindex};

/// A network interface at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interface {
    /// The kernel's number; one that was removed and made again under its old name has another.
    pub index: u32,
    /// Set up by the administrator. (No carrier is not down: frames may come at any time.)
    pub up: bool,
    /// Largest payload of a frame in bytes, where sysfs says so.
    pub mtu: Option<u32>,
    /// Megabits a second, where the driver says so.
    pub speed_mbps: Option<u64>,
}

impl Interface {
    /// Looks the interface up; none if there is no such one.
    #[must_use]
    pub fn look_up(name: &str) -> Option<Self> {
        let index = if_nametoindex(name).ok()?;
        let flags = nix::ifaddrs::getifaddrs().ok().and_then(|mut all| {
            all.find(|address| address.interface_name == name).map(|address| address.flags)
        });
        Some(Self {
            index,
            up: flags.is_some_and(|flags| flags.contains(InterfaceFlags::IFF_UP)),
            mtu: attribute(name, "mtu"),
            // -1 where unknown: no u64.
            speed_mbps: attribute(name, "speed"),
        })
    }
}

fn attribute<T: std::str::FromStr>(name: &str, attribute: &str) -> Option<T> {
    // A name with a slash is no interface's.
    if name.contains('/') {
        return None;
    }
    std::fs::read_to_string(format!("/sys/class/net/{name}/{attribute}")).ok()?.trim().parse().ok()
}
