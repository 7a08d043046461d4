//! The earlier service's routes: predictions, evaluations, metrics.

use axum::http::StatusCode;
use model::schema::FEATURES;
use serde_json::{Map, Value, json};

use super::rig::Rig;
use crate::service::who::Role;

fn by_name() -> Map<String, Value> {
    FEATURES.iter().map(|name| ((*name).to_owned(), json!(1.5))).collect()
}

#[tokio::test]
async fn a_vector_by_list_or_by_name_is_judged_kept_and_told() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let mut listening = rig.service.feed.listen(None);
    let listed =
        rig.post("/predict", &token, &json!({"flow_id": "mine", "features": vec![1.5; 20]})).await.json();
    assert_eq!(listed["flow_id"], "mine");
    assert!(["attack", "benign"].contains(&listed["prediction"].as_str().unwrap()), "{listed}");
    assert!(listed["confidence"].is_f64() && listed["latency_ms"].as_f64().unwrap() > 0.0, "{listed}");
    let named = rig.post("/predict", &token, &json!({"features": by_name()})).await.json();
    assert_eq!((&named["prediction"], &named["score"]), (&listed["prediction"], &listed["score"]));

    let told: Value = serde_json::from_str(&listening.live.recv().await.unwrap().json).unwrap();
    assert_eq!(
        (&told["type"], &told["flow_id"], &told["source"]),
        (&json!("prediction"), &json!("mine"), &json!("api"))
    );
    rig.settle();
    let kept = rig.get("/api/v1/flows?source=api", &token).await.json();
    let ids: Vec<&str> =
        kept["items"].as_array().unwrap().iter().map(|f| f["flow_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{kept}");
    assert!(ids.contains(&"mine"));
    let id = listed["uid"].as_str().unwrap();
    let detail = rig.get(&format!("/api/v1/flows/{id}"), &token).await.json();
    let sum: f64 =
        detail["features"].as_array().unwrap().iter().map(|f| f["contribution"].as_f64().unwrap()).sum();
    let score = detail["score"].as_f64().unwrap();
    assert!((detail["base"].as_f64().unwrap() + sum - score).abs() < 1e-6, "{detail}");

    let metrics = rig.get("/metrics", &token).await.text;
    for line in [
        "prediction_requests_total{endpoint=\"/predict\"} 2",
        "prediction_latency_ms_bucket{le=\"50\"}",
        "prediction_latency_ms_bucket{le=\"100\"}",
        "model_reload_count 0",
        "model_reloads_total 0",
        "model_reload_total 0",
        "active_websocket_connections 0",
        "taphound_api_predictions_total{where=\"made\"} 2",
        "taphound_api_predictions_total{where=\"stored\"} 2",
        "taphound_up 1",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.contains(&format!("model_version {}", super::rig::embedded_version())));
}

#[tokio::test]
async fn predictions_are_not_kept_when_that_is_switched_off() {
    let rig = Rig::with(|api| api.store_predictions = false);
    let token = rig.token(Role::Analyst);
    let answer = rig.post("/predict", &token, &json!({"features": vec![1.5; 20]})).await.json();
    assert_eq!(answer["uid"], Value::Null);
    rig.settle();
    assert_eq!(rig.get("/api/v1/flows?source=api", &token).await.json()["items"], json!([]));
    assert_eq!(
        rig.service.predictions.terms(),
        [("made", 1), ("stored", 0), ("dropped_at_queue", 0), ("not_kept", 1)]
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_vector_is_named() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let mut missing = by_name();
    missing.remove("Flow IAT Max");
    let mut unknown = by_name();
    unknown.insert("Destination Port".into(), json!(80));
    for (body, named) in [
        (json!({"features": vec![1.5; 19]}).to_string(), "19 values"),
        (json!({"features": missing}).to_string(), "Flow IAT Max"),
        (json!({"features": unknown}).to_string(), "Destination Port"),
        (json!({"features": vec![1.5; 20]}).to_string().replacen("1.5", "NaN", 1), "Flow Duration"),
        (
            json!({"features": by_name()}).to_string().replacen(
                "\"Bwd IAT Mean\":1.5",
                "\"Bwd IAT Mean\":1e999",
                1,
            ),
            "Bwd IAT Mean",
        ),
        (json!({"features": "none"}).to_string(), "list of 20"),
        (json!({"flow_id": "x".repeat(300), "features": vec![1.5; 20]}).to_string(), "flow_id"),
        (json!({}).to_string(), "features"),
    ] {
        let answer = rig.ask("POST", "/predict", &token, "application/json", body.clone()).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}: {}", answer.text);
        assert!(answer.detail().contains(named), "{named}: {}", answer.text);
    }
    let broken = rig.ask("POST", "/predict", &token, "application/json", "{\"features\": [").await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST, "{}", broken.text);
    let big = rig.ask("POST", "/predict", &token, "application/json", vec![b' '; 2 << 20]).await;
    assert_eq!(big.status, StatusCode::PAYLOAD_TOO_LARGE);
}

fn form(csv: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\nContent-Type: text/csv\r\n\r\n{csv}\r\n--b--\r\n"
    )
}

#[tokio::test]
async fn a_labelled_csv_gives_metrics_and_a_confusion_matrix() {
    let rig = Rig::new();
    let token = rig.token(Role::Analyst);
    let header = format!("Dst Port,{},Label", FEATURES.map(|f| format!(" {f}")).join(","));
    let row = |value: &str, label: &str| format!("80,{},{label}\n", vec![value; 20].join(","));
    let csv = format!("{header}\n{}{}{}", row("1.5", "BENIGN"), row("1.5", "DDoS"), row("Infinity", "DDoS"));
    let answer = rig.ask("POST", "/evaluate", &token, "multipart/form-data; boundary=b", form(&csv)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let found = answer.json();
    assert_eq!((&found["rows"], &found["rows_skipped"]), (&json!(2), &json!(1)));
    let matrix = &found["confusion_matrix"];
    let total: u64 =
        (0..2).flat_map(|i| (0..2).map(move |j| (i, j))).map(|(i, j)| matrix[i][j].as_u64().unwrap()).sum();
    assert_eq!((total, found["accuracy"].as_f64().unwrap()), (2, 0.5), "{found}");
    assert_eq!((&found["by_label"][0]["label"], &found["by_label"][0]["rows"]), (&json!("DDoS"), &json!(1)));
    for (csv, named) in [
        (csv.replace(" Flow IAT Max,", ""), "Flow IAT Max"),
        (csv.replace(",Label", ",Kind"), "Label"),
        (csv.replace("Dst Port", "Tot Fwd Pkts"), "twice"),
        (format!("{header}\n"), "no row"),
    ] {
        let answer =
            rig.ask("POST", "/evaluate", &token, "multipart/form-data; boundary=b", form(&csv)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", answer.text);
        assert!(answer.detail().contains(named), "{named}: {}", answer.text);
    }
    let answer = rig.ask("POST", "/evaluate", &token, "text/csv", csv).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
}
