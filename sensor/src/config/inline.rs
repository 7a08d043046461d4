//! `[inline]`: whether the sensor may stop traffic, from what on, how much, and never whom.

mod queue;

use serde::{Deserialize, Serialize};
use store::record::Cidr;

pub use queue::{OnFailure, Queue};

/// `[inline]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inline {
    /// Whether and how traffic is stopped.
    pub mode: Mode,
    /// Decide and report, and stop nothing.
    pub dry_run: bool,
    /// Where the kernel forwards: `bridge` (between ports of a bridge) or `inet` (this host routes).
    pub family: Family,
    /// What happens when somebody else empties or removes the rules.
    pub when_flushed: WhenFlushed,
    /// Seconds between two looks at the rules.
    pub check_s: u32,
    /// Write `blocks.txt` (one address a line) and `blocks.ipset` in the state folder; in `passive` mode too.
    pub list: bool,
    /// A behaviour counter's evidence blocks from this multiple of its threshold on.
    pub strength: f64,
    /// A score of a flow that has not ended may block by itself.
    pub provisional: bool,
    /// What shows that a source address is not forged.
    pub source_proof: SourceProof,
    /// A repeated offence lasts this many times longer than the one before.
    pub ttl_factor: f64,
    /// The longest block, in seconds.
    pub ttl_max_s: u32,
    /// Offences are forgotten after so many seconds.
    pub forget_s: u32,
    /// Blocks decided a minute at most; beyond it alerts only.
    pub blocks_per_minute: u32,
    /// Blocks in force at most; beyond it alerts only.
    pub blocks_max: u32,
    /// Addresses and ranges that are never blocked, beside the gateways, name servers and own addresses found at start.
    pub never: Vec<Cidr>,
    /// What is blocked, by category.
    pub scope: PerCategory<Scope>,
    /// The score from which the forest's opinion blocks, by category. Stricter than alerting.
    pub threshold: PerCategory<Threshold>,
    /// How long the first offence is blocked, in seconds, by category.
    pub ttl_s: PerCategory<Seconds>,
    /// What `inline-queue` does, by cause.
    pub queue: Queue,
}

impl Default for Inline {
    fn default() -> Self {
        Self {
            mode: Mode::Passive,
            dry_run: false,
            family: Family::Bridge,
            when_flushed: WhenFlushed::Restore,
            check_s: 1,
            list: false,
            strength: 1.5,
            provisional: false,
            source_proof: SourceProof::Handshake,
            ttl_factor: 4.0,
            ttl_max_s: 86_400,
            forget_s: 86_400,
            blocks_per_minute: 30,
            blocks_max: 1_000,
            never: Vec::new(),
            scope: PerCategory::default(),
            threshold: PerCategory::default(),
            ttl_s: PerCategory::default(),
            queue: Queue::default(),
        }
    }
}

/// Whether and how traffic is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Nothing is stopped.
    Passive,
    /// The kernel forwards; verdicts lie in nftables sets, with timeouts.
    InlineSet,
    /// As `inline-set`, and packets of flows that were not judged yet pass through the sensor.
    InlineQueue,
}

impl Mode {
    /// Its name in settings and interfaces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::InlineSet => "inline-set",
            Self::InlineQueue => "inline-queue",
        }
    }
}

/// The nftables family that the rules are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Frames between ports of a bridge.
    Bridge,
    /// Packets that this host routes.
    Inet,
}

impl Family {
    /// As nft calls it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Inet => "inet",
        }
    }
}

/// What happens when somebody else empties or removes the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenFlushed {
    /// They are put back, and the log says so.
    Restore,
    /// They are left as they are; the sensor calls itself critical.
    Alarm,
}

/// What shows that a source address is not forged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceProof {
    /// Most of its recent flows are TCP connections in which the other side sent data or its end.
    Handshake,
    /// Nothing: the network itself drops forged addresses (BCP 38, uRPF).
    None,
}

/// What a block covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Nothing: alerts only.
    Off,
    /// The one flow.
    Flow,
    /// The source towards the one target.
    Pair,
    /// The source towards one port of anybody.
    Service,
    /// Everything from the source.
    Source,
}

/// One value for every attack category.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerCategory<T>
where
    PerCategory<T>: Default,
{
    pub(crate) scan: T,
    pub(crate) dos: T,
    pub(crate) bruteforce: T,
    pub(crate) web: T,
    pub(crate) c2: T,
    pub(crate) exfiltration: T,
    pub(crate) tunnel: T,
    pub(crate) amplification: T,
    pub(crate) spread: T,
}

