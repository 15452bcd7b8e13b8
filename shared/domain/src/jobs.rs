//! Jobs: an issue on its way to a pull request.
//!
//! A [`Job`] in a stage has only the transitions that are legal there (`transitions`). Work on it
//! needs a [`JobLease`] (`leases`). Both produce a [`Transition`], which the store writes on the
//! version it started from. Terminal stages have no transitions, so a finished job cannot restart:
//!
//! ```compile_fail,E0599
//! # use domain::{jobs::*, time::Timestamp};
//! fn reopen(job: Job<Merged>) { let _ = job.closed(Timestamp::from_millis(0)); }
//! ```
//! A transition consumes the job, so it cannot happen twice:
//! ```compile_fail,E0382
//! # use domain::{jobs::*, time::Timestamp};
//! fn both(job: Job<Opened>, now: Timestamp) { let _ = job.merged(now); let _ = job.closed(now); }
//! ```
//! A lease cannot be copied:
//! ```compile_fail,E0599
//! # use domain::jobs::*;
//! fn twice(lease: JobLease<Coding>) { let _ = lease.clone(); }
//! ```

pub mod admission;
pub mod assists;
mod billing;
pub mod calls;
pub mod caps;
pub mod checks;
mod delegated;
pub mod evidence;
mod figures;
pub mod fixes;
pub mod installations;
mod leases;
pub mod permissions;
pub mod phases;
pub mod pulls;
mod repairs;
pub mod repositories;
pub mod requests;
pub mod seen;
mod state;
pub mod steps;
mod terms;
#[cfg(test)]
mod tests;
mod transitions;
pub mod triggers;
pub mod turns;
pub mod untrusted;

pub use billing::{BillingEffect, billed_usage, cost_to_customer, was_billed};
pub use figures::Figures;
pub use leases::{Busy, JobClaim, JobLease, Leasable};
pub use repairs::REPAIRS_MAX;
pub use state::{CommentState, JobState, JobWork};
pub use terms::{Delivered, FixPaid, Funding, Offer, Terms};
pub use transitions::{CancelOutcome, Cancellable, ConcurrentMove, SHOWS_AFTER, Transition};

use crate::billing::usage::Tokens;
use crate::ids::{AccountId, CommentId, InstallationId, JobId, RepositoryId};
use crate::inbox::EventKey;
use crate::jobs::fixes::Fix;
use crate::jobs::pulls::PullOptions;
use crate::time::Timestamp;
use crate::units::Credits;
use crate::work::Lifecycle;
pub use crate::work::RESEND_AFTER;
use std::time::Duration;

/// The fields of a job that never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    pub id: JobId,
    pub account: AccountId,
    pub installation: InstallationId,
    pub repository: RepositoryId,
    pub owner_login: String,
    pub repository_name: String,
    pub base_branch: String,
    pub issue_number: u64,
    pub trigger: String,
    pub asked_by: String,
    /// The recorded webhook that asked for it, unless it was requested through the API.
    pub caused_by: Option<EventKey>,
    /// The job that this one retries.
    pub retry_of: Option<JobId>,
    /// The options of the pull request, from the repository's policy when the job was created.
    pub wishes: PullOptions,
    pub terms: Terms,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRef {
    pub number: u64,
    pub url: String,
}

/// An entry of a job's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    pub state: JobState,
    pub at: Timestamp,
}

/// The row of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    pub facts: JobFacts,
    pub state: JobState,
    /// The number of writes; every write is conditional on the version it started from.
    pub version: u64,
    /// The end of the current worker's lease.
    pub lease_until: Option<Timestamp>,
    pub attempts: u32,
    pub rounds: u32,
    pub steps: u32,
    pub tokens: Tokens,
    /// The models' cost so far, before any markup.
    pub cost: Credits,
    /// The most that the model call that is under way can cost.
    pub in_flight: Credits,
    /// The cost of calls whose answers were lost or cannot be used. The customer does not pay it.
    pub lost: Credits,
    /// The model's turns while coding.
    pub turns: u32,
    /// How often failed checks have sent the change back.
    pub repairs: u32,
    /// Why the change is not repaired any further.
    pub repair_ended: Option<String>,
    pub fix_paid: FixPaid,
    pub base_sha: Option<String>,
    pub pull: Option<PullRef>,
    /// The commit of the pull request whose checks the job waits for.
    pub head_sha: Option<String>,
    /// What the checks of the pull request said when it was delivered.
    pub checked: Option<String>,
    /// The labels and reviewers of the policy that GitHub refused, and why.
    pub unmet: Option<String>,
    /// Why the job ended, or why its cancellation was requested.
    pub reason: Option<String>,
    /// What the comment on the issue says instead of the reason, if everybody may not read that.
    pub public_reason: Option<String>,
    pub cancel_requested: CancelRequest,
    pub comment: Option<CommentId>,
    /// The state that the comment shows.
    pub commented: Option<CommentState>,
    /// When the row is next due, if work or the comment is pending.
    pub due_at: Option<Timestamp>,
    /// When work may start at the earliest, after a rate limit or a failed attempt.
    pub not_before: Option<Timestamp>,
    /// Since when every attempt of the present work has met an outage.
    pub outage_since: Option<Timestamp>,
    pub timeline: Vec<TimelineEntry>,
}

/// Whether cancellation was requested after the point of no return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelRequest {
    None,
    Asked,
}

impl JobRow {
    /// The reason as everybody on GitHub may read it.
    pub fn shown_reason(&self) -> Option<&str> {
        self.public_reason.as_deref().or(self.reason.as_deref())
    }

