//! `/api/v1/test-integration`: scores test files and integrates tests into a file.
//!
//! An assist precedes a fix and is never billed. Safe to run twice: the id follows from the
//! idempotency key.

use crate::caller::{Caller, MayRead, MayRunJobs};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::AssistId;
use domain::jobs::assists::{
    AssistAnswer, AssistState as Stands, AssistTask, BadFiles, FileScore, IntegratedFile,
    SourceFile, TestAnalysis, TestIntegration,
};
use domain::retry::Failure;
use flows::jobs::assists::{Wanted, order};
use http::{HeaderName, StatusCode, header};
use rest::{Body, IdempotencyKey, OptionalKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::WholeAssist;
use utoipa::ToSchema;

/// A file. The contents of all files in a request may total at most 64 KiB.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileContent {
    /// The path, relative to the root of the repository.
    #[schema(example = "spec/greeter_spec.rb", max_length = 400)]
    path: String,
    /// The complete content, as plain text.
    #[schema(max_length = 131_072)]
    content: String,
}

/// Test files to score.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestsToScore {
    /// The code under test. If absent, the files are scored on their own.
    code: Option<FileContent>,
    #[schema(min_items = 1, max_items = 20)]
    tests: Vec<FileContent>,
}

/// Tests to integrate into a file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestsToIntegrate {
    /// The file that receives the tests.
    target: FileContent,
    #[schema(min_items = 1, max_items = 20)]
    tests: Vec<FileContent>,
}

/// A test analysis or a test integration.
#[derive(Serialize, ToSchema)]
pub struct TestAssist {
    id: String,
    /// `test_analysis` or `test_integration`.
    kind: &'static str,
    /// `QUEUED`, `DONE` or `FAILED`.
    state: &'static str,
    /// The score of each test file, best first, once an analysis is done.
    scores: Option<Vec<TestScore>>,
    /// The target with the tests integrated, once an integration is done. Review it before you use
    /// it.
    file: Option<FileContent>,
    /// The number of lines added to the target.
    lines_added: Option<u64>,
    /// The number of lines removed from the target.
    lines_removed: Option<u64>,
    /// Why the assist failed.
    reason: Option<String>,
    /// The model that produced the result.
    model: Option<String>,
    created_at: String,
    ended_at: Option<String>,
}

/// The score of a test file.
#[derive(Serialize, ToSchema)]
pub struct TestScore {
    path: String,
    /// The score, from 0 to 100.
    #[schema(maximum = 100)]
    score: u8,
    reason: String,
}

type Answered = (StatusCode, [(HeaderName, String); 1], Json<TestAssist>);

/// Scores test files, from 0 to 100 each, as places for a new test.
///
/// This is free. An account has a daily allowance of free assists. Tallyhook keeps the input and
/// the result for 30 days.
#[utoipa::path(post, path = "/api/v1/test-integration/analyze", tag = "tests", request_body = TestsToScore,
    params(OptionalKey),
    responses((status = 202, body = TestAssist, description = "It is queued."),
        (status = 200, body = TestAssist, description = "It had ended before."),
        (status = 409)))]
pub async fn analyze(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<TestsToScore>,
) -> Result<Answered, ApiError> {
    let task = TestAnalysis::check(wanted.code.map(sent), all_sent(wanted.tests));
    ask(&ctx, &caller, &once, task.map(AssistTask::TestAnalysis)).await
}

/// Integrates tests into a test file.
///
/// This is free. An account has a daily allowance of free assists. Tallyhook keeps the input and
/// the result for 30 days.
#[utoipa::path(post, path = "/api/v1/test-integration/generate", tag = "tests", request_body = TestsToIntegrate,
    params(OptionalKey),
    responses((status = 202, body = TestAssist, description = "It is queued."),
        (status = 200, body = TestAssist, description = "It had ended before."),
        (status = 409)))]
