//! The sensor's table in nftables: rules that never change, and sets of what is to be dropped, each element with its timeout.
//!
//! Written and read through `nft`, the kernel's own tool, rather than a netlink crate: `docs/decisions/0011-inline.md` says why.
//! A batch is one transaction: it is in force as a whole or not at all.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::target::Target;
use crate::config::inline::Family;

/// Name of the table.
pub const TABLE: &str = "taphound";
/// Rules in its chain: one for other interfaces, one a set, and flows the other way round.
const RULES: usize = 13;
/// Elements of a set at most.
const SET_MAX: u32 = 131_072;
/// `nft` is given so long.
const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(1);
/// Most that is read of what it says.
const OUTPUT_MAX: u64 = 64 << 20;

/// Why the rules could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NftFault {
    /// There is no `nft`, or no `iptables-nft`.
    #[error("{0} cannot be started ({1}); install the packages nftables and, for inline-queue, iptables")]
    Missing(String, String),
    /// The table, or a set of it, is gone.
    #[error("the table `{TABLE}` is not there")]
    Gone,
    /// The kernel refuses.
    #[error("nft: {0}; it needs CAP_NET_ADMIN (docs/inline.md)")]
    NotAllowed(String),
    /// Anything else.
    #[error("nft: {0}")]
    Failed(String),
}

/// What lies in the kernel.
#[derive(Debug, Default)]
pub struct Seen {
    /// Every rule and set is there.
    pub whole: bool,
    /// Packets dropped by the rules since they were installed.
    pub dropped_packets: u64,
    elements: HashMap<(String, String), u64>,
}

impl Seen {
    /// Packets that the element of this target dropped; none when there is no such element.
    #[must_use]
    pub fn packets(&self, target: &Target) -> Option<u64> {
        self.elements.get(&(set_of(target), key_of(target))).copied()
    }
}

/// The table of one sensor.
#[derive(Debug, Clone)]
pub struct Nft {
    family: Family,
    interfaces: Vec<String>,
}

impl Nft {
    /// The table for packets that come in by these interfaces. Nothing is installed yet.
    #[must_use]
    pub fn new(family: Family, interfaces: &[String]) -> Self {
        Self { family, interfaces: interfaces.to_vec() }
    }

    /// Installs rules and sets anew, with these elements in them: (what, milliseconds).
    ///
    /// # Errors
    /// `nft` or the kernel refuses; then everything is as it was.
    pub fn install(&self, elements: &[(Target, u64)]) -> Result<(), NftFault> {
        let mut batch = self.skeleton();
        for (target, ttl_ms) in elements {
            self.add(&mut batch, target, *ttl_ms);
        }
        run_tool("nft", &["-f", "-"], &batch).map(|_| ())
    }

    /// Puts elements in force, for so many milliseconds from now on, and takes others out.
    ///
    /// # Errors
    /// As [`Nft::install`]; [`NftFault::Gone`] when somebody has removed the table.
    pub fn change(&self, add: &[(Target, u64)], remove: &[Target]) -> Result<(), NftFault> {
        let mut batch = String::new();
        for (target, ttl_ms) in add {
            // The first makes the second safe when the element has just expired; the third has the new timeout.
            self.add(&mut batch, target, *ttl_ms);
            self.delete(&mut batch, target);
            self.add(&mut batch, target, *ttl_ms);
        }
        for target in remove {
            self.add(&mut batch, target, 1_000);
            self.delete(&mut batch, target);
        }
        if batch.is_empty() {
            return Ok(());
        }
        run_tool("nft", &["-f", "-"], &batch).map(|_| ())
    }

    /// Looks at what lies in the kernel.
    ///
    /// # Errors
    /// [`NftFault::Gone`] when there is no table; anything else that keeps us from looking.
    pub fn look(&self) -> Result<Seen, NftFault> {
        let text = run_tool("nft", &["-j", "-n", "list", "table", self.family.as_str(), TABLE], "")?;
        serde_json::from_str(&text)
            .map(|answer| seen(&answer))
            .map_err(|e| NftFault::Failed(format!("its answer is no JSON ({e})")))
    }

