//! What behaviour counters watch for, and whom an incident is about.

use std::net::IpAddr;

use model::Category;

/// What a behaviour counter watches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BehaviourKind {
    /// One source tries many ports or hosts and mostly fails.
    FanOut,
    /// One target gets more new connections than it can be meant to serve, and few of them are ever used.
    Flood,
    /// One source opens connections to one service at a rate no client needs.
    RequestFlood,
    /// One source holds very many connections to one service open.
    Hoard,
    /// One source repeats short conversations with one login service.
    Repetition,
    /// One target gets large answers that it never asked for, or that cost the asker almost nothing.
    Amplification,
    /// One source calls one service again and again at a kept interval, and says the same.
    Beacon,
    /// DNS carries more than questions: very many long names below one domain, or a channel through one resolver.
    DnsTunnel,
    /// Echo requests of changing sizes carry data.
    IcmpTunnel,
    /// DNS questions carry data one way: the answers bring nothing but the question again.
    DnsUpload,
    /// Echo requests carry more data than any ping, and bring nothing but their echo.
    IcmpUpload,
    /// An inside host sends much more to one outside peer than it gets.
    Upload,
    /// One source asks a web server for many different things and gets the same short answer.
    WebScan,
    /// A host that a scanner reached scans for the same service itself, or a scanner delivers the same to many it found.
    Spread,
}

impl BehaviourKind {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::FanOut,
        Self::Flood,
        Self::RequestFlood,
        Self::Hoard,
        Self::Repetition,
        Self::Amplification,
        Self::Beacon,
        Self::DnsTunnel,
        Self::IcmpTunnel,
        Self::DnsUpload,
        Self::IcmpUpload,
        Self::Upload,
        Self::WebScan,
        Self::Spread,
    ];

    /// Its name in stores and files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FanOut => "fan_out",
            Self::Flood => "flood",
            Self::RequestFlood => "request_flood",
            Self::Hoard => "hoard",
            Self::Repetition => "repetition",
            Self::Amplification => "amplification",
            Self::Beacon => "beacon",
            Self::DnsTunnel => "dns_tunnel",
            Self::IcmpTunnel => "icmp_tunnel",
            Self::DnsUpload => "dns_upload",
            Self::IcmpUpload => "icmp_upload",
            Self::Upload => "upload",
            Self::WebScan => "web_scan",
            Self::Spread => "spread",
        }
    }

    /// The attack category it is evidence of.
    #[must_use]
    pub fn category(self) -> Category {
        match self {
            Self::FanOut => Category::Scan,
            Self::Flood | Self::RequestFlood | Self::Hoard => Category::Dos,
            Self::Repetition => Category::Bruteforce,
            Self::Amplification => Category::Amplification,
            Self::Beacon => Category::C2,
            Self::DnsTunnel | Self::IcmpTunnel => Category::Tunnel,
            Self::DnsUpload | Self::IcmpUpload | Self::Upload => Category::Exfiltration,
            Self::WebScan => Category::Web,
            Self::Spread => Category::Spread,
        }
    }
}

/// Whom an incident is about: an empty field means "many".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope {
    /// The attack category.
    pub category: Category,
    /// The attacker.
    pub source: Option<IpAddr>,
    /// The victim.
    pub target: Option<IpAddr>,
    /// The service attacked.
    pub port: Option<u16>,
}

/// An episode that began or grew: its evidence is a quarter more than when it was last told.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Which counter speaks.
    pub kind: BehaviourKind,
    /// Whom it is about.
    pub scope: Scope,
    /// The one source seen; none when there are several.
    pub source: Option<IpAddr>,
    /// The one target seen; none when there are several.
    pub target: Option<IpAddr>,
    /// Flows behind the evidence.
    pub flows: u32,
    /// IP protocol number of the flows behind it.
    pub protocol: u8,
    /// The episode has just begun.
    pub began: bool,
    /// Where the evidence begins, microseconds since the epoch.
    pub first_us: u64,
    /// The newest event of it, microseconds since the epoch.
    pub last_us: u64,
    /// Evidence as a multiple of its threshold: 1 and more.
    pub strength: f64,
    /// What was seen, strongest first.
    pub evidence: Vec<String>,
}
