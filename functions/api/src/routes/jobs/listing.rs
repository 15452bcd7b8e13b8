//! `GET /api/v1/jobs`: lists jobs with their progress and cost, and cancels them.
//!
//! Safe to run twice: a job moves by a conditional write, and a cancelled job stays cancelled.

use crate::caller::{MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use flows::jobs::cancellations::{Cancelled, cancel as cancel_job};
use flows::jobs::lookup::{Found, find};
use http::StatusCode;
use rest::views::JobShown;
use rest::{IdempotencyKey, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Cursor;
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
    let by = caller.by.to_string();
    Ok(
        match cancel_job(&ctx.requests(&caller.account, &by), &id).await? {
            Cancelled::Now(row) => (StatusCode::ACCEPTED, Json(JobShown::of(&row))),
            Cancelled::Before(row) => (StatusCode::OK, Json(JobShown::of(&row))),
        },
    )
}
