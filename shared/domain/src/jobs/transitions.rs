//! The transitions: which stage follows which, and what is written with each.

use super::checks::poll_wait;
use super::steps::{Review, Step, StepOutput, Verdict};
use super::turns::Conversing;
use super::{
    Approved, BillingEffect, CancelRequest, Closed, Coding, FixPaid, Job, JobLease, JobRow,
    JobState, Opened, Opening, Planning, PullRef, Queued, RESEND_AFTER, ROUNDS_MAX, Reviewing,
    Staged, TimelineEntry, Validating,
};
use crate::retry::{Failure, Retry, Retryable, gave_up};
use crate::time::Timestamp;
use crate::units::Credits;
use crate::work::{Lifecycle, NextAttempt};
use std::time::Duration;

/// One transition of a job. The store writes it as a whole, on the version it started from.
#[must_use = "a transition has no effect until the store has written it"]
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

    /// Enters a state and clears what belonged to the work of the previous one.
    pub(super) fn enter(mut self, state: JobState) -> Self {
        if self.row.state != state {
            self.row.state = state;
            self.row.attempts = 0;
            self.row.outage_since = None;
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

    /// Adds a step, and what it used.
    fn leaving(mut self, step: Step) -> Self {
        self.row.tokens = self.row.tokens.plus(step.tokens);
        self.row.cost = self.row.cost.checked_add(step.cost).unwrap_or(Credits::MAX);
        self.row.in_flight = Credits::ZERO;
        self.adding(step)
    }

    /// Adds a step whose usage the row already counts.
    pub(super) fn adding(mut self, step: Step) -> Self {
        self.row.steps += 1;
        self.step = Some(step);
        self
    }

    pub(super) fn ending(self, state: JobState, reason: &str) -> Self {
        self.enter(state).with(|row| {
            row.reason = Some(crate::text::truncate(reason, 1_000).to_owned());
            row.lose_call();
        })
    }

    pub(super) fn into_row(self) -> JobRow {
        self.row
    }

    /// The state before.
    pub const fn from_state(&self) -> JobState {
        self.from
    }

    /// The version that the transition started from.
    pub const fn from_version(&self) -> u64 {
        self.row.version - 1
    }

    /// The row after the transition.
    pub const fn row(&self) -> &JobRow {
        &self.row
    }

    /// The step to store, numbered by the row's step count.
    pub const fn step(&self) -> Option<&Step> {
        self.step.as_ref()
    }

    /// The effect on the account's money, which is written in the same transaction.
    pub fn money(&self) -> BillingEffect {
        super::billing::effect(self.from, &self.row, self.now)
    }

    /// The same transition for a job whose fix has already been paid for: only the tokens are
    /// charged.
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

    /// The entry that it adds to the timeline.
    pub const fn entered(&self) -> Option<&TimelineEntry> {
        self.entered.as_ref()
    }

    /// Whether the transition returns the plan's agent that the job took: its work is done. Nobody
    /// works while the checks run, and a job that repairs its change has returned it before.
    pub fn returns_agent(&self) -> bool {
        let places = &self.row.facts.terms.places;
        places.agent
            && self.row.repairs == 0
            && self.from.needs_agent()
            && !self.row.state.needs_agent()
    }

    /// Whether the transition frees the issue for another job.
    pub fn frees_issue(&self) -> bool {
        if self.row.is_delegated() {
            return self.from == JobState::Delegated && self.row.state != JobState::Delegated;
        }
        self.row.state.is_over() && !self.from.is_over()
    }
}

impl<W> JobLease<W> {
    /// Ends the job as failed. A repair that fails leaves the pull request as it is, so the checks
    /// decide once more.
    pub fn fail(self, reason: &str, now: Timestamp) -> Transition {
        if self.row().is_repair() {
            return self.unrepaired(reason, now);
        }
        Transition::from(self.into_row(), now).ending(JobState::Failed, reason)
    }

    /// Ends a failed attempt according to the failure's class: the job fails, waits or is retried.
    /// After too many attempts the job fails. Past the point of no return it does not, because an
    /// attempt without an answer may have opened the pull request; the last reason is kept in case
    /// the look-up finds no pull request.
    pub fn failed(self, failure: &Failure, jitter: u64, now: Timestamp) -> Transition {
        // Keep only the outermost message: people read it in the comment, and its causes may reveal
        // internals.
        let reason = failure.source.to_string();
        match self.row().tries().failed(failure, jitter, now) {
            NextAttempt::Over => self.fail(&reason, now),
            NextAttempt::Last(_) if self.row().is_repair() || !self.row().state.may_have_pull() => {
                self.fail(&gave_up(&reason), now)
            }
            NextAttempt::Last(next) => self.waits(next, now).with(|row| {
                if row.reason.is_none() {
                    let reason = gave_up(&reason);
                    row.reason = Some(crate::text::truncate(&reason, 1_000).to_owned());
                }
            }),
            NextAttempt::Again(next) => self.waits(next, now),
        }
    }

    fn waits(self, next: Lifecycle, now: Timestamp) -> Transition {
        let state = self.row().state;
        Transition::from(self.into_row(), now)
            .enter(state)
            .with(|row| {
                row.set_tries(next);
                row.lose_call();
            })
    }
}

impl JobLease<Planning> {
    /// Cancels before any work, because the request was withdrawn.
    pub fn cancelled(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).ending(JobState::Cancelled, reason)
    }

    /// Records the plan, based on this commit.
    pub fn planned(self, base_sha: String, step: Step) -> Transition {
        let now = step.at;
        Transition::from(self.into_row(), now)
            .enter(JobState::Coding)
            .leaving(step)
            .with(|row| row.base_sha = Some(base_sha))
    }
}

