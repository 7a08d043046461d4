//! Logging in and out: a created token becomes a short cookie that scripts cannot read; a ticket opens the feed once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Door;
use super::access::Shown;
use super::peer::Client;
use super::problem::Problem;
use crate::service::tokens::{Bearer, random_id};
use crate::service::who::Role;

const COOKIE_NAME: &str = "taphound_session";
/// Seconds that a ticket can be used.
const TICKET_LIFE_S: u64 = 30;
const TICKETS_MAX: usize = 4096;

/// Opens the feed once. A browser cannot send headers with a WebSocket; what stands in an address ends up in logs.
#[derive(Default)]
pub(super) struct Tickets {
    open: Mutex<HashMap<String, (Bearer, u64)>>,
}

impl Tickets {
    fn issue(&self, bearer: Bearer, now_s: u64) -> Result<String, Problem> {
        let ticket = random_id()?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, until_s)| *until_s > now_s);
        if open.len() >= TICKETS_MAX {
            let detail = "too many tickets wait to be used; try again";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(TICKET_LIFE_S));
        }
        open.insert(ticket.clone(), (bearer, now_s + TICKET_LIFE_S));
        Ok(ticket)
    }

    /// Whose ticket it is. It is used up.
    pub(super) fn take(&self, ticket: &str, now_s: u64) -> Option<Bearer> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(ticket).filter(|(_, until_s)| *until_s > now_s).map(|(bearer, _)| bearer)
    }
}

/// The ticket in a query.
pub(super) fn ticket_in(query: Option<&str>) -> Option<&str> {
    query?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

/// The session's cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    cookies
        .flat_map(|v| v.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE_NAME)?.strip_prefix('='))
        .filter(|token| !token.is_empty())
}

fn cookie_value(token: &str, life_s: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let text = format!("{COOKIE_NAME}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life_s}{secure}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// What opens a session.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct Login {
    /// A token that `taphound token create` made. May be in `Authorization: Bearer` instead.
    #[serde(default, alias = "password")]
    token: Option<String>,
    /// Not needed; clients of the earlier service send one.
    #[serde(default)]
    #[allow(dead_code)]
    username: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Sends as `Authorization: Bearer`; a browser gets it as a cookie too.
    pub access_token: String,
    /// `bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    /// What it allows.
    pub role: Role,
    /// The name in the audit log.
    pub subject: String,
}

/// Opens a session for whoever shows a token, as JSON, as a form (its `password`), or as a bearer.
#[utoipa::path(post, path = "/token", tag = "session", request_body = Login, security(()),
    responses((status = 200, body = Session), (status = 401, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn open(
    State(door): State<Arc<Door>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let login = read_login(&headers, &body)?;
    let bearer = headers.get(AUTHORIZATION).and_then(|v| v.to_str().ok());
    let bearer = bearer.and_then(|v| v.strip_prefix("Bearer ")).map(|t| t.trim().to_owned());
    let token = login.token.or(bearer).ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "`token` is missing; send the one that `taphound token create` printed",
        )
    })?;
    let now_s = door.service.now_s();
    let known = door.service.tokens.verify(&token, now_s);
    let found = known.and_then(|b| if b.session { Err("a session opens no session") } else { Ok(b) });
    let bearer = match found {
        Ok(bearer) => bearer,
        Err(why) => {
            door.counts.refusals.inc();
            door.limits.note_refusal(client.address)?;
            door.service.note_refusal(format!("somebody at {client}"), "POST /token".into(), why.into());
            let detail = "the token is not valid (any more); `taphound token create` makes one";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, detail));
        }
    };
    let life_s = u64::from(door.settings.session_hours) * 3600;
    let (access_token, expires_s) = door.service.tokens.session(&bearer, now_s, life_s)?;
    let expires_in = expires_s.saturating_sub(now_s);
    let cookie = cookie_value(&access_token, expires_in, client.secure);
    let session = Session {
        access_token,
        token_type: "bearer",
        expires_in,
        role: bearer.role,
        subject: bearer.subject,
    };
    Ok(([(SET_COOKIE, cookie)], Json(session)).into_response())
}

fn read_login(headers: &HeaderMap, body: &Bytes) -> Result<Login, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if body.is_empty() {
        return Ok(Login::default());
    }
    if kind.starts_with("application/x-www-form-urlencoded") {
        let text = String::from_utf8_lossy(body);
        let token = text.split('&').find_map(|pair| {
            pair.strip_prefix("password=").or_else(|| pair.strip_prefix("token=")).map(str::to_owned)
        });
        // A token has no character that a form would write otherwise.
        return Ok(Login { token, username: None });
    }
    serde_json::from_slice(body)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, format!("the body is no login: {e}")))
}

/// Ends the session, and takes the cookie back.
#[utoipa::path(delete, path = "/token", tag = "session", responses((status = 204, description = "Ended")))]
pub(super) async fn close(
    State(door): State<Arc<Door>>,
    Extension(shown): Extension<Shown>,
    Extension(client): Extension<Client>,
) -> Result<Response, Problem> {
    if let Some(bearer) = shown.bearer.filter(|b| b.session) {
        door.service.tokens.end_session(&bearer, door.service.now_s())?;
    }
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, cookie_value("", 0, client.secure))]).into_response())
}

/// Who is asking.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Whoami {
    /// The name in the audit log.
    pub subject: String,
    /// What they may.
    pub role: Role,
    /// Until when, epoch seconds.
    pub expires_s: Option<u64>,
}

/// Who is asking, and until when.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = Whoami)))]
pub(super) async fn show(Extension(shown): Extension<Shown>) -> Json<Whoami> {
    let expires_s = shown.bearer.map(|b| b.expires_s);
    Json(Whoami { subject: shown.actor.name, role: shown.actor.role, expires_s })
}

/// A ticket.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ticket {
    /// Goes into the address: `/ws?ticket=...`. Works once.
    pub ticket: String,
    /// Seconds in which it works.
    pub expires_in: u64,
}

/// A one-time ticket for `/ws`, for clients that can send neither a header nor a cookie with it.
#[utoipa::path(post, path = "/api/v1/tickets", tag = "session", responses((status = 201, body = Ticket)))]
pub(super) async fn ticket(
    State(door): State<Arc<Door>>,
    Extension(shown): Extension<Shown>,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let bearer =
        shown.bearer.ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "a ticket needs a token"))?;
    let now_s = door.service.now_s();
    Ok((
        StatusCode::CREATED,
        Json(Ticket { ticket: door.tickets.issue(bearer, now_s)?, expires_in: TICKET_LIFE_S }),
    ))
}
