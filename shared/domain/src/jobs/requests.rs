//! A request for a job through the API, before a look-up on GitHub decides whether the job is
//! possible.
//!
//! It has the id of the job that it may become. The function that reads GitHub decides it once; the
//! outcome is final.

use crate::ids::{AccountId, JobId};
use crate::jobs::repositories::RepositoryName;
use crate::text::words;
use crate::time::Timestamp;
use crate::work::Lifecycle;

words! {
    Agent {
        Tallyhook = "tallyhook",
        External = "external",
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    pub id: JobId,
    pub account: AccountId,
    pub repository: RepositoryName,
    pub issue_number: u64,
    pub agent: Agent,
    /// The API key that made the request.
    pub asked_by: String,
    /// The job that it retries.
    pub retry_of: Option<JobId>,
    pub at: Timestamp,
    pub tries: Lifecycle,
    pub outcome: Option<RequestOutcome>,
}

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The job: its own, or the one that the issue already had.
    Job(JobId),
    /// The reason for the refusal.
    Refused(String),
}

impl JobRequest {
    /// The fact behind the request: the action that made it, so that one action never makes two
    /// jobs.
    pub fn fact(&self) -> String {
        let kind = if self.retry_of.is_some() {
            "retry"
        } else {
            "api"
        };
        format!("{kind}-{}", self.id.ulid())
    }

    /// Whether another request of the same action requests the same job.
    pub fn asks_for(&self, other: &Self) -> bool {
        self.repository == other.repository
            && self.issue_number == other.issue_number
            && self.agent == other.agent
            && self.retry_of == other.retry_of
            && self.account == other.account
    }
}
