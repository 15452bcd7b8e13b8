//! The moves: from which stage a job may go where, and what goes with it.

use super::steps::{Review, Step, StepOutput, Verdict};
use super::{
    Approved, BillingEffect, CancelRequest, Coding, FixPaid, Job, JobLease, JobRow, JobState,
    Opened, Opening, Planning, PullRef, Queued, RESEND_AFTER, ROUNDS_MAX, Reviewing, Staged,
    TimelineEntry,
};
use crate::retry::{ATTEMPTS_MAX, Failure, NextAttempt, Retry, Retryable, gave_up};
use crate::time::Timestamp;
use crate::units::Credits;
use std::time::Duration;

/// One move of a job, to be written whole or not at all, and only on the version it came from.
#[must_use = "a move is nothing until the store has written it"]
#[derive(Debug)]
pub struct Transition {
    from: JobState,
    row: JobRow,
    step: Option<Step>,
    entered: Option<TimelineEntry>,
    now: Timestamp,
}

impl Transition {
    pub(super) fn from(mut row: JobRow, now: Timestamp) -> Self {
        let from = row.state;
        row.version += 1;
        Self {
            from,
            row,
            step: None,
            entered: None,
            now,
        }
    }

    /// Enters a state; what belonged to the work in the old one is cleared.
    pub(super) fn enter(mut self, state: JobState) -> Self {
        if self.row.state != state {
            self.row.state = state;
            self.row.attempts = 0;
            let moment = TimelineEntry {
                state,
                at: self.now,
            };
            self.row.timeline.push(moment.clone());
            self.entered = Some(moment);
        }
        self.row.lease_until = None;
        self.row.not_before = None;
        self.row.due_at = Some(self.now.plus(RESEND_AFTER));
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut JobRow)) -> Self {
        change(&mut self.row);
        self
    }

    fn leaving(mut self, step: Step) -> Self {
        self.row.steps += 1;
        self.row.tokens = self.row.tokens.plus(step.tokens);
        self.row.cost = self.row.cost.checked_add(step.cost).unwrap_or(Credits::MAX);
        self.step = Some(step);
        self
    }

    pub(super) fn ending(self, state: JobState, reason: &str) -> Self {
        self.enter(state)
            .with(|row| row.reason = Some(crate::text::truncate(reason, 1_000).to_owned()))
    }

    pub(super) fn into_row(self) -> JobRow {
        self.row
    }

    /// The state it leaves.
    pub const fn from_state(&self) -> JobState {
        self.from
    }

    /// The version it was decided on.
    pub const fn from_version(&self) -> u64 {
        self.row.version - 1
    }

    /// The row afterwards.
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    /// The step that is kept with it, under the row's new number of steps.
    pub const fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    /// What it means for the money, to be written with it.
    pub fn money(&self) -> BillingEffect {
        super::billing::effect(self.from, &self.row, self.now)
    }

    /// The same move of a job whose fix turns out to have been paid for: of it only the tokens are charged.
    pub fn with_fix_paid(&self) -> Self {
        let row = JobRow {
            fix_paid: FixPaid::Before,
            ..self.row.clone()
        };
        Self {
            from: self.from,
            row,
            step: self.step.clone(),
            entered: self.entered.clone(),
            now: self.now,
        }
    }

    /// The line it adds to the timeline.
    pub const fn entered(&self) -> Option<&TimelineEntry> {
        self.entered.as_ref()
    }

    /// Whether the issue becomes free with it.
    pub fn frees_issue(&self) -> bool {
        if self.row.is_delegated() {
            return self.from == JobState::Delegated && self.row.state != JobState::Delegated;
        }
        self.row.state.is_over() && !self.from.is_over()
    }
}

impl<W> JobLease<W> {
    /// Ends the job: it cannot be done.
    pub fn fail(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).ending(JobState::Failed, reason)
    }

    /// Gives the work back after a failed try, to be tried again at `due_at`; after too many tries the job fails. Past the
    /// point of no return counting proves nothing: a try without an answer may have made the pull request, so the last
    /// reason is kept for whoever looks that up and finds none.
    pub fn give_back(self, reason: &str, due_at: Timestamp, now: Timestamp) -> Transition {
        let tries = self.row().attempts.saturating_add(1);
        let state = self.row().state;
        let last = (tries >= ATTEMPTS_MAX).then(|| gave_up(reason));
        match last {
            Some(reason) if state != JobState::PrCreationInitiated => {
                return self.fail(&reason, now);
            }
            Some(_) | None => {}
        }
        Transition::from(self.into_row(), now)
            .enter(state)
            .with(|row| {
                row.set_tries(row.tries().given_back(due_at));
                if row.reason.is_none() {
                    row.reason =
                        last.map(|reason| crate::text::truncate(&reason, 1_000).to_owned());
                }
            })
    }

    /// Gives the work back without counting a try: what was missing is not the work's fault.
    pub fn postpone(self, due_at: Timestamp, now: Timestamp) -> Transition {
        let state = self.row().state;
        Transition::from(self.into_row(), now)
            .enter(state)
            .with(|row| row.set_tries(row.tries().postponed(due_at)))
    }
}

impl<W> JobLease<W> {
    /// Ends a try that failed, as its class says: the job fails, waits, or is tried again.
    pub fn failed(self, failure: &Failure, jitter: u64, now: Timestamp) -> Transition {
        // The outermost words only: people read them in the comment, and what is below may name our insides.
        let reason = failure.source.to_string();
        match NextAttempt::after(failure, self.row().attempts, jitter, now) {
            NextAttempt::Over => self.fail(&reason, now),
            NextAttempt::Later(due_at) => self.postpone(due_at, now),
            NextAttempt::Again(due_at) => self.give_back(&reason, due_at, now),
        }
    }
}