    /// The fix that the job delivers.
    pub fn fix(&self) -> Fix {
        Fix::of_issue(
            &self.facts.owner_login,
            &self.facts.repository_name,
            self.facts.issue_number,
        )
    }

    /// The lifecycle fields of the row.
    pub const fn tries(&self) -> Lifecycle {
        Lifecycle {
            attempts: self.attempts,
            lease_until: self.lease_until,
            not_before: self.not_before,
            outage_since: self.outage_since,
            due_at: self.due_at,
        }
    }

    fn set_tries(&mut self, tries: Lifecycle) {
        let Lifecycle {
            attempts,
            lease_until,
            not_before,
            outage_since,
            due_at,
        } = tries;
        (
            self.attempts,
            self.lease_until,
            self.not_before,
            self.outage_since,
            self.due_at,
        ) = (attempts, lease_until, not_before, outage_since, due_at);
    }

    /// Whether the current work has used all its attempts. An attempt whose process died counts
    /// too.
    pub const fn is_worn_out(&self) -> bool {
        self.tries().is_worn_out()
    }

    /// How long until the row is due.
    pub fn wait(&self, now: Timestamp) -> Duration {
        self.tries().wait(now)
    }

    /// Since when the job waits for the checks of its pull request.
    pub fn validating_since(&self) -> Timestamp {
        let entered = self.timeline.iter().rev();
        entered
            .into_iter()
            .find(|entry| entry.state == JobState::Validating)
            .map_or(self.facts.created_at, |entry| entry.at)
    }

    /// The state that the comment should show but does not show yet.
    pub fn untold(&self) -> Option<CommentState> {
        let notice = if self.is_repair() {
            CommentState::Repairing
        } else {
            self.state.notice()
        };
        (self.commented != Some(notice)).then_some(notice)
    }
}

/// How often a review may send a change back.
pub const ROUNDS_MAX: u32 = 2;

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident = $state:ident;)*) => {
        $($(#[$doc])* #[derive(Debug)] pub struct $name;)*

        impl JobRow {
            /// Returns the job in its stage, with that stage's transitions.
            pub fn staged(self) -> Staged {
                match self.state {
                    $(JobState::$state => Staged::$name(Job { row: self, stage: std::marker::PhantomData }),)*
                }
            }
        }

        /// A job in any stage.
        #[derive(Debug)]
        pub enum Staged {
            $($(#[$doc])* $name(Job<$name>),)*
        }
    };
}

stages! {
    /// Waiting for an external agent's report.
    Delegated = Delegated;
    /// Waiting to be planned.
    Queued = Queued;
    /// Being planned.
    Planning = Planning;
    /// To be coded.
    Coding = Coding;
    /// To be reviewed.
    Reviewing = Reviewing;
    /// To get its pull request.
    Approved = ReviewApproved;
    /// Getting its pull request.
    Opening = PrCreationInitiated;
    /// Its pull request waits for its checks.
    Validating = Validating;
    /// Its change is being repaired.
    Repairing = Repairing;
    /// Has its pull request.
    Opened = PrOpened;
    /// Merged.
    Merged = Merged;
    /// Closed.
    Closed = Closed;
    /// Rejected.
    Rejected = Rejected;
    /// Failed.
    Failed = Failed;
    /// Cancelled.
    Cancelled = Cancelled;
}

/// A job in one stage. It comes only from a [`JobRow`], and its transitions consume it.
#[derive(Debug)]
pub struct Job<S> {
    row: JobRow,
    stage: std::marker::PhantomData<S>,
}

impl<S> Job<S> {
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    fn into_row(self) -> JobRow {
        self.row
    }
}

/// Creates a job for Tallyhook's own agent.
pub fn queued(facts: JobFacts) -> JobRow {
    let at = facts.created_at;
    JobRow {
        facts,
        state: JobState::Queued,
        version: 1,
        lease_until: None,
        attempts: 0,
        rounds: 0,
        steps: 0,
        tokens: Tokens::default(),
        cost: Credits::ZERO,
        in_flight: Credits::ZERO,
        lost: Credits::ZERO,
        turns: 0,
        repairs: 0,
        repair_ended: None,
        fix_paid: FixPaid::WithJob,
        base_sha: None,
        pull: None,
        head_sha: None,
        checked: None,
        unmet: None,
        reason: None,
        public_reason: None,
        cancel_requested: CancelRequest::None,
        comment: None,
        commented: None,
        due_at: Some(at.plus(RESEND_AFTER)),
        not_before: None,
        outage_since: None,
        timeline: vec![TimelineEntry {
            state: JobState::Queued,
            at,
        }],
    }
}

/// Creates a job for an external agent.
pub fn delegated(facts: JobFacts) -> JobRow {
    let at = facts.created_at;
    let timeline = vec![TimelineEntry {
        state: JobState::Delegated,
        at,
    }];
    JobRow {
        state: JobState::Delegated,
        timeline,
        ..queued(facts)
    }
}

/// Creates a job that failed before any work because something was not available, such as credits.
/// Its comment says so; nothing is held or counted for it.
pub fn refused(facts: JobFacts, reason: &str) -> JobRow {
    let at = facts.created_at;
    let terms = Terms {
        places: crate::billing::quotas::QuotaPlaces::default(),
        funding: Funding::Free,
        spending: None,
        ..facts.terms.clone()
    };
    JobRow {
        state: JobState::Failed,
        reason: Some(reason.to_owned()),
        timeline: vec![TimelineEntry {
            state: JobState::Failed,
            at,
        }],
        ..queued(JobFacts { terms, ..facts })
    }
}
