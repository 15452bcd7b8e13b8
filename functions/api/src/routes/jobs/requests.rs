//! `POST /api/v1/jobs` and `…/retry`: clients request jobs.
//!
//! Safe to run twice: the job's id follows from the idempotency key; `flows::jobs::requests` stores
//! the request under it.

use crate::caller::MayRunJobs;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::JobId;
use domain::jobs::requests::Agent;
use flows::jobs::requests;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// An issue to turn into a pull request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobWanted {
    /// The repository, as `owner/name`. The App must be installed on it.
    #[schema(
        example = "acme/greeter",
        max_length = 161,
        pattern = "^[A-Za-z0-9_-]+/[A-Za-z0-9._-]+$"
    )]
    repository: String,
    /// The number of an open issue in the repository.
    #[schema(example = 12, minimum = 1)]
    issue: u64,
    /// Who works on the job: `tallyhook` (the default), or `external` for an agent of your own. An
    /// external agent reports to `/api/v1/phase-data` with `job_id` within seven days.
    #[schema(example = "tallyhook", pattern = "^(tallyhook|external)$")]
    agent: Option<String>,
}

/// A job request.
#[derive(Serialize, ToSchema)]
pub struct Requested {
    /// The id of the job. If the issue already has a job, this id resolves to that job.
    id: String,
    /// Always `REQUESTED`.
    state: &'static str,
}

/// Requests a job for an issue.
///
/// Tallyhook looks up the issue within moments. `GET /api/v1/jobs/{id}` shows the progress, or why
/// the job was refused. The repository's policy file configures the pull request; the scopes of
/// your keys decide who may request one.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = JobWanted,
    params(IdempotencyKey),
    responses((status = 202, body = Requested), (status = 409), (status = 422)))]
pub async fn create(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<JobWanted>,
) -> Result<(StatusCode, Json<Requested>), ApiError> {
    caller.may_begin(&ctx).await?;
    let agent = wanted
        .agent
        .as_deref()
        .map_or(Some(Agent::Tallyhook), Agent::parse);
    let agent = agent.ok_or_else(|| {
        ApiError::bad_request("bad_agent", "`agent` must be `tallyhook` or `external`.")
    })?;
    let by = caller.by.to_string();
    let act = once.act(&caller.account, "jobs").id();
    let wanted = (wanted.repository.as_str(), wanted.issue);
    let id = requests::request(&ctx.requests(&caller.account, &by), &act, wanted, agent).await?;
    Ok(taken(&id))
}

/// Retries a job that ended without an open or merged pull request.
///
/// The retry is a new job for the same issue and the same agent. It is charged like any other job:
/// only if it delivers.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/retry", tag = "jobs",
    params(("id" = String, Path), IdempotencyKey),
    responses((status = 202, body = Requested), (status = 409)))]
pub async fn retry(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
) -> Result<(StatusCode, Json<Requested>), ApiError> {
    caller.may_begin(&ctx).await?;
    let by = caller.by.to_string();
    let act = |job: &JobId| {
        let route = format!("jobs/{job}/retry");
        once.act(&caller.account, &route).id()
    };
    let id = requests::retry(&ctx.requests(&caller.account, &by), &id, act).await?;
    Ok(taken(&id))
}

fn taken(id: &JobId) -> (StatusCode, Json<Requested>) {
    let requested = Requested {
        id: id.to_string(),
        state: "REQUESTED",
    };
    (StatusCode::ACCEPTED, Json(requested))
}
