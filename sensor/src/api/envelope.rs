//! Around every answer: a request id, the headers that make a browser careful, the client's limits, the access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Door;
use super::access::Shown;
use super::peer::{Client, Peer};
use super::problem::Problem;
use crate::service::tokens::random_id;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For every answer that does not say otherwise: nothing in it may be run, framed or kept.
const CAREFUL: [(HeaderName, HeaderValue); 6] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Wraps a request on its way in and its answer on its way out.
pub(super) async fn wrap(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    #[allow(clippy::disallowed_methods)] // how long an answer takes is about the answer
    let begun = Instant::now();
    let peer = request.extensions().get::<Peer>().copied().unwrap_or(Peer { address: None, tls: false });
    let client = Client::behind(peer, request.headers(), &door.settings.trusted_proxies);
    let id = request_id(request.headers());
    request.extensions_mut().insert(client);
    let line = door.settings.access_log.then(|| format!("{} {}", request.method(), request.uri().path()));
    let mut response = match door.limits.admit_client(client.address) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    door.counts.answered(response.status());
    if let Some(line) = line {
        let who = response.extensions().get::<Shown>().map_or("-", |shown| shown.actor.name.as_str());
        let (status, us) = (response.status().as_u16(), begun.elapsed().as_micros() as u64);
        tracing::info!(target: "sensor::access", %client, who, request = line, status, us, id = ?id, "answered");
    }
    let headers = response.headers_mut();
    for (name, value) in CAREFUL {
        headers.entry(name).or_insert(value);
    }
    if client.secure {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(HeaderName::from_static("strict-transport-security"), year);
    }
    headers.insert(REQUEST_ID, id);
    response
}

/// Answers within the time that there is.
pub(super) async fn in_time(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let seconds = u64::from(door.settings.request_timeout_s);
    // The feed's listeners stay.
    if matches!(request.uri().path(), "/ws" | "/api/v1/events") {
        return next.run(request).await;
    }
    tokio::time::timeout(Duration::from_secs(seconds), next.run(request)).await.unwrap_or_else(|_| {
        let detail =
            format!("this took longer than {seconds} s; ask for less, or raise `api.request_timeout_s`");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(seconds).into_response()
    })
}

/// The client's own id if it can stand in a log line, else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let plain = |v: &&HeaderValue| {
        !v.is_empty()
            && v.len() <= 64
            && v.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    let own = headers.get(REQUEST_ID).filter(plain).cloned();
    own.or_else(|| random_id().ok().and_then(|id| HeaderValue::from_str(&id).ok()))
        .unwrap_or(HeaderValue::from_static("none"))
}
