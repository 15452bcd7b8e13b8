//! `issues.closed`: whoever closes an issue calls its job off, as long as there is no pull request.

use crate::Ctx;
use domain::inbox::events::IssueEvent;
use domain::jobs::{CancelOutcome, ConcurrentMove};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use queues::Message;
use store::Advanced;

const REASON: &str = "the issue was closed";

/// Calls the issue's job off.
pub async fn handle(ctx: &Ctx, event: &IssueEvent, now: Timestamp) -> Result<Done, Failure> {
    let Some(id) = ctx
        .store
        .job_find_open(event.origin.repository, event.issue.number)
        .await?
    else {
        return Ok(Done::Ignored("the issue has no job"));
    };
    let Some(row) = ctx.store.job_find(&id).await? else {
        return Ok(Done::Ignored("the issue has no job"));
    };
    let transition = match row.staged().cancel(REASON, now) {
        CancelOutcome::Moved(transition) => transition,
        // Merging our pull request closes the issue too; from here on its own fate decides.
        CancelOutcome::Delivered => return Ok(Done::Ignored("the job has its pull request")),
        CancelOutcome::Over => return Ok(Done::Duplicate),
    };
    match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            ctx.queues
                .send(&Message::Comment(id.clone()), Some(&row.facts.account))
                .await?;
            Ok(Done::Applied(format!("called job {id} off")))
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}
