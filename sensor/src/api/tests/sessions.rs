//! Logging in: cookies, tickets, other sites, limits, and the headers around every answer.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::rig::{Answer, Rig};
use crate::service::who::Role;

async fn with_cookie(
    rig: &Rig,
    method: &str,
    path: &str,
    cookie: &str,
    headers: &[(&'static str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("cookie", cookie);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    rig.send("192.0.2.1", request.body(Body::empty()).unwrap()).await
}

fn cookie_of(answer: &Answer) -> String {
    let set = answer.headers["set-cookie"].to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_logs_in_works_and_logs_out() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let answer = rig.post("/token", "", &json!({"token": token})).await;
    assert_eq!((answer.status, &answer.json()["role"]), (StatusCode::OK, &json!("analyst")));
    let cookie = cookie_of(&answer);
    let me = with_cookie(&rig, "GET", "/api/v1/session", &cookie, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(me.json()["subject"], "analyst");
    let out = with_cookie(&rig, "DELETE", "/token", &cookie, &[("sec-fetch-site", "same-origin")]).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let after = with_cookie(&rig, "GET", "/api/v1/session", &cookie, &[]).await;
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);

    let form = rig
        .ask(
            "POST",
            "/token",
            "",
            "application/x-www-form-urlencoded",
            format!("username=x&password={token}"),
        )
        .await;
    assert_eq!((form.status, &form.json()["token_type"]), (StatusCode::OK, &json!("bearer")));
    let session = form.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(rig.get("/api/v1/alerts", &session).await.status, StatusCode::OK);
    assert_eq!(
        rig.post("/token", "", &json!({"token": session})).await.status,
        StatusCode::UNAUTHORIZED,
        "sessions open none"
    );
    assert_eq!(rig.post("/token", "", &json!({"token": "a.b.c"})).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(rig.post("/token", "", &json!({})).await.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn another_site_cannot_use_the_cookie() {
    let rig = Rig::new();
    let cookie = cookie_of(&rig.post("/token", "", &json!({"token": rig.token(Role::Admin)})).await);
    for (method, path, headers, allowed) in [
        ("POST", "/api/v1/model/rollback", &[("sec-fetch-site", "cross-site")][..], false),
        ("POST", "/api/v1/model/rollback", &[("sec-fetch-site", "same-site")], false),
        ("POST", "/api/v1/model/rollback", &[], false),
        (
            "POST",
            "/api/v1/model/rollback",
            &[("host", "sensor:8765"), ("origin", "https://evil.example")],
            false,
        ),
        (
            "POST",
            "/api/v1/model/rollback",
            &[("host", "sensor:8765"), ("origin", "https://sensor:8765")],
            true,
        ),
        ("GET", "/ws", &[("host", "sensor:8765"), ("origin", "https://evil.example")], false),
        ("GET", "/ws", &[], false),
        ("GET", "/api/v1/session", &[], true),
    ] {
        let answer = with_cookie(&rig, method, path, &cookie, headers).await;
        assert_eq!(
            answer.status != StatusCode::FORBIDDEN,
            allowed,
            "{method} {path} {headers:?}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_ticket_opens_the_feed_once_and_nothing_else() {
    let rig = Rig::new();
    let made = rig.post("/api/v1/tickets", &rig.token(Role::Viewer), &json!({})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let ticket = made.json()["ticket"].as_str().unwrap().to_owned();
    assert_eq!(
        rig.get(&format!("/api/v1/alerts?ticket={ticket}"), "").await.status,
        StatusCode::UNAUTHORIZED
    );
    // Let in; there is no WebSocket behind this request, so it gets no further.
    let first = rig.get(&format!("/ws?ticket={ticket}"), "").await;
    assert!(first.status.is_client_error() && first.status != StatusCode::UNAUTHORIZED, "{}", first.text);
    assert_eq!(rig.get(&format!("/ws?ticket={ticket}"), "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_are_made_listed_and_revoked_over_http_by_admins() {
    let rig = Rig::new();
    let admin = rig.token(Role::Admin);
    let made =
        rig.post("/api/v1/tokens", &admin, &json!({"subject": "bob", "role": "viewer", "days": 2})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let (token, id) =
        (made.json()["token"].as_str().unwrap().to_owned(), made.json()["id"].as_str().unwrap().to_owned());
    assert_eq!(rig.get("/api/v1/alerts", &token).await.status, StatusCode::OK);
    let list = rig.get("/api/v1/tokens", &admin).await.text;
    assert!(list.contains("\"bob\"") && !list.contains(&token), "{list}");
    assert_eq!(
        rig.ask("DELETE", &format!("/api/v1/tokens/{id}"), &admin, "", "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(rig.get("/api/v1/alerts", &token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        rig.post("/api/v1/tokens", &admin, &json!({"subject": "bob", "role": "root"})).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn limits_hold_per_client_and_say_when_to_come_back() {
    let rig = Rig::with(|api| (api.requests_per_s, api.requests_burst) = (1, 5));
    let ask = |from: &str| {
        let (rig, from) = (&rig, from.to_owned());
        async move { rig.send(&from, Request::builder().uri("/healthz").body(Body::empty()).unwrap()).await }
    };
    // One a second comes back, and a busy machine may need seconds for some of these.
    let mut refused = None;
    for n in 0..50 {
        let answer = ask("192.0.2.1").await;
        assert!(n >= 5 || answer.status == StatusCode::OK, "the first five are free");
        if answer.status != StatusCode::OK {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("fifty at once are too many");
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(ask("192.0.2.2").await.status, StatusCode::OK);
    let mut one_household = Vec::new();
    for n in 1..50 {
        one_household.push(ask(&format!("2001:db8::{n}")).await.status);
    }
    assert!(one_household.contains(&StatusCode::TOO_MANY_REQUESTS));
}

#[tokio::test]
async fn every_answer_carries_an_id_and_makes_browsers_careful() {
    let rig = Rig::new();
    for path in ["/", "/ui/", "/nothing", "/api/v1/alerts"] {
        let answer = rig.get(path, "").await;
        let header = |name: &str| answer.headers.get(name).map_or("", |v| v.to_str().unwrap()).to_owned();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(header("x-request-id").len(), 32, "{path}");
        assert_eq!(header("access-control-allow-origin"), "", "{path}");
    }
    let request =
        |id: &str| Request::builder().uri("/").header("x-request-id", id).body(Body::empty()).unwrap();
    assert_eq!(rig.send("192.0.2.1", request("abc-1")).await.headers["x-request-id"], "abc-1");
    assert_ne!(rig.send("192.0.2.1", request("a b")).await.headers["x-request-id"], "a b");
    assert_eq!(rig.get("/ui/page.js", "").await.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(rig.get("/ui/../Cargo.toml", "").await.status, StatusCode::NOT_FOUND);
    let tagged = rig.get("/ui/", "").await.headers["etag"].to_str().unwrap().to_owned();
    let again = Request::builder().uri("/ui/").header("if-none-match", tagged).body(Body::empty()).unwrap();
    assert_eq!(rig.send("192.0.2.1", again).await.status, StatusCode::NOT_MODIFIED);
}
