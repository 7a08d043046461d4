//! The feed as server-sent events: `EventSource` and `curl -N` understand it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event as Sent, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;

use super::{Choice, FeedQuery, Seat, gap, outstayed, sit};
use crate::api::access::Shown;
use crate::api::problem::{Asked, Problem};
use crate::api::{Door, stopped};
use crate::feed::{Event, Listening};

const LOOK_EVERY: Duration = Duration::from_secs(20);

struct Listener {
    door: Arc<Door>,
    shown: Shown,
    choice: Choice,
    /// What is sent before anything live, newest first.
    before: Vec<Sent>,
    listening: Listening,
    stop: watch::Receiver<bool>,
    ended: bool,
    _seat: Seat,
}

/// What happens, as server-sent events. `Last-Event-ID` resumes as `since` does.
///
/// A listener that falls behind gets an event `too_slow` and the end of the stream.
#[utoipa::path(get, path = "/api/v1/events", tag = "feed", params(FeedQuery),
    responses((status = 200, description = "Events; `id` is the number to resume from", content_type = "text/event-stream", body = String),
        (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::api) async fn events(
    State(door): State<Arc<Door>>,
    Extension(shown): Extension<Shown>,
    headers: HeaderMap,
    Asked(query): Asked<FeedQuery>,
) -> Result<Sse<impl Stream<Item = Result<Sent, Infallible>>>, Problem> {
    let choice = query.choice().map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok()).and_then(|v| v.parse().ok());
    let since = last.or(query.since);
    let (seat, mut listening) = sit(&door, since)?;
    let missed = std::mem::take(&mut listening.missed);
    let mut before: Vec<Sent> = missed.iter().rev().filter(|e| choice.wants(e)).map(sent).collect();
    if let (true, Some(since)) = (listening.gap, since) {
        before.push(Sent::default().event("gap").data(gap(since, door.service.feed.newest())));
    }
    let stop = door.stop.clone();
    let listener = Listener { door, shown, choice, before, listening, stop, ended: false, _seat: seat };
    let stream = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))))
}

impl Listener {
    async fn next(&mut self) -> Option<Sent> {
        if let Some(event) = self.before.pop() {
            return Some(event);
        }
        if self.ended {
            return None;
        }
        loop {
            let look = tokio::time::sleep(LOOK_EVERY);
            tokio::select! {
                event = self.listening.live.recv() => match event {
                    Ok(event) if self.choice.wants(&event) => return Some(sent(&event)),
                    Ok(_) => {}
                    Err(RecvError::Lagged(lost)) => {
                        self.ended = true;
                        self.door.counts.slow_listeners.inc();
                        return Some(Sent::default().event("too_slow").data(lost.to_string()));
                    }
                    Err(RecvError::Closed) => return None,
                },
                () = stopped(&mut self.stop) => return None,
                () = look => if outstayed(&self.door, &self.shown).is_some() { return None },
            }
        }
    }
}

fn sent(event: &Event) -> Sent {
    Sent::default().id(event.sequence.to_string()).event(event.topic.as_str()).data(&*event.json)
}
