//! The earlier service's routes, for its clients, and the two that orchestrators look at.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Multipart, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Door;
use super::problem::{Problem, Raw};
use super::routes::answer;
use crate::service::evaluate::Evaluation;
use crate::service::predict::{PredictRequest, Predicted};
use crate::service::vector::quote_what_is_no_number;
use crate::status::Health;

/// That the sensor runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Running {
    /// `running`.
    pub status: &'static str,
    /// The program's version.
    pub version: &'static str,
}

/// That the sensor runs.
#[utoipa::path(get, path = "/", tag = "earlier service", security(()), responses((status = 200, body = Running)))]
pub(super) async fn root() -> Json<Running> {
    Json(Running { status: "running", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "health", security(()), responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
pub(super) async fn alive() -> &'static str {
    "ok\n"
}

/// Whether the sensor does its job: 503 when its status is critical.
#[utoipa::path(get, path = "/readyz", tag = "health", security(()), responses(
    (status = 200, description = "`ok` or `degraded`", body = String, content_type = "text/plain"),
    (status = 503, description = "`critical`", body = String, content_type = "text/plain")))]
pub(super) async fn ready(State(door): State<Arc<Door>>) -> (StatusCode, String) {
    let service = Arc::clone(&door.service);
    let health =
        tokio::task::spawn_blocking(move || service.status().health).await.unwrap_or(Health::Critical);
    let status = if health == Health::Critical { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, format!("{}\n", health.as_str()))
}

/// Metrics in Prometheus' text format.
#[utoipa::path(get, path = "/metrics", tag = "earlier service", responses(
    (status = 200, description = "Metrics", body = String, content_type = "text/plain")))]
pub(super) async fn metrics(State(door): State<Arc<Door>>) -> Response {
    let text =
        tokio::task::spawn_blocking(move || door.service.metrics() + &door.counts.text(&door.service)).await;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(CONTENT_TYPE, kind)], text.unwrap_or_default()).into_response()
}

/// Scores one flow. What is wrong with `features` is named, with status 422.
#[utoipa::path(post, path = "/predict", tag = "earlier service", request_body = PredictRequest, responses(
    (status = 200, body = Predicted),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn predict(
    State(door): State<Arc<Door>>,
    Raw(body): Raw,
) -> Result<Json<Predicted>, Problem> {
    door.counts.predictions.with_label_values(&["/predict"]).inc();
    // A few tens of microseconds of arithmetic: not worth another thread.
    let predicted = door.service.predict(read_request(&body)?)?;
    door.counts.prediction_latency_ms.observe(predicted.latency_ms);
    Ok(Json(predicted))
}

fn read_request(body: &[u8]) -> Result<PredictRequest, Problem> {
    serde_json::from_slice(body).or_else(|e| {
        // Python writes NaN where JSON has no word for it; the refusal should name the feature.
        let quoted = std::str::from_utf8(body).ok().and_then(quote_what_is_no_number);
        quoted.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| {
            let status = if e.is_data() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::BAD_REQUEST };
            Problem::new(
                status,
                format!("the body is no prediction request: {e}; send {{\"features\": [20 numbers]}}"),
            )
        })
    })
}

/// For the schema.
#[derive(ToSchema)]
#[allow(dead_code)]
pub(crate) struct Upload {
    /// A CSV with a `Label` column and the 20 features by any generation's names.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Judges a labelled CSV with the model at work: metrics and confusion matrix. Nothing is stored.
#[utoipa::path(post, path = "/evaluate", tag = "earlier service",
    request_body(content = Upload, content_type = "multipart/form-data"), responses(
    (status = 200, body = Evaluation),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 413, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn evaluate(
    State(door): State<Arc<Door>>,
    upload: Result<Multipart, axum::extract::multipart::MultipartRejection>,
) -> Result<Json<Evaluation>, Problem> {
    let broken = |e: axum::extract::multipart::MultipartError| Problem::new(e.status(), e.body_text());
    let mut upload = upload.map_err(|e| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{}; send the CSV as the field `file` of a form", e.body_text()),
        )
    })?;
    while let Some(field) = upload.next_field().await.map_err(broken)? {
        // The earlier clients call it `file`; a form with one file may call it anything.
        if field.file_name().is_some() || field.name() == Some("file") {
            let bytes = field.bytes().await.map_err(broken)?;
            return answer(&door, move |service| service.evaluate(&bytes)).await;
        }
    }
    Err(Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "the form has no file; send the CSV as its field `file`",
    ))
}
