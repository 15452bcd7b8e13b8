//! `/api/v1/admin/queues`: counts messages, and redrives dead letters.

use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use queues::Queue;
use rest::Path;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Every queue.
#[derive(Serialize, ToSchema)]
pub struct QueueList {
    pub queues: Vec<QueueShown>,
}

/// A queue with its messages, as SQS counts them: approximately.
#[derive(Serialize, ToSchema)]
pub struct QueueShown {
    pub queue: &'static str,
    /// The messages that can be received now.
    pub ready: u64,
    /// The messages that a function is handling.
    pub in_flight: u64,
    /// The messages that become visible later.
    pub delayed: u64,
    /// The messages that were moved away after too many failed deliveries.
    pub dead_letters: u64,
}

/// Lists every queue with the number of its messages and dead letters.
#[utoipa::path(get, path = "/api/v1/admin/queues", tag = "inbox",
    responses((status = 200, body = QueueList)))]
pub async fn list(_: Authorized, State(ctx): State<Arc<Ctx>>) -> Result<Json<QueueList>, ApiError> {
    let mut queues = Vec::new();
    for queue in Queue::ALL {
        let depth = ctx.queues.depth(queue).await?;
        queues.push(QueueShown {
            queue: queue.as_str(),
            ready: depth.ready,
            in_flight: depth.in_flight,
            delayed: depth.delayed,
            dead_letters: depth.dead,
        });
    }
    Ok(Json(QueueList { queues }))
}

/// A queue whose dead letters move back to it.
#[derive(Serialize, ToSchema)]
pub struct Redriven {
    pub queue: &'static str,
    /// Always `true`.
    pub redriven: bool,
}

/// Moves a queue's dead letters back to it.
#[utoipa::path(post, path = "/api/v1/admin/queues/{queue}/redrive", tag = "inbox",
    params(("queue" = String, Path, description = "The queue.", example = "plan")),
    responses((status = 202, body = Redriven, description = "Accepted; the queue moves them.")))]
pub async fn redrive(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(queue): Path<String>,
) -> Result<(StatusCode, Json<Redriven>), ApiError> {
    let known = || Queue::ALL.map(Queue::as_str).join(", ");
    let absent = || ApiError::not_found(format!("`queue` must be one of {}.", known()));
    let queue = Queue::parse(&queue).ok_or_else(absent)?;
    ctx.queues.redrive(queue).await?;
    tracing::info!(
        operator.name = operator.name,
        queue = queue.as_str(),
        audit = true,
        "redrove dead letters"
    );
    let redriven = Redriven {
        queue: queue.as_str(),
        redriven: true,
    };
    Ok((StatusCode::ACCEPTED, Json(redriven)))
}