impl<T: Copy> PerCategory<T>
where
    PerCategory<T>: Default,
{
    /// The value of an attack category; none for benign.
    #[must_use]
    pub fn of(&self, category: model::Category) -> Option<T> {
        use model::Category as C;
        Some(match category {
            C::Scan => self.scan,
            C::Dos => self.dos,
            C::Bruteforce => self.bruteforce,
            C::Web => self.web,
            C::C2 => self.c2,
            C::Exfiltration => self.exfiltration,
            C::Tunnel => self.tunnel,
            C::Amplification => self.amplification,
            C::Spread => self.spread,
            C::Benign => return None,
        })
    }

    fn all(&self) -> [(&'static str, T); 9] {
        [
            ("scan", self.scan),
            ("dos", self.dos),
            ("bruteforce", self.bruteforce),
            ("web", self.web),
            ("c2", self.c2),
            ("exfiltration", self.exfiltration),
            ("tunnel", self.tunnel),
            ("amplification", self.amplification),
            ("spread", self.spread),
        ]
    }
}

impl Default for PerCategory<Scope> {
    fn default() -> Self {
        // The source of calls home, uploads and tunnels is one's own host: it loses that peer, not the network.
        Self {
            scan: Scope::Source,
            dos: Scope::Service,
            bruteforce: Scope::Service,
            web: Scope::Source,
            c2: Scope::Pair,
            exfiltration: Scope::Pair,
            tunnel: Scope::Pair,
            amplification: Scope::Pair,
            spread: Scope::Source,
        }
    }
}

/// A score in \[0, 1\].
pub type Threshold = f64;
/// A span of time.
pub type Seconds = u32;

impl Default for PerCategory<Threshold> {
    fn default() -> Self {
        Self {
            scan: 0.95,
            dos: 0.95,
            bruteforce: 0.95,
            web: 0.95,
            c2: 0.98,
            exfiltration: 0.98,
            tunnel: 0.98,
            amplification: 0.95,
            spread: 0.95,
        }
    }
}

impl Default for PerCategory<Seconds> {
    fn default() -> Self {
        Self {
            scan: 600,
            dos: 300,
            bruteforce: 600,
            web: 600,
            c2: 3_600,
            exfiltration: 3_600,
            tunnel: 3_600,
            amplification: 300,
            spread: 3_600,
        }
    }
}

impl Inline {
    /// Decisions are made at all: to stop something, to report what would be stopped, or for the list.
    #[must_use]
    pub fn decides(&self) -> bool {
        self.mode != Mode::Passive || self.list
    }

    /// Packets of flows that were not judged yet pass through the sensor.
    #[must_use]
    pub fn queues(&self) -> bool {
        self.mode == Mode::InlineQueue && !self.dry_run
    }

    /// Traffic is stopped.
    #[must_use]
    pub fn enforces(&self) -> bool {
        self.mode != Mode::Passive && !self.dry_run
    }

    /// Values outside their ranges, a line each.
    pub(super) fn faults(&self, interfaces: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut demand = |holds: bool, line: String| {
            if !holds {
                wrong.push(line);
            }
        };
        let range = |n: u32, low: u32, high: u32| (low..=high).contains(&n);
        for (key, n, low, high) in [
            ("check_s", self.check_s, 1, 3_600),
            ("ttl_max_s", self.ttl_max_s, 1, 31_536_000),
            ("forget_s", self.forget_s, 1, 31_536_000),
            ("blocks_per_minute", self.blocks_per_minute, 1, 10_000),
            ("blocks_max", self.blocks_max, 1, 65_536),
            ("queue.packets_max", self.queue.packets_max, 16, 1_048_576),
            ("queue.hold_ms", self.queue.hold_ms, 1, 2_000),
            ("queue.held_max", self.queue.held_max, 1, 65_536),
        ] {
            demand(range(n, low, high), format!("`inline.{key}` is {n}: use a value from {low} to {high}"));
        }
        demand(
            (1.0..=1000.0).contains(&self.strength),
            format!(
                "`inline.strength` is {}: use a value from 1 (where alerting begins) to 1000",
                self.strength
            ),
        );
        demand(
            (1.0..=100.0).contains(&self.ttl_factor),
            format!("`inline.ttl_factor` is {}: use a value from 1 to 100", self.ttl_factor),
        );
        for (category, threshold) in self.threshold.all() {
            demand(
                (0.5..=1.0).contains(&threshold),
                format!("`inline.threshold.{category}` is {threshold}: use a value from 0.5 to 1"),
            );
        }
        for (category, ttl) in self.ttl_s.all() {
            demand(
                ttl >= 1 && ttl <= self.ttl_max_s,
                format!(
                    "`inline.ttl_s.{category}` is {ttl}: use a value from 1 to `inline.ttl_max_s` ({})",
                    self.ttl_max_s
                ),
            );
        }
        demand(self.queue.mark != 0, "`inline.queue.mark` is 0: it needs a bit".to_owned());
        demand(
            self.mode != Mode::InlineQueue || self.provisional,
            "`inline.mode` is inline-queue, which stops flows by the scores of their first packets: say so with `inline.provisional = true`, or use inline-set".to_owned(),
        );
        demand(
            self.mode == Mode::Passive || !interfaces.is_empty(),
            format!(
                "`inline.mode` is {}, and `capture.interfaces` names none: name the two ports of the bridge",
                self.mode.as_str()
            ),
        );
        wrong
    }
}
