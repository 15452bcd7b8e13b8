//! The results of a job's steps.

use crate::billing::usage::Tokens;
use crate::jobs::calls::ModelCall;
use crate::jobs::checks::CheckId;
use crate::jobs::evidence::CheckReport;
use crate::jobs::pulls::Proposal;
use crate::jobs::untrusted::cleaned;
use crate::text::{truncate, words};
use crate::time::Timestamp;
use crate::units::Credits;
use std::collections::BTreeSet;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub output: StepOutput,
    pub tokens: Tokens,
    pub cost: Credits,
    /// The name that the provider reported for the last call.
    pub model: String,
    /// The calls that the tokens and the cost are the sums of.
    pub calls: Vec<ModelCall>,
    pub at: Timestamp,
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutput {
    /// The issue's text, stored as the first step.
    Issue(IssueText),
    Plan(WorkPlan),
    Code(Proposal),
    Review(Review),
    Checks(FailedChecks),
}

/// The text of the issue that the job is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueText {
    pub title: String,
    /// Truncated to [`ORDER_BYTES_MAX`].
    pub body: String,
    /// How many characters were removed because people on GitHub do not see them.
    pub removed: u64,
}

/// The most bytes kept of an issue's text.
pub const ORDER_BYTES_MAX: usize = 64 * 1024;

impl IssueText {
    /// Removes what is hidden in an issue's title and text, and truncates them.
    pub fn of(title: &str, body: &str) -> Self {
        let (title, body) = (cleaned(title), cleaned(body));
        Self {
            title: truncate(&title.text, 1_000).to_owned(),
            body: truncate(&body.text, ORDER_BYTES_MAX).to_owned(),
            removed: title.removed.saturating_add(body.removed),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkPlan {
    pub text: String,
    pub files: Vec<String>,
}

/// The most bytes kept of a plan.
pub const PLAN_BYTES_MAX: usize = 32 * 1024;
/// The most files that a plan may name.
pub const PLAN_FILES_MAX: usize = 20;

/// The result of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub verdict: Verdict,
    pub notes: String,
}

words! {
    Verdict {
        Approve = "approve",
        /// The change needs more work; the notes say what.
        Rework = "rework",
        /// The change cannot be accepted.
        Reject = "reject",
    }
}

/// Failed checks of the pull request that sent the change back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedChecks {
    pub failed: BTreeSet<CheckId>,
    /// What some of them say, for the model.
    pub reports: Vec<CheckReport>,
}

/// The most bytes kept of a review's notes.
pub const NOTES_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps(pub Vec<Step>);

impl Steps {
    /// The issue's text.
    pub fn order(&self) -> Option<&IssueText> {
        self.0.iter().find_map(|step| match &step.output {
            StepOutput::Issue(order) => Some(order),
            _ => None,
        })
    }

    /// The latest plan.
    pub fn plan(&self) -> Option<&WorkPlan> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Plan(plan) => Some(plan),
            _ => None,
        })
    }

    /// The latest proposal.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Code(proposal) => Some(proposal),
            _ => None,
        })
    }

    /// The latest review.
    pub fn review(&self) -> Option<&Review> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Review(review) => Some(review),
            _ => None,
        })
    }

    /// The failed checks that have sent the change back last.
    pub fn checks(&self) -> Option<&FailedChecks> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Checks(checks) => Some(checks),
            _ => None,
        })
    }
}
