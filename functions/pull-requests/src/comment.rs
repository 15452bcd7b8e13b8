//! The one comment under the issue, edited in place. Whoever tells the issue also owes the customer his mail, so that both
//! are told of the same, and each once.

use crate::{Ctx, PAUSED, finished, goes_on, repository, wording};
use domain::ids::{CommentId, JobId};
use domain::jobs::pulls::hidden_marker;
use domain::jobs::{CommentState, JobRow};
use domain::retry::{Done, Failure, Retry};
use domain::switches::Switch;
use domain::time::Timestamp;
use github_api::CommentOrder;
use store::CommentClaim;

/// Brings a job's comment up to date.
pub async fn handle(ctx: &Ctx, id: &JobId, until: Timestamp) -> Result<Done, Failure> {
    let Some(row) = ctx.store.job_find(id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    if goes_on(ctx, &row).await == Switch::Off {
        return Ok(PAUSED);
    }
    tell(ctx, &row, until).await
}

/// A job that moves on while its comment is being written is told of again, so many times at most in one go.
const TIMES_MAX: u32 = 4;

/// Says what the job's state has to say, unless the comment says it already or somebody is at it. Whoever is at it will
/// notice that the job has moved on.
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
        // Before the comment, which GitHub may not take for hours, or never.
        if let Err(failure) = finished::owe(ctx, &row, notice).await {
            ctx.store.comment_release(&row, until).await?;
            return Err(failure);
        }
        let comment = match write(ctx, &row, notice).await {
            Ok(comment) => Some(comment),
            Err(failure) if failure.retry == Retry::Never => {
                tracing::warn!(job.id = %row.facts.id, error = %failure, "GitHub takes no comment there");
                row.comment
            }
            Err(failure) => {
                ctx.store.comment_release(&row, until).await?;
                return Err(failure);
            }
        };
        done = Done::Applied(format!("told: {}", notice.as_str()));
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
