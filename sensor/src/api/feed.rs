//! The feed to listeners: WebSocket and server-sent events, from any number on, and nobody waits for anybody.

mod choice;
mod events;
mod socket;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::StatusCode;

use super::Door;
use super::access::Shown;
use super::problem::Problem;
use crate::feed::Listening;

pub(crate) use choice::{Choice, FeedQuery};
pub(super) use events::{__path_events, events};
pub(super) use socket::{__path_listen, listen};

/// A listener's seat; free again when it is dropped.
struct Seat(Arc<AtomicU64>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A place in the feed and a seat, if there is one left.
fn sit(door: &Door, since: Option<u64>) -> Result<(Seat, Listening), Problem> {
    let most = door.settings.listeners_max as u64;
    let seats = Arc::clone(&door.counts.listeners);
    if seats.fetch_add(1, Ordering::Relaxed) >= most {
        seats.fetch_sub(1, Ordering::Relaxed);
        let detail = format!("{most} listeners are there already; raise `api.listeners_max`");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(10));
    }
    Ok((Seat(seats), door.service.feed.listen(since)))
}

/// Why a listener may not stay: its token has expired or was revoked.
fn outstayed(door: &Door, shown: &Shown) -> Option<&'static str> {
    let bearer = shown.bearer.as_ref()?;
    door.service.tokens.recheck(bearer, door.service.now_s()).err()
}

/// What tells a listener that something of what it asked for is no longer kept.
fn gap(since: u64, newest: Option<u64>) -> String {
    serde_json::json!({"type": "gap", "since": since, "newest": newest}).to_string()
}
