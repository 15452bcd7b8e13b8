//! Sets the labels and requests the reviewers that a repository's policy asks for.
//!
//! This happens under the lease and before the job advances, so a crash loses nothing: the next
//! attempt repeats it, which changes nothing. A label or reviewer that GitHub refuses, or that
//! fails several times, is dropped with a warning, because a delivered job should not fail over a
//! label.

use domain::jobs::JobRow;
use domain::retry::{Failure, Retry};
use domain::time::Timestamp;
use github_api::{GithubError, Repository};
use std::slice;
use std::time::Duration;

/// After this many failed attempts of a job, its labels and reviewers are dropped. It is half of a
/// job's attempts.
const WISH_ATTEMPTS_MAX: u32 = domain::retry::ATTEMPTS_MAX / 2;
/// How long GitHub may be down before they are dropped. The pull request is there, and waits to be
/// recorded.
const WISH_OUTAGE_MAX: Duration = Duration::from_secs(600);

/// Sets the labels and requests the reviewers of the pull request.
pub async fn grant(
    repository: &Repository,
    row: &JobRow,
    pull: u64,
    now: Timestamp,
) -> Result<(), Failure> {
    let wishes = &row.facts.wishes;
    let labels = repository.labels_ensure(pull, wishes.labels()).await;
    granted_or_dropped(row, now, labels)?;
    match repository.reviewers_request(pull, wishes.reviewers()).await {
        // One login that cannot review here fails the whole list, so each is requested separately.
        Err(GithubError::Refused { .. }) if wishes.reviewers().len() > 1 => {
            for login in wishes.reviewers() {
                granted_or_dropped(
                    row,
                    now,
                    repository
                        .reviewers_request(pull, slice::from_ref(login))
                        .await,
                )?;
            }
            Ok(())
        }
        outcome => granted_or_dropped(row, now, outcome),
    }
}

fn granted_or_dropped(
    row: &JobRow,
    now: Timestamp,
    outcome: Result<(), GithubError>,
) -> Result<(), Failure> {
    let Err(failure) = outcome.map_err(Failure::from) else {
        return Ok(());
    };
    let lasted = row
        .outage_since
        .map_or(Duration::ZERO, |since| now.since(since));
    let again = row.attempts < WISH_ATTEMPTS_MAX && lasted < WISH_OUTAGE_MAX;
    if failure.retry != Retry::Never && again {
        return Err(failure);
    }
    tracing::warn!(job.id = %row.facts.id, error = %failure, "dropped a wish of the repository's policy");
    Ok(())
}