impl<W: Conversing> JobLease<W> {
    /// Records the change. Its turns have been counted. A first change is reviewed; a repair
    /// is committed, and the checks judge it.
    pub fn coded(self, step: Step) -> Transition {
        let now = step.at;
        Transition::from(self.into_row(), now)
            .enter(W::DONE)
            .adding(step)
    }
}

impl JobLease<Reviewing> {
    /// Records the review and acts on its verdict.
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
    /// Records the pull request, and what GitHub refused of the policy's wishes. If that makes the
    /// job billable, its money moves in the same write.
    pub fn opened(self, pull: PullRef, unmet: Option<String>, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::PrOpened)
            .with(|row| row.set_pull(pull, unmet))
    }

    /// Records the pull request, which is delivered once the checks of its commit allow it. No money
    /// moves.
    pub fn validating(
        self,
        pull: PullRef,
        unmet: Option<String>,
        head_sha: String,
        now: Timestamp,
    ) -> Transition {
        let poll_at = now.plus(poll_wait(now, now));
        Transition::from(self.into_row(), now)
            .enter(JobState::Validating)
            .with(|row| {
                row.set_pull(pull, unmet);
                row.head_sha = Some(head_sha);
                row.not_before = Some(poll_at);
                row.due_at = Some(poll_at);
            })
    }

    /// Cancels after a look-up has shown that there is no pull request.
    pub fn cancelled(self, now: Timestamp) -> Transition {
        cancelled(self.into_row(), now)
    }
}

impl JobLease<Validating> {
    /// Delivers the pull request, with what its checks said. If that makes the job billable, its
    /// money moves in the same write.
    pub fn delivered(self, checked: &str, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now)
            .enter(JobState::PrOpened)
            .with(|row| {
                row.checked = Some(crate::text::truncate(checked, 1_000).to_owned());
                row.reason = None;
            })
    }

    /// Ends the job because people have merged the pull request, which delivers it.
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).enter(JobState::Merged)
    }

    /// Ends the job because people have closed the pull request.
    pub fn closed(self, now: Timestamp) -> Transition {
        Transition::from(self.into_row(), now).enter(JobState::Closed)
    }

    /// Cancels the job after its pull request has been closed.
    pub fn cancelled(self, now: Timestamp) -> Transition {
        cancelled(self.into_row(), now)
    }
}

fn cancelled(row: JobRow, now: Timestamp) -> Transition {
    let reason = row.reason.clone();
    let reason = reason.as_deref().unwrap_or("cancelled");
    Transition::from(row, now).ending(JobState::Cancelled, reason)
}

/// Another writer moved the job at the same time; the caller has to decide again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConcurrentMove;

