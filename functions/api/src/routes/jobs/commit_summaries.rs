//! `/api/v1/repos/{owner}/{repo}/commits/{sha}/summary`: summarizes a commit from its diff.
//!
//! Safe to run twice: the id follows from the idempotency key, and each commit has one summary.

use crate::caller::{Caller, MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::{AccountId, AssistId};
use domain::jobs::assists::{
    AssistAnswer, AssistState as Stands, AssistTask, CommitRef, DiffStats,
    SUMMARY_PROMPT_BYTES_MAX, SummaryText,
};
use flows::jobs::assists::{Wanted, order, paid};
use http::{HeaderName, StatusCode, header};
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Store, SummaryPlace, WholeAssist};
use utoipa::ToSchema;

/// The summary of a commit.
#[derive(Serialize, ToSchema)]
pub struct CommitSummary {
    id: String,
    /// `QUEUED`, `DONE` or `FAILED`.
    state: String,
    /// The repository, such as `acme/greeter`.
    repository: String,
    sha: String,
    /// What the commit changes, once the summary is done.
    summary: Option<String>,
    /// The size of the commit's diff.
    diff: Option<Diff>,
    /// Why the summary failed.
    reason: Option<String>,
    /// The model that wrote the summary.
    model: Option<String>,
    /// The number of prompt tokens.
    tokens_in: u64,
    /// The number of completion tokens.
    tokens_out: u64,
    /// What the summary is paid with: `credits`, `meters` or `nothing`.
    paid_by: &'static str,
    /// The price, if the summary is paid with credits.
    price: Option<String>,
    created_at: String,
    ended_at: Option<String>,
}

/// The size of a diff.
#[derive(Serialize, ToSchema)]
pub struct Diff {
    files: u64,
    additions: u64,
    deletions: u64,
    bytes: u64,
    /// How many bytes, from the start of the diff, the model received.
    shown_bytes: u64,
}

pub type Answered = (StatusCode, [(HeaderName, String); 1], Json<CommitSummary>);

/// Attempts to claim the commit's place against concurrent requests.
const TURNS_MAX: usize = 4;

/// Retrieves the latest summary of a commit.
#[utoipa::path(get, path = "/api/v1/repos/{owner}/{repo}/commits/{sha}/summary", tag = "commits",
    params(("owner" = String, Path), ("repo" = String, Path), ("sha" = String, Path, description = "The whole commit id.")),
    responses((status = 200, body = CommitSummary), (status = 400)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path(named): Path<(String, String, String)>,
) -> Result<Json<CommitSummary>, ApiError> {
    let commit = commit(&named)?;
    let found = existing_summary(&ctx.store, &caller.account, &commit).await?;
    let whole = found.ok_or_else(|| {
        ApiError::not_found("There is no summary of this commit; request one with POST.")
    })?;
    Ok(Json(shown(&whole, &commit)))
}

/// Requests the summary of a commit.
///
/// Each commit has one summary. Another request returns the existing summary, unless that one
/// failed. The price follows from the tokens used; the credits for the highest possible price are
/// reserved until the summary ends.
#[utoipa::path(post, path = "/api/v1/repos/{owner}/{repo}/commits/{sha}/summary", tag = "commits",
    params(("owner" = String, Path), ("repo" = String, Path), ("sha" = String, Path, description = "The whole commit id."),
        IdempotencyKey),
    responses((status = 202, body = CommitSummary, description = "It is queued."),
        (status = 200, body = CommitSummary, description = "It had ended before."), (status = 402), (status = 409)))]
pub async fn create(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    Path(named): Path<(String, String, String)>,
    once: IdempotencyKey,
) -> Result<Answered, ApiError> {
    requested(&ctx, &caller, &once, &commit(&named)?).await
}

/// The repository of a commit, as clients of `queue-summary` name it.
#[derive(Deserialize)]
pub struct Place {
    /// The repository, such as `acme/greeter`.
    repository: String,
}

/// Requests the summary of a commit that the path names by its id alone; the body names the
/// repository.
pub async fn queue(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    Path(sha): Path<String>,
    once: IdempotencyKey,
    Body(Place { repository }): Body<Place>,
) -> Result<Answered, ApiError> {
    let (owner, name) = repository.split_once('/').ok_or_else(|| {
        let detail = "`repository` must name the owner and the repository, such as `acme/greeter`.";
        ApiError::bad_request("bad_repository", detail)
    })?;
    let named = (owner.to_owned(), name.to_owned(), sha);
    requested(&ctx, &caller, &once, &commit(&named)?).await
}

