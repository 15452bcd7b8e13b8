//! Maintains the one comment under the issue, edited in place, and queues the mail about the same
//! state of the job. Each is created once.

use crate::{Ctx, finished, repository, wording};
use domain::ids::{CommentId, JobId};
use domain::jobs::pulls::hidden_marker;
use domain::jobs::{CommentState, JobRow, SHOWS_AFTER};
use domain::retry::{Done, Failure, Retry};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::work;
use github_api::{Access, CommentOrder, GithubError};
use store::CommentClaim;

/// Updates a job's comment to the job's state.
pub async fn handle(ctx: &Ctx, id: &JobId, until: Timestamp) -> Result<Done, Failure> {
    let Some(row) = ctx.store.job_find(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    if work::switch(&ctx.switches, &row.facts.account, ctx.outside.now()).await == Switch::Off {
        return Ok(work::PAUSED);
    }
    tell(ctx, &row, until).await
}

/// How often one run writes the comment of a job that keeps changing.
const TIMES_MAX: u32 = 4;

/// Writes the job's state into the comment, unless the comment shows it already or another worker
/// is writing. That worker notices that the job has advanced.
///
/// GitHub would accept a second comment, and its lists can lag. So a claim whose worker died, or did
/// not learn whether the comment was created, ends only when the comment shows.
pub async fn tell(ctx: &Ctx, row: &JobRow, until: Timestamp) -> Result<Done, Failure> {
    let until = until.plus(SHOWS_AFTER);
    let mut row = row.clone();
    let mut done = Done::Duplicate;
    for _ in 0..TIMES_MAX {
        let Some(notice) = row.untold() else {
            return Ok(done);
        };
        match ctx
            .store
            .comment_claim(&row, until, ctx.outside.now())
            .await?
        {
            CommentClaim::Yours => {}
            CommentClaim::Held => return Ok(done),
        }
        // Runs before the comment, which GitHub may refuse for hours or for good.
        if let Err(failure) = finished::notify(ctx, &row, notice).await {
            ctx.store.comment_release(&row, until).await?;
            return Err(failure);
        }
        let comment = match write(ctx, &row, notice).await {
            Ok(comment) => Some(comment),
            Err(failure) if failure.retry == Retry::Never => {
                tracing::warn!(job.id = %row.facts.id, error = %failure, "GitHub refuses a comment there");
                row.comment
            }
            Err(failure) => {
                if is_in_doubt(&failure) {
                    let shows_at = ctx.outside.now().plus(SHOWS_AFTER);
                    ctx.store.comment_hold(&row, until, shows_at).await?;
                } else {
                    ctx.store.comment_release(&row, until).await?;
                }
                return Err(failure);
            }
        };
        done = Done::Applied(format!("commented: {}", notice.as_str()));
        let Some(newer) = ctx.store.comment_told(&row, notice, comment, until).await? else {
            return Ok(done);
        };
        row = newer;
    }
    Ok(done)
}

async fn write(ctx: &Ctx, row: &JobRow, notice: CommentState) -> Result<CommentId, Failure> {
    let order = CommentOrder {
        issue: row.facts.issue_number,
        known: row.comment,
        body: &wording::comment(row, notice),
        marker: &hidden_marker(&row.facts.id),
    };
    let (limits, installation) = (ctx.limits(), row.facts.installation);
    let write = async {
        if row.comment.is_none() {
            limits.create(installation, 1).await?;
        }
        let github = ctx.github.client().await?;
        let repository = repository(ctx, &github, row, Access::WriteIssues).await?;
        Ok(repository.comment_ensure(&order).await?)
    };
    limits.within(installation, write).await
}

/// Whether the comment may have been created.
fn is_in_doubt(failure: &Failure) -> bool {
    matches!(
        failure.source.downcast_ref(),
        Some(GithubError::InDoubt { .. })
    )
}
