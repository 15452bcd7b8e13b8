//! Turns of a coding step: the model's answers, each with what its calls of tools returned.
//!
//! A turn is stored before the next one begins. So another worker continues the conversation where
//! it stands, and a process that dies loses the answer of one call at most. What such a call can
//! have cost is on the job's row before the call is sent: [`JobRow::in_flight`].

use super::calls::ModelCall;
use super::{Coding, JobLease, JobRow, JobState, RESEND_AFTER, Repairing, Transition};
use crate::time::Timestamp;
use crate::units::Credits;
use std::time::Duration;

/// One answer of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// How often the review or the checks had sent the change back.
    pub round: u32,
    /// What the model wrote beside its calls.
    pub text: String,
    pub calls: Vec<ToolCall>,
    /// The results, in the order of the calls.
    pub results: Vec<ToolResult>,
    /// The text that follows the results.
    pub told: Option<String>,
    /// The tokens and the price.
    pub used: ModelCall,
    pub at: Timestamp,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call, which its result repeats.
    pub id: String,
    pub name: String,
    /// The arguments as JSON. The model wrote them, so they can be anything.
    pub input: String,
}

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolResult {
    pub text: String,
    /// Whether the call changed and showed nothing.
    pub failed: bool,
}

/// The most turns of a job.
pub const TURNS_MAX: u32 = 40;
/// How long turns are kept.
pub const TURNS_KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);

impl JobRow {
    /// What the models have cost so far, as far as is known and as it can be at most for calls
    /// whose answers are lost. Lost answers are ours to pay.
    pub fn spent(&self) -> Credits {
        self.cost.checked_add(self.lost).unwrap_or(Credits::MAX)
    }

    /// Counts a turn and what it used.
    pub fn count_turn(&mut self, turn: &Turn) {
        self.turns += 1;
        self.tokens = self.tokens.plus(turn.used.tokens);
        let cost = self.cost.checked_add(turn.used.cost());
        self.cost = cost.unwrap_or(Credits::MAX);
        self.in_flight = Credits::ZERO;
    }

    /// Counts the call in flight as lost: its answer did not come.
    pub(super) fn lose_call(&mut self) {
        self.lost = self
            .lost
            .checked_add(self.in_flight)
            .unwrap_or(Credits::MAX);
        self.in_flight = Credits::ZERO;
    }
}

impl<W> JobLease<W> {
    /// Notes that a model call is sent that costs this at most. The lease then ends at `until`.
    pub fn sends(&self, most: Credits, until: Timestamp, now: Timestamp) -> Transition {
        Transition::from(self.row().clone(), now).with(|row| {
            row.in_flight = most;
            extend(row, until);
        })
    }

    /// Counts what a call has cost whose answer cannot be used, or that was refused. It is written
    /// with the next transition.
    pub fn settle_call(&mut self, cost: Credits) {
        let row = self.row_mut();
        row.in_flight = cost;
        row.lose_call();
    }

    /// Continues with the row that was written.
    pub fn written(&mut self, row: JobRow) {
        *self.row_mut() = row;
    }
}

/// A stage in which the model converses.
pub trait Conversing {
    const STATE: JobState;
    /// The state after the model has submitted its change.
    const DONE: JobState;
}

impl Conversing for Coding {
    const STATE: JobState = JobState::Coding;
    const DONE: JobState = JobState::Reviewing;
}

impl Conversing for Repairing {
    const STATE: JobState = JobState::Repairing;
    const DONE: JobState = JobState::PrCreationInitiated;
}

impl<W: Conversing> JobLease<W> {
    /// Counts a turn. The lease then ends at `until`.
    pub fn turned(&self, turn: &Turn, until: Timestamp) -> Transition {
        Transition::from(self.row().clone(), turn.at).with(|row| {
            row.count_turn(turn);
            // Work that advances is not worn out, however many workers it takes.
            row.attempts = 0;
            row.outage_since = None;
            extend(row, until);
        })
    }

    /// Returns the work to the queue, because the function's time ends. The turns so far are kept.
    pub fn handed_over(self, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(W::STATE)
            .with(|row| row.due_at = Some(now.plus(RESEND_AFTER)))
    }
}

const fn extend(row: &mut JobRow, until: Timestamp) {
    row.lease_until = Some(until);
    row.due_at = Some(until);
}
