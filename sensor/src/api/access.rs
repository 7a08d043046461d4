//! Who may what: one table of every route, and the check that holds it. What is not in the table does not exist.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Door;
use super::peer::Client;
use super::problem::Problem;
use super::session;
use crate::service::tokens::Bearer;
use crate::service::who::{Actor, Role};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Anybody on this machine, and from elsewhere whoever has this role.
    HereOr(Role),
    /// Whoever has this role; with `api.legacy_open` anybody on this machine.
    LegacyOr(Role),
    /// Whoever has this role.
    Needs(Role),
}

use Access::{HereOr, LegacyOr, Needs, Open};
use Role::{Admin, Analyst, Viewer};

/// Every route: method, path, who.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Open),
    ("GET", "/healthz", Open),
    ("GET", "/readyz", Open),
    ("GET", "/ui", Open),
    ("GET", "/ui/", Open),
    ("GET", "/ui/{*path}", Open),
    ("POST", "/token", Open),
    ("DELETE", "/token", Needs(Viewer)),
    ("GET", "/metrics", HereOr(Viewer)),
    ("POST", "/predict", LegacyOr(Analyst)),
    ("POST", "/evaluate", LegacyOr(Analyst)),
    ("GET", "/ws", LegacyOr(Viewer)),
    ("GET", "/api/v1/openapi.json", Needs(Viewer)),
    ("GET", "/api/v1/session", Needs(Viewer)),
    ("POST", "/api/v1/tickets", Needs(Viewer)),
    ("GET", "/api/v1/events", Needs(Viewer)),
    ("GET", "/api/v1/status", Needs(Viewer)),
    ("GET", "/api/v1/alerts", Needs(Viewer)),
    ("GET", "/api/v1/alerts/{id}", Needs(Viewer)),
    ("GET", "/api/v1/incidents", Needs(Viewer)),
    ("GET", "/api/v1/incidents/{id}", Needs(Viewer)),
    ("GET", "/api/v1/flows", Needs(Viewer)),
    ("GET", "/api/v1/flows/{id}", Needs(Viewer)),
    ("GET", "/api/v1/evidence/{id}", Needs(Analyst)),
    ("GET", "/api/v1/labels", Needs(Viewer)),
    ("POST", "/api/v1/labels", Needs(Analyst)),
    ("GET", "/api/v1/labels/queue", Needs(Viewer)),
    ("POST", "/api/v1/labels/by-filter", Needs(Analyst)),
    ("POST", "/api/v1/labels/import", Needs(Analyst)),
    ("POST", "/api/v1/labels/import/suricata", Needs(Analyst)),
    ("GET", "/api/v1/labels/{subject}", Needs(Viewer)),
    ("DELETE", "/api/v1/labels/{subject}", Needs(Analyst)),
    ("GET", "/api/v1/suppressions", Needs(Viewer)),
    ("POST", "/api/v1/suppressions", Needs(Analyst)),
    ("DELETE", "/api/v1/suppressions/{id}", Needs(Analyst)),
    ("GET", "/api/v1/blocks", Needs(Viewer)),
    ("POST", "/api/v1/blocks", Needs(Analyst)),
    ("DELETE", "/api/v1/blocks/{id}", Needs(Analyst)),
    ("GET", "/api/v1/model", Needs(Viewer)),
    ("POST", "/api/v1/model/verify", Needs(Admin)),
    ("POST", "/api/v1/model/install", Needs(Admin)),
    ("POST", "/api/v1/model/rollback", Needs(Admin)),
    ("PUT", "/api/v1/model/shadow", Needs(Admin)),
    ("DELETE", "/api/v1/model/shadow", Needs(Admin)),
    ("GET", "/api/v1/audit", Needs(Admin)),
    ("GET", "/api/v1/tokens", Needs(Admin)),
    ("POST", "/api/v1/tokens", Needs(Admin)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(Admin)),
];

/// How somebody showed who they are.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    pub(super) actor: Actor,
    /// What they showed; none for what is open.
    pub(super) bearer: Option<Bearer>,
}

/// Lets through who may, and tells the others what they lack.
pub(super) async fn check(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    let Some(path) = request.extensions().get::<MatchedPath>().map(|p| p.as_str().to_owned()) else {
        return Problem::not_here().into_response();
    };
    // axum answers HEAD by GET.
    let method = if request.method() == Method::HEAD { "GET" } else { request.method().as_str() };
    let Some(access) = ROUTES.iter().find(|r| r.0 == method && r.1 == path).map(|r| r.2) else {
        return not_this_way(&path);
    };
    match admit(&door, access, &request) {
        Ok(shown) => {
            request.extensions_mut().insert(shown.clone());
            let mut response = next.run(request).await;
            // For the access log.
            response.extensions_mut().insert(shown);
            response
        }
        Err(refused) => {
            door.counts.refusals.inc();
            if let Err(too_many) = door.limits.note_refusal(Client::of(request.extensions()).address) {
                return too_many.into_response();
            }
            let what = format!("{method} {}", request.uri().path());
            door.service.note_refusal(refused.who, what, refused.why);
            refused.problem.into_response()
        }
    }
}

