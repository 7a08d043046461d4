//! Labels: given, withdrawn, by filter, from a CSV, from Suricata; and the queue of flows worth one.

use axum::http::StatusCode;
use serde_json::json;

use super::rig::{NOW_US, Rig, flow_id};
use crate::service::who::Role;

#[tokio::test]
async fn a_label_is_given_seen_and_taken_back_with_its_history() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let body = json!({"labels": [{"subject": flow_id(5), "label": "attack", "category": "bruteforce", "reason": "hydra"}]});
    assert_eq!(rig.post("/api/v1/labels", &token, &body).await.json()["labelled"], 1);
    let flow = rig.get(&format!("/api/v1/flows/{}", flow_id(5)), &token).await.json();
    assert_eq!((&flow["label"], &flow["labels"][0]["actor"]), (&json!("attack"), &json!("analyst")));
    let alert = rig.get(&format!("/api/v1/alerts/{}", flow_id(5)), &token).await.json();
    assert_eq!(alert["label"], "attack");
    let path = format!("/api/v1/labels/{}", flow_id(5));
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(rig.ask("DELETE", &path, &token, "", "").await.status, StatusCode::NOT_FOUND);
    let history = rig.get(&path, &token).await.json();
    let said: Vec<&str> =
        history["items"].as_array().unwrap().iter().map(|l| l["label"].as_str().unwrap()).collect();
    assert_eq!(said, ["attack", "withdrawn"]);
    assert_eq!(rig.get(&format!("/api/v1/flows/{}", flow_id(5)), &token).await.json()["label"], json!(null));
    let audit = rig.get("/api/v1/audit", &rig.token(Role::Admin)).await.text;
    assert!(audit.contains("\"label\"") && audit.contains("label withdraw"), "{audit}");
}

#[tokio::test]
async fn labels_that_make_no_sense_are_refused_and_none_is_kept() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let good = json!({"subject": flow_id(1), "label": "benign"});
    for bad in [
        json!({"subject": flow_id(2), "label": "evil"}),
        json!({"subject": flow_id(2), "label": "withdrawn"}),
        json!({"subject": flow_id(2), "label": "benign", "category": "dos"}),
        json!({"subject": flow_id(2), "label": "attack", "category": "virus"}),
        json!({"subject": flow_id(9), "label": "benign"}),
        json!({"subject": flow_id(2), "label": "benign", "why": "typo"}),
    ] {
        let answer = rig.post("/api/v1/labels", &token, &json!({"labels": [good, bad]})).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{bad}: {}", answer.text);
    }
    assert_eq!(rig.get("/api/v1/labels", &token).await.json()["items"], json!([]));
}

#[tokio::test]
async fn one_label_for_everything_that_a_filter_finds() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let body = |filter: serde_json::Value, dry_run: bool| json!({"filter": filter, "label": "benign", "dry_run": dry_run});
    let path = "/api/v1/labels/by-filter";
    assert_eq!(
        rig.post(path, &token, &body(json!({}), false)).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(rig.post(path, &token, &body(json!({"max_score": 0.3}), true)).await.json()["labelled"], 2);
    assert_eq!(rig.get("/api/v1/flows?label=labelled", &token).await.json()["items"], json!([]));
    assert_eq!(rig.post(path, &token, &body(json!({"max_score": 0.3}), false)).await.json()["labelled"], 2);
    assert_eq!(
        rig.get("/api/v1/flows?label=benign", &token).await.json()["items"].as_array().unwrap().len(),
        2
    );
    let queue = rig.get("/api/v1/labels/queue", &token).await.json();
    let asked: Vec<&str> =
        queue["items"].as_array().unwrap().iter().map(|f| f["id"].as_str().unwrap()).collect();
    assert!(!asked.contains(&flow_id(1).as_str()) && asked.contains(&flow_id(4).as_str()), "{queue}");
}

#[tokio::test]
async fn a_csv_and_suricatas_alerts_become_labels() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let csv = format!(
        "uid,label,category\n{},attack,dos\n{},benign,\nnobody,benign,\n{},evil,\n",
        flow_id(1),
        flow_id(2),
        flow_id(3)
    );
    let taken = rig.ask("POST", "/api/v1/labels/import", &token, "text/csv", csv).await.json();
    assert_eq!((&taken["labelled"], &taken["skipped"]), (&json!(2), &json!(2)), "{taken}");
    assert!(taken["problems"][0].as_str().unwrap().starts_with("line 4: no flow"), "{taken}");

    let at_s = NOW_US / 1_000_000 - 60 + 6;
    let event = |community: &str, at: u64| {
        format!(
            "{{\"event_type\":\"alert\",\"timestamp\":\"{at}.250000\",\"community_id\":\"{community}\",\"alert\":{{\"signature\":\"ET SCAN\",\"signature_id\":7}}}}\n"
        )
    };
    let eve = [
        event("1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", at_s),
        event("1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", at_s),
        event("1:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", at_s + 600),
        event("1:CCCCCCCCCCCCCCCCCCCCCCCCCCC=", at_s),
        "{\"event_type\":\"flow\",\"timestamp\":\"1\"}\n".into(),
        "nonsense\n".into(),
    ]
    .concat();
    let taken =
        rig.ask("POST", "/api/v1/labels/import/suricata", &token, "application/x-ndjson", eve).await.json();
    // Within five seconds of that time: flows 2, 4 and 6 have this id, flow 2 ended 3.5 s before.
    assert_eq!((&taken["labelled"], &taken["skipped"]), (&json!(3), &json!(3)), "{taken}");
    let labels = rig.get(&format!("/api/v1/labels/{}", flow_id(6)), &token).await.json();
    assert_eq!(
        (&labels["items"][0]["source"], &labels["items"][0]["reason"]),
        (&json!("suricata"), &json!("ET SCAN (7)"))
    );
}
