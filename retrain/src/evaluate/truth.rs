//! The attacks of a capture, one a row of its labels file, and which flows belong to which.
//!
//! The columns are those of `taphound replay --labels`; it has checked the file before any row comes here.

use crate::dataset::csv_fault;
use crate::failure::Failure;
use model::Category;
use std::net::IpAddr;
use std::path::Path;

/// The ends of a flow and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    pub(crate) start_us: u64,
    pub(crate) src: (IpAddr, u16),
    pub(crate) dst: (IpAddr, u16),
    pub(crate) protocol: u8,
}

/// One row: what flows between these ends and times are.
pub(crate) struct Activity {
    times_us: (u64, u64),
    src: Option<Network>,
    dst: Option<Network>,
    ports: (Option<u16>, Option<u16>),
    protocol: Option<u8>,
    pub(crate) category: Category,
}

struct Network {
    address: IpAddr,
    prefix: u32,
}

/// Reads a labels file.
pub(crate) fn read(path: &Path) -> Result<Vec<Activity>, Failure> {
    let fault = |fault| csv_fault(path, &fault);
    let file = std::fs::File::open(path).map_err(|fault| Failure::no_input(path, fault))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).comment(Some(b'#')).from_reader(file);
    let header = reader.headers().map_err(fault)?.clone();
    let mut activities = Vec::new();
    for (number, record) in reader.records().enumerate() {
        let record = record.map_err(fault)?;
        let field = |name: &str| {
            header.iter().position(|column| column == name).and_then(|at| record.get(at)).unwrap_or("")
        };
        let activity = Activity::parse(field).ok_or_else(|| {
            let what = "does not say what it labels; check it with `taphound replay --labels`";
            Failure::data(format!("{}: row {} {what}", path.display(), number + 1))
        })?;
        activities.push(activity);
    }
    Ok(activities)
}

impl Activity {
    fn parse<'a>(field: impl Fn(&str) -> &'a str) -> Option<Activity> {
        let time = |name: &str, absent: u64| match field(name) {
            "" => Some(absent),
            text => Some((text.parse::<f64>().ok()? * 1e6) as u64),
        };
        let network = |name: &str| match field(name) {
            "" => Some(None),
            text => Network::parse(text).map(Some),
        };
        let port = |name: &str| match field(name) {
            "" => Some(None),
            text => text.parse().ok().map(Some),
        };
        let protocol = match field("protocol").to_ascii_lowercase().as_str() {
            "" => None,
            "tcp" => Some(6),
            "udp" => Some(17),
            "icmp" => Some(1),
            "icmpv6" | "ipv6-icmp" => Some(58),
            text => Some(text.parse().ok()?),
        };
        Some(Activity {
            times_us: (time("start", 0)?, time("end", u64::MAX)?),
            src: network("src")?,
            dst: network("dst")?,
            ports: (port("src_port")?, port("dst_port")?),
            protocol,
            category: field("category").parse().ok()?,
        })
    }

    /// Whether the flow belongs to it, whichever side began.
    pub(crate) fn matches(&self, flow: &Ends) -> bool {
        let ends = |a: (IpAddr, u16), b: (IpAddr, u16)| {
            self.src.as_ref().is_none_or(|network| network.holds(a.0))
                && self.dst.as_ref().is_none_or(|network| network.holds(b.0))
                && self.ports.0.is_none_or(|port| port == a.1)
                && self.ports.1.is_none_or(|port| port == b.1)
        };
        (self.times_us.0..=self.times_us.1).contains(&flow.start_us)
            && self.protocol.is_none_or(|protocol| protocol == flow.protocol)
            && (ends(flow.src, flow.dst) || ends(flow.dst, flow.src))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            None => (text.parse().ok()?, 128),
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
        };
        Some(Network { address, prefix })
    }

    fn holds(&self, address: IpAddr) -> bool {
        let differs = match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() < self.prefix.min(32)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                (a.to_bits() ^ b.to_bits()).leading_zeros() < self.prefix.min(128)
            }
            _ => true,
        };
        !differs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_belong_to_rows_in_either_direction() {
        let ends = |src: &str, dst: &str| Ends {
            start_us: 5_000_000,
            src: (src.parse().unwrap(), 40_000),
            dst: (dst.parse().unwrap(), 22),
            protocol: 6,
        };
        let row = |src: &'static str, start: &'static str| {
            Activity::parse(|name| match name {
                "src" => src,
                "start" => start,
                "end" => "6.5",
                "dst_port" => "22",
                "protocol" => "TCP",
                "category" => "bruteforce",
                _ => "",
            })
            .unwrap()
        };
        assert!(row("10.0.0.0/8", "4").matches(&ends("10.1.2.3", "192.0.2.1")));
        assert!(row("10.1.2.3", "").matches(&ends("10.1.2.3", "192.0.2.1")));
        assert!(
            !row("10.1.2.3", "").matches(&ends("192.0.2.1", "10.1.2.3")),
            "port 22 lies on the other side"
        );
        assert!(!row("10.0.0.0/8", "5.5").matches(&ends("10.1.2.3", "192.0.2.1")), "began before");
        assert!(!row("fe80::/10", "").matches(&ends("10.1.2.3", "192.0.2.1")));
        assert!(row("fe80::/10", "").matches(&ends("febf::1", "2001:db8::1")));
    }
}
