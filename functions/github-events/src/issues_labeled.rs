//! `issues.labeled`: the label asks for a job.

use crate::{Ctx, order};
use domain::inbox::events::IssueLabeled;
use domain::retry::{Done, Failure};
use domain::time::Timestamp;

/// Makes a job of the issue when the label is the policy's.
pub async fn handle(ctx: &Ctx, event: &IssueLabeled, now: Timestamp) -> Result<Done, Failure> {
    order::place(
        ctx,
        &event.origin,
        &event.issue,
        |policy| policy.on_labeled(event),
        now,
    )
    .await
}
