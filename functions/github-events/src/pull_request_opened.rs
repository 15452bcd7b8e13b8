//! `pull_request.opened`: mostly our own, seen from the other side.

use crate::pull_request_closed::job_of;
use domain::inbox::events::PullEvent;
use domain::retry::{Done, Failure};

/// Notes that there is nothing to do: whoever opened our pull request records it, and of others nobody asked for a job.
pub fn handle(event: &PullEvent) -> Result<Done, Failure> {
    Ok(Done::Ignored(if job_of(event).is_some() {
        "our own pull request"
    } else {
        "nobody asked for a job"
    }))
}
