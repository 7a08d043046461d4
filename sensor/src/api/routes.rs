//! `/api/v1`: each route asks the service one question, on a thread that may wait for the disk.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Serialize;

use super::Door;
use super::access::Shown;
use super::problem::{Asked, Body, Named, Problem, Raw};
use crate::control::Refusal;
use crate::service::Service;
use crate::service::answers::{Alert, Flow, Incident, Page};
use crate::service::flows::{AlertDetail, FlowDetail, IncidentDetail};
use crate::service::labels::{GiveLabels, LabelByFilter, LabelPage, Labelled, LabelsAfter, Queue, QueueOf};
use crate::service::models::{ModelInfo, Models};
use crate::service::operations::{AuditBefore, AuditPage, CreateToken, TokenList};
use crate::service::search::Search;
use crate::service::suppress::{AddSuppression, Suppression, SuppressionList};
use crate::service::tokens::NewToken;
use crate::status::Status;

pub(super) type Answer<T> = Result<Json<T>, Problem>;
pub(super) type Sensor = State<Arc<Door>>;
pub(super) type Who = Extension<Shown>;

/// Asks the service where waiting is allowed.
pub(super) async fn answer<T: Serialize + Send + 'static>(
    door: &Arc<Door>,
    question: impl FnOnce(&Service) -> Result<T, Refusal> + Send + 'static,
) -> Answer<T> {
    let service = Arc::clone(&door.service);
    match tokio::task::spawn_blocking(move || question(&service)).await {
        Ok(answer) => Ok(Json(answer?)),
        Err(error) => {
            tracing::error!(%error, "a request failed inside the sensor");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the sensor failed on this request; its log says more",
            ))
        }
    }
}

pub(super) async fn done(
    door: &Arc<Door>,
    change: impl FnOnce(&Service) -> Result<(), Refusal> + Send + 'static,
) -> Result<StatusCode, Problem> {
    answer(door, change).await.map(|_| StatusCode::NO_CONTENT)
}

/// How the sensor is: sources, traffic, accounting, model, store.
#[utoipa::path(get, path = "/api/v1/status", tag = "sensor", responses((status = 200, body = Status)))]
pub(super) async fn status(State(door): Sensor) -> Answer<Status> {
    answer(&door, |service| Ok(service.status())).await
}

/// Alerts, newest first.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "findings", params(Search), responses(
    (status = 200, body = Page<Alert>), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn alerts(State(door): Sensor, Asked(search): Asked<Search>) -> Answer<Page<Alert>> {
    answer(&door, move |service| service.alerts(&search)).await
}

/// One alert with its flow, its life and what was said of it.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "findings", params(("id" = String, Path)), responses(
    (status = 200, body = AlertDetail), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn alert(State(door): Sensor, Named(id): Named<String>) -> Answer<AlertDetail> {
    answer(&door, move |service| service.alert(&id)).await
}

/// Incidents, newest first.
#[utoipa::path(get, path = "/api/v1/incidents", tag = "findings", params(Search), responses(
    (status = 200, body = Page<Incident>), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn incidents(State(door): Sensor, Asked(search): Asked<Search>) -> Answer<Page<Incident>> {
    answer(&door, move |service| service.incidents(&search)).await
}

/// One incident with its alerts.
#[utoipa::path(get, path = "/api/v1/incidents/{id}", tag = "findings", params(("id" = String, Path)), responses(
    (status = 200, body = IncidentDetail), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn incident(State(door): Sensor, Named(id): Named<String>) -> Answer<IncidentDetail> {
    answer(&door, move |service| service.incident(&id)).await
}

/// Flows that have ended, newest first.
#[utoipa::path(get, path = "/api/v1/flows", tag = "findings", params(Search), responses(
    (status = 200, body = Page<Flow>), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn flows(State(door): Sensor, Asked(search): Asked<Search>) -> Answer<Page<Flow>> {
    answer(&door, move |service| service.flows(&search)).await
}

/// One flow: its features beside what is normal, what each added to the score, its life, what was said of it.
#[utoipa::path(get, path = "/api/v1/flows/{id}", tag = "findings", params(("id" = String, Path)), responses(
    (status = 200, body = FlowDetail), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn flow(State(door): Sensor, Named(id): Named<String>) -> Answer<FlowDetail> {
    answer(&door, move |service| service.flow(&id)).await
}

