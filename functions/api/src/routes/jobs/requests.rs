//! `POST /api/v1/jobs` and `…/retry`: clients request jobs.
//!
//! This function cannot read GitHub. It stores the request under the id that the job will have, and
//! `github-events` acts on it. Safe to run twice: the id follows from the idempotency key. If the
//! message is lost, the row is due and the sweeper finds it.

use crate::caller::{Caller, MayRunJobs};
use crate::routes::jobs::listing::begun;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::quotas;
use domain::billing::usage::Meter;
use domain::ids::JobId;
use domain::jobs::JobState;
use domain::jobs::repositories::RepositoryName;
use domain::jobs::requests::{Agent, JobRequest};
use domain::refusal::FlowError;
use domain::work::Lifecycle;
use flows::accounts::load;
use flows::jobs::assists;
use flows::jobs::lookup::find;
use http::StatusCode;
use queues::Message;
use rest::{Act, Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::RequestMade;
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
    let repository = repository(&wanted.repository)?;
    if wanted.issue == 0 {
        return Err(ApiError::bad_request(
            "bad_issue",
            "`issue` must be the number of an issue, from 1.",
        ));
    }
    let agent = wanted
        .agent
        .as_deref()
        .map_or(Some(Agent::Tallyhook), Agent::parse);
    let agent = agent.ok_or_else(|| {
        ApiError::bad_request("bad_agent", "`agent` must be `tallyhook` or `external`.")
    })?;
    ask(
        &ctx,
        &caller,
        &once.act(&caller.account, "jobs"),
        (repository, wanted.issue, agent),
        None,
    )
    .await
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
    let row = begun(find(&ctx.store, &caller.account, &id).await?)?;
    may_retry(row.state)?;
    let agent = row.agent();
    let facts = row.facts;
    let repository = repository(&format!("{}/{}", facts.owner_login, facts.repository_name))?;
    let act = once.act(&caller.account, &format!("jobs/{}/retry", facts.id));
    ask(
        &ctx,
        &caller,
        &act,
        (repository, facts.issue_number, agent),
        Some(facts.id),
    )
    .await
}

fn may_retry(state: JobState) -> Result<(), ApiError> {
    let (code, detail) = match state {
        JobState::Failed | JobState::Rejected | JobState::Cancelled | JobState::Closed => {
            return Ok(());
        }
        JobState::Merged => (
            "delivered",
            "The pull request of this job was merged; open an issue for what is missing.",
        ),
        JobState::PrOpened => (
            "delivered",
            "This job has its pull request; close that first if you do not want it, then retry.",
        ),
        JobState::Delegated
        | JobState::Queued
        | JobState::Planning
        | JobState::Coding
        | JobState::Reviewing
        | JobState::ReviewApproved
        | JobState::PrCreationInitiated => (
            "under_way",
            "This job is in progress; wait for its end, or cancel it first.",
        ),
    };
    Err(ApiError::conflict(code, detail))
}

fn repository(text: &str) -> Result<RepositoryName, ApiError> {
    let bad = || {
        ApiError::bad_request(
            "bad_repository",
            "`repository` must be written as `owner/name`.",
        )
    };
    RepositoryName::parse(text).ok_or_else(bad)
}

async fn ask(
    ctx: &Ctx,
    caller: &Caller,
    act: &Act,
    (repository, issue_number, agent): (RepositoryName, u64, Agent),
    retry_of: Option<JobId>,
) -> Result<(StatusCode, Json<Requested>), ApiError> {
    let now = ctx.outside.now();
    let request = JobRequest {
        id: JobId::of_act(&act.id()),
        account: caller.account.clone(),
        repository,
        issue_number,
        agent,
        asked_by: caller.by.to_string(),
        retry_of,
        at: now,
        tries: Lifecycle::owed(now),
        outcome: None,
    };
    let entitled = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    let call = quotas::api_call(&entitled.entitlements, now);
    match ctx.store.request_make(&request, call.as_ref()).await? {
        RequestMade::New => {
            tracing::info!(account.id = %caller.account, job.id = %request.id, by = %caller.by, audit = true, "requested a job");
        }
        RequestMade::Same(_) => {}
        RequestMade::QuotaUsed => {
            let url = ctx.page("/billing");
            let meter = Meter::api_calls();
            let refusal = assists::quota_used(&entitled.entitlements, &meter, &url, now);
            return Err(FlowError::from(refusal).into());
        }
        RequestMade::ActReused => {
            let detail =
                "This `Idempotency-Key` was used for another job; use a new one for each job.";
            return Err(ApiError::conflict("idempotency_key_reused", detail));
        }
    }
    // If the message cannot be sent, the row is due within a minute and the sweeper sends it.
    if let Err(error) = ctx
        .queues
        .send(&Message::Request(request.id.clone()), Some(&caller.account))
        .await
    {
        tracing::warn!(job.id = %request.id, error = %domain::retry::Failure::from(error), "could not queue a request; the sweeper will");
    }
    Ok((
        StatusCode::ACCEPTED,
        Json(Requested {
            id: request.id.to_string(),
            state: "REQUESTED",
        }),
    ))
}
