//! `/api/v1/blocks`: what is stopped.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::problem::{Body, Named, Problem};
use super::routes::{Answer, Sensor, Who, answer, done};
use crate::service::blocks::{AddBlock, BlockList, LiftBlocks, ShownBlock};

/// What is stopped now, what was, and what never is.
#[utoipa::path(get, path = "/api/v1/blocks", tag = "inline", responses((status = 200, body = BlockList)))]
pub(super) async fn blocks(State(door): Sensor) -> Answer<BlockList> {
    answer(&door, |service| service.blocks()).await
}

/// Stops something.
#[utoipa::path(post, path = "/api/v1/blocks", tag = "inline", request_body = AddBlock, responses(
    (status = 201, body = ShownBlock),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn block(
    State(door): Sensor,
    Extension(shown): Who,
    Body(add): Body<AddBlock>,
) -> Result<(StatusCode, Json<ShownBlock>), Problem> {
    let made = answer(&door, move |service| service.block(&shown.actor, &add)).await?;
    Ok((StatusCode::CREATED, made))
}

/// Lets something through again. `id`: a block's number, or the address or range of its source.
#[utoipa::path(delete, path = "/api/v1/blocks/{id}", tag = "inline", params(("id" = String, Path)), responses(
    (status = 204, description = "Lifted"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 409, body = Problem, content_type = "application/problem+json"),
    (status = 422, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn lift_block(
    State(door): Sensor,
    Extension(shown): Who,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let lift = LiftBlocks { which: Some(id), all: false };
    done(&door, move |service| service.lift_blocks(&shown.actor, &lift).map(|_| ())).await
}
