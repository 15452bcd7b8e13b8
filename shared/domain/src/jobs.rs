//! A job: one issue on its way to one pull request.
//!
//! Owns the states and what each needs. A [`Job`] in a stage has only the moves that are legal there (`transitions`), work on it
//! needs a [`JobLease`] (`leases`), and both end in a [`Transition`] that the store writes on the version it came from.
//! Terminal stages have no moves, so a finished job cannot start again:
//!
//! ```compile_fail,E0599
//! # use domain::{jobs::*, time::Timestamp};
//! fn reopen(job: Job<Merged>) { let _ = job.closed(Timestamp::from_millis(0)); }
//! ```
//! A move consumes the job, so it cannot move twice:
//! ```compile_fail,E0382
//! # use domain::{jobs::*, time::Timestamp};
//! fn both(job: Job<Opened>, now: Timestamp) { let _ = job.merged(now); let _ = job.closed(now); }
//! ```
//! and a lease cannot be copied:
//! ```compile_fail,E0599
//! # use domain::jobs::*;
//! fn twice(lease: JobLease<Coding>) { let _ = lease.clone(); }
//! ```

pub mod assists;
mod billing;
mod delegated;
pub mod fixes;
mod leases;
pub mod phases;
pub mod pulls;
pub mod repositories;
pub mod requests;
mod state;
pub mod steps;
mod terms;
#[cfg(test)]
mod tests;
mod transitions;
pub mod triggers;

pub use billing::{BillingEffect, cost_to_customer};
pub use leases::{Busy, JobClaim, JobLease, Leasable};
pub use state::{CommentState, JobState, JobWork};
pub use terms::{Delivered, FixPaid, Funding, Offer, Terms};
pub use transitions::{CancelOutcome, Cancellable, ConcurrentMove, Transition};

use crate::billing::usage::Tokens;
use crate::ids::{AccountId, CommentId, InstallationId, JobId, RepositoryId};
use crate::jobs::fixes::Fix;
use crate::jobs::pulls::PullOptions;
use crate::time::Timestamp;
use crate::units::Credits;
use crate::work::Lifecycle;
pub use crate::work::RESEND_AFTER;
use std::time::Duration;

/// What never changes in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFacts {
    /// Its id.
    pub id: JobId,
    /// Who pays.
    pub account: AccountId,
    /// Through which installation GitHub is reached.
    pub installation: InstallationId,
    /// The repository's number.
    pub repository: RepositoryId,
    /// The owner's name when the job was made.
    pub owner_login: String,
    /// The repository's name when the job was made.
    pub repository_name: String,
    /// Where the pull request goes.
    pub base_branch: String,
    /// The issue's number.
    pub issue_number: u64,
    /// The fact that asked for the job.
    pub trigger: String,
    /// Who asked.
    pub asked_by: String,
    /// The job that this one tries once more.
    pub retry_of: Option<JobId>,
    /// What its pull request shall have, by the repository's policy at that moment.
    pub wishes: PullOptions,
    /// How it is paid for.
    pub terms: Terms,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The pull request of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRef {
    /// Its number.
    pub number: u64,
    /// Where people see it.
    pub url: String,
}

/// One line of a job's timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The state it entered.
    pub state: JobState,
    /// When.
    pub at: Timestamp,
}

/// A job with everything on its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// What never changes.
    pub facts: JobFacts,
    /// Where it stands.
    pub state: JobState,
    /// How often it was written; every write names the version it came from.
    pub version: u64,
    /// Until when somebody works on it.
    pub lease_until: Option<Timestamp>,
    /// Failed tries of the present work.
    pub attempts: u32,
    /// How often the review sent it back.
    pub rounds: u32,
    /// How many steps stand beside it.
    pub steps: u32,
    /// Tokens used so far.
    pub tokens: Tokens,
    /// What the models cost so far, before any markup.
    pub cost: Credits,
    /// With what its fix is paid for.
    pub fix_paid: FixPaid,
    /// The commit the work is based on.
    pub base_sha: Option<String>,
    /// The pull request, once there is one.
    pub pull: Option<PullRef>,
    /// Why it ended as it did, or why it shall be cancelled.
    pub reason: Option<String>,
    /// Asked to stop after the point of no return.
    pub cancel_requested: CancelRequest,
    /// The comment under the issue.
    pub comment: Option<CommentId>,
    /// What that comment says by now.
    pub commented: Option<CommentState>,
    /// When the next look at it is due, if anything is owed.
    pub due_at: Option<Timestamp>,
    /// Nobody may work on it before: a limit has to be waited out, or a failed try must not be repeated at once.
    pub not_before: Option<Timestamp>,
    /// Where it has been.
    pub timeline: Vec<TimelineEntry>,
}

