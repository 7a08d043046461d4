//! Looking things up: filters, pages, details, and questions that make no sense.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::rig::{NOW_US, Rig, flow_id};
use crate::service::who::Role;

fn ids(page: &Value) -> Vec<String> {
    page["items"]
        .as_array()
        .unwrap_or_else(|| panic!("{page}"))
        .iter()
        .map(|i| i["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn flows_are_found_by_every_condition() {
    let rig = Rig::new();
    let token = rig.token(Role::Viewer);
    let start_s = |n: u64| NOW_US / 1_000_000 - 60 + n;
    for (query, expected) in [
        (String::new(), vec![6, 5, 4, 3, 2, 1]),
        ("category=bruteforce".into(), vec![6, 5]),
        ("category=bruteforce,benign&address=10.0.0.4/30".into(), vec![6, 5, 4]),
        ("address=10.0.0.2".into(), vec![2]),
        ("port=40003".into(), vec![3]),
        (format!("from={}&to={}", start_s(2), start_s(4)), vec![3, 2]),
        ("community_id=1:AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D".into(), vec![6, 4, 2]),
        ("min_score=0.25&max_score=0.5".into(), vec![4, 3]),
        ("alerted=true".into(), vec![6, 5]),
        ("source=api".into(), vec![]),
        ("label=labelled".into(), vec![]),
    ] {
        let page = rig.get(&format!("/api/v1/flows?{query}"), &token).await;
        let expected: Vec<String> = expected.into_iter().map(flow_id).collect();
        assert_eq!(ids(&page.json()), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_follow_one_another_without_gaps_or_repeats() {
    let rig = Rig::new();
    let token = rig.token(Role::Viewer);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = rig.get(&format!("/api/v1/flows?limit=2{cursor}"), &token).await.json();
        seen.extend(ids(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        assert!(seen.len() < 20, "pages without an end");
    }
    assert_eq!(seen, (1..=6).rev().map(flow_id).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_flow_says_everything_about_itself() {
    let rig = Rig::new();
    let flow = rig.get(&format!("/api/v1/flows/{}", flow_id(5)), &rig.token(Role::Viewer)).await.json();
    assert_eq!(flow["flow_id"], "10.0.0.5-192.168.1.5-40005-22-6");
    assert_eq!(flow["context"], json!({"kind": "tls_sni", "name": "<script>alert(1)</script>"}));
    let features = flow["features"].as_array().unwrap();
    assert_eq!(
        (features.len(), &features[0]["name"], &features[0]["value"]),
        (20, &json!("Flow Duration"), &json!(5000.0))
    );
    let quantiles = features[0]["quantiles"].as_array().unwrap();
    assert_eq!(quantiles.len(), flow["probabilities"].as_array().unwrap().len());
    assert!((0.0..=1.0).contains(&features[0]["rank"].as_f64().unwrap()));
    assert_eq!((&flow["snapshots"][0]["packets"], &flow["snapshots"][0]["score"]), (&json!(8), &json!(0.8)));
}

#[tokio::test]
async fn alerts_and_incidents_lead_to_one_another() {
    let rig = Rig::new();
    let token = rig.token(Role::Viewer);
    let alerts = rig.get("/api/v1/alerts?min_severity=high&incident=00000000000000aa", &token).await.json();
    assert_eq!(ids(&alerts), [flow_id(6), flow_id(5)]);
    assert_eq!(rig.get("/api/v1/alerts?min_severity=critical", &token).await.json()["items"], json!([]));
    let alert = rig.get(&format!("/api/v1/alerts/{}", flow_id(5)), &token).await.json();
    assert_eq!((&alert["severity"], &alert["flow"]["src_ip"]), (&json!("high"), &json!("10.0.0.5")));
    let incidents = rig.get("/api/v1/incidents?address=192.168.0.0/16", &token).await.json();
    assert_eq!(ids(&incidents), ["00000000000000aa"]);
    let incident = rig.get("/api/v1/incidents/00000000000000aa", &token).await.json();
    assert_eq!(incident["shown"].as_array().unwrap().len(), 2, "{incident}");
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused_by_name() {
    let rig = Rig::new();
    let token = rig.token(Role::Viewer);
    for (path, named) in [
        ("flows?adress=10.0.0.1", "adress"),
        ("flows?address=10.0.0.300", "address"),
        ("flows?from=yesterday", "from"),
        ("flows?category=virus", "category"),
        ("flows?cursor=zz", "cursor"),
        ("flows?limit=0", "limit"),
        ("flows?port=70000", "query"),
        ("flows?min_score=2", "min_score"),
        ("flows?min_severity=high", "severity"),
        ("incidents?community_id=1:x", "community_id"),
        ("labels/queue?from=never", "never"),
    ] {
        let answer = rig.get(&format!("/api/v1/{path}"), &token).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {}", answer.text);
        assert!(answer.detail().contains(named), "{path}: {}", answer.text);
    }
    for path in [
        "flows/0",
        "flows/ffffffffffffffffffffffffffffffff",
        "alerts/0",
        "incidents/0",
        "labels/0",
        "suppressions/x",
    ] {
        let method = if path.starts_with("supp") { "DELETE" } else { "GET" };
        let answer = rig.ask(method, &format!("/api/v1/{path}"), &rig.token(Role::Admin), "", "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text);
    }
}
