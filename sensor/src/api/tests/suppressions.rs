//! Suppressions: in force when the request is answered, for whom and until when, and gone when lifted.

use axum::http::StatusCode;
use serde_json::json;

use super::rig::{NOW_US, Rig};
use crate::service::who::Role;
use crate::suppression::Subject;

#[tokio::test]
async fn a_rule_is_in_force_at_once_and_gone_when_lifted() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let scan = Subject {
        src: Some("10.0.0.9".parse().unwrap()),
        dst: None,
        port: None,
        category: "scan",
        at_us: NOW_US,
    };
    assert_eq!(rig.suppressions.hides(&scan), None);
    let body = json!({"src": "10.0.0.0/24", "category": "scan", "reason": "our own scanner", "expires": "2100-01-01T00:00:00Z"});
    let made = rig.post("/api/v1/suppressions", &token, &body).await;
    assert_eq!((made.status, &made.json()["owner"]), (StatusCode::CREATED, &json!("analyst")));
    let id = made.json()["id"].as_u64().unwrap();
    assert_eq!(rig.suppressions.hides(&scan), Some(id));
    let path = format!("/api/v1/suppressions/{id}");
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(rig.suppressions.hides(&scan), None);
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NOT_FOUND);
    let list = rig.get("/api/v1/suppressions", &token).await.json();
    assert_eq!(
        (&list["items"][0]["active"], &list["items"][0]["hits"]),
        (&json!(false), &json!(0)),
        "{list}"
    );
}

#[tokio::test]
async fn rules_that_would_hide_everything_or_nothing_are_refused() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    for body in [
        json!({"reason": "all"}),
        json!({"src": "10.0.0.0/33", "reason": "x"}),
        json!({"category": "benign", "reason": "x"}),
        json!({"category": "scan", "reason": " "}),
        json!({"category": "scan", "reason": "x", "expires": "2001-01-01"}),
        json!({"category": "scan", "reason": "x", "expires": "soon"}),
        json!({"category": "scan", "reason": "x", "port": 70000}),
    ] {
        let answer = rig.post("/api/v1/suppressions", &token, &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.text);
    }
    assert!(rig.suppressions.is_empty());
}
