//! The labels and reviewers that a repository's policy wants for its pull request.
//!
//! They are set under the lease and before the job moves on, so no crash loses one: the next attempt sets them again, which
//! changes nothing. A wish that GitHub refuses, or that fails several times, is dropped with a warning, because no delivered
//! job should fail over a label.

use domain::jobs::JobRow;
use domain::retry::{Failure, Retry};
use github_api::{GithubError, Repository};
use std::slice;

/// Failed attempts of a job after which its wishes are dropped: half of what a job has.
const WISH_ATTEMPTS_MAX: u32 = domain::retry::ATTEMPTS_MAX / 2;

/// Labels the pull request and asks for its reviews.
pub async fn grant(repository: &Repository, row: &JobRow, pull: u64) -> Result<(), Failure> {
    let wishes = &row.facts.wishes;
    granted_or_dropped(row, repository.labels_ensure(pull, wishes.labels()).await)?;
    match repository.reviewers_request(pull, wishes.reviewers()).await {
        // One login that may not review here fails the whole list, so each is requested separately.
        Err(GithubError::Refused { .. }) if wishes.reviewers().len() > 1 => {
            for login in wishes.reviewers() {
                granted_or_dropped(
                    row,
                    repository
                        .reviewers_request(pull, slice::from_ref(login))
                        .await,
                )?;
            }
            Ok(())
        }
        outcome => granted_or_dropped(row, outcome),
    }
}

fn granted_or_dropped(row: &JobRow, outcome: Result<(), GithubError>) -> Result<(), Failure> {
    let Err(failure) = outcome.map_err(Failure::from) else {
        return Ok(());
    };
    if failure.retry != Retry::Never && row.attempts < WISH_ATTEMPTS_MAX {
        return Err(failure);
    }
    tracing::warn!(job.id = %row.facts.id, error = %failure, "dropped a wish of the repository's policy");
    Ok(())
}
