//! Where a request comes from: the socket's other end, or what a trusted proxy says of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use axum::http::{Extensions, HeaderMap};

/// The other end of the socket; no address for a unix socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: Option<IpAddr>,
    /// The connection is encrypted.
    pub tls: bool,
}

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// The address that limits and logs go by.
    pub address: IpAddr,
    /// On this machine, without a proxy in between.
    pub is_here: bool,
    /// What the client sent travelled encrypted, as far as we know.
    pub secure: bool,
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Client {
    /// Reads the headers of proxies: the address nearest to us that is no trusted proxy is the client's. Headers of others
    /// are not believed, but whoever sends them is behind something and so not on this machine.
    #[must_use]
    pub(crate) fn behind(peer: Peer, headers: &HeaderMap, trusted: &[IpAddr]) -> Self {
        let socket = peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
        let forwarded =
            ["x-forwarded-for", "forwarded", "x-real-ip"].iter().any(|h| headers.contains_key(*h));
        let mut client =
            Self { address: socket, is_here: socket.is_loopback() && !forwarded, secure: peer.tls };
        if !trusted.contains(&socket) {
            return client;
        }
        client.is_here = false;
        let named = headers.get_all("x-forwarded-for").iter().filter_map(|v| v.to_str().ok());
        let chain: Vec<&str> = named.flat_map(|v| v.split(',')).map(str::trim).collect();
        for hop in chain.iter().rev() {
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            client.address = address.to_canonical();
            if !trusted.contains(&client.address) {
                break;
            }
        }
        client.secure = headers.get("x-forwarded-proto").is_some_and(|v| v.as_bytes() == b"https");
        client
    }

    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().copied().unwrap_or(Self {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            is_here: false,
            secure: false,
        })
    }
}

#[cfg(test)]
mod tests;
