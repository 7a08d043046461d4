//! Server-sent events, and what clients sent to be predicted on the feed: told, resumed, and sampled above a rate.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::rig::Rig;
use crate::api::Peer;
use crate::service::who::Role;

/// A stream of events that somebody reads.
struct Stream {
    body: BodyDataStream,
    read: String,
}

impl Stream {
    async fn open(rig: &Rig, query: &str, last: Option<&str>) -> Self {
        let token = rig.token(Role::Viewer);
        let mut request = Request::builder()
            .uri(format!("/api/v1/events{query}"))
            .header(AUTHORIZATION, format!("Bearer {token}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut request = request.body(Body::empty()).unwrap();
        request.extensions_mut().insert(Peer { address: Some("192.0.2.1".parse().unwrap()), tls: false });
        let response = rig.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[CONTENT_TYPE], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event: its id, its name, its data. None at the end of the stream.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let field = |name: &str| {
                    let start = format!("{name}: ");
                    event.lines().find_map(|l| l.strip_prefix(&start)).unwrap_or_default().to_owned()
                };
                let told = (field("id"), field("event"), serde_json::from_str(&field("data")).unwrap());
                self.read = rest.to_owned();
                return Some(told);
            }
            let more = tokio::time::timeout(Duration::from_secs(20), self.body.next());
            let bytes = more.await.expect("nothing came")?.unwrap();
            self.read.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}

async fn predict(rig: &Rig, name: &str) {
    let body = json!({"flow_id": name, "features": vec![1.5; 20]});
    let answer = rig.post("/predict", &rig.token(Role::Analyst), &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
}

#[tokio::test]
async fn what_is_predicted_is_told_and_a_listener_goes_on_where_it_left() {
    let rig = Rig::new();
    let mut stream = Stream::open(&rig, "?types=prediction", None).await;
    for name in ["one", "two", "three"] {
        predict(&rig, name).await;
    }
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        let (id, event, data) = stream.next().await.unwrap();
        assert_eq!(event, "prediction");
        assert_eq!(
            (&data["flow_id"], &data["sequence"], &data["source"]),
            (&json!(name), &json!(id.parse::<u64>().unwrap()), &json!("api"))
        );
        ids.push(id);
    }
    drop(stream);
    predict(&rig, "four").await;
    // EventSource says what it saw last in a header, and that counts; everybody else says it in the query.
    for (query, last) in [(format!("?since={}", ids[0]), None), ("?since=1".into(), Some(ids[0].as_str()))] {
        let mut back = Stream::open(&rig, &query, last).await;
        for name in ["two", "three", "four"] {
            assert_eq!(back.next().await.unwrap().2["flow_id"], name, "{query} {last:?}");
        }
    }
    let mut early = Stream::open(&rig, "?since=1", None).await;
    let (_, event, data) = early.next().await.unwrap();
    assert_eq!((event.as_str(), &data["since"]), ("gap", &json!(1)));
    assert_eq!(early.next().await.unwrap().2["flow_id"], "one");

    let mut others = Stream::open(&rig, "?types=alert", None).await;
    rig.stop.send(true).unwrap();
    assert_eq!(others.next().await, None, "the sensor stops, and so does the stream");
}

#[tokio::test]
async fn above_a_rate_predictions_are_sampled_and_the_next_one_says_so() {
    let rig = Rig::with(|api| api.predictions_per_s = 1);
    let mut stream = Stream::open(&rig, "?types=prediction", None).await;
    let names: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    for name in &names {
        predict(&rig, name).await;
    }
    // The rate is one a second of the listener's time: after a second there is room for the next.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    predict(&rig, "last").await;
    let (mut told, mut skipped) = (0, 0);
    loop {
        let data = stream.next().await.unwrap().2;
        (told, skipped) = (told + 1, skipped + data["skipped"].as_u64().unwrap_or(0));
        if data["flow_id"] == "last" {
            break;
        }
    }
    assert_eq!(told + skipped, names.len() as u64 + 1, "every one is told or counted");
    assert!(told < skipped, "{told} told, {skipped} left out");
    rig.settle();
    let kept = rig.get("/api/v1/flows?source=api&limit=100", &rig.token(Role::Viewer)).await.json();
    assert_eq!(
        kept["items"].as_array().unwrap().len(),
        names.len() + 1,
        "what is not told is kept all the same"
    );
}
