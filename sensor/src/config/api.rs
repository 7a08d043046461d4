//! `[api]`: where the HTTP interface listens, who may use it without a token, and how much of it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// `[api]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Api {
    /// Addresses to listen on; none: no HTTP. Sockets that systemd hands over are used instead of these.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain (PEM). With `tls_key` every listener speaks TLS; both are read again when they change.
    pub tls_cert: PathBuf,
    /// Private key of the certificate (PEM).
    pub tls_key: PathBuf,
    /// Reverse proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// `/predict`, `/evaluate` and `/ws` need no token from this machine: for clients of the earlier service.
    pub legacy_open: bool,
    /// What is sent to `/predict` is stored, fed and synced like a flow.
    pub store_predictions: bool,
    /// A token lives this many days unless it is created with another life.
    pub token_days: u32,
    /// A browser is asked to log in again after this many hours.
    pub session_hours: u32,
    /// Clocks may differ by so much when a token's time is judged.
    pub leeway_s: u32,
    /// Requests a second that one client, and one token, may make in the long run; 0: any number.
    pub requests_per_s: u32,
    /// Requests that may come at once before that.
    pub requests_burst: u32,
    /// Connections at once.
    pub connections_max: usize,
    /// Listeners to the feed at once.
    pub listeners_max: usize,
    /// Predictions a second told to listeners; more are sampled.
    pub predictions_per_s: u32,
    /// Largest body of a request in MiB (uploads to `/evaluate` and imports; others take 1 MiB).
    pub upload_max_mib: usize,
    /// A request is answered within so many seconds or refused.
    pub request_timeout_s: u32,
    /// Log every request.
    pub access_log: bool,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8765))],
            tls_cert: PathBuf::new(),
            tls_key: PathBuf::new(),
            trusted_proxies: Vec::new(),
            legacy_open: false,
            store_predictions: true,
            token_days: 365,
            session_hours: 12,
            leeway_s: 30,
            requests_per_s: 1000,
            requests_burst: 2000,
            connections_max: 4096,
            listeners_max: 1024,
            predictions_per_s: 200,
            upload_max_mib: 64,
            request_timeout_s: 30,
            access_log: false,
        }
    }
}

impl Api {
    /// Whether connections are encrypted.
    #[must_use]
    pub fn tls(&self) -> bool {
        !self.tls_cert.as_os_str().is_empty()
    }

    /// Refuses values outside their ranges.
    ///
    /// # Errors
    /// Everything that is wrong, a line each.
    pub fn check(&self) -> Result<(), Fault> {
        let wrong = self.faults();
        if wrong.is_empty() { Ok(()) } else { Err(Fault::Config(wrong.join("\n"))) }
    }

    /// What is wrong with it, a line each.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.tls_cert.as_os_str().is_empty() != self.tls_key.as_os_str().is_empty() {
            wrong.push("`api.tls_cert` and `api.tls_key` go together: name both, or none".to_owned());
        }
        let open = self.listen.iter().find(|address| !address.ip().is_loopback());
        if let Some(address) = open
            && !self.tls()
            && self.trusted_proxies.is_empty()
        {
            wrong.push(format!(
                "`api.listen` has {address}, where tokens would cross the network unencrypted: set `api.tls_cert` and \
                 `api.tls_key`, or name the proxy that encrypts in `api.trusted_proxies`, or listen on 127.0.0.1"
            ));
        }
        for (name, value, range) in [
            ("token_days", self.token_days as usize, 1..=3650),
            ("session_hours", self.session_hours as usize, 1..=720),
            ("leeway_s", self.leeway_s as usize, 0..=300),
            ("connections_max", self.connections_max, 1..=65_536),
            ("listeners_max", self.listeners_max, 0..=65_536),
            ("upload_max_mib", self.upload_max_mib, 1..=1024),
            ("request_timeout_s", self.request_timeout_s as usize, 1..=600),
        ] {
            if !range.contains(&value) {
                let (least, most) = (range.start(), range.end());
                wrong.push(format!("`api.{name}` is {value}: use a value from {least} to {most}"));
            }
        }
        wrong
    }
}
