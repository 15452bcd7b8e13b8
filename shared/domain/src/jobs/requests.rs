//! A request: a wish for a job that came by the API, before anybody has looked whether there can be one.
//!
//! It has the id of the job that it may become. Who reads GitHub acts on it, and what has come of it is final.

use crate::ids::{AccountId, JobId};
use crate::jobs::repositories::RepositoryName;
use crate::text::words;
use crate::time::Timestamp;

words! {
    /// Who is to work on a job.
    Agent {
        /// We do.
        Tallyhook = "tallyhook",
        /// An agent outside does, and reports.
        External = "external",
    }
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest {
    /// The id of the job that it may become.
    pub id: JobId,
    /// Who asks, and pays.
    pub account: AccountId,
    /// In which repository.
    pub repository: RepositoryName,
    /// For which issue.
    pub issue_number: u64,
    /// Who is to work on it.
    pub agent: Agent,
    /// By which key.
    pub asked_by: String,
    /// The job that it tries once more.
    pub retry_of: Option<JobId>,
    /// When.
    pub at: Timestamp,
    /// Failed tries to act on it.
    pub attempts: u32,
    /// What has come of it, once that is known.
    pub outcome: Option<RequestOutcome>,
}

/// What has come of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// This job: its own, or the one that the issue had already.
    Job(JobId),
    /// None, and why.
    Refused(String),
}

impl JobRequest {
    /// The fact behind it: the act by which it was made, so that the same act never makes two jobs.
    pub fn fact(&self) -> String {
        let kind = if self.retry_of.is_some() {
            "retry"
        } else {
            "api"
        };
        format!("{kind}-{}", self.id.ulid())
    }

    /// Whether another request of the same act asks for the same.
    pub fn asks_for(&self, other: &Self) -> bool {
        self.repository == other.repository
            && self.issue_number == other.issue_number
            && self.agent == other.agent
            && self.retry_of == other.retry_of
            && self.account == other.account
    }
}