    /// Removes the table. That there is none is no fault.
    ///
    /// # Errors
    /// `nft` or the kernel refuses.
    pub fn remove(&self) -> Result<(), NftFault> {
        let family = self.family.as_str();
        run_tool("nft", &["-f", "-"], &format!("add table {family} {TABLE}\ndelete table {family} {TABLE}\n"))
            .map(|_| ())
    }

    fn skeleton(&self) -> String {
        let family = self.family.as_str();
        let mut sets = String::new();
        let mut rules = String::new();
        let ports: Vec<String> = self.interfaces.iter().map(|name| format!("\"{name}\"")).collect();
        let _ = writeln!(rules, "iifname != {{ {} }} accept", ports.join(", "));
        for (version, ip) in [("4", "ip"), ("6", "ip6")] {
            let address = format!("ipv{version}_addr");
            let flow = |from: &str, to: &str| {
                format!("{ip} {from} . th sport . {ip} {to} . th dport . meta l4proto @flows{version}")
            };
            let back =
                format!("{ip} daddr . th dport . {ip} saddr . th sport . meta l4proto @flows{version}");
            for (name, kind, flags, matches) in [
                ("sources", address.clone(), "timeout", vec![format!("{ip} saddr @sources{version}")]),
                (
                    "ranges",
                    address.clone(),
                    "interval, timeout",
                    vec![format!("{ip} saddr @ranges{version}")],
                ),
                (
                    "pairs",
                    format!("{address} . {address}"),
                    "timeout",
                    vec![format!("{ip} saddr . {ip} daddr @pairs{version}")],
                ),
                (
                    "services",
                    format!("{address} . inet_proto . inet_service"),
                    "timeout",
                    vec![format!("{ip} saddr . meta l4proto . th dport @services{version}")],
                ),
                (
                    "flows",
                    format!("{address} . inet_service . {address} . inet_service . inet_proto"),
                    "timeout",
                    vec![flow("saddr", "daddr"), back],
                ),
            ] {
                let _ = writeln!(
                    sets,
                    "set {name}{version} {{ type {kind}; size {SET_MAX}; flags {flags}; counter; }}"
                );
                for rule in matches {
                    let _ = writeln!(rules, "{rule} counter name dropped drop");
                }
            }
        }
        format!(
            "add table {family} {TABLE}\ndelete table {family} {TABLE}\ntable {family} {TABLE} {{\ncounter dropped {{ }}\n{sets}\
             chain verdicts {{\ntype filter hook forward priority 0; policy accept;\n{rules}}}\n}}\n"
        )
    }

    fn add(&self, batch: &mut String, target: &Target, ttl_ms: u64) {
        let (set, key) = (set_of(target), key_of(target));
        let ttl_ms = ttl_ms.max(1);
        let _ = writeln!(
            batch,
            "add element {} {TABLE} {set} {{ {key} timeout {ttl_ms}ms }}",
            self.family.as_str()
        );
    }

    fn delete(&self, batch: &mut String, target: &Target) {
        let (set, key) = (set_of(target), key_of(target));
        let _ = writeln!(batch, "delete element {} {TABLE} {set} {{ {key} }}", self.family.as_str());
    }
}

fn set_of(target: &Target) -> String {
    let is_v4 = match target {
        Target::Flow { source: (address, _), .. }
        | Target::Pair { source: address, .. }
        | Target::Service { source: address, .. }
        | Target::Source(address) => address.is_ipv4(),
        Target::Range(range) => range.base().is_ipv4(),
    };
    let name = match target {
        Target::Flow { .. } => "flows",
        Target::Pair { .. } => "pairs",
        Target::Service { .. } => "services",
        Target::Source(_) => "sources",
        Target::Range(_) => "ranges",
    };
    format!("{name}{}", if is_v4 { 4 } else { 6 })
}