/// Labels, oldest first.
#[utoipa::path(get, path = "/api/v1/labels", tag = "labels", params(LabelsAfter), responses(
    (status = 200, body = LabelPage), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn labels(State(door): Sensor, Asked(asked): Asked<LabelsAfter>) -> Answer<LabelPage> {
    answer(&door, move |service| service.labels(&asked)).await
}

/// Gives labels: all or none.
#[utoipa::path(post, path = "/api/v1/labels", tag = "labels", request_body = GiveLabels, responses(
    (status = 200, body = Labelled),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn give_labels(
    State(door): Sensor,
    Extension(shown): Who,
    Body(give): Body<GiveLabels>,
) -> Answer<Labelled> {
    answer(&door, move |service| service.label(&shown.actor, &give)).await
}

/// Flows worth a label: the most uncertain, and a random hundredth that tells without bias what is missed.
#[utoipa::path(get, path = "/api/v1/labels/queue", tag = "labels", params(QueueOf), responses(
    (status = 200, body = Queue), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn label_queue(State(door): Sensor, Asked(asked): Asked<QueueOf>) -> Answer<Queue> {
    answer(&door, move |service| service.label_queue(&asked)).await
}

/// One label for every flow that a filter finds.
#[utoipa::path(post, path = "/api/v1/labels/by-filter", tag = "labels", request_body = LabelByFilter, responses(
    (status = 200, body = Labelled),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn label_by_filter(
    State(door): Sensor,
    Extension(shown): Who,
    Body(asked): Body<LabelByFilter>,
) -> Answer<Labelled> {
    answer(&door, move |service| service.label_by_filter(&shown.actor, &asked)).await
}

