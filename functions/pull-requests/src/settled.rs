//! What follows when a job has moved: its usage is reported, its comment is updated, and an agent
//! repairs a change whose checks failed.
//!
//! Safe to run twice: the usage is already owed, and the comment shows one state.

use crate::{Ctx, comment};
use domain::jobs::{ConcurrentMove, JobState, JobWork};
use domain::retry::{Done, Failure};
use domain::time::Timestamp;
use flows::work::Worked;
use queues::Message;

/// Reports what the work's outcome owes, and updates the comment. If the pull request waits for its
/// checks, the message comes back when they are read next.
pub async fn settled(ctx: &Ctx, worked: Worked, until: Timestamp) -> Result<Done, Failure> {
    let (row, transition) = match worked {
        Worked::Moved(row, transition) => (row, transition),
        Worked::Not(done) => return Ok(done),
        // A cancellation was requested meanwhile. The next attempt looks up what became of the pull
        // request.
        Worked::Overtaken => return Err(ConcurrentMove.into()),
    };
    for debts in transition.money().debts() {
        ctx.queues
            .send(&Message::Usage(debts), Some(&row.facts.account))
            .await?;
    }
    if let Some(JobWork::Code) = row.state.work() {
        let work = Message::Work(JobWork::Code, row.facts.id.clone());
        ctx.queues.send(&work, Some(&row.facts.account)).await?;
    }
    comment::tell(ctx, &row, until).await?;
    if row.state == JobState::Validating {
        let wait = row.wait(ctx.outside.now());
        return Err(Failure::after(
            wait,
            "the pull request waits for its checks",
        ));
    }
    Ok(Done::Applied(row.state.as_str().to_owned()))
}