fn key_of(target: &Target) -> String {
    match target {
        Target::Flow { source, target, protocol } => {
            format!("{} . {} . {} . {} . {protocol}", source.0, source.1, target.0, target.1)
        }
        Target::Pair { source, target } => format!("{source} . {target}"),
        Target::Service { source, protocol, port } => format!("{source} . {protocol} . {port}"),
        Target::Source(source) => source.to_string(),
        Target::Range(range) => range.to_string(),
    }
}

/// Reads `nft -j list table`.
fn seen(answer: &Value) -> Seen {
    let mut seen = Seen::default();
    let (mut rules, mut sets, mut hooked) = (0, 0, false);
    for item in answer["nftables"].as_array().map_or(&[][..], Vec::as_slice) {
        if item["rule"]["chain"] == "verdicts" {
            rules += 1;
        } else if item["chain"]["name"] == "verdicts" {
            hooked = item["chain"]["hook"] == "forward";
        } else if item["counter"]["name"] == "dropped" {
            seen.dropped_packets = item["counter"]["packets"].as_u64().unwrap_or(0);
        } else if let Some(set) = item["set"]["name"].as_str() {
            sets += 1;
            for element in item["set"]["elem"].as_array().map_or(&[][..], Vec::as_slice) {
                let element = &element["elem"];
                let packets = element["counter"]["packets"].as_u64().unwrap_or(0);
                seen.elements.insert((set.to_owned(), key_in(&element["val"])), packets);
            }
        }
    }
    seen.whole = rules == RULES && sets == 10 && hooked;
    seen
}

/// An element's key as [`key_of`] writes it.
fn key_in(value: &Value) -> String {
    let plain = |v: &Value| match v {
        // The kernel writes IPv6 addresses as nft does; parsed and printed again they are ours.
        Value::String(text) => {
            text.parse::<IpAddr>().map_or_else(|_| text.clone(), |address| address.to_string())
        }
        other => other.to_string(),
    };
    if let Some(parts) = value["concat"].as_array() {
        return parts.iter().map(plain).collect::<Vec<_>>().join(" . ");
    }
    if value["prefix"].is_object() {
        return format!("{}/{}", plain(&value["prefix"]["addr"]), value["prefix"]["len"]);
    }
    plain(value)
}

/// Runs `nft`, feeds it `input`, and gives what it says.
/// Runs `nft`, or a tool of its kind, with so much patience.
pub(super) fn run_tool(program: &str, arguments: &[&str], input: &str) -> Result<String, NftFault> {
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| NftFault::Missing(program.to_owned(), e.to_string()))?;
    let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let out = std::thread::spawn(move || drain(stdout));
    let err = std::thread::spawn(move || drain(stderr));
    if let Some(stdin) = &mut stdin {
        // A tool that ends early says why on its other end.
        let _ = stdin.write_all(input.as_bytes());
    }
    drop(stdin);
    let succeeded = wait(&mut child)?;
    let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
    if succeeded {
        return Ok(out);
    }
    let line =
        err.lines().find(|line| line.contains("Error")).or_else(|| err.lines().next()).unwrap_or("it failed");
    let line = line.trim().to_owned();
    Err(if line.contains("No such file or directory") {
        NftFault::Gone
    } else if line.contains("Operation not permitted")
        || line.contains("you must be root")
        || line.contains("Permission denied")
    {
        NftFault::NotAllowed(line)
    } else {
        NftFault::Failed(line)
    })
}

fn drain(from: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let _ = from.take(OUTPUT_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for its end, not for ever.
fn wait(child: &mut Child) -> Result<bool, NftFault> {
    let mut waited = Duration::ZERO;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) if waited < PATIENCE => {
                std::thread::sleep(STEP);
                waited += STEP;
            }
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(NftFault::Failed(format!("no answer within {} s", PATIENCE.as_secs())));
            }
            Err(e) => return Err(NftFault::Failed(e.to_string())),
        }
    }
}
