//! `GET /api/v1/jobs`: lists jobs with their progress and cost, and cancels them.
//!
//! Safe to run twice: a job moves by a conditional write, and a cancelled job stays cancelled.

use crate::caller::{MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::jobs::{CancelOutcome, ConcurrentMove, JobRow};
use flows::jobs::lookup::{Found, find};
use http::StatusCode;
use queues::{Message, Queues};
use rest::views::JobShown;
use rest::{IdempotencyKey, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Advanced, Cursor};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 25;

/// The query of a listing.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Serialize, ToSchema)]
pub struct Jobs {
    jobs: Vec<JobShown>,
    /// The cursor of the next page; absent on the last page.
    next_cursor: Option<String>,
}

/// Lists your jobs, newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Filter),
    responses((status = 200, body = Jobs)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Jobs>, ApiError> {
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(Cursor::from);
    let page = ctx
        .store
        .job_list(&caller.account, cursor.as_ref(), PAGE)
        .await?;
    Ok(Json(Jobs {
        jobs: page.rows.iter().map(JobShown::of).collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

/// Retrieves a job by its id.
///
/// The id of the request that led to the job works as well.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<JobShown>, ApiError> {
    Ok(Json(match find(&ctx.store, &caller.account, &id).await? {
        Found::Job(row) => JobShown::of(&row),
        Found::Request(request) => JobShown::requested(&request),
    }))
}

/// Cancels a job.
///
/// Nothing is billed. If the job is opening its pull request at this moment, it first checks
/// whether the pull request exists.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/cancel", tag = "jobs",
    params(("id" = String, Path), IdempotencyKey),
    responses((status = 202, body = JobShown), (status = 200, body = JobShown, description = "It had ended before."), (status = 409)))]
pub async fn cancel(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    _: IdempotencyKey,
) -> Result<(StatusCode, Json<JobShown>), ApiError> {
    let row = begun(find(&ctx.store, &caller.account, &id).await?)?;
    let transition = match row.clone().staged().cancel(REASON, ctx.outside.now()) {
        CancelOutcome::Moved(transition) => transition,
        CancelOutcome::Over => return Ok((StatusCode::OK, Json(JobShown::of(&row)))),
        CancelOutcome::Delivered => {
            let detail = "This job already has its pull request; close that if you do not want it.";
            return Err(ApiError::conflict("delivered", detail));
        }
    };
    match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            tracing::info!(account.id = %caller.account, job.id = %row.facts.id, by = %caller.by, audit = true, "cancelled a job");
            send_comment(&ctx.queues, &row).await;
            Ok((StatusCode::ACCEPTED, Json(JobShown::of(&row))))
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}

/// Updates the job's comment on the issue. A lost message costs a minute: the row is due, and the
/// sweeper finds it.
async fn send_comment(queues: &Queues, row: &JobRow) {
    let message = Message::Comment(row.facts.id.clone());
    if let Err(error) = queues.send(&message, Some(&row.facts.account)).await {
        tracing::warn!(job.id = %row.facts.id, %error, "could not queue the comment of a job; the sweeper will");
    }
}

const REASON: &str = "its owner cancelled it";

/// Returns the job, or an error if the request has not led to one.
pub(crate) fn begun(found: Found) -> Result<JobRow, ApiError> {
    match found {
        Found::Job(row) => Ok(*row),
        Found::Request(request) => Err(match request.outcome {
            None => ApiError::conflict(
                "not_begun",
                "The issue of this request is still being looked up; retry in a minute.",
            ),
            Some(_) => ApiError::conflict(
                "refused",
                "This request was refused and has no job; request a new one.",
            ),
        }),
    }
}
