//! Assists: small pieces of model work with an answer to read, and no pull request.
//!
//! This module owns the tasks, their input, and the lifecycle of an assist from `QUEUED` to `DONE`
//! or `FAILED`. A worker holds an [`AssistLease`], which an [`AssistTransition`] consumes; a late
//! writer fails on the version. The billing effect of an end follows from the assist's terms and is
//! written in the same transaction. An answer is therefore paid for once, and an assist without an
//! answer costs nothing.

mod commits;
mod test_files;

pub use commits::{
    CommitRef, DiffStats, SUMMARY_PROMPT_BYTES_MAX, SUMMARY_TEXT_BYTES_MAX, SummaryText,
};
pub use test_files::{
    BadFiles, FileScore, IntegratedFile, SourceFile, TEST_BYTES_MAX, TEST_FILES_MAX, TestAnalysis,
    TestIntegration,
};

use crate::billing::usage::{Tokens, UsageSource};
use crate::ids::{AccountId, AssistId};
use crate::jobs::calls::ModelCall;
use crate::jobs::{BillingEffect, Delivered, Terms};
use crate::ledger::HoldId;
use crate::retry::{Failure, gave_up};
use crate::text::{truncate, words};
use crate::time::Timestamp;
use crate::units::Credits;
use crate::work::{Busy, Lifecycle, NextAttempt};
use std::time::Duration;

/// The task of an assist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssistTask {
    CommitSummary(CommitRef),
    TestAnalysis(TestAnalysis),
    TestIntegration(TestIntegration),
}

/// The result of an assist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssistAnswer {
    CommitSummary(SummaryText),
    TestAnalysis(Vec<FileScore>),
    TestIntegration(IntegratedFile),
}

words! {
    AssistKind {
        CommitSummary = "commit_summary",
        TestAnalysis = "test_analysis",
        TestIntegration = "test_integration",
    }
}

impl AssistKind {
    /// How long an assist is kept after it ends. A commit summary stays, because the commit does;
    /// files that customers sent do not.
    pub const fn kept_for(self) -> Option<Duration> {
        match self {
            Self::CommitSummary => None,
            Self::TestAnalysis | Self::TestIntegration => Some(FILES_KEPT_FOR),
        }
    }
}

impl AssistTask {
    pub const fn kind(&self) -> AssistKind {
        match self {
            Self::CommitSummary(_) => AssistKind::CommitSummary,
            Self::TestAnalysis(_) => AssistKind::TestAnalysis,
            Self::TestIntegration(_) => AssistKind::TestIntegration,
        }
    }
}

words! {
    /// The state of an assist.
    AssistState {
        Queued = "QUEUED",
        Done = "DONE",
        Failed = "FAILED",
    }
}

/// The fields of an assist that never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssistFacts {
    pub id: AssistId,
    pub account: AccountId,
    pub kind: AssistKind,
    pub terms: Terms,
    pub created_at: Timestamp,
}

/// What the model used for the answer that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsage {
    /// The name that the provider reported.
    pub model: String,
    pub tokens: Tokens,
    pub cost: Credits,
    /// The calls that the tokens and the cost are the sums of.
    pub calls: Vec<ModelCall>,
}

/// The row of an assist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assist {
    pub facts: AssistFacts,
    pub state: AssistState,
    /// The number of writes; every write is conditional on the version it started from.
    pub version: u64,
    pub tries: Lifecycle,
    pub used: Option<ModelUsage>,
    pub reason: Option<String>,
    pub ended_at: Option<Timestamp>,
}

/// How many free assists an account may request per day, UTC.
pub const FREE_A_DAY_MAX: u64 = 100;
const REASON_BYTES_MAX: usize = 1_000;
const FILES_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

impl Assist {
    /// Creates an assist.
    pub fn queued(facts: AssistFacts) -> Self {
        let tries = Lifecycle::owed(facts.created_at);
        Self {
            facts,
            state: AssistState::Queued,
            version: 1,
            tries,
            used: None,
            reason: None,
            ended_at: None,
        }
    }

    /// Requests the work until `until`. Fails if another worker has it or the assist has ended.
    pub fn claim(self, until: Timestamp, now: Timestamp) -> Result<AssistClaim, Busy> {
        if self.state != AssistState::Queued {
            return Err(Busy { until: now });
        }
        let tries = self.tries.taken(until, now)?;
        Ok(AssistClaim(
            AssistTransition::of(self, now).with(|row| row.tries = tries),
        ))
    }

    /// The price of the answer for the customer.
    pub fn price(&self) -> Credits {
        self.used
            .as_ref()
            .map_or(Credits::ZERO, |used| self.facts.terms.price(used.cost))
    }

    /// When the assist may be deleted, if it ended and is not kept.
    pub fn forget_at(&self) -> Option<Timestamp> {
        Some(self.ended_at?.plus(self.facts.kind.kept_for()?))
    }

