//! `issue_comment.created`: a comment may command.

use crate::{Ctx, order};
use domain::inbox::events::IssueComment;
use domain::jobs::triggers::command;
use domain::retry::{Done, Failure};
use domain::time::Timestamp;

/// Makes a job of the issue when the comment says so.
pub async fn handle(ctx: &Ctx, event: &IssueComment, now: Timestamp) -> Result<Done, Failure> {
    // Most comments are talk among people; GitHub need not be asked for the policy on them.
    if command(&event.text).is_none() {
        return Ok(Done::Ignored("no command"));
    }
    order::place(
        ctx,
        &event.origin,
        &event.issue,
        |policy| policy.on_comment(event),
        now,
    )
    .await
}