async fn requested(
    ctx: &Ctx,
    caller: &Caller,
    once: &IdempotencyKey,
    commit: &CommitRef,
) -> Result<Answered, ApiError> {
    caller.may_begin(ctx).await?;
    let id = AssistId::of_act(
        &once
            .act(&caller.account, &format!("summary of {commit}"))
            .id(),
    );
    for _ in 0..TURNS_MAX {
        let stands = existing_summary(&ctx.store, &caller.account, commit).await?;
        let instead_of = match stands {
            Some(whole) if whole.row.state != Stands::Failed || whole.row.facts.id == id => {
                return Ok(answered(&whole, commit));
            }
            Some(failed) => Some(failed.row.facts.id),
            None => None,
        };
        let wanted = Wanted {
            id: id.clone(),
            task: AssistTask::CommitSummary(commit.clone()),
            place: Some(SummaryPlace {
                commit: commit.clone(),
                instead_of,
            }),
            what: format!("the summary of {commit}"),
            prompt_bytes_max: Some(SUMMARY_PROMPT_BYTES_MAX),
        };
        if let Some(whole) = order(&ctx.assists(), &caller.account, wanted).await? {
            tracing::info!(account.id = %caller.account, assist.id = %id, by = %caller.by, audit = true, "ordered a commit summary");
            return Ok(answered(&whole, commit));
        }
    }
    Err(ApiError::conflict(
        "contended",
        "A concurrent request is in progress; retry.",
    ))
}

fn commit((owner, repository, sha): &(String, String, String)) -> Result<CommitRef, ApiError> {
    CommitRef::parse(owner, repository, sha).ok_or_else(|| {
        let detail =
            "The path must name the owner, the repository and the whole commit id of 40 hexadecimal digits.";
        ApiError::bad_request("bad_commit", detail)
    })
}

async fn existing_summary(
    store: &Store,
    account: &AccountId,
    commit: &CommitRef,
) -> Result<Option<WholeAssist>, ApiError> {
    let Some(id) = store.summary_find(account, commit).await? else {
        return Ok(None);
    };
    Ok(store.assist_find(&id).await?)
}

fn answered(whole: &WholeAssist, commit: &CommitRef) -> Answered {
    let status = if whole.row.state == Stands::Queued {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let place = format!(
        "/api/v1/repos/{}/commits/{}/summary",
        commit.repository(),
        commit.sha()
    );
    (
        status,
        [(header::LOCATION, place)],
        Json(shown(whole, commit)),
    )
}

fn shown(whole: &WholeAssist, commit: &CommitRef) -> CommitSummary {
    let row = &whole.row;
    let said = match &whole.answer {
        Some(AssistAnswer::CommitSummary(SummaryText { text, diff })) => {
            Some((text.clone(), counted(*diff)))
        }
        Some(AssistAnswer::TestAnalysis(_) | AssistAnswer::TestIntegration(_)) | None => None,
    };
    let (summary, diff) = said.unzip();
    let tokens = row
        .used
        .as_ref()
        .map(|used| used.tokens)
        .unwrap_or_default();
    let (paid_by, price) = paid(row);
    CommitSummary {
        id: row.facts.id.to_string(),
        state: row.state.as_str().to_owned(),
        repository: commit.repository().to_string(),
        sha: commit.sha().to_owned(),
        summary,
        diff,
        reason: row.reason.clone(),
        model: row.used.as_ref().map(|used| used.model.clone()),
        tokens_in: tokens.input,
        tokens_out: tokens.output,
        paid_by,
        price,
        created_at: row.facts.created_at.to_string(),
        ended_at: row.ended_at.map(|at| at.to_string()),
    }
}

const fn counted(diff: DiffStats) -> Diff {
    let DiffStats {
        files,
        additions,
        deletions,
        bytes,
        shown_bytes,
    } = diff;
    Diff {
        files,
        additions,
        deletions,
        bytes,
        shown_bytes,
    }
}
