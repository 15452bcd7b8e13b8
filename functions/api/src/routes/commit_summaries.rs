//! `/api/v1/repos/{owner}/{repo}/commits/{sha}/summary`: a commit in words, made from its diff.

use crate::assists::{Wanted, order, paid};
use crate::caller::{Caller, MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::AssistId;
use domain::jobs::assists::{
    AssistAnswer, AssistState as Stands, AssistTask, CommitRef, DiffStats,
    SUMMARY_PROMPT_BYTES_MAX, SummaryText,
};
use http::{HeaderName, StatusCode, header};
use rest::{IdempotencyKey, Path};
use serde::Serialize;
use std::sync::Arc;
use store::{SummaryPlace, WholeAssist};
use utoipa::ToSchema;

/// The summary of a commit.
#[derive(Serialize, ToSchema)]
pub struct CommitSummary {
    id: String,
    /// `QUEUED`, `DONE` or `FAILED`.
    state: String,
    /// As `acme/greeter`.
    repository: String,
    /// The commit.
    sha: String,
    /// What the commit changes, once it is said.
    summary: Option<String>,
    /// What was counted in its diff.
    diff: Option<Diff>,
    /// Why there is none, where it failed.
    reason: Option<String>,
    /// The model that said it.
    model: Option<String>,
    /// Tokens of the prompt.
    tokens_in: u64,
    /// Tokens of the answer.
    tokens_out: u64,
    /// `credits`, `meters` or `nothing`.
    paid_by: &'static str,
    /// What it came to in credits, where it is paid by them.
    price: Option<String>,
    created_at: String,
    ended_at: Option<String>,
}

/// What was counted in a diff.
#[derive(Serialize, ToSchema)]
pub struct Diff {
    files: u64,
    additions: u64,
    deletions: u64,
    bytes: u64,
    /// How much of it the model was shown, from its beginning.
    shown_bytes: u64,
}

type Answered = (StatusCode, [(HeaderName, String); 1], Json<CommitSummary>);

/// Takes of a place that others may take at the same moment.
const TURNS_MAX: usize = 4;

/// A commit's summary, if one was asked for: the newest.
#[utoipa::path(get, path = "/api/v1/repos/{owner}/{repo}/commits/{sha}/summary", tag = "commits",
    params(("owner" = String, Path), ("repo" = String, Path), ("sha" = String, Path, description = "the whole commit id")),
    responses((status = 200, body = CommitSummary), (status = 400)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path(named): Path<(String, String, String)>,
) -> Result<Json<CommitSummary>, ApiError> {
    let commit = commit(&named)?;
    let found = existing_summary(&ctx, &caller, &commit).await?;
    let whole = found.ok_or_else(|| {
        ApiError::not_found("nobody has asked for this summary; POST asks for it")
    })?;
    Ok(Json(shown(&whole, &commit)))
}

/// Asks for a commit's summary. There is one for each commit: asked again, the one that stands is answered, unless it has
/// failed. It costs the tokens that it takes; credits for the most it can cost are reserved until then.
#[utoipa::path(post, path = "/api/v1/repos/{owner}/{repo}/commits/{sha}/summary", tag = "commits",
    params(("owner" = String, Path), ("repo" = String, Path), ("sha" = String, Path, description = "the whole commit id"),
        IdempotencyKey),
    responses((status = 202, body = CommitSummary, description = "it is queued"),
        (status = 200, body = CommitSummary, description = "it was over before"), (status = 402), (status = 409)))]
pub async fn create(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    Path(named): Path<(String, String, String)>,
    once: IdempotencyKey,
) -> Result<Answered, ApiError> {
    caller.may_begin(&ctx).await?;
    let commit = commit(&named)?;
    let id = AssistId::of_act(
        &once
            .act(&caller.account, &format!("summary of {commit}"))
            .id(),
    );
    for _ in 0..TURNS_MAX {
        let stands = existing_summary(&ctx, &caller, &commit).await?;
        let instead_of = match stands {
            Some(whole) if whole.row.state != Stands::Failed || whole.row.facts.id == id => {
                return Ok(answered(&whole, &commit));
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
        if let Some(whole) = order(&ctx, &caller, wanted).await? {
            tracing::info!(account.id = %caller.account, assist.id = %id, by = %caller.by, audit = true, "asked for a summary");
            return Ok(answered(&whole, &commit));
        }
    }
    Err(ApiError::conflict(
        "contended",
        "others ask for the same at this moment; ask again",
    ))
}

fn commit((owner, repository, sha): &(String, String, String)) -> Result<CommitRef, ApiError> {
    CommitRef::parse(owner, repository, sha).ok_or_else(|| {
        let detail =
            "name the owner, the repository and the whole commit id of 40 hexadecimal digits";
        ApiError::bad_request("bad_commit", detail)
    })
}

async fn existing_summary(
    ctx: &Ctx,
    caller: &Caller,
    commit: &CommitRef,
) -> Result<Option<WholeAssist>, ApiError> {
    let Some(id) = ctx.store.summary_find(&caller.account, commit).await? else {
        return Ok(None);
    };
    Ok(ctx.store.assist_find(&id).await?)
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
