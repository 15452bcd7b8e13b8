//! `GET /api/v1/admin/jobs`: the jobs of all accounts.

use crate::days::Days;
use crate::operator::Authorized;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::jobs::{Figures, JobRow, JobState};
use domain::units::Credits;
use rest::{Params, cursors};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Cursor, Slice};
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 50;

/// The query of a listing.
#[derive(Deserialize, IntoParams, Default)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Return only jobs in these states, separated by commas, such as `FAILED,REJECTED`.
    #[param(pattern = "^([A-Z_]+(,[A-Z_]+)*)?$")]
    pub state: Option<String>,
    /// The first day on which the jobs were created, in UTC.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub from: Option<String>,
    /// The last day on which the jobs were created, in UTC.
    #[param(pattern = "^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
    pub to: Option<String>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Serialize, ToSchema)]
pub struct Jobs {
    pub jobs: Vec<JobListed>,
    /// The cursor of the next page; absent on the last page. A page ends early after 2,000 jobs that
    /// the filter leaves out.
    pub next_cursor: Option<String>,
}

/// A job in a listing.
#[derive(Serialize, ToSchema)]
pub struct JobListed {
    pub id: String,
    pub account: String,
    pub state: &'static str,
    /// The repository, as `owner/name`.
    pub repository: String,
    pub issue: u64,
    /// The number of the pull request.
    pub pull: Option<u64>,
    /// The failed attempts at the current step.
    pub attempts: u32,
    /// Whether the job was billed.
    pub billed: bool,
    /// The models' cost so far, in credits.
    pub cost: String,
    /// The credits that the job captured.
    pub revenue: String,
    /// Why the job ended, or why its cancellation was requested.
    pub reason: Option<String>,
    /// When it is next due, if work is pending.
    pub due_at: Option<String>,
    pub created_at: String,
}

/// Lists the jobs of all accounts, newest first.
#[utoipa::path(get, path = "/api/v1/admin/jobs", tag = "jobs", params(Filter),
    responses((status = 200, body = Jobs)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Params(filter): Params<Filter>,
) -> Result<Json<Jobs>, ApiError> {
    let states = states(filter.state.as_deref())?;
    let Days { since, before } = Days::parse(filter.from.as_deref(), filter.to.as_deref())?;
    let cursor = cursors::find(filter.cursor.as_deref())?.map(Cursor::from);
    let slice = Slice {
        since,
        before,
        from: cursor.as_ref(),
        limit: PAGE,
    };
    let page = ctx.store.job_list_all(&states, slice).await?;
    Ok(Json(Jobs {
        jobs: page.rows.iter().map(listed).collect(),
        next_cursor: page.next.map(|next| cursors::write(next.at, &next.id)),
    }))
}

fn states(text: Option<&str>) -> Result<Vec<JobState>, ApiError> {
    let words = text
        .unwrap_or_default()
        .split(',')
        .filter(|word| !word.is_empty());
    words
        .map(|word| {
            JobState::parse(word).ok_or_else(|| {
                let known = JobState::ALL.map(JobState::as_str).join(", ");
                let detail =
                    format!("`state` must be one or more of {known}, separated by commas.");
                ApiError::bad_request("bad_state", detail)
            })
        })
        .collect()
}

fn listed(row: &JobRow) -> JobListed {
    let (facts, figures) = (&row.facts, Figures::of(row));
    JobListed {
        id: facts.id.to_string(),
        account: facts.account.to_string(),
        state: row.state.as_str(),
        repository: format!("{}/{}", facts.owner_login, facts.repository_name),
        issue: facts.issue_number,
        pull: row.pull.as_ref().map(|pull| pull.number),
        attempts: row.attempts,
        billed: figures.billed > 0,
        cost: row.cost.to_string(),
        revenue: Credits::from_micros(figures.revenue)
            .unwrap_or(Credits::MAX)
            .to_string(),
        reason: row.reason.clone(),
        due_at: row.due_at.map(|at| at.to_string()),
        created_at: facts.created_at.to_string(),
    }
}
