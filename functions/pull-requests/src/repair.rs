//! Commits a repair to the pull request whose checks failed.
//!
//! Safe to run twice: the commit's marker and its parent identify it, and the branch only moves
//! forward. A branch to which anybody else has pushed is theirs, and stays as it is.

use crate::open::{Ready, delivered, worn_out};
use crate::{Ctx, wording};
use domain::jobs::pulls::{branch, repair_marker};
use domain::jobs::steps::Steps;
use domain::jobs::{CancelRequest, JobRow, PullRef};
use domain::retry::Failure;
use github_api::{Appended, CommitOrder, PullState, Repository};

/// What a repair creates: the tree and the commit. Moving the branch creates nothing.
const CREATIONS: u32 = 2;

/// Commits the repair on top of our last commit. If people have closed the pull request or
/// pushed to it, or if the job is cancelled, the last commit is still the one whose checks decide.
pub async fn repair(
    ctx: &Ctx,
    repository: &Repository,
    row: &JobRow,
    steps: &Steps,
    (pull, head_sha): (&PullRef, &str),
) -> Result<Ready, Failure> {
    let is_cancelled = row.cancel_requested == CancelRequest::Asked;
    if row.is_worn_out() && !is_cancelled {
        return Err(worn_out(row));
    }
    let present = repository.pull_load(pull.number).await?;
    let is_open = present.is_some_and(|pull| pull.state == PullState::Open);
    let head = if is_open && !is_cancelled {
        ctx.limits()
            .create(row.facts.installation, CREATIONS)
            .await?;
        let (proposal, base_sha) = delivered(row, steps)?;
        let order = CommitOrder {
            branch: &branch(&row.facts.id),
            base_sha,
            changes: proposal.changes(),
            message: &wording::commit_message(row, proposal),
            marker: &repair_marker(row.repairs),
        };
        match repository.commit_append(&order, head_sha).await? {
            Appended::Done { sha } => sha,
            Appended::Overtaken => head_sha.to_owned(),
        }
    } else {
        head_sha.to_owned()
    };
    Ok(Ready {
        pull: pull.clone(),
        unmet: row.unmet.clone(),
        awaits: Some(head),
    })
}
