//! `issues.opened`: a new issue may be enough to ask for a job.

use crate::{Ctx, order};
use domain::inbox::events::IssueEvent;
use domain::retry::{Done, Failure};
use domain::time::Timestamp;

/// Makes a job of the issue where the policy takes bare issues.
pub async fn handle(ctx: &Ctx, event: &IssueEvent, now: Timestamp) -> Result<Done, Failure> {
    order::place(
        ctx,
        &event.origin,
        &event.issue,
        |policy| policy.on_opened(event),
        now,
    )
    .await
}
