//! What a block covers: one flow, a source towards one target or one port, a source, or a range.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use store::record::Cidr;

use crate::config::inline::Scope;

/// Traffic to be stopped. It is what is matched in the kernel, so it holds what the kernel can see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// One conversation, both ways.
    Flow {
        /// Its initiator.
        source: (IpAddr, u16),
        /// Its responder.
        target: (IpAddr, u16),
        /// IP protocol number.
        protocol: u8,
    },
    /// Everything from one address to another.
    Pair {
        /// From.
        source: IpAddr,
        /// To.
        target: IpAddr,
    },
    /// Everything from one address to one port of anybody.
    Service {
        /// From.
        source: IpAddr,
        /// IP protocol number.
        protocol: u8,
        /// To this port.
        port: u16,
    },
    /// Everything from one address.
    Source(IpAddr),
    /// Everything from a range. Only people block ranges.
    Range(Cidr),
}

/// What a block covers, as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Covers {
    /// One conversation.
    Flow,
    /// A source towards one target.
    Pair,
    /// A source towards one port.
    Service,
    /// A source.
    Source,
    /// A range of sources.
    Range,
}

impl Target {
    /// Whom it stops.
    #[must_use]
    pub fn source(&self) -> Cidr {
        match *self {
            Self::Flow { source: (address, _), .. }
            | Self::Pair { source: address, .. }
            | Self::Service { source: address, .. }
            | Self::Source(address) => address.into(),
            Self::Range(range) => range,
        }
    }

    /// The port of the protected side, when it is about one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match *self {
            Self::Flow { target: (_, port), .. } | Self::Service { port, .. } => Some(port),
            Self::Pair { .. } | Self::Source(_) | Self::Range(_) => None,
        }
    }

    /// The protected side's address, when it is about one.
    #[must_use]
    pub fn target(&self) -> Option<IpAddr> {
        match *self {
            Self::Flow { target: (address, _), .. } | Self::Pair { target: address, .. } => Some(address),
            Self::Service { .. } | Self::Source(_) | Self::Range(_) => None,
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn covers(&self) -> Covers {
        match self {
            Self::Flow { .. } => Covers::Flow,
            Self::Pair { .. } => Covers::Pair,
            Self::Service { .. } => Covers::Service,
            Self::Source(_) => Covers::Source,
            Self::Range(_) => Covers::Range,
        }
    }

    /// The block of `scope` that these ends allow; none when an end that it needs is many.
    #[must_use]
    pub fn of(
        scope: Scope,
        source: Option<IpAddr>,
        target: Option<IpAddr>,
        port: Option<u16>,
        protocol: u8,
    ) -> Option<Self> {
        let source = source?;
        match scope {
            Scope::Off | Scope::Flow => None,
            Scope::Source => Some(Self::Source(source)),
            Scope::Pair => target.map(|target| Self::Pair { source, target }),
            // Only these have ports that a set can match.
            Scope::Service => match port {
                Some(port) if matches!(protocol, 6 | 17 | 132) => {
                    Some(Self::Service { source, protocol, port })
                }
                _ => target.map(|target| Self::Pair { source, target }),
            },
        }
    }

    /// Whether a packet of this conversation would be stopped.
    #[must_use]
    pub fn stops(&self, from: (IpAddr, u16), to: (IpAddr, u16), protocol: u8) -> bool {
        match *self {
            Self::Flow { source, target, protocol: p } => {
                p == protocol && ((source, target) == (from, to) || (source, target) == (to, from))
            }
            Self::Pair { source, target } => (source, target) == (from.0, to.0),
            Self::Service { source, protocol: p, port } => source == from.0 && p == protocol && port == to.1,
            Self::Source(source) => source == from.0,
            Self::Range(range) => range.contains(from.0),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flow { source, target, protocol } => {
                let end = |(address, port): &(IpAddr, u16)| std::net::SocketAddr::new(*address, *port);
                write!(f, "flow {} -> {} protocol {protocol}", end(source), end(target))
            }
            Self::Pair { source, target } => write!(f, "{source} -> {target}"),
            Self::Service { source, protocol: 6, port } => write!(f, "{source} -> tcp port {port}"),
            Self::Service { source, protocol: 17, port } => write!(f, "{source} -> udp port {port}"),
            Self::Service { source, protocol, port } => {
                write!(f, "{source} -> protocol {protocol} port {port}")
            }
            Self::Source(source) => write!(f, "{source}"),
            Self::Range(range) => write!(f, "{range}"),
        }
    }
}
