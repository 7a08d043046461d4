//! An alert or a decision as a POST of JSON, signed so that its receiver can tell who sent it and when.
//!
//! `Taphound-Signature: t=SECONDS,v1=HEX`, HMAC-SHA256 over `SECONDS.BODY`. Redirects are not followed: they would lead past the
//! check of the address.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, Client, StatusCode, Url};
use sha2::Sha256;

use super::Delivery;
use super::address::{is_public, public_only, refusal};
use crate::config::WebhookOut;
use crate::fault::Fault;

/// One receiver.
pub struct Webhook {
    url: Url,
    client: Client,
    secret: Option<Vec<u8>>,
    allow_private: bool,
}

impl Webhook {
    /// As the settings say.
    ///
    /// # Errors
    /// The URL, the secret's file or the certificates cannot be used.
    pub fn new(settings: &WebhookOut) -> Result<Self, Fault> {
        let wrong =
            |e: &dyn std::fmt::Display| Fault::Config(format!("`out.webhooks`, {}: {e}", settings.url));
        let url: Url = settings.url.parse().map_err(|e| wrong(&e))?;
        let secret = match settings.secret_file.as_os_str().is_empty() {
            true => None,
            false => {
                let read = std::fs::read(&settings.secret_file);
                let bytes = read.map_err(|e| wrong(&format!("{}: {e}", settings.secret_file.display())))?;
                Some(bytes.trim_ascii().to_vec())
            }
        };
        let mut client = Client::builder()
            .timeout(Duration::from_secs(15))
            .connect_timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("taphound-sync/", env!("CARGO_PKG_VERSION")));
        if !settings.allow_private {
            client = client.dns_resolver(public_only());
        }
        if !settings.ca_file.as_os_str().is_empty() {
            let pem = std::fs::read(&settings.ca_file)
                .map_err(|e| wrong(&format!("{}: {e}", settings.ca_file.display())))?;
            client = client.tls_certs_only(Certificate::from_pem_bundle(&pem).map_err(|e| wrong(&e))?);
        }
        let client = client.build().map_err(|e| wrong(&e))?;
        Ok(Self { url, client, secret, allow_private: settings.allow_private })
    }

    /// Sends one message, JSON, under an id by which the receiver knows one that comes twice.
    pub async fn send(&self, id: &str, body: Vec<u8>, now_s: u64) -> Delivery {
        // An address in the URL itself is never looked up.
        let literal = self.url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        if let Some(address) = literal.filter(|address| !self.allow_private && !is_public(*address)) {
            return Delivery::Later(refusal(self.url.as_ref(), address), None);
        }
        let mut request = self
            .client
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("taphound-delivery", id);
        if let Some(secret) = &self.secret {
            request = request.header("taphound-signature", signature(secret, now_s, &body));
        }
        match request.body(body).send().await {
            Err(e) => Delivery::Later(causes(&e.without_url()), None),
            Ok(response) => {
                let asked = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                let status = response.status();
                let said = format!("it answered {status}");
                match status {
                    _ if status.is_success() => Delivery::Taken,
                    // What it does not want today it does not want tomorrow; anything else is its trouble, and passes.
                    StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::UNPROCESSABLE_ENTITY
                    | StatusCode::GONE => Delivery::Refused(said),
                    _ => Delivery::Later(said, asked.map(Duration::from_secs)),
                }
            }
        }
    }
}

/// The value of `Taphound-Signature`.
#[must_use]
pub fn signature(secret: &[u8], now_s: u64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(format!("{now_s}.").as_bytes());
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("t={now_s},v1={hex}")
}

/// An error with what is behind it: reqwest's own words stop at "error sending request".
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
