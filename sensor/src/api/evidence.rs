//! `GET /api/v1/evidence/{id}`: the packets of a flow or an alert as a capture file.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Door;
use super::access::Shown;
use super::problem::{Named, Problem};
use crate::evidence::find::Found;

/// The packets of a flow's or an alert's conversation, as far as they are still kept: classic pcap, at most 64 MiB. Who fetched them
/// stands in the audit log. `x-packets` is their number, `x-cut` is `true` when there were more.
#[utoipa::path(get, path = "/api/v1/evidence/{id}", tag = "findings", params(("id" = String, Path)), responses(
    (status = 200, description = "A capture file", content_type = "application/vnd.tcpdump.pcap", body = Vec<u8>),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn evidence(
    State(door): State<Arc<Door>>,
    Extension(shown): Extension<Shown>,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let service = Arc::clone(&door.service);
    // The name of the file is ours, whatever was asked for.
    let name: String = id.chars().filter(|c| c.is_ascii_alphanumeric()).take(64).collect();
    let found = tokio::task::spawn_blocking(move || service.evidence(&shown.actor, &id)).await;
    let Found { pcap, packets, cut, .. } = found.map_err(|error| {
        tracing::error!(%error, "packets could not be looked for");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the sensor failed on this request; its log says more",
        )
    })??;
    let head = [
        (CONTENT_TYPE, "application/vnd.tcpdump.pcap".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pcap\"")),
        (CACHE_CONTROL, "no-store".to_owned()),
        (HeaderName::from_static("x-packets"), packets.to_string()),
        (HeaderName::from_static("x-cut"), cut.to_string()),
    ];
    Ok((head, pcap).into_response())
}