    fn hold(&self) -> HoldId {
        HoldId::Assist(self.facts.id.clone())
    }
}

/// One change of an assist. The store writes it as a whole, on the version it started from.
#[must_use = "a transition has no effect until the store has written it"]
#[derive(Debug)]
pub struct AssistTransition {
    row: Assist,
    answer: Option<AssistAnswer>,
    now: Timestamp,
}

impl AssistTransition {
    fn of(mut row: Assist, now: Timestamp) -> Self {
        row.version += 1;
        Self {
            row,
            answer: None,
            now,
        }
    }

    fn with(mut self, change: impl FnOnce(&mut Assist)) -> Self {
        change(&mut self.row);
        self
    }

    fn ending(self, state: AssistState) -> Self {
        let now = self.now;
        self.with(|row| {
            row.state = state;
            row.ended_at = Some(now);
            row.tries = Lifecycle {
                attempts: row.tries.attempts,
                ..Lifecycle::default()
            };
        })
    }

    /// The row after the change.
    pub const fn row(&self) -> &Assist {
        &self.row
    }

    /// The version that the change started from.
    pub const fn from_version(&self) -> u64 {
        self.row.version - 1
    }

    /// The answer to store with the change.
    pub const fn answer(&self) -> Option<&AssistAnswer> {
        self.answer.as_ref()
    }

    /// The effect on the account's money, which is written in the same transaction.
    pub fn money(&self) -> BillingEffect {
        let (row, now) = (&self.row, self.now);
        let AssistFacts {
            id,
            account,
            terms,
            kind,
            ..
        } = &row.facts;
        match row.state {
            AssistState::Queued => BillingEffect::None,
            AssistState::Done => {
                let tokens = row
                    .used
                    .as_ref()
                    .map(|used| used.tokens)
                    .unwrap_or_default();
                let used = Delivered { pulls: 0, tokens };
                let note = format!("{}, {} tokens", kind.as_str(), tokens.total());
                BillingEffect::Billed {
                    capture: terms.settlement(account, row.hold(), row.price(), note, now),
                    usage: terms.usage(account, &UsageSource::Assist(id.clone()), used, now),
                    outlay: terms.ends(account, row.price(), used),
                }
            }
            AssistState::Failed => {
                let why = row.reason.as_deref().unwrap_or("it failed");
                let note = format!(
                    "nothing to pay for {}: {}",
                    kind.as_str(),
                    truncate(why, 200)
                );
                BillingEffect::Released {
                    release: terms.settlement(account, row.hold(), Credits::ZERO, note, now),
                    outlay: terms.ends(account, Credits::ZERO, Delivered::default()),
                }
            }
        }
    }
}

/// A request to work on an assist. The store turns it into an [`AssistLease`] or reports that it
/// was too late.
#[must_use = "a claim has no effect until the store has written it"]
#[derive(Debug)]
pub struct AssistClaim(AssistTransition);

impl AssistClaim {
    /// The write that takes the lease.
    pub const fn write(&self) -> &AssistTransition {
        &self.0
    }

    /// Returns the lease after the write succeeded.
    pub fn granted(self) -> AssistLease {
        AssistLease(self.0.row)
    }
}

/// The right to work on an assist. The transition that ends the work consumes it.
#[must_use = "a dropped lease blocks the assist until it expires"]
#[derive(Debug)]
pub struct AssistLease(Assist);

impl AssistLease {
    pub const fn row(&self) -> &Assist {
        &self.0
    }

    /// Ends the assist with its answer.
    pub fn done(self, answer: AssistAnswer, used: ModelUsage, now: Timestamp) -> AssistTransition {
        let mut ended = AssistTransition::of(self.0, now)
            .ending(AssistState::Done)
            .with(|row| row.used = Some(used));
        ended.answer = Some(answer);
        ended
    }

    /// Ends a failed attempt according to the failure's class: the assist fails, waits or is
    /// retried.
    pub fn failed(self, failure: &Failure, jitter: u64, now: Timestamp) -> AssistTransition {
        // Keep only the outermost message: people read it, and its causes may reveal internals.
        let reason = failure.source.to_string();
        match self.0.tries.failed(failure, jitter, now) {
            NextAttempt::Over => self.fail(&reason, now),
            NextAttempt::Last(_) => self.fail(&gave_up(&reason), now),
            NextAttempt::Again(next) => {
                AssistTransition::of(self.0, now).with(|row| row.tries = next)
            }
        }
    }

    fn fail(self, reason: &str, now: Timestamp) -> AssistTransition {
        let reason = truncate(reason, REASON_BYTES_MAX).to_owned();
        AssistTransition::of(self.0, now)
            .ending(AssistState::Failed)
            .with(|row| row.reason = Some(reason))
    }
}

#[cfg(test)]
mod tests;
