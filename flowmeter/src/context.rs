//! A name from a flow's first payload, shown to people and never given to a model.

mod dns;
mod http;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::decode::{Decoded, protocol};

/// A name that a flow's first payloads carry: bounded, and printable whatever was on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Context {
    kind: ContextKind,
    len: u8,
    truncated: bool,
    bytes: [u8; Context::LEN_MAX],
}

/// Where a name was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContextKind {
    /// Server name of a TLS ClientHello (RFC 6066).
    TlsServerName,
    /// First question of a DNS, mDNS or LLMNR message (RFC 1035).
    DnsName,
    /// `Host` of an HTTP/1 request (RFC 9110).
    HttpHost,
}

impl ContextKind {
    /// The name in files and interfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TlsServerName => "tls_sni",
            Self::DnsName => "dns_name",
            Self::HttpHost => "http_host",
        }
    }
}

impl Context {
    /// Longest name kept, in bytes; longer ones keep their beginning.
    pub const LEN_MAX: usize = 93;

    /// A name, cut to [`Context::LEN_MAX`]. Bytes that are not printable ASCII become `?`.
    pub fn new(kind: ContextKind, name: &[u8]) -> Self {
        let mut context = Self { kind, len: 0, truncated: false, bytes: [0; Self::LEN_MAX] };
        context.extend(name);
        context
    }

    /// Adds bytes to the name, as far as there is room.
    fn extend(&mut self, name: &[u8]) {
        let from = usize::from(self.len);
        let room = &mut self.bytes[from..];
        self.truncated |= name.len() > room.len();
        for (kept, &byte) in room.iter_mut().zip(name) {
            *kept = if byte.is_ascii_graphic() { byte } else { b'?' };
            self.len += 1;
        }
    }

    /// The name in a packet's payload, if it looks like the beginning of a conversation that has one.
    ///
    /// Looks at one packet alone: a ClientHello or request that is spread over segments gives the name only if it lies in
    /// the first.
    #[inline]
    pub(crate) fn read(packet: &Decoded<'_>) -> Option<Self> {
        let payload = packet.payload;
        let (&first, _) = payload.split_first()?;
        match packet.protocol {
            _ if packet.is_later_fragment => None,
            protocol::TCP => match first {
                tls::HANDSHAKE => {
                    tls::server_name(payload).map(|name| Self::new(ContextKind::TlsServerName, name))
                }
                b'G' | b'P' | b'H' | b'D' | b'O' | b'C' | b'T' => {
                    http::host(payload).map(|name| Self::new(ContextKind::HttpHost, name))
                }
                _ => None,
            },
            protocol::UDP => {
                let is_dns = |port| matches!(port, 53 | 5353 | 5355);
                if is_dns(packet.destination_port) || is_dns(packet.source_port) {
                    return dns::question(payload);
                }
                None
            }
            _ => None,
        }
    }

    /// Where it was read.
    pub fn kind(&self) -> ContextKind {
        self.kind
    }

    /// The name (or its beginning).
    pub fn name(&self) -> &str {
        // Printable ASCII by construction.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The name was longer.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}{}", self.kind.as_str(), self.name(), if self.truncated { "..." } else { "" })
    }
}