/// Whether a job past the point of no return was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelRequest {
    /// No.
    None,
    /// Yes.
    Asked,
}

impl JobRow {
    /// The fix that it is to deliver.
    pub fn fix(&self) -> Fix {
        Fix::of_issue(
            &self.facts.owner_login,
            &self.facts.repository_name,
            self.facts.issue_number,
        )
    }

    /// Who works on it, and how often that has failed.
    pub const fn tries(&self) -> Lifecycle {
        Lifecycle {
            attempts: self.attempts,
            lease_until: self.lease_until,
            not_before: self.not_before,
            due_at: self.due_at,
        }
    }

    fn set_tries(&mut self, tries: Lifecycle) {
        let Lifecycle {
            attempts,
            lease_until,
            not_before,
            due_at,
        } = tries;
        (
            self.attempts,
            self.lease_until,
            self.not_before,
            self.due_at,
        ) = (attempts, lease_until, not_before, due_at);
    }

    /// Whether the present work has been tried so often that another try would be one too many. Tries that end without a
    /// word, because the sandbox died, count too.
    pub const fn is_worn_out(&self) -> bool {
        self.tries().is_worn_out()
    }

    /// How long until it is due.
    pub fn wait(&self, now: Timestamp) -> Duration {
        self.tries().wait(now)
    }

    /// What its comment still has to say, if it does not say so yet.
    pub fn untold(&self) -> Option<CommentState> {
        let notice = self.state.notice();
        (self.commented != Some(notice)).then_some(notice)
    }
}

/// How often a review may send a change back.
pub const ROUNDS_MAX: u32 = 2;

macro_rules! stages {
    ($($(#[$doc:meta])* $name:ident = $state:ident;)*) => {
        $($(#[$doc])* #[derive(Debug)] pub struct $name;)*

        impl JobRow {
            /// The job in its stage, with the moves of that stage.
            pub fn staged(self) -> Staged {
                match self.state {
                    $(JobState::$state => Staged::$name(Job { row: self, stage: std::marker::PhantomData }),)*
                }
            }
        }

        /// A job in whichever stage it is.
        #[derive(Debug)]
        pub enum Staged {
            $($(#[$doc])* $name(Job<$name>),)*
        }
    };
}

stages! {
    /// Waiting for the word of an agent outside.
    Delegated = Delegated;
    /// Waiting for a planner.
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
    /// With its pull request.
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

/// A job in one stage. It can only be had from a [`JobRow`], and its moves consume it.
#[derive(Debug)]
pub struct Job<S> {
    row: JobRow,
    stage: std::marker::PhantomData<S>,
}

impl<S> Job<S> {
    /// What stands on its row.
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    fn into_row(self) -> JobRow {
        self.row
    }
}

/// A new job, as the store creates it.
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
        fix_paid: FixPaid::WithJob,
        base_sha: None,
        pull: None,
        reason: None,
        cancel_requested: CancelRequest::None,
        comment: None,
        commented: None,
        due_at: Some(at.plus(RESEND_AFTER)),
        not_before: None,
        timeline: vec![TimelineEntry {
            state: JobState::Queued,
            at,
        }],
    }
}

/// The same of a job that an agent outside works on.
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

/// A job that is over before any work, because something to be had for it is missing: it says so under its issue. What
/// was not to be had is neither held nor counted.
pub fn refused(facts: JobFacts, reason: &str) -> JobRow {
    let at = facts.created_at;
    let terms = Terms {
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
