//! The one comment under the issue, edited in place.

use crate::{Ctx, repository, wording};
use domain::ids::{CommentId, JobId};
use domain::jobs::{Notice, Snapshot};
use domain::pulls::hidden_marker;
use domain::retry::{Done, Failure, Retry};
use domain::time::Timestamp;
use github_api::CommentOrder;
use store::CommentClaim;

/// Brings a job's comment up to date.
pub async fn handle(ctx: &Ctx, id: &JobId, until: Timestamp) -> Result<Done, Failure> {
    let Some(row) = ctx.store.job_find(id).await? else { return Ok(Done::Ignored("no such job")) };
    tell(ctx, &row, until).await
}

/// Says what the job's state has to say, unless the comment says it already or somebody is at it.
pub async fn tell(ctx: &Ctx, row: &Snapshot, until: Timestamp) -> Result<Done, Failure> {
    let Some(notice) = row.untold() else { return Ok(Done::Duplicate) };
    match ctx.store.comment_claim(row, until, ctx.outside.now()).await? {
        CommentClaim::Yours => {}
        CommentClaim::Held => return Ok(Done::Duplicate),
    }
    let comment = match write(ctx, row, notice).await {
        Ok(comment) => Some(comment),
        Err(failure) if failure.retry == Retry::Never => {
            tracing::warn!(job.id = %row.facts.id, error = %failure, "GitHub takes no comment there");
            row.comment
        }
        Err(failure) => {
            ctx.store.comment_release(row, until).await?;
            return Err(failure);
        }
    };
    ctx.store.comment_told(row, notice, comment, until).await?;
    Ok(Done::Applied(format!("told: {}", notice.as_str())))
}

async fn write(ctx: &Ctx, row: &Snapshot, notice: Notice) -> Result<CommentId, Failure> {
    let order = CommentOrder {
        issue: row.facts.issue_number,
        known: row.comment,
        body: &wording::comment(row, notice),
        marker: &hidden_marker(&row.facts.id),
    };
    Ok(repository(ctx, row).await?.comment_ensure(&order).await?)
}
