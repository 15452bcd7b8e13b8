//! The states of a job, and what each of them requires.

use crate::text::words;

words! {
    /// The state of a job, in the store and in the API.
    JobState {
        Delegated = "DELEGATED",
        Queued = "QUEUED",
        Planning = "PLANNING",
        Coding = "CODING",
        Reviewing = "REVIEWING",
        ReviewApproved = "REVIEW_APPROVED",
        /// The pull request is being opened: the point of no return.
        PrCreationInitiated = "PR_CREATION_INITIATED",
        /// The pull request exists and waits for its checks. It is not delivered yet.
        Validating = "VALIDATING",
        /// The checks failed, and the agent repairs the change.
        Repairing = "REPAIRING",
        PrOpened = "PR_OPENED",
        Merged = "MERGED",
        /// The pull request was closed without being merged.
        Closed = "CLOSED",
        /// The review rejected the change.
        Rejected = "REJECTED",
        /// The work could not be completed.
        Failed = "FAILED",
        Cancelled = "CANCELLED",
    }
}

impl JobState {
    /// The work that is due in this state, besides the comment.
    pub const fn work(self) -> Option<JobWork> {
        match self {
            Self::Delegated | Self::Queued | Self::Planning => Some(JobWork::Plan),
            Self::Coding | Self::Repairing => Some(JobWork::Code),
            Self::Reviewing => Some(JobWork::Review),
            Self::ReviewApproved | Self::PrCreationInitiated | Self::Validating => {
                Some(JobWork::Pull)
            }
            Self::PrOpened
            | Self::Merged
            | Self::Closed
            | Self::Rejected
            | Self::Failed
            | Self::Cancelled => None,
        }
    }

    /// What the comment under the issue shows in this state.
    pub const fn notice(self) -> CommentState {
        match self {
            Self::Delegated
            | Self::Queued
            | Self::Planning
            | Self::Coding
            | Self::Reviewing
            | Self::ReviewApproved
            | Self::PrCreationInitiated => CommentState::Working,
            Self::Validating => CommentState::Validating,
            Self::Repairing => CommentState::Repairing,
            Self::PrOpened => CommentState::Opened,
            Self::Merged => CommentState::Merged,
            Self::Closed => CommentState::Closed,
            Self::Rejected => CommentState::Rejected,
            Self::Failed => CommentState::Failed,
            Self::Cancelled => CommentState::Cancelled,
        }
    }

    /// Whether the job takes one of the plan's places for agents. One whose pull request has been
    /// opened has given its place back, and repairs its change without one.
    pub const fn needs_agent(self) -> bool {
        self.work().is_some() && !matches!(self, Self::Validating | Self::Repairing)
    }

    /// Whether the pull request exists, or an attempt without an answer may have opened it.
    pub const fn may_have_pull(self) -> bool {
        matches!(self, Self::PrCreationInitiated | Self::Validating)
    }

    /// Whether the job has ended, so that the issue is free for another one.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Merged | Self::Closed | Self::Rejected | Self::Failed | Self::Cancelled
        )
    }
}

/// The kinds of work that move a job on; each has a queue of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobWork {
    /// Reads the repository and plans, or checks whether an external agent's time is over.
    Plan,
    Code,
    Review,
    /// Opens the pull request, or reads its checks.
    Pull,
}

words! {
    CommentState {
        Working = "working",
        Validating = "validating",
        Repairing = "repairing",
        Opened = "opened",
        Merged = "merged",
        Closed = "closed",
        Rejected = "rejected",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}
