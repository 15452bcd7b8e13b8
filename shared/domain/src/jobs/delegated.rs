//! Jobs that an agent outside works on. They wait for its word, and only so long; what it says moves them, and nothing else
//! of ours does. Their issue is free as soon as they are delivered: whether we hear of the pull request's fate is up to the
//! agent, which may or may not push the branch that we know.

use super::requests::Agent;
use super::{Cancellable, Delegated, Job, JobRow, JobState, PullRef, Transition};
use crate::time::Timestamp;
use std::time::Duration;

/// How long an agent is waited for.
pub(super) const WAITED_FOR: Duration = Duration::from_secs(7 * 86_400);

impl JobRow {
    /// Whether an agent outside works on it, or did.
    pub fn is_delegated(&self) -> bool {
        self.timeline
            .first()
            .is_some_and(|moment| moment.state == JobState::Delegated)
    }

    /// Who works on it.
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
    /// Until when its agent is waited for.
    pub fn until(&self) -> Timestamp {
        self.row().facts.created_at.plus(WAITED_FOR)
    }

    /// The agent has opened a pull request; the fix is paid for with it.
    pub fn delivered(self, pull: PullRef, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::PrOpened)
            .with(|row| row.pull = Some(pull))
    }

    /// There will be none: its agent has been silent for all that time.
    pub fn forgotten(self, now: Timestamp) -> Transition {
        let days = WAITED_FOR.as_secs() / 86_400;
        self.given_up(
            &format!("the agent that it was given to has not reported for {days} days"),
            now,
        )
    }

    /// There will be none, as the agent says.
    pub fn given_up(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).ending(JobState::Failed, reason)
    }

    /// There is nothing to do until the agent's time is over.
    pub fn waits(self, now: Timestamp) -> Transition {
        let until = self.until();
        Transition::from(self.into_row(), now).with(|row| row.due_at = Some(until))
    }
}
