//! Blocks: in force when the request is answered, refused for what is protected, gone when lifted, and all of it in the audit log.

use axum::http::StatusCode;
use serde_json::json;

use super::rig::Rig;
use crate::service::who::Role;

#[tokio::test]
async fn a_block_is_in_force_at_once_listed_and_gone_when_lifted() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let body = json!({"src": "203.0.113.9", "reason": "scans us", "seconds": 60});
    let made = rig.post("/api/v1/blocks", &token, &body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    let made = made.json();
    assert_eq!(
        (&made["covers"], &made["owner"], &made["active"]),
        (&json!("source"), &json!("analyst"), &json!(true))
    );
    assert_eq!(made["expires_us"].as_u64().unwrap() - made["created_us"].as_u64().unwrap(), 60_000_000);
    let list = rig.state_dir().join("blocks.txt");
    let listed = || std::fs::read_to_string(&list).unwrap();
    assert_eq!(listed(), "203.0.113.9\n");

    let shown = rig.get("/api/v1/blocks", &token).await.json();
    assert_eq!((&shown["mode"], &shown["items"][0]["src"]), (&json!("passive"), &json!("203.0.113.9")));
    assert!(shown["protected"].as_array().unwrap().iter().any(|p| p["range"] == "192.0.2.1"), "{shown}");

    let path = format!("/api/v1/blocks/{}", made["id"]);
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(listed(), "");
    let shown = rig.get("/api/v1/blocks", &token).await.json();
    assert_eq!(shown["items"][0]["active"], json!(false));
    assert!(shown["items"][0]["lifted_us"].is_u64(), "{shown}");

    let admin = rig.token(Role::Admin);
    let audit = rig.get("/api/v1/audit", &admin).await.json();
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|line| line["action"].as_str()).collect();
    assert!(actions.contains(&"block") && actions.contains(&"block lift"), "{actions:?}");
}

#[tokio::test]
async fn what_cannot_or_must_not_be_blocked_is_refused_in_words() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    for (body, status, word) in [
        (json!({"src": "192.0.2.1", "reason": "r"}), StatusCode::CONFLICT, "protected"),
        (json!({"src": "192.0.2.0/24", "reason": "r"}), StatusCode::CONFLICT, "protected"),
        (json!({"src": "127.0.0.1", "reason": "r"}), StatusCode::CONFLICT, "protected"),
        (json!({"src": "nobody", "reason": "r"}), StatusCode::UNPROCESSABLE_ENTITY, "`src`"),
        (json!({"src": "203.0.113.9", "reason": " "}), StatusCode::UNPROCESSABLE_ENTITY, "`reason`"),
        (
            json!({"src": "203.0.113.9", "reason": "r", "seconds": 0}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "lasts",
        ),
        (
            json!({"src": "203.0.113.9", "reason": "r", "port": 22, "protocol": "icmp"}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "`protocol`",
        ),
        (
            json!({"src": "203.0.113.0/24", "reason": "r", "port": 22}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "range",
        ),
        (
            json!({"src": "203.0.113.9", "dst": "2001:db8::1", "reason": "r"}),
            StatusCode::UNPROCESSABLE_ENTITY,
            "IP version",
        ),
    ] {
        let refused = rig.post("/api/v1/blocks", &token, &body).await;
        assert_eq!(refused.status, status, "{body}");
        assert!(refused.detail().contains(word), "{body}: {}", refused.detail());
    }
    let viewer = rig.token(Role::Viewer);
    let body = json!({"src": "203.0.113.9", "reason": "r"});
    assert_eq!(rig.post("/api/v1/blocks", &viewer, &body).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_source_is_lifted_by_its_address() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    for body in [
        json!({"src": "203.0.113.9", "port": 22, "reason": "r"}),
        json!({"src": "203.0.113.9", "dst": "10.0.0.1", "reason": "r"}),
        json!({"src": "203.0.113.8", "reason": "r"}),
    ] {
        assert_eq!(rig.post("/api/v1/blocks", &token, &body).await.status, StatusCode::CREATED, "{body}");
    }
    assert_eq!(
        rig.ask("DELETE", "/api/v1/blocks/203.0.113.9", &token, "", "").await.status,
        StatusCode::NO_CONTENT
    );
    let shown = rig.get("/api/v1/blocks", &token).await.json();
    let active: Vec<&str> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|b| b["active"] == true)
        .filter_map(|b| b["src"].as_str())
        .collect();
    assert_eq!(active, ["203.0.113.8"]);
}
