//! `GET /api/v1/jobs`: what was ordered, how far it is, what it cost.

use crate::caller::Caller;
use crate::routes::Problem;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use domain::access::Scope;
use domain::ids::JobId;
use domain::jobs::{Funding, Snapshot, cost_to_customer};
use replies::cursors;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::JobCursor;
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 25;

/// Which jobs.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Some jobs, the newest first.
#[derive(Serialize, ToSchema)]
pub struct Jobs {
    jobs: Vec<JobShown>,
    /// Where the next page begins, if there is one.
    next_cursor: Option<String>,
}

/// One job.
#[derive(Serialize, ToSchema)]
pub struct JobShown {
    id: String,
    /// `QUEUED`, `PLANNING` and so on to `PR_OPENED`, and the ends.
    state: String,
    /// As `acme/greeter`.
    repository: String,
    issue: u64,
    pull_request: Option<u64>,
    pull_request_url: Option<String>,
    /// Why it ended as it did.
    reason: Option<String>,
    /// Tokens of the prompts so far.
    tokens_in: u64,
    /// Tokens of the answers so far.
    tokens_out: u64,
    /// `credits`, `meters` or `nothing`.
    paid_by: &'static str,
    /// What it comes to so far in credits, where it is paid by them.
    price: Option<String>,
    created_at: String,
    timeline: Vec<MomentShown>,
}

/// One line of a timeline.
#[derive(Serialize, ToSchema)]
pub struct MomentShown {
    state: String,
    at: String,
}

/// Your jobs, the newest first, by pages.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(Filter),
    responses((status = 200, body = Jobs), (status = 400, body = Problem), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub async fn list(
    caller: Caller,
    State(ctx): State<Arc<Ctx>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Jobs>, ApiError> {
    caller.may(Scope::Read)?;
    let Query(filter) = filter.map_err(|error| ApiError::bad_request("bad_query", error.body_text()))?;
    let cursor = filter.cursor.as_deref().map(cursors::read).transpose()?;
    let cursor = cursor.map(|(at, id)| JobCursor { at, id });
    let page = ctx.store.job_list(&caller.account, cursor.as_ref(), PAGE).await?;
    Ok(Json(Jobs {
        jobs: page.jobs.iter().map(shown).collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

/// One of your jobs.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobShown), (status = 401, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn show(
    caller: Caller,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<JobShown>, ApiError> {
    caller.may(Scope::Read)?;
    let absent = || ApiError::not_found("there is no such job");
    let id = JobId::parse(&id).map_err(|_| absent())?;
    let row = ctx.store.job_find(&id).await?.filter(|row| row.facts.account == caller.account).ok_or_else(absent)?;
    Ok(Json(shown(&row)))
}

fn shown(row: &Snapshot) -> JobShown {
    let facts = &row.facts;
    let (paid_by, price) = match facts.terms.funding {
        Funding::Prepaid { .. } => ("credits", Some(cost_to_customer(row).to_string())),
        Funding::Metered { .. } => ("meters", None),
        Funding::Free => ("nothing", None),
    };
    JobShown {
        id: facts.id.to_string(),
        state: row.state.as_str().to_owned(),
        repository: format!("{}/{}", facts.owner_login, facts.repository_name),
        issue: facts.issue_number,
        pull_request: row.pull.as_ref().map(|pull| pull.number),
        pull_request_url: row.pull.as_ref().map(|pull| pull.url.clone()),
        reason: row.reason.clone(),
        tokens_in: row.tokens.input,
        tokens_out: row.tokens.output,
        paid_by,
        price,
        created_at: facts.created_at.to_string(),
        timeline: row
            .timeline
            .iter()
            .map(|moment| MomentShown { state: moment.state.as_str().to_owned(), at: moment.at.to_string() })
            .collect(),
    }
}
