//! A job that an external agent works on. This function does no work for it, but ends it when the
//! agent's time is over.

use crate::{Ctx, next};
use domain::jobs::{Delegated, Job, Transition};
use domain::retry::{Done, Failure};
use store::Advanced;

/// Ends the job if its agent's time is over, or else makes the row due at that time. Until the
/// comment under the issue shows the job's state, the row stays due, so that the sweeper queues the
/// comment too.
pub async fn look(ctx: &Ctx, job: Job<Delegated>) -> Result<Done, Failure> {
    let (now, until) = (ctx.outside.now(), job.until());
    if until <= now {
        return advance(ctx, &job.forgotten(now)).await;
    }
    if job.row().untold().is_some() || job.row().due_at == Some(until) {
        return Ok(Done::Ignored("an agent outside works on it"));
    }
    advance(ctx, &job.waits(now)).await
}

async fn advance(ctx: &Ctx, transition: &Transition) -> Result<Done, Failure> {
    let Advanced::Applied(row) = ctx.store.job_advance(transition).await? else {
        return Ok(Done::Duplicate);
    };
    if row.untold().is_some() {
        ctx.queues
            .send(&next(&row), Some(&row.facts.account))
            .await?;
    }
    Ok(Done::Applied(row.state.as_str().to_owned()))
}
