//! Models over HTTP: a signed one comes and goes, what is not trusted does not get in, what is at work is not installed twice.

use std::fs;

use axum::http::StatusCode;
use model::artifact::{Draft, SecretKey, Trust};
use model::{Artifact, N_FEATURES};
use serde_json::{Value, json};

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

/// The embedded model's successor, signed: the same forest under the next serial.
fn successor(key: &SecretKey, expires: Option<u64>) -> Vec<u8> {
    let parent = Artifact::read(embedded::BYTES, &Trust::none().with_digest(embedded::digest())).unwrap();
    let m = parent.manifest();
    let draft = Draft {
        name: m.name.clone(),
        serial: m.serial + 1,
        parent: Some(m.serial),
        training_data: m.training_data,
        metrics: m.metrics.clone(),
        quantiles: m.quantiles.clone(),
        created: m.created,
        expires,
        scorer: parent.scorer(),
        learner: None,
        self_test: vec![[1.5; N_FEATURES]],
    };
    draft.write(Some(key)).unwrap()
}

#[tokio::test]
async fn a_signed_model_is_installed_judges_at_once_and_is_rolled_back() {
    let rig = Rig::new();
    let admin = rig.token(Role::Admin);
    let key = SecretKey::from_entropy([7; 32]);
    let file = successor(&key, None);
    let (before, after) = (embedded_version(), embedded_version() + 1);
    let send = |file: Vec<u8>| rig.ask("POST", "/api/v1/model/install", &admin, KIND, file);
    let predicted_by = || async {
        let answer = rig.post("/predict", &admin, &json!({"features": vec![1.5; 20]})).await;
        answer.json()["model_version"].as_u64().unwrap()
    };
    let stranger = send(file.clone()).await;
    assert_eq!(stranger.status, StatusCode::UNPROCESSABLE_ENTITY, "nobody trusts its key: {}", stranger.text);
    assert_eq!(predicted_by().await, before);

    let keys = rig.state_dir().join("keys");
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("ours.pub"), key.public().to_line()).unwrap();
    let late = send(successor(&key, Some(1_000_000_000))).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY, "it has expired: {}", late.text);

    let mut listening = rig.service.feed.listen(None);
    let installed = send(file.clone()).await;
    assert_eq!(installed.status, StatusCode::OK, "{}", installed.text);
    let models = installed.json();
    assert_eq!(models["active"]["version"], after);
    assert_eq!(models["active"]["trusted_by"], format!("key {}", key.public().id()));
    assert_eq!((&models["previous_version"], &models["changes"]), (&json!(before), &json!(1)));
    let current = rig.state_dir().join("models/current");
    assert_eq!(fs::read(current.join("model.taphound")).unwrap(), file);
    let told: Value = serde_json::from_str(&listening.live.recv().await.unwrap().json).unwrap();
    assert_eq!(
        (&told["type"], &told["version"], &told["reload_count"]),
        (&json!("model_updated"), &json!(after), &json!(1))
    );
    assert_eq!(predicted_by().await, after);

    let back = rig.ask("POST", "/api/v1/model/rollback", &admin, "", "").await;
    assert_eq!((back.status, &back.json()["active"]["version"]), (StatusCode::OK, &json!(before)));
    assert!(!current.exists(), "the embedded model needs no file");
    assert_eq!(predicted_by().await, before);
    let forth = rig.ask("POST", "/api/v1/model/rollback", &admin, "", "").await;
    assert_eq!((forth.status, &forth.json()["active"]["version"]), (StatusCode::OK, &json!(after)));
    assert_eq!(fs::read_link(&current).unwrap().to_str(), Some(after.to_string().as_str()));

    let metrics = rig.get("/metrics", &admin).await.text;
    for line in [format!("model_version {after}"), "model_reload_count 3".into()] {
        assert!(metrics.lines().any(|l| l == line), "{line} is not in\n{metrics}");
    }
    let audit = rig.get("/api/v1/audit", &admin).await.json();
    let done: Vec<&str> =
        audit["items"].as_array().unwrap().iter().map(|l| l["action"].as_str().unwrap()).collect();
    assert_eq!(done, ["model rollback", "model rollback", "model install"]);
}