impl std::fmt::Display for ConcurrentMove {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("another writer moved the job at the same time")
    }
}

impl std::error::Error for ConcurrentMove {}

impl Retryable for ConcurrentMove {
    fn retry(&self) -> Retry {
        Retry::Soon
    }
}

impl Job<Opened> {
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Merged)
    }

    pub fn closed(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Closed)
    }
}

impl Job<Validating> {
    /// Records that people merged the pull request before its checks completed, which delivers it.
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Merged)
    }

    /// Requests cancellation. The worker that reads the checks closes the pull request, unless people
    /// have merged it. The lease of a present worker stays.
    pub fn request_cancel(self, reason: &str, now: Timestamp) -> Transition {
        let look_at = self.row.lease_until.max(Some(now)).unwrap_or(now);
        Transition::from(self.row, now).with(|row| row.ask_cancel(reason, look_at))
    }
}

impl Job<Closed> {
    /// Records that people reopened and merged the pull request. Nothing is billed: the job ended
    /// when it was closed.
    pub fn merged(self, now: Timestamp) -> Transition {
        Transition::from(self.row, now).enter(JobState::Merged)
    }
}

/// The stages in which a job can be cancelled directly.
pub trait Cancellable {}
impl Cancellable for Queued {}
impl Cancellable for Planning {}
impl Cancellable for Coding {}
impl Cancellable for Reviewing {}
impl Cancellable for Approved {}

impl<S: Cancellable> Job<S> {
    /// Cancels the job. A worker that holds its lease fails on the version.
    pub fn cancel(self, reason: &str, now: Timestamp) -> Transition {
        Transition::from(self.row, now).ending(JobState::Cancelled, reason)
    }
}

/// The outcome of a cancellation.
#[derive(Debug)]
pub enum CancelOutcome {
    /// The job is cancelled, or cancellation is requested past the point of no return.
    Moved(Box<Transition>),
    /// The job has its pull request, whose state decides.
    Delivered,
    /// The job had already ended.
    Over,
}

impl Staged {
    /// Cancels the job, whatever its stage.
    pub fn cancel(self, reason: &str, now: Timestamp) -> CancelOutcome {
        CancelOutcome::Moved(Box::new(match self {
            Self::Delegated(job) => job.cancel(reason, now),
            Self::Queued(job) => job.cancel(reason, now),
            Self::Planning(job) => job.cancel(reason, now),
            Self::Coding(job) => job.cancel(reason, now),
            Self::Reviewing(job) => job.cancel(reason, now),
            Self::Approved(job) => job.cancel(reason, now),
            Self::Opening(job) => job.request_cancel(reason, now),
            Self::Validating(job) => job.request_cancel(reason, now),
            Self::Repairing(job) => job.request_cancel(reason, now),
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

/// How long GitHub may take to show a new object everywhere.
pub const SHOWS_AFTER: Duration = Duration::from_secs(60);

impl Job<Opening> {
    /// Requests cancellation past the point of no return. The worker that opens the pull request
    /// looks up whether there is one, and decides. Its lease stays, and its next write finds the
    /// request. An object that the worker has just created shows on GitHub a little later, so
    /// nobody looks it up before then.
    pub fn request_cancel(self, reason: &str, now: Timestamp) -> Transition {
        let look_at = self
            .row
            .lease_until
            .max(Some(now))
            .unwrap_or(now)
            .plus(SHOWS_AFTER);
        Transition::from(self.row, now).with(|row| row.ask_cancel(reason, look_at))
    }
}

impl JobRow {
    pub(super) fn ask_cancel(&mut self, reason: &str, look_at: Timestamp) {
        self.cancel_requested = CancelRequest::Asked;
        self.reason = Some(crate::text::truncate(reason, 1_000).to_owned());
        self.due_at = Some(look_at);
        self.not_before = Some(look_at);
    }

    fn set_pull(&mut self, pull: PullRef, unmet: Option<String>) {
        self.pull = Some(pull);
        self.unmet = unmet.map(|unmet| crate::text::truncate(&unmet, 1_000).to_owned());
        if self.cancel_requested == CancelRequest::None {
            self.reason = None;
        }
    }
}
