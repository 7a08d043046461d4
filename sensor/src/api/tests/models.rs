//! Models over HTTP: what is not trusted does not get in, and what is at work is not installed twice.

use axum::http::StatusCode;
use serde_json::json;

use super::rig::{Rig, embedded_version};
use crate::embedded;
use crate::service::who::Role;

const KIND: &str = "application/octet-stream";

#[tokio::test]
async fn the_model_at_work_shows_itself() {
    let rig = Rig::new();
    let shown = rig.get("/api/v1/model", &rig.token(Role::Viewer)).await.json();
    assert_eq!((&shown["active"]["version"], &shown["changes"]), (&json!(embedded_version()), &json!(0)));
    assert_eq!(shown["active"]["digest"], json!(embedded::digest().to_string()));
    assert_eq!(shown["shadow"], json!(null));
}

#[tokio::test]
async fn only_sound_and_trusted_models_get_in() {
    let rig = Rig::new();
    let admin = rig.token(Role::Admin);
    let sound = rig.ask("POST", "/api/v1/model/verify", &admin, KIND, embedded::BYTES.to_vec()).await;
    assert_eq!((sound.status, &sound.json()["version"]), (StatusCode::OK, &json!(embedded_version())));
    let mut bent = embedded::BYTES.to_vec();
    let last = bent.len() - 1;
    bent[last] ^= 1;
    for path in ["verify", "install"] {
        let answer = rig.ask("POST", &format!("/api/v1/model/{path}"), &admin, KIND, bent.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", answer.text);
    }
    let again = rig.ask("POST", "/api/v1/model/install", &admin, KIND, embedded::BYTES.to_vec()).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.text);
    let none = rig.ask("POST", "/api/v1/model/rollback", &admin, "", "").await;
    assert_eq!(none.status, StatusCode::CONFLICT, "{}", none.text);
}

#[tokio::test]
async fn a_shadow_comes_and_goes() {
    let rig = Rig::new();
    let admin = rig.token(Role::Admin);
    let put = rig.ask("PUT", "/api/v1/model/shadow", &admin, KIND, embedded::BYTES.to_vec()).await;
    assert_eq!((put.status, &put.json()["shadow"]["version"]), (StatusCode::OK, &json!(embedded_version())));
    assert_eq!(
        rig.ask("DELETE", "/api/v1/model/shadow", &admin, "", "").await.status,
        StatusCode::NO_CONTENT
    );
    assert_eq!(rig.ask("DELETE", "/api/v1/model/shadow", &admin, "", "").await.status, StatusCode::NOT_FOUND);
    let audit = rig.get("/api/v1/audit", &admin).await.text;
    assert!(audit.contains("model shadow"), "{audit}");
}
