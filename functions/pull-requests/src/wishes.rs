//! Sets the labels and requests the reviewers that a repository's policy asks for.
//!
//! This happens under the lease and before the job advances, so a crash loses nothing: the next
//! attempt repeats it, which changes nothing. A label or reviewer that GitHub refuses, or that
//! fails several times, is dropped, because a delivered job should not fail over a label. The
//! comment under the issue says so.

use crate::{Ctx, repository};
use domain::jobs::JobRow;
use domain::retry::{Failure, Retry};
use domain::time::Timestamp;
use github_api::{Access, GithubApi, GithubError, Repository};
use std::slice;
use std::time::Duration;

/// After this many failed attempts of a job, its labels and reviewers are dropped. It is half of a
/// job's attempts.
const WISH_ATTEMPTS_MAX: u32 = domain::retry::ATTEMPTS_MAX / 2;
/// How long GitHub may be down before they are dropped. The pull request is there, and waits to be
/// recorded.
const WISH_OUTAGE_MAX: Duration = Duration::from_secs(600);

/// How many requests grant a job's wishes, if GitHub accepts them.
pub fn creations(row: &JobRow) -> u32 {
    let wishes = &row.facts.wishes;
    u32::from(!wishes.labels().is_empty()) + u32::from(!wishes.reviewers().is_empty())
}

/// Sets the labels and requests the reviewers of the pull request. Returns what GitHub refused.
pub async fn grant(
    ctx: &Ctx,
    github: &GithubApi,
    repository: &Repository,
    row: &JobRow,
    pull: u64,
) -> Result<Option<String>, Failure> {
    let wishes = &row.facts.wishes;
    let now = ctx.outside.now();
    let mut dropped = Vec::new();
    let labeled = label(ctx, github, repository, row, pull).await;
    dropped.extend(granted_or_dropped(row, now, wishes.labels(), labeled)?);
    match repository.reviewers_request(pull, wishes.reviewers()).await {
        // One login that cannot review here fails the whole list, so each is requested separately.
        Err(GithubError::Refused { .. }) if wishes.reviewers().len() > 1 => {
            for login in wishes.reviewers() {
                let one = slice::from_ref(login);
                let asked = repository.reviewers_request(pull, one).await;
                dropped.extend(granted_or_dropped(row, now, one, asked)?);
            }
        }
        outcome => dropped.extend(granted_or_dropped(row, now, wishes.reviewers(), outcome)?),
    }
    Ok((!dropped.is_empty()).then(|| dropped.join("; ")))
}

/// GitHub creates unknown labels only for those who may write issues. Known ones can be set with the
/// permission for pull requests as well.
async fn label(
    ctx: &Ctx,
    github: &GithubApi,
    pulls: &Repository,
    row: &JobRow,
    pull: u64,
) -> Result<(), GithubError> {
    let labels = row.facts.wishes.labels();
    if labels.is_empty() {
        return Ok(());
    }
    match repository(ctx, github, row, Access::WriteIssues).await {
        Ok(issues) => issues.labels_ensure(pull, labels).await,
        Err(GithubError::NoAccess { .. }) => pulls.labels_ensure(pull, labels).await,
        Err(error) => Err(error),
    }
}

/// Whether what is not worth failing a job has been tried for long enough.
pub fn gives_up(row: &JobRow, now: Timestamp) -> bool {
    let lasted = row
        .outage_since
        .map_or(Duration::ZERO, |since| now.since(since));
    row.attempts >= WISH_ATTEMPTS_MAX || lasted >= WISH_OUTAGE_MAX
}

fn granted_or_dropped(
    row: &JobRow,
    now: Timestamp,
    wished: &[String],
    outcome: Result<(), GithubError>,
) -> Result<Option<String>, Failure> {
    let Err(failure) = outcome.map_err(Failure::from) else {
        return Ok(None);
    };
    if failure.retry != Retry::Never && !gives_up(row, now) {
        return Err(failure);
    }
    tracing::warn!(job.id = %row.facts.id, error = %failure, "dropped a wish of the repository's policy");
    let wished: Vec<_> = wished.iter().map(|wish| format!("`{wish}`")).collect();
    Ok(Some(format!("{} ({})", wished.join(", "), failure.source)))
}
