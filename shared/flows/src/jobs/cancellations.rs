//! Customers cancel jobs. A cancellation ends the job, so it also gives back what the job held.
//!
//! Safe to run twice: a job that has ended stays as it is.

use crate::jobs::lookup::find;
use crate::jobs::requests::{Desk, begun, send};
use domain::jobs::{CancelOutcome, ConcurrentMove, JobRow};
use domain::refusal::{FlowError, Refusal};
use queues::Message;
use store::Advanced;

const REASON: &str = "its owner cancelled it";

/// What a cancellation found.
pub enum Cancelled {
    Now(JobRow),
    /// The job had ended before.
    Before(JobRow),
}

/// Cancels a job. Nothing is billed.
pub async fn cancel(desk: &Desk<'_>, id: &str) -> Result<Cancelled, FlowError> {
    let row = begun(find(desk.store, desk.account, id).await?)?;
    let transition = match row.clone().staged().cancel(REASON, desk.now) {
        CancelOutcome::Moved(transition) => transition,
        CancelOutcome::Over => return Ok(Cancelled::Before(row)),
        CancelOutcome::Delivered => {
            let detail = "This job already has its pull request; close that if you do not want it.";
            return Err(Refusal::conflict("delivered", detail).into());
        }
    };
    match desk.store.job_advance(&transition).await? {
        Advanced::Applied(row) => {
            tracing::info!(account.id = %desk.account, job.id = %row.facts.id, by = desk.by, audit = true, "cancelled a job");
            send(desk, &Message::Comment(row.facts.id.clone())).await;
            Ok(Cancelled::Now(*row))
        }
        Advanced::Stale => Err(ConcurrentMove.into()),
    }
}
