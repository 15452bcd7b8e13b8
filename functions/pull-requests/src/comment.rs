//! Maintains the one comment under the issue, edited in place, and queues the mail about the same
//! state of the job. Each is created once.

use crate::{Ctx, finished, repository, wording};
use domain::ids::{CommentId, JobId};
use domain::jobs::pulls::hidden_marker;
use domain::jobs::{CommentState, JobRow};
use domain::retry::{Done, Failure, Retry};
use domain::switches::Switch;
use domain::time::Timestamp;
use flows::work;
use github_api::CommentOrder;
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
pub async fn tell(ctx: &Ctx, row: &JobRow, until: Timestamp) -> Result<Done, Failure> {
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
                ctx.store.comment_release(&row, until).await?;
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
    Ok(repository(ctx, row).await?.comment_ensure(&order).await?)
}
