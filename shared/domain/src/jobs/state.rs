//! The states of a job, and what each of them requires.

use crate::text::words;

words! {
    /// Where a job stands, as the store and the wire say it.
    JobState {
        /// Waiting for the word of an agent outside.
        Delegated = "DELEGATED",
        /// Waiting for a planner.
        Queued = "QUEUED",
        /// Being planned.
        Planning = "PLANNING",
        /// Planned; being coded.
        Coding = "CODING",
        /// Coded; being reviewed.
        Reviewing = "REVIEWING",
        /// Approved; waiting for its pull request.
        ReviewApproved = "REVIEW_APPROVED",
        /// The pull request is being opened: the point of no return.
        PrCreationInitiated = "PR_CREATION_INITIATED",
        /// Delivered.
        PrOpened = "PR_OPENED",
        /// The pull request was merged.
        Merged = "MERGED",
        /// The pull request was closed without merging.
        Closed = "CLOSED",
        /// The review would not have it.
        Rejected = "REJECTED",
        /// It could not be done.
        Failed = "FAILED",
        /// Somebody cancelled it.
        Cancelled = "CANCELLED",
    }
}

impl JobState {
    /// Which work is owed in this state, besides the comment that tells of it.
    pub const fn work(self) -> Option<JobWork> {
        match self {
            Self::Delegated | Self::Queued | Self::Planning => Some(JobWork::Plan),
            Self::Coding => Some(JobWork::Code),
            Self::Reviewing => Some(JobWork::Review),
            Self::ReviewApproved | Self::PrCreationInitiated => Some(JobWork::Pull),
            Self::PrOpened
            | Self::Merged
            | Self::Closed
            | Self::Rejected
            | Self::Failed
            | Self::Cancelled => None,
        }
    }

    /// What the comment under the issue has to say in this state.
    pub const fn notice(self) -> CommentState {
        match self {
            Self::Delegated
            | Self::Queued
            | Self::Planning
            | Self::Coding
            | Self::Reviewing
            | Self::ReviewApproved
            | Self::PrCreationInitiated => CommentState::Working,
            Self::PrOpened => CommentState::Opened,
            Self::Merged => CommentState::Merged,
            Self::Closed => CommentState::Closed,
            Self::Rejected => CommentState::Rejected,
            Self::Failed => CommentState::Failed,
            Self::Cancelled => CommentState::Cancelled,
        }
    }

    /// Whether the issue is free for another job.
    pub const fn is_over(self) -> bool {
        matches!(
            self,
            Self::Merged | Self::Closed | Self::Rejected | Self::Failed | Self::Cancelled
        )
    }
}

/// The work that moves a job on, each with a queue of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobWork {
    /// Look at the repository and plan; or look whether the agent outside is still waited for.
    Plan,
    /// Write the change.
    Code,
    /// Judge the change.
    Review,
    /// Open the pull request.
    Pull,
}

words! {
    /// What the one comment under the issue says.
    CommentState {
        /// We are on it.
        Working = "working",
        /// Here is the pull request.
        Opened = "opened",
        /// It was merged.
        Merged = "merged",
        /// It was closed.
        Closed = "closed",
        /// The review would not have it.
        Rejected = "rejected",
        /// It could not be done, and why.
        Failed = "failed",
        /// It was cancelled, and why.
        Cancelled = "cancelled",
    }
}
