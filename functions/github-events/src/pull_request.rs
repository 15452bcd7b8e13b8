//! `pull_request.*`: merging or closing one of our pull requests ends its job.
//!
//! Safe to run twice: a transition is written on the version of the job that was read, and a merged
//! job does not change.

use crate::Ctx;
use domain::ids::JobId;
use domain::inbox::events::{PullChange, PullEvent, PullState};
use domain::jobs::{ConcurrentMove, JobRow, Staged, Transition};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use queues::{Message, Sending};
use std::time::Duration;
use store::Advanced;

/// GitHub's event may arrive before we have recorded its pull request.
const NOT_YET: Duration = Duration::from_secs(20);
/// The next look at the checks of a closed pull request is at most five minutes away.
const UNTIL_LOOKED: Duration = Duration::from_secs(60);

/// Ends the job of a pull request that was merged or closed.
pub async fn handle(ctx: &Ctx, event: &PullEvent, now: Timestamp) -> Result<Done, Failure> {
    let Some(id) = job_of(event) else {
        return Ok(Done::Ignored("not a pull request of ours"));
    };
    match event.change {
        // The function that opens the pull request also records it.
        PullChange::Opened => return Ok(Done::Ignored("our own pull request")),
        PullChange::Closed => {}
    }
    let Some(row) = ctx.store.job_find(&id).await? else {
        return Ok(Done::Ignored("no such job"));
    };
    if row.facts.repository != event.origin.repository {
        return Ok(Done::Ignored("the job belongs to another repository"));
    }
    if row
        .pull
        .as_ref()
        .is_some_and(|pull| pull.number != event.number)
    {
        return Ok(Done::Ignored("not the job's pull request"));
    }
    let account = row.facts.account.clone();
    let transition = match (row.staged(), event.state) {
        (Staged::Opened(job), PullState::Merged) => job.merged(now),
        (Staged::Opened(job), PullState::Closed) => job.closed(now),
        // People decided before the checks did.
        (Staged::Validating(job), PullState::Merged) => job.merged(now),
        (Staged::Repairing(job), PullState::Merged) => job.merged(now),
        (Staged::Repairing(job), PullState::Closed) => job.stopped(now),
        // It may be Tallyhook that closed it, because of its checks. And a look under way may have
        // seen it open, so the event waits until the job is delivered or has ended.
        (Staged::Validating(_), PullState::Closed) => {
            let why = "the next look at its checks ends the job";
            return Err(Failure::after(UNTIL_LOOKED, why));
        }
        // People reopened it, or GitHub's events came out of order: a merge is final.
        (Staged::Closed(job), PullState::Merged) => job.merged(now),
        (Staged::Approved(_) | Staged::Opening(_), _) => {
            return Err(Failure::after(
                NOT_YET,
                "the pull request is not recorded yet",
            ));
        }
        (Staged::Merged(_) | Staged::Closed(_), _) => return Ok(Done::Duplicate),
        (_, PullState::Open) => return Ok(Done::Ignored("the pull request is open")),
        (Staged::Failed(_) | Staged::Cancelled(_), PullState::Merged) => {
            tracing::warn!(account.id = %account, job.id = %id, audit = true, "a pull request was merged after its job had ended unbilled");
            return Ok(Done::Ignored("the job has ended"));
        }
        (
            Staged::Delegated(_)
            | Staged::Queued(_)
            | Staged::Planning(_)
            | Staged::Coding(_)
            | Staged::Reviewing(_)
            | Staged::Rejected(_)
            | Staged::Failed(_)
            | Staged::Cancelled(_),
            _,
        ) => return Ok(Done::Ignored("the job has no pull request, or has ended")),
    };
    match ctx.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            tell(ctx, &transition, &row).await?;
            Ok(Done::Applied(format!("job {id} is {}", row.state.as_str())))
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}

/// Queues the usage that is owed now, and the comment under the issue or the work that is left.
async fn tell(ctx: &Ctx, transition: &Transition, row: &JobRow) -> Result<(), Failure> {
    let account = Some(row.facts.account.clone());
    let usage = transition.money().debts().into_iter().map(Message::Usage);
    let id = row.facts.id.clone();
    // A repair that people stopped goes back to the checks, and their next look writes the comment.
    let next = match row.state.work() {
        Some(work) => Message::Work(work, id),
        None => Message::Comment(id),
    };
    let messages: Vec<_> = usage
        .chain([next])
        .map(|message| Sending {
            message,
            account: account.clone(),
        })
        .collect();
    Ok(ctx.queues.send_all(&messages).await?)
}

/// Returns the job whose branch the pull request comes from. A branch of the same name in a fork is
/// not ours.
fn job_of(event: &PullEvent) -> Option<JobId> {
    if event.head_repository != Some(event.origin.repository) {
        return None;
    }
    JobId::parse(event.head_branch.strip_prefix("tallyhook/")?).ok()
}
