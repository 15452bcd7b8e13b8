//! Jobs of external agents.
//!
//! These jobs wait for the agent's reports for a limited time, and only the reports move them. The
//! issue is free as soon as the job is delivered. Whether Tallyhook receives the pull request's
//! later events depends on the agent, which may not use the branch that we know.

use super::requests::Agent;
use super::{Cancellable, Delegated, Job, JobRow, JobState, PullRef, Transition};
use crate::time::Timestamp;
use std::time::Duration;

/// How long a job waits for its agent.
pub(super) const WAITED_FOR: Duration = Duration::from_secs(7 * 86_400);

impl JobRow {
    /// Whether the job is or was an external agent's.
    pub fn is_delegated(&self) -> bool {
        self.timeline
            .first()
            .is_some_and(|moment| moment.state == JobState::Delegated)
    }

    pub fn agent(&self) -> Agent {
        if self.is_delegated() {
            Agent::External
        } else {
            Agent::Tallyhook
        }
    }
}

impl Cancellable for Delegated {}

impl Job<Delegated> {
    /// When the wait for the agent ends.
    pub fn until(&self) -> Timestamp {
        self.row().facts.created_at.plus(WAITED_FOR)
    }

    /// The agent opened a pull request, which pays for the fix.
    pub fn delivered(self, pull: PullRef, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::PrOpened)
            .with(|row| row.pull = Some(pull))
    }

    /// The agent sent no report in time.
    pub fn forgotten(self, now: Timestamp) -> Transition {
        let days = WAITED_FOR.as_secs() / 86_400;
        self.given_up(
            &format!("the external agent has not reported for {days} days"),
            now,
        )
    }

    /// The agent reported that it failed.
    pub fn given_up(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).ending(JobState::Failed, reason)
    }

    /// Postpones the job until the wait ends.
    pub fn waits(self, now: Timestamp) -> Transition {
        let until = self.until();
        Transition::from(self.into_row(), now).with(|row| row.due_at = Some(until))
    }
}
