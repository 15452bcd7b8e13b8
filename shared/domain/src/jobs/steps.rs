//! What the steps of a job leave behind.

use crate::billing::usage::Tokens;
use crate::jobs::pulls::Proposal;
use crate::text::{truncate, words};
use crate::time::Timestamp;
use crate::units::Credits;

/// One finished step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What came out.
    pub output: StepOutput,
    /// What the model used for it.
    pub tokens: Tokens,
    /// What that cost, before any markup.
    pub cost: Credits,
    /// Which model, by the name the provider gave.
    pub model: String,
    /// When it was finished.
    pub at: Timestamp,
}

/// What a step brings forth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepOutput {
    /// The order itself, kept as the first step: what was asked.
    Issue(IssueText),
    /// How it shall be done.
    Plan(WorkPlan),
    /// The change.
    Code(Proposal),
    /// The judgment on it.
    Review(Review),
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueText {
    /// The issue's title.
    pub title: String,
    /// The issue's text, cut to [`ORDER_BYTES_MAX`].
    pub body: String,
}

/// Bytes kept of an issue's text.
pub const ORDER_BYTES_MAX: usize = 64 * 1024;

impl IssueText {
    /// What an issue asks, within bounds.
    pub fn of(title: &str, body: &str) -> Self {
        Self {
            title: truncate(title, 1_000).to_owned(),
            body: truncate(body, ORDER_BYTES_MAX).to_owned(),
        }
    }
}

/// How it shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkPlan {
    /// In words.
    pub text: String,
    /// The files to look at.
    pub files: Vec<String>,
}

/// Bytes kept of a plan.
pub const PLAN_BYTES_MAX: usize = 32 * 1024;
/// Files a plan may name.
pub const PLAN_FILES_MAX: usize = 20;

/// The judgment of a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// What it comes to.
    pub verdict: Verdict,
    /// Why.
    pub notes: String,
}

words! {
    /// What a review comes to.
    Verdict {
        /// Good.
        Approve = "approve",
        /// Once more, with these notes.
        Rework = "rework",
        /// No good, and will not be.
        Reject = "reject",
    }
}

/// Bytes kept of a review's notes.
pub const NOTES_BYTES_MAX: usize = 16 * 1024;

/// The steps of a job, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Steps(pub Vec<Step>);

impl Steps {
    /// What was asked.
    pub fn order(&self) -> Option<&IssueText> {
        self.0.iter().find_map(|step| match &step.output {
            StepOutput::Issue(order) => Some(order),
            StepOutput::Plan(_) | StepOutput::Code(_) | StepOutput::Review(_) => None,
        })
    }

    /// The newest plan.
    pub fn plan(&self) -> Option<&WorkPlan> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Plan(plan) => Some(plan),
            StepOutput::Issue(_) | StepOutput::Code(_) | StepOutput::Review(_) => None,
        })
    }

    /// The newest change.
    pub fn proposal(&self) -> Option<&Proposal> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Code(proposal) => Some(proposal),
            StepOutput::Issue(_) | StepOutput::Plan(_) | StepOutput::Review(_) => None,
        })
    }

    /// The newest review.
    pub fn review(&self) -> Option<&Review> {
        self.0.iter().rev().find_map(|step| match &step.output {
            StepOutput::Review(review) => Some(review),
            StepOutput::Issue(_) | StepOutput::Plan(_) | StepOutput::Code(_) => None,
        })
    }
}