fn not_this_way(path: &str) -> Response {
    let allowed: Vec<&str> = ROUTES.iter().filter(|r| r.1 == path).map(|r| r.0).collect();
    let allowed = allowed.join(", ");
    let detail = format!("{path} is for {allowed}");
    let mut response = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response();
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

struct Refused {
    who: String,
    why: String,
    problem: Problem,
}

fn admit(door: &Door, access: Access, request: &Request) -> Result<Shown, Refused> {
    let client = Client::of(request.extensions());
    let needed = match access {
        Open => return Ok(nobody(Viewer)),
        HereOr(role) | LegacyOr(role) | Needs(role) => role,
    };
    let headers = request.headers();
    let token = credential(door, request);
    let refuse = |who: &str, why: &str, problem| {
        Err(Refused { who: format!("{who} at {client}"), why: why.to_owned(), problem })
    };
    let Some((token, carried_by)) = token else {
        let here = client.is_here && !names_another_host(headers);
        if here && (matches!(access, HereOr(_)) || matches!(access, LegacyOr(_)) && door.settings.legacy_open)
        {
            return Ok(nobody(needed));
        }
        let problem = Problem::new(
            StatusCode::UNAUTHORIZED,
            "this needs a token: send `Authorization: Bearer TOKEN`; `taphound token create` makes one",
        );
        return refuse("nobody", "no token", problem);
    };
    if carried_by == Carrier::Cookie && !same_origin(request) {
        let problem = Problem::new(StatusCode::FORBIDDEN, "another site may not use this browser's login");
        return refuse("a browser", "a request of another origin", problem);
    }
    let bearer = match token {
        Ok(bearer) => bearer,
        Err(why) => {
            let detail = "the token is not valid (any more); `taphound token create` makes one";
            return refuse("somebody", why, Problem::new(StatusCode::UNAUTHORIZED, detail));
        }
    };
    if let Err(problem) = door.limits.admit_token(&bearer.id) {
        return refuse(&bearer.subject, "too many requests", problem);
    }
    if bearer.role < needed {
        let detail = format!("this needs the role {needed}; `{}` is a {}", bearer.subject, bearer.role);
        return refuse(
            &bearer.subject,
            &format!("the role {}", bearer.role),
            Problem::new(StatusCode::FORBIDDEN, detail),
        );
    }
    let actor = Actor { name: bearer.subject.clone(), role: bearer.role, way: "api" };
    Ok(Shown { actor, bearer: Some(bearer) })
}

fn nobody(role: Role) -> Shown {
    Shown { actor: Actor { name: "nobody".to_owned(), role, way: "api" }, bearer: None }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Carrier {
    Header,
    Cookie,
    Ticket,
}

/// What the request shows: a bearer token, a one-time ticket of the feed, or a browser's cookie; and what that is worth.
fn credential(door: &Door, request: &Request) -> Option<(Result<Bearer, &'static str>, Carrier)> {
    let (tokens, now_s) = (&door.service.tokens, door.service.now_s());
    let headers = request.headers();
    if let Some(value) = headers.get(AUTHORIZATION) {
        let token = value.to_str().ok().and_then(|v| {
            let (scheme, token) = v.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        let token = token.ok_or("no bearer token in `Authorization`");
        return Some((token.and_then(|token| tokens.verify(token, now_s)), Carrier::Header));
    }
    if request.uri().path() == "/ws"
        && let Some(ticket) = session::ticket_in(request.uri().query())
    {
        let bearer = door.tickets.take(ticket, now_s).ok_or("the ticket was used, or is too old");
        let standing = bearer.and_then(|bearer| tokens.recheck(&bearer, now_s).map(|()| bearer));
        return Some((standing, Carrier::Ticket));
    }
    session::cookie(headers).map(|token| (tokens.verify(token, now_s), Carrier::Cookie))
}

/// A browser says where a request comes from; with the cookie's SameSite=Strict that is two locks. A change, and the opening
/// of the feed, must be of our own origin.
fn same_origin(request: &Request) -> bool {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let host = headers.get(HOST).and_then(|v| v.to_str().ok());
    match headers.get(ORIGIN).and_then(|v| v.to_str().ok()) {
        Some(origin) => origin.split_once("://").map(|(_, host)| host) == host,
        // Old browsers leave both out of plain reading; nothing changes by that.
        None => request.method().is_safe() && request.uri().path() != "/ws",
    }
}

/// A page of another site whose name was made to point at this machine sends that name: it is not somebody "on this machine".
fn names_another_host(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    !name.eq_ignore_ascii_case("localhost")
        && !name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}
