//! Repairs: failed checks send the change back, and the agent repairs it on the same pull request.
//!
//! While a change is repaired, its pull request exists and nothing is billed. So a repair never
//! ends the job: it leads back to the checks, which decide with the repair or without it.

use super::steps::{FailedChecks, Step, StepOutput};
use super::{Job, JobLease, JobRow, JobState, Repairing, Transition, Validating};
use crate::billing::usage::Tokens;
use crate::text::truncate;
use crate::time::Timestamp;
use crate::units::Credits;

/// How often failed checks may send a change back.
pub const REPAIRS_MAX: u32 = 2;

impl JobRow {
    /// Whether the change of an open pull request is being repaired.
    pub const fn is_repair(&self) -> bool {
        match self.state {
            JobState::Repairing => true,
            JobState::PrCreationInitiated => self.pull.is_some(),
            _ => false,
        }
    }

    /// Whether failed checks may send the change back. An agent that has not conversed has no
    /// conversation to continue.
    pub const fn may_repair(&self) -> bool {
        self.repairs < REPAIRS_MAX && self.repair_ended.is_none() && self.turns > 0
    }

    /// How often the review or the checks have sent the change back.
    pub const fn sent_back(&self) -> u32 {
        self.rounds + self.repairs
    }
}

impl JobLease<Validating> {
    /// Sends the change back with what its failed checks say.
    pub fn repairing(self, failed: FailedChecks, now: Timestamp) -> Transition {
        let step = Step {
            output: StepOutput::Checks(failed),
            tokens: Tokens::default(),
            cost: Credits::ZERO,
            model: String::new(),
            calls: Vec::new(),
            at: now,
        };
        Transition::from(self.into_row(), now)
            .enter(JobState::Repairing)
            .adding(step)
            .with(|row| row.repairs += 1)
    }
}

impl<W> JobLease<W> {
    /// Returns to the checks without a repair.
    pub(super) fn unrepaired(self, reason: &str, now: Timestamp) -> Transition {
        unrepaired(self.into_row(), now).with(|row| {
            row.repair_ended = Some(truncate(reason, 1_000).to_owned());
        })
    }
}

impl Job<Repairing> {
    /// Records that people merged the pull request, which delivers it.
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::Merged)
            .with(JobRow::lose_call)
    }

    /// Stops the repair, because people have closed the pull request.
    pub fn stopped(self, now: Timestamp) -> Transition {
        unrepaired(self.into_row(), now)
            .with(|row| row.repair_ended = Some("people closed the pull request".to_owned()))
    }

    /// Requests cancellation: the function that reads the checks closes the pull request, unless
    /// people have merged it.
    pub fn request_cancel(self, reason: &str, now: Timestamp) -> Transition {
        unrepaired(self.into_row(), now).with(|row| row.ask_cancel(reason, now))
    }
}

/// Returns to the checks, which are read at once.
fn unrepaired(row: JobRow, now: Timestamp) -> Transition {
    Transition::from(row, now)
        .enter(JobState::Validating)
        .with(|row| {
            row.lose_call();
            row.due_at = Some(now);
        })
}
