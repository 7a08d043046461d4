//! Every route as each role and as nobody: the table that `docs/api.md` shows, held by what the API does.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::rig::Rig;
use crate::api::access::{Access, ROUTES};
use crate::api::openapi;
use crate::service::who::Role;

/// A path of that route; what it names does not exist, so nothing is changed.
fn example(path: &str) -> String {
    match path {
        "/ui/{*path}" => "/ui/page.js".into(),
        _ => path.replace("{id}", "0").replace("{subject}", "0"),
    }
}

fn who(access: Access) -> String {
    match access {
        Access::Open => "open".into(),
        Access::HereOr(role) => format!("{role}; open on this machine"),
        Access::LegacyOr(role) => format!("{role}; open on this machine with `legacy_open`"),
        Access::Needs(role) => role.to_string(),
    }
}

fn table(rows: &[(String, [bool; 4])]) -> String {
    let mut text =
        String::from("| route | nobody | viewer | analyst | admin | needs |\n|---|---|---|---|---|---|\n");
    for ((route, may), (_, _, access)) in rows.iter().zip(ROUTES) {
        let marks = may.map(|may| if may { "yes" } else { "-" }).join(" | ");
        text.push_str(&format!("| `{route}` | {marks} | {} |\n", who(*access)));
    }
    text
}

#[tokio::test]
async fn every_route_lets_in_who_may_and_nobody_else() {
    let rig = Rig::new();
    let tokens = [String::new(), rig.token(Role::Viewer), rig.token(Role::Analyst), rig.token(Role::Admin)];
    let mut rows = Vec::new();
    for (method, path, access) in ROUTES {
        let needed = match access {
            Access::Open => 0,
            Access::HereOr(role) | Access::LegacyOr(role) | Access::Needs(role) => *role as usize + 1,
        };
        let mut may = [false; 4];
        for (rank, token) in tokens.iter().enumerate() {
            // The feed never ends; that it was reached shows in what it says of a type that does not exist.
            let path =
                if path.ends_with("/events") { "/api/v1/events?types=none".into() } else { example(path) };
            let answer = rig.ask(method, &path, token, "", "").await;
            // To log in without showing anything is refused for what is missing, not for who asks.
            let refused = matches!(answer.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
            may[rank] = !refused;
            assert_eq!(
                may[rank],
                rank >= needed,
                "{method} {path} as rank {rank}: {} {}",
                answer.status,
                answer.text
            );
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            if rank == 0 && refused {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert!(answer.headers.contains_key("www-authenticate"), "{method} {path}");
            }
        }
        rows.push((format!("{method} {path}"), may));
    }
    let table = table(&rows);
    println!("counted {} routes as 4 callers\n{table}", rows.len());
    let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md")).unwrap();
    assert!(docs.contains(&table), "docs/api.md shows another table; it is:\n{table}");
}

#[tokio::test]
async fn what_is_documented_is_in_the_table_and_the_other_way_round() {
    let document = serde_json::to_value(openapi()).unwrap();
    let mut documented: Vec<(String, String)> = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|k| k.len() <= 6) {
            documented.push((method.to_uppercase(), path.clone()));
        }
    }
    documented.sort();
    let mut listed: Vec<(String, String)> = ROUTES
        .iter()
        .filter(|r| !r.1.starts_with("/ui") && r.1 != "/api/v1/openapi.json")
        .map(|r| (r.0.to_owned(), r.1.to_owned()))
        .collect();
    listed.sort();
    assert_eq!(documented, listed);
}

#[tokio::test]
async fn what_is_open_on_this_machine_is_closed_elsewhere_behind_proxies_and_for_other_names() {
    for (legacy_open, path, method) in [(false, "/metrics", "GET"), (true, "/predict", "POST")] {
        let rig = Rig::with(|api| api.legacy_open = legacy_open);
        let ask = |from: &'static str, header: Option<(&'static str, &'static str)>| {
            let mut request = Request::builder().method(method).uri(path);
            if let Some((name, value)) = header {
                request = request.header(name, value);
            }
            rig.send(from, request.body(Body::empty()).unwrap())
        };
        let refused = |status: StatusCode| status == StatusCode::UNAUTHORIZED;
        assert!(!refused(ask("127.0.0.1", None).await.status), "{path}");
        assert!(!refused(ask("::1", Some(("host", "localhost:8765"))).await.status), "{path}");
        assert!(!refused(ask("127.0.0.1", Some(("host", "[::1]:8765"))).await.status), "{path}");
        assert!(refused(ask("192.0.2.1", None).await.status), "{path} from elsewhere");
        assert!(
            refused(ask("127.0.0.1", Some(("x-forwarded-for", "127.0.0.1"))).await.status),
            "{path} proxied"
        );
        assert!(
            refused(ask("127.0.0.1", Some(("host", "evil.example:8765"))).await.status),
            "{path} rebound"
        );
    }
    let rig = Rig::new();
    let request = Request::builder().method("POST").uri("/predict").body(Body::empty()).unwrap();
    assert_eq!(rig.send("127.0.0.1", request).await.status, StatusCode::UNAUTHORIZED, "closed unless opened");
}

#[tokio::test]
async fn refusals_and_wrong_ways_are_problems_and_are_written_down() {
    let rig = Rig::new();
    let viewer = rig.token(Role::Viewer);
    let refused = rig.get("/api/v1/audit", &viewer).await;
    assert_eq!(
        (refused.status, refused.headers["content-type"].to_str().unwrap()),
        (StatusCode::FORBIDDEN, "application/problem+json")
    );
    assert!(refused.detail().contains("role admin"), "{}", refused.text);
    let wrong = rig.ask("PATCH", "/api/v1/alerts", &viewer, "", "").await;
    assert_eq!(
        (wrong.status, wrong.headers["allow"].to_str().unwrap()),
        (StatusCode::METHOD_NOT_ALLOWED, "GET")
    );
    assert_eq!(rig.get("/nothing", "").await.status, StatusCode::NOT_FOUND);
    let forged = format!("{}x", viewer);
    assert_eq!(rig.get("/api/v1/alerts", &forged).await.status, StatusCode::UNAUTHORIZED);
    rig.settle();
    let audit = rig.get("/api/v1/audit", &rig.token(Role::Admin)).await.json();
    let lines = audit["items"].as_array().unwrap();
    let written = |action: &str| lines.iter().any(|l| l["action"] == action && l["allowed"] == false);
    assert!(written("GET /api/v1/audit") && written("GET /api/v1/alerts"), "{audit}");
}