impl JobLease<Planning> {
    /// Cancelled before any work: what was asked for is not wanted any more.
    pub fn cancelled(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).ending(JobState::Cancelled, reason)
    }

    /// Planned, on this commit.
    pub fn planned(self, base_sha: String, step: Step) -> Transition {
        let now = step.at;
        Transition::from(self.into_row(), now)
            .enter(JobState::Coding)
            .leaving(step)
            .with(|row| row.base_sha = Some(base_sha))
    }
}

impl JobLease<Coding> {
    /// Coded.
    pub fn coded(self, step: Step) -> Transition {
        let now = step.at;
        Transition::from(self.into_row(), now)
            .enter(JobState::Reviewing)
            .leaving(step)
    }
}

impl JobLease<Reviewing> {
    /// Reviewed, with whatever verdict the step carries.
    pub fn reviewed(self, review: &Review, step: Step) -> Transition {
        debug_assert!(
            matches!(&step.output, StepOutput::Review(kept) if kept == review),
            "the step is the review's"
        );
        let now = step.at;
        let rounds = self.row().rounds;
        let transition = Transition::from(self.into_row(), now).leaving(step);
        match review.verdict {
            Verdict::Approve => transition.enter(JobState::ReviewApproved),
            Verdict::Rework if rounds < ROUNDS_MAX => transition
                .enter(JobState::Coding)
                .with(|row| row.rounds += 1),
            Verdict::Rework => transition.ending(
                JobState::Failed,
                &format!(
                    "the review sent the change back {} times: {}",
                    rounds + 1,
                    review.notes
                ),
            ),
            Verdict::Reject => transition.ending(JobState::Rejected, &review.notes),
        }
    }
}

impl JobLease<Opening> {
    /// Delivered; where that makes it billable, its money moves in the same write.
    pub fn opened(self, pull: PullRef, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::PrOpened)
            .with(|row| {
                row.pull = Some(pull);
                if row.cancel_requested == CancelRequest::None {
                    row.reason = None;
                }
            })
    }

    /// Cancelled in time: a look-up has shown that there is no pull request.
    pub fn cancelled(self, now: Timestamp) -> Transition {
        let reason = self
            .row()
            .reason
            .clone()
            .unwrap_or_else(|| "cancelled".to_owned());
        Transition::from(self.into_row(), now).ending(JobState::Cancelled, &reason)
    }
}

/// Somebody else moved the job at the same time; what to do now has to be decided anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrentMove;

impl std::fmt::Display for ConcurrentMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the job was moved by somebody else at the same time")
    }
}

impl std::error::Error for ConcurrentMove {}

impl Retryable for ConcurrentMove {
    fn retry(&self) -> Retry {
        Retry::Soon
    }
}

impl Job<Opened> {
    /// A person merged it.
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Merged)
    }

    /// A person closed it.
    pub fn closed(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Closed)
    }
}

/// Stages in which a job may simply be cancelled.
pub trait Cancellable {}
impl Cancellable for Queued {}
impl Cancellable for Planning {}
impl Cancellable for Coding {}
impl Cancellable for Reviewing {}
impl Cancellable for Approved {}

impl<S: Cancellable> Job<S> {
    /// Calls it off. Whoever works on it finds his version gone.
    pub fn cancel(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.row, now).ending(JobState::Cancelled, reason)
    }
}

/// What calling a job off comes to.
#[derive(Debug)]
pub enum CancelOutcome {
    /// It is cancelled, or asked to stop past the point of no return.
    Moved(Box<Transition>),
    /// It has its pull request; that one's own fate decides.
    Delivered,
    /// It was over before.
    Over,
}

impl Staged {
    /// Calls a job off, wherever it stands.
    pub fn cancel(self, reason: &str, now: Timestamp) -> CancelOutcome {
        CancelOutcome::Moved(Box::new(match self {
            Self::Delegated(job) => job.cancel(reason, now),
            Self::Queued(job) => job.cancel(reason, now),
            Self::Planning(job) => job.cancel(reason, now),
            Self::Coding(job) => job.cancel(reason, now),
            Self::Reviewing(job) => job.cancel(reason, now),
            Self::Approved(job) => job.cancel(reason, now),
            Self::Opening(job) => job.request_cancel(reason, now),
            Self::Opened(_) => return CancelOutcome::Delivered,
            Self::Merged(_)
            | Self::Closed(_)
            | Self::Rejected(_)
            | Self::Failed(_)
            | Self::Cancelled(_) => {
                return CancelOutcome::Over;
            }
        }))
    }
}

/// How long GitHub may take to show everywhere what was made there.
const SHOWS_AFTER: Duration = Duration::from_secs(60);

impl Job<Opening> {
    /// Asks to stop, past the point of no return: whoever opens the pull request looks whether there is one, and decides.
    /// The lease stays with its holder, whose next write will find this request. What he may still have made shows on
    /// GitHub a while later, so nobody looks before.
    pub fn request_cancel(self, reason: &str, now: Timestamp) -> Transition {
        let look_at = self
            .row
            .lease_until
            .max(Some(now))
            .unwrap_or(now)
            .plus(SHOWS_AFTER);
        Transition::from(self.row, now).with(|row| {
            row.cancel_requested = CancelRequest::Asked;
            row.reason = Some(crate::text::truncate(reason, 1_000).to_owned());
            row.due_at = Some(look_at);
            row.not_before = Some(look_at);
        })
    }
}
