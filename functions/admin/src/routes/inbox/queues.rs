//! `/api/v1/admin/queues`: redrives dead letters.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use queues::Queue;
use serde_json::{Value, json};
use std::sync::Arc;

/// Moves a queue's dead letters back to it.
pub async fn redrive(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(queue): Path<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let words: Vec<&str> = Queue::ALL.into_iter().map(Queue::as_str).collect();
    let absent = || ApiError::not_found(format!("the queues are {}", words.join(", ")));
    let queue = Queue::parse(&queue).ok_or_else(absent)?;
    ctx.queues.redrive(queue).await?;
    tracing::info!(
        operator.name = operator.name,
        queue = queue.as_str(),
        audit = true,
        "redrove dead letters"
    );
    Ok((
        StatusCode::ACCEPTED,
        Json(json!({ "queue": queue.as_str(), "redriven": true })),
    ))
}
