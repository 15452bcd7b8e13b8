//! What a repository's policy wishes for its pull request: labels and reviewers.
//!
//! Granted under the lease and before the job moves on, so no crash loses a wish: the next try asks again, and asking
//! twice is asking once. A wish that GitHub will not grant, or not for several tries, is let go with a warning. The pull
//! request is there and shall be recorded; no delivered job fails over a label.

use domain::jobs::JobRow;
use domain::retry::{Failure, Retry};
use github_api::{GithubError, Repository};
use std::slice;

/// Failed tries of a job after which its wishes may fail as they like; half of what a job has.
const WISH_TRIES_MAX: u32 = domain::retry::ATTEMPTS_MAX / 2;

/// Labels the pull request and asks for its reviews.
pub async fn grant(repository: &Repository, row: &JobRow, pull: u64) -> Result<(), Failure> {
    let wishes = &row.facts.wishes;
    granted_or_let_go(row, repository.labels_ensure(pull, wishes.labels()).await)?;
    match repository.reviewers_request(pull, wishes.reviewers()).await {
        // One who may not review here spoils the list for the others, so each is asked alone.
        Err(GithubError::Refused { .. }) if wishes.reviewers().len() > 1 => {
            for login in wishes.reviewers() {
                granted_or_let_go(
                    row,
                    repository
                        .reviewers_request(pull, slice::from_ref(login))
                        .await,
                )?;
            }
            Ok(())
        }
        outcome => granted_or_let_go(row, outcome),
    }
}

fn granted_or_let_go(row: &JobRow, outcome: Result<(), GithubError>) -> Result<(), Failure> {
    let Err(failure) = outcome.map_err(Failure::from) else {
        return Ok(());
    };
    if failure.retry != Retry::Never && row.attempts < WISH_TRIES_MAX {
        return Err(failure);
    }
    tracing::warn!(job.id = %row.facts.id, error = %failure, "a wish of the repository's policy is let go");
    Ok(())
}
