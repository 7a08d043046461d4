//! The OpenAPI document, held by a golden file: `BLESS=1 cargo test -p sensor openapi` writes it anew.

use super::rig::Rig;
use crate::api::openapi;
use crate::service::who::Role;

#[test]
fn the_document_is_the_one_that_was_agreed() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let made = serde_json::to_string_pretty(&openapi()).unwrap() + "\n";
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(golden, &made).unwrap();
    }
    let kept = std::fs::read_to_string(golden).unwrap_or_default();
    assert!(
        made == kept,
        "the API has changed: run `BLESS=1 cargo test -p sensor openapi`, and look at the difference"
    );
}

#[tokio::test]
async fn it_is_served() {
    let rig = Rig::new();
    let served = rig.get("/api/v1/openapi.json", &rig.token(Role::Viewer)).await.json();
    assert_eq!(served, serde_json::to_value(openapi()).unwrap());
    assert_eq!(served["openapi"].as_str().map(|v| &v[..2]), Some("3."));
}
