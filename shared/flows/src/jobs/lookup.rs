//! Finds what a job's id refers to, for routes and pages alike. Jobs of other accounts look absent.

use domain::ids::{AccountId, JobId};
use domain::jobs::JobRow;
use domain::jobs::requests::{JobRequest, RequestOutcome};
use domain::refusal::{FlowError, Refusal};
use store::Store;

/// What a job id refers to.
pub enum Found {
    /// The job with this id, or the job that the request with this id led to.
    Job(Box<JobRow>),
    /// A request without a job, or whose job does not exist yet.
    Request(Box<JobRequest>),
}

/// Finds the job or request of the account with this id.
pub async fn find(store: &Store, account: &AccountId, id: &str) -> Result<Found, FlowError> {
    let absent = || FlowError::from(Refusal::not_found("There is no such job."));
    let id = JobId::parse(id).map_err(|_| absent())?;
    if let Some(row) = store.job_find(&id).await? {
        return own(row, account).map(Found::Job).ok_or_else(absent);
    }
    let request = store
        .request_find(&id)
        .await?
        .filter(|request| request.account == *account);
    let request = request.ok_or_else(absent)?;
    if let Some(RequestOutcome::Job(job)) = &request.outcome
        && let Some(row) = store.job_find(job).await?
    {
        return own(row, account).map(Found::Job).ok_or_else(absent);
    }
    Ok(Found::Request(Box::new(request)))
}

fn own(row: JobRow, account: &AccountId) -> Option<Box<JobRow>> {
    (row.facts.account == *account).then(|| Box::new(row))
}