/// Labels from a CSV with the columns `subject`, `label` and optionally `category` and `reason`.
#[utoipa::path(post, path = "/api/v1/labels/import", tag = "labels",
    request_body(content = String, content_type = "text/csv"), responses(
    (status = 200, body = Labelled), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn import_csv(
    State(door): Sensor,
    Extension(shown): Who,
    Raw(body): Raw,
) -> Answer<Labelled> {
    answer(&door, move |service| service.import_csv(&shown.actor, &body)).await
}

/// Labels from the alerts of Suricata's `eve.json`, matched by Community ID and time.
#[utoipa::path(post, path = "/api/v1/labels/import/suricata", tag = "labels",
    request_body(content = String, content_type = "application/x-ndjson"), responses(
    (status = 200, body = Labelled), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn import_suricata(
    State(door): Sensor,
    Extension(shown): Who,
    Raw(body): Raw,
) -> Answer<Labelled> {
    answer(&door, move |service| service.import_suricata(&shown.actor, &body)).await
}

/// What was said of one flow or alert, oldest first; the last one counts.
#[utoipa::path(get, path = "/api/v1/labels/{subject}", tag = "labels", params(("subject" = String, Path)), responses(
    (status = 200, body = LabelPage), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn labels_of(State(door): Sensor, Named(subject): Named<String>) -> Answer<LabelPage> {
    answer(&door, move |service| service.labels_of(&subject)).await
}

/// Takes the label of a flow or alert back; the history stays.
#[utoipa::path(delete, path = "/api/v1/labels/{subject}", tag = "labels", params(("subject" = String, Path)), responses(
    (status = 204, description = "Withdrawn"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn withdraw_label(
    State(door): Sensor,
    Extension(shown): Who,
    Named(subject): Named<String>,
) -> Result<StatusCode, Problem> {
    done(&door, move |service| service.withdraw_label(&shown.actor, &subject)).await
}

/// What is not shown, newest rule first, with what each hid.
#[utoipa::path(get, path = "/api/v1/suppressions", tag = "suppressions", responses((status = 200, body = SuppressionList)))]
pub(super) async fn suppressions(State(door): Sensor) -> Answer<SuppressionList> {
    answer(&door, |service| service.suppressions()).await
}

/// Adds a rule; it is in force when this answers.
#[utoipa::path(post, path = "/api/v1/suppressions", tag = "suppressions", request_body = AddSuppression, responses(
    (status = 201, body = Suppression),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn suppress(
    State(door): Sensor,
    Extension(shown): Who,
    Body(add): Body<AddSuppression>,
) -> Result<(StatusCode, Json<Suppression>), Problem> {
    let made = answer(&door, move |service| service.suppress(&shown.actor, &add)).await?;
    Ok((StatusCode::CREATED, made))
}

/// Ends a rule; what it hid stays on record.
#[utoipa::path(delete, path = "/api/v1/suppressions/{id}", tag = "suppressions", params(("id" = u64, Path)), responses(
    (status = 204, description = "Lifted"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn lift_suppression(
    State(door): Sensor,
    Extension(shown): Who,
    Named(id): Named<u64>,
) -> Result<StatusCode, Problem> {
    done(&door, move |service| service.lift_suppression(&shown.actor, id)).await
}

/// The models at work.
#[utoipa::path(get, path = "/api/v1/model", tag = "model", responses((status = 200, body = Models)))]
pub(super) async fn model(State(door): Sensor) -> Answer<Models> {
    answer(&door, |service| Ok(service.models())).await
}

/// Whether a model file could be installed. Changes nothing.
#[utoipa::path(post, path = "/api/v1/model/verify", tag = "model",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = ModelInfo), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn verify_model(State(door): Sensor, Raw(body): Raw) -> Answer<ModelInfo> {
    answer(&door, move |service| service.verify_model(&body)).await
}

/// Puts a model to work, now and after a restart.
#[utoipa::path(post, path = "/api/v1/model/install", tag = "model",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = Models),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn install_model(
    State(door): Sensor,
    Extension(shown): Who,
    Raw(body): Raw,
) -> Answer<Models> {
    answer(&door, move |service| service.install_model(&shown.actor, &body)).await
}

/// Puts the model before to work again.
#[utoipa::path(post, path = "/api/v1/model/rollback", tag = "model", responses(
    (status = 200, body = Models), (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn roll_back_model(State(door): Sensor, Extension(shown): Who) -> Answer<Models> {
    answer(&door, move |service| service.roll_back_model(&shown.actor)).await
}

/// Lets a model score beside the active one; nobody acts on it.
#[utoipa::path(put, path = "/api/v1/model/shadow", tag = "model",
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = Models), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn shadow_model(
    State(door): Sensor,
    Extension(shown): Who,
    Raw(body): Raw,
) -> Answer<Models> {
    answer(&door, move |service| service.shadow_model(&shown.actor, &body)).await
}

/// Ends the shadow.
#[utoipa::path(delete, path = "/api/v1/model/shadow", tag = "model", responses(
    (status = 204, description = "Ended"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn end_shadow(State(door): Sensor, Extension(shown): Who) -> Result<StatusCode, Problem> {
    done(&door, move |service| service.end_shadow(&shown.actor)).await
}

/// Who changed what, and who was refused, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "administration", params(AuditBefore), responses(
    (status = 200, body = AuditPage), (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn audit(State(door): Sensor, Asked(asked): Asked<AuditBefore>) -> Answer<AuditPage> {
    answer(&door, move |service| service.audit_log(&asked)).await
}

/// Every token; not the tokens themselves.
#[utoipa::path(get, path = "/api/v1/tokens", tag = "administration", responses((status = 200, body = TokenList)))]
pub(super) async fn tokens(State(door): Sensor) -> Answer<TokenList> {
    answer(&door, |service| Ok(service.token_list())).await
}

/// Makes a token. It is shown this once.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "administration", request_body = CreateToken, responses(
    (status = 201, body = NewToken),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create_token(
    State(door): Sensor,
    Extension(shown): Who,
    Body(asked): Body<CreateToken>,
) -> Result<(StatusCode, Json<NewToken>), Problem> {
    let days = door.settings.token_days;
    let made = answer(&door, move |service| service.create_token(&shown.actor, &asked, days)).await?;
    Ok((StatusCode::CREATED, made))
}

/// Ends a token, and every login that came from it.
#[utoipa::path(delete, path = "/api/v1/tokens/{id}", tag = "administration", params(("id" = String, Path)), responses(
    (status = 204, description = "Revoked"),
    (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke_token(
    State(door): Sensor,
    Extension(shown): Who,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    done(&door, move |service| service.revoke_token(&shown.actor, &id)).await
}
