//! The feed over a WebSocket: one message an event, in the earlier service's shape, and a close code for every end.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::StatusCode;
use axum::response::Response;
use tokio::sync::broadcast::error::RecvError;

use super::{Choice, FeedQuery, Seat, gap, outstayed, sit};
use crate::api::access::Shown;
use crate::api::problem::{Asked, Problem};
use crate::api::{Door, stopped};
use crate::feed::Listening;

/// The sensor stops.
const GOING_AWAY: u16 = 1001;
/// The message makes no sense.
const UNSUPPORTED: u16 = 1003;
/// The token has expired or was revoked.
const LOGGED_OUT: u16 = 4001;
/// The listener cannot keep up; it may come back with `?since=`.
const TOO_SLOW: u16 = 4008;

/// A listener that takes nothing for so long is too slow.
const SEND_PATIENCE: Duration = Duration::from_secs(10);
const PING_EVERY: Duration = Duration::from_secs(20);
/// Bytes that a listener may say at once.
const SAYS_MAX: usize = 4096;

/// What happens, over a WebSocket. A listener may say `{"types": "alert,incident", "min_severity": "high"}` to choose anew.
///
/// Close codes: 1001 the sensor stops, 1003 a message that makes no sense, 4001 the token is no longer valid, 4008 too slow.
#[utoipa::path(get, path = "/ws", tag = "feed", params(FeedQuery),
    responses((status = 101, description = "Events follow, one JSON object a message"),
        (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(in crate::api) async fn listen(
    State(door): State<Arc<Door>>,
    Extension(shown): Extension<Shown>,
    Asked(query): Asked<FeedQuery>,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let choice = query.choice().map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, e))?;
    let upgrade = upgrade.map_err(|e| {
        let detail =
            format!("this address speaks WebSocket ({}); /api/v1/events speaks plain HTTP", e.body_text());
        Problem::new(e.status(), detail)
    })?;
    let since = query.since;
    let (seat, listening) = sit(&door, since)?;
    let upgrade = upgrade.max_message_size(SAYS_MAX).max_frame_size(SAYS_MAX).max_write_buffer_size(1 << 20);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let newest = door.service.feed.newest();
        let mut listener = Listener { socket, door, shown, choice, _seat: seat };
        let gap = since.filter(|_| listening.gap).map(|since| gap(since, newest));
        let (code, reason) = listener.serve(listening, gap).await;
        if code == TOO_SLOW {
            listener.door.counts.slow_listeners.inc();
        }
        listener.close(code, reason).await;
    }))
}

struct Listener {
    socket: WebSocket,
    door: Arc<Door>,
    shown: Shown,
    choice: Choice,
    _seat: Seat,
}

type End = (u16, &'static str);

impl Listener {
    async fn serve(&mut self, mut listening: Listening, gap: Option<String>) -> End {
        match self.tell_all(&listening, gap).await {
            Err(end) => return end,
            Ok(()) => listening.missed = Vec::new(),
        }
        let mut stop = self.door.stop.clone();
        let mut ping = tokio::time::interval(PING_EVERY);
        ping.tick().await;
        loop {
            let next = tokio::select! {
                event = listening.live.recv() => match event {
                    Ok(event) if self.choice.wants(&event) => self.send(Message::text(&*event.json)).await,
                    Ok(_) => Ok(()),
                    Err(RecvError::Lagged(_)) => Err((TOO_SLOW, "too slow: come back with ?since=")),
                    Err(RecvError::Closed) => Err((GOING_AWAY, "the feed has ended")),
                },
                said = self.socket.recv() => match said {
                    Some(Ok(message)) => self.hear(message),
                    _ => Err((GOING_AWAY, "")),
                },
                _ = ping.tick() => match outstayed(&self.door, &self.shown) {
                    Some(why) => Err((LOGGED_OUT, why)),
                    None => self.send(Message::Ping(axum::body::Bytes::new())).await,
                },
                () = stopped(&mut stop) => Err((GOING_AWAY, "the sensor stops")),
            };
            if let Err(end) = next {
                return end;
            }
        }
    }

    async fn tell_all(&mut self, listening: &Listening, gap: Option<String>) -> Result<(), End> {
        if let Some(gap) = gap {
            self.send(Message::text(gap)).await?;
        }
        for event in &listening.missed {
            if self.choice.wants(event) {
                self.send(Message::text(&*event.json)).await?;
            }
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(SEND_PATIENCE, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err((GOING_AWAY, "")),
            Err(_) => Err((TOO_SLOW, "too slow: come back with ?since=")),
        }
    }

    fn hear(&mut self, message: Message) -> Result<(), End> {
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Binary(_) => return Err((UNSUPPORTED, "say JSON text")),
            Message::Close(_) => return Err((GOING_AWAY, "")),
        };
        // Clients of the earlier service say "ping" and expect nothing in particular.
        if text.as_str() == "ping" {
            return Ok(());
        }
        let asked =
            serde_json::from_str::<FeedQuery>(&text).map_err(|e| e.to_string()).and_then(|q| q.choice());
        self.choice = asked
            .map_err(|_| (UNSUPPORTED, "say {\"types\": \"alert,incident\", \"min_severity\": \"high\"}"))?;
        Ok(())
    }

    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ =
            tokio::time::timeout(Duration::from_secs(1), self.socket.send(Message::Close(Some(frame)))).await;
    }
}
