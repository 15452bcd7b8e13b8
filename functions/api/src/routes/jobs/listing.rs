//! `GET /api/v1/jobs`: lists jobs with their progress and cost, and cancels them.
//!
//! Safe to run twice: a job moves by a conditional write, and a cancelled job stays cancelled.

use crate::caller::{MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::{AccountId, JobId};
use domain::jobs::requests::{JobRequest, RequestOutcome};
use domain::jobs::{CancelOutcome, ConcurrentMove, Funding, JobRow, cost_to_customer};
use http::StatusCode;
use queues::{Message, Queues};
use rest::{IdempotencyKey, Params, Path, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Advanced, Cursor, Store};
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

/// A job.
#[derive(Serialize, ToSchema)]
pub struct JobShown {
    id: String,
    /// The state: from `QUEUED` and `PLANNING` through `PR_OPENED` to a final state, or `DELEGATED`
    /// while an external agent works on the job. A job that was requested through the API is
    /// `REQUESTED` until its issue has been looked up, and `REFUSED` if no job is possible.
    state: String,
    /// The repository, such as `acme/greeter`.
    repository: String,
    issue: u64,
    /// Who works on the job: `tallyhook`, or `external` for an external agent.
    agent: &'static str,
    pull_request: Option<u64>,
    pull_request_url: Option<String>,
    /// The job that this one retries.
    retry_of: Option<String>,
    /// Why the job ended.
    reason: Option<String>,
    /// The prompt tokens used so far.
    tokens_in: u64,
    /// The completion tokens used so far.
    tokens_out: u64,
    /// What the job is paid with: `credits`, `meters` or `nothing`. Absent until the job exists.
    paid_by: Option<&'static str>,
    /// The price so far, if the job is paid with credits.
    price: Option<String>,
    created_at: String,
    timeline: Vec<MomentShown>,
}

/// A state that the job entered, and when.
#[derive(Serialize, ToSchema)]
pub struct MomentShown {
    state: String,
    at: String,
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
        jobs: page.rows.iter().map(shown).collect(),
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
        Found::Job(row) => shown(&row),
        Found::Request(request) => requested(&request),
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
        CancelOutcome::Over => return Ok((StatusCode::OK, Json(shown(&row)))),
        CancelOutcome::Delivered => {
            let detail = "This job already has its pull request; close that if you do not want it.";
            return Err(ApiError::conflict("delivered", detail));
        }
    };
    match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            tracing::info!(account.id = %caller.account, job.id = %row.facts.id, by = %caller.by, audit = true, "cancelled a job");
            send_comment(&ctx.queues, &row).await;
            Ok((StatusCode::ACCEPTED, Json(shown(&row))))
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

/// What a job id refers to.
pub(crate) enum Found {
    /// The job with this id, or the job that the request with this id led to.
    Job(Box<JobRow>),
    /// A request without a job, or whose job does not exist yet.
    Request(Box<JobRequest>),
}

/// Finds the job or request of the account with this id.
pub(crate) async fn find(store: &Store, account: &AccountId, id: &str) -> Result<Found, ApiError> {
    let absent = || ApiError::not_found("There is no such job.");
    let id = JobId::parse(id).map_err(|_| absent())?;
    if let Some(row) = store.job_find(&id).await? {
        return own(row, account).map(Found::Job).ok_or_else(absent);
    }
    let request = store
        .request_find(&id)
        .await?
        .filter(|request| request.account == *account);
    let request = request.ok_or_else(absent)?;
    if let Some(RequestOutcome::Job(job)) = &request.outcome
        && let Some(row) = store.job_find(job).await?
    {
        return own(row, account).map(Found::Job).ok_or_else(absent);
    }
    Ok(Found::Request(Box::new(request)))
}

fn own(row: JobRow, account: &AccountId) -> Option<Box<JobRow>> {
    (row.facts.account == *account).then(|| Box::new(row))
}

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

/// Presents a request as the job that it may become.
fn requested(request: &JobRequest) -> JobShown {
    let (state, reason) = match &request.outcome {
        Some(RequestOutcome::Refused(why)) => ("REFUSED", Some(why.clone())),
        Some(RequestOutcome::Job(_)) | None => ("REQUESTED", None),
    };
    JobShown {
        id: request.id.to_string(),
        state: state.to_owned(),
        repository: request.repository.to_string(),
        issue: request.issue_number,
        agent: request.agent.as_str(),
        pull_request: None,
        pull_request_url: None,
        retry_of: request.retry_of.as_ref().map(ToString::to_string),
        reason,
        tokens_in: 0,
        tokens_out: 0,
        paid_by: None,
        price: None,
        created_at: request.at.to_string(),
        timeline: Vec::new(),
    }
}

fn shown(row: &JobRow) -> JobShown {
    let facts = &row.facts;
    let (paid_by, price) = match facts.terms.funding {
        Funding::Prepaid { .. } => (Some("credits"), Some(cost_to_customer(row).to_string())),
        Funding::Metered { .. } => (Some("meters"), None),
        Funding::Free => (Some("nothing"), None),
    };
    JobShown {
        id: facts.id.to_string(),
        state: row.state.as_str().to_owned(),
        repository: format!("{}/{}", facts.owner_login, facts.repository_name),
        issue: facts.issue_number,
        agent: row.agent().as_str(),
        pull_request: row.pull.as_ref().map(|pull| pull.number),
        pull_request_url: row.pull.as_ref().map(|pull| pull.url.clone()),
        retry_of: facts.retry_of.as_ref().map(ToString::to_string),
        reason: row.reason.clone(),
        tokens_in: row.tokens.input,
        tokens_out: row.tokens.output,
        paid_by,
        price,
        created_at: facts.created_at.to_string(),
        timeline: row
            .timeline
            .iter()
            .map(|moment| MomentShown {
                state: moment.state.as_str().to_owned(),
                at: moment.at.to_string(),
            })
            .collect(),
    }
}