pub async fn generate(
    MayRunJobs(caller): MayRunJobs,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<TestsToIntegrate>,
) -> Result<Answered, ApiError> {
    let task = TestIntegration::check(sent(wanted.target), all_sent(wanted.tests));
    ask(&ctx, &caller, &once, task.map(AssistTask::TestIntegration)).await
}

/// Retrieves the state and the result of an analysis or an integration.
#[utoipa::path(get, path = "/api/v1/test-integration/{id}", tag = "tests", params(("id" = String, Path)),
    responses((status = 200, body = TestAssist)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<TestAssist>, ApiError> {
    let absent = || {
        ApiError::not_found("There is no such analysis or integration. They are kept for 30 days.")
    };
    let id = AssistId::parse(&id).map_err(|_| absent())?;
    let found = ctx
        .store
        .assist_find(&id)
        .await?
        .filter(|whole| whole.row.facts.account == caller.account);
    let whole = found
        .filter(|whole| !matches!(whole.task, AssistTask::CommitSummary(_)))
        .ok_or_else(absent)?;
    Ok(Json(shown(whole)))
}

async fn ask(
    ctx: &Ctx,
    caller: &Caller,
    once: &IdempotencyKey,
    task: Result<AssistTask, BadFiles>,
) -> Result<Answered, ApiError> {
    caller.may_begin(ctx).await?;
    let task = task.map_err(|error| ApiError::bad_request("bad_files", error.to_string()))?;
    let kind = task.kind().as_str();
    let id = AssistId::of_act(&once.act(&caller.account, kind).id());
    let wanted = Wanted {
        id: id.clone(),
        task,
        place: None,
        what: kind.to_owned(),
        prompt_bytes_max: None,
    };
    let whole = order(&ctx.assists(), &caller.account, wanted).await?;
    // `order` returns `None` only if another assist has taken the place, and this one has no place.
    let whole = whole
        .ok_or_else(|| ApiError::failure(&Failure::never("an assist without a place was taken")))?;
    tracing::info!(account.id = %caller.account, assist.id = %id, by = %caller.by, audit = true, "ordered a test assist");
    let status = if whole.row.state == Stands::Queued {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((
        status,
        [(header::LOCATION, format!("/api/v1/test-integration/{id}"))],
        Json(shown(whole)),
    ))
}

fn sent(FileContent { path, content }: FileContent) -> SourceFile {
    SourceFile { path, content }
}

fn all_sent(files: Vec<FileContent>) -> Vec<SourceFile> {
    files.into_iter().map(sent).collect()
}

fn shown(whole: WholeAssist) -> TestAssist {
    let row = whole.row;
    let (mut scores, mut integrated) = (None, None);
    match whole.answer {
        Some(AssistAnswer::TestAnalysis(found)) => {
            let one = |FileScore {
                           path,
                           score,
                           reason,
                       }| TestScore {
                path,
                score,
                reason,
            };
            scores = Some(found.into_iter().map(one).collect());
        }
        Some(AssistAnswer::TestIntegration(made)) => integrated = Some(made),
        Some(AssistAnswer::CommitSummary(_)) | None => {}
    }
    let lines = |IntegratedFile {
                     lines_added,
                     lines_removed,
                     ..
                 }: &IntegratedFile| (*lines_added, *lines_removed);
    let (lines_added, lines_removed) = integrated.as_ref().map(lines).unzip();
    TestAssist {
        id: row.facts.id.to_string(),
        kind: row.facts.kind.as_str(),
        state: row.state.as_str(),
        scores,
        file: integrated.map(
            |IntegratedFile {
                 file: SourceFile { path, content },
                 ..
             }| FileContent { path, content },
        ),
        lines_added,
        lines_removed,
        reason: row.reason,
        model: row.used.map(|used| used.model),
        created_at: row.facts.created_at.to_string(),
        ended_at: row.ended_at.map(|at| at.to_string()),
    }
}
