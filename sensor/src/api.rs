//! HTTP: the API, the earlier service's routes, the feed and the page, over whatever [`Service`] can be asked.
//!
//! A request passes `envelope` (id, headers, limits), `access` (who may: one table of every route) and a handler that turns it
//! into a question to the service. Sockets are bound before the sensor locks itself in, and served afterwards.

pub mod access;
mod blocks;
mod counts;
mod document;
mod envelope;
mod evidence;
mod feed;
mod legacy;
mod limits;
mod listen;
mod page;
mod peer;
mod problem;
mod routes;
mod session;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::watch;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Api;
use crate::service::Service;
use counts::Counts;
use limits::Limits;
use session::Tickets;

pub use listen::Listeners;
pub use peer::Peer;

/// Bytes of a body where no file is expected.
const BODY_MAX: usize = 1 << 20;

/// What handlers share.
pub struct Door {
    service: Arc<Service>,
    settings: Api,
    limits: Limits,
    tickets: Tickets,
    counts: Counts,
    stop: watch::Receiver<bool>,
}

impl Door {
    /// Opens a service to HTTP. When `stop` turns true, listeners to the feed are let go.
    #[must_use]
    pub fn new(service: Arc<Service>, settings: Api, stop: watch::Receiver<bool>) -> Arc<Self> {
        service.feed.sample_predictions(settings.predictions_per_s);
        let limits = Limits::new(&settings);
        Arc::new(Self {
            service,
            settings,
            limits,
            tickets: Tickets::default(),
            counts: Counts::default(),
            stop,
        })
    }
}

/// Serves until `stop` turns true, then lets those finish that have begun.
pub async fn serve(listeners: Listeners, service: Arc<Service>, settings: Api, stop: watch::Receiver<bool>) {
    let door = Door::new(service, settings, stop.clone());
    let tidying = {
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(60)).await;
                door.limits.tidy();
            }
        })
    };
    listeners.serve(router(door), stop).await;
    tidying.abort();
}

/// Waits until it is time to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The other end is gone: that is the end, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Every route behind its checks.
pub fn router(door: Arc<Door>) -> Router {
    let (documented, _) = documented(door.settings.upload_max_mib << 20).split_for_parts();
    documented
        .route("/ui", get(page::to_index))
        .route("/ui/", get(page::index))
        .route("/ui/{*path}", get(page::file))
        .route("/api/v1/openapi.json", get(|| async { Json(openapi()) }))
        .fallback(|| async { problem::Problem::not_here() })
        .layer(from_fn_with_state(Arc::clone(&door), envelope::in_time))
        .layer(from_fn_with_state(Arc::clone(&door), access::check))
        .layer(from_fn_with_state(Arc::clone(&door), envelope::wrap))
        .with_state(door)
}

fn documented(upload_max: usize) -> OpenApiRouter<Arc<Door>> {
    let uploads = OpenApiRouter::new()
        .routes(routes!(legacy::evaluate))
        .routes(routes!(routes::import_csv))
        .routes(routes!(routes::import_suricata))
        .routes(routes!(routes::verify_model))
        .routes(routes!(routes::install_model))
        .routes(routes!(routes::shadow_model, routes::end_shadow))
        .layer(DefaultBodyLimit::max(upload_max));
    OpenApiRouter::new()
        .routes(routes!(legacy::root))
        .routes(routes!(legacy::alive))
        .routes(routes!(legacy::ready))
        .routes(routes!(legacy::metrics))
        .routes(routes!(legacy::predict))
        .routes(routes!(session::open, session::close))
        .routes(routes!(session::show))
        .routes(routes!(session::ticket))
        .routes(routes!(feed::listen))
        .routes(routes!(feed::events))
        .routes(routes!(routes::status))
        .routes(routes!(routes::alerts))
        .routes(routes!(routes::alert))
        .routes(routes!(routes::incidents))
        .routes(routes!(routes::incident))
        .routes(routes!(routes::flows))
        .routes(routes!(routes::flow))
        .routes(routes!(evidence::evidence))
        .routes(routes!(routes::labels, routes::give_labels))
        .routes(routes!(routes::label_queue))
        .routes(routes!(routes::label_by_filter))
        .routes(routes!(routes::labels_of, routes::withdraw_label))
        .routes(routes!(routes::suppressions, routes::suppress))
        .routes(routes!(routes::lift_suppression))
        .routes(routes!(blocks::blocks, blocks::block))
        .routes(routes!(blocks::lift_block))
        .routes(routes!(routes::model))
        .routes(routes!(routes::roll_back_model))
        .routes(routes!(routes::audit))
        .routes(routes!(routes::tokens, routes::create_token))
        .routes(routes!(routes::revoke_token))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .merge(uploads)
}

/// The document of every route.
#[must_use]
pub fn openapi() -> OpenApi {
    document::complete(documented(BODY_MAX).into_openapi())
}
