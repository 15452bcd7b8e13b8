//! Assists: small pieces of model work with an answer to read, and no pull request.
//!
//! Owns what can be asked, what may be asked with it, and an assist's way from `QUEUED` to `DONE` or `FAILED`. Whoever works
//! on one has a [`AssistLease`], which a [`AssistTransition`] spends; late writers fail on the version. What an end means for the money
//! follows from the assist's terms, so that it is written with the end or not at all: an answer is paid for once, and an
//! assist without one costs nothing.

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
use crate::jobs::{BillingEffect, Delivered, Terms};
use crate::ledger::HoldId;
use crate::retry::{ATTEMPTS_MAX, Failure, NextAttempt, gave_up};
use crate::text::{truncate, words};
use crate::time::Timestamp;
use crate::units::Credits;
use crate::work::{Busy, Lifecycle};
use std::time::Duration;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssistTask {
    /// Say in words what a commit changes.
    CommitSummary(CommitRef),
    /// Say how well test files suit.
    TestAnalysis(TestAnalysis),
    /// Put tests into a file.
    TestIntegration(TestIntegration),
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssistAnswer {
    /// What the commit changes.
    CommitSummary(SummaryText),
    /// The test files, the best first.
    TestAnalysis(Vec<FileScore>),
    /// The file with the tests in it.
    TestIntegration(IntegratedFile),
}

words! {
    /// What kind of assist it is.
    AssistKind {
        /// A commit in words.
        CommitSummary = "commit_summary",
        /// Test files with their scores.
        TestAnalysis = "test_analysis",
        /// A file with tests put into it.
        TestIntegration = "test_integration",
    }
}

impl AssistKind {
    /// How long it is kept after its end; a commit's summary stays, since the commit does. Files that were sent do not.
    pub const fn kept_for(self) -> Option<Duration> {
        match self {
            Self::CommitSummary => None,
            Self::TestAnalysis | Self::TestIntegration => Some(FILES_KEPT_FOR),
        }
    }
}

impl AssistTask {
    /// Its kind.
    pub const fn kind(&self) -> AssistKind {
        match self {
            Self::CommitSummary(_) => AssistKind::CommitSummary,
            Self::TestAnalysis(_) => AssistKind::TestAnalysis,
            Self::TestIntegration(_) => AssistKind::TestIntegration,
        }
    }
}

words! {
    /// Where an assist stands.
    AssistState {
        /// It is to be worked on, or is.
        Queued = "QUEUED",
        /// It has its answer.
        Done = "DONE",
        /// It cannot be answered.
        Failed = "FAILED",
    }
}

/// What never changes in an assist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssistFacts {
    /// Its id.
    pub id: AssistId,
    /// Whose it is.
    pub account: AccountId,
    /// What kind it is.
    pub kind: AssistKind,
    /// How it is paid for.
    pub terms: Terms,
    /// When it was asked for.
    pub created_at: Timestamp,
}

/// What the model took for the answer that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelUsage {
    /// The model, as its provider named it.
    pub model: String,
    /// What it read and wrote.
    pub tokens: Tokens,
    /// What that costs before the markup.
    pub cost: Credits,
}

/// An assist with everything on its row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assist {
    /// What never changes.
    pub facts: AssistFacts,
    /// Where it stands.
    pub state: AssistState,
    /// How often it was written; every write names the version it came from.
    pub version: u64,
    /// Who works on it, and how often that has failed.
    pub tries: Lifecycle,
    /// What the answer took.
    pub used: Option<ModelUsage>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Assists that an account may ask for in a day, UTC, that cost nothing.
pub const FREE_A_DAY_MAX: u64 = 100;
const REASON_BYTES_MAX: usize = 1_000;
const FILES_KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);

impl Assist {
    /// A new one.
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

    /// Asks for the work until `until`, unless somebody else has it or it is over.
    pub fn claim(self, until: Timestamp, now: Timestamp) -> Result<AssistClaim, Busy> {
        if self.state != AssistState::Queued {
            return Err(Busy { until: now });
        }
        let tries = self.tries.taken(until, now)?;
        Ok(AssistClaim(
            AssistTransition::of(self, now).with(|row| row.tries = tries),
        ))
    }

    /// What the answer costs whoever pays it.
    pub fn price(&self) -> Credits {
        self.used
            .as_ref()
            .map_or(Credits::ZERO, |used| self.facts.terms.price(used.cost))
    }

    /// From when on it may be forgotten, if it is over and not for keeping.
    pub fn forget_at(&self) -> Option<Timestamp> {
        Some(self.ended_at?.plus(self.facts.kind.kept_for()?))
    }

    fn hold(&self) -> HoldId {
        HoldId::Assist(self.facts.id.clone())
    }
}

/// One change of an assist, to be written whole or not at all, and only on the version it came from.
#[must_use = "a move is nothing until the store has written it"]
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

    /// The row afterwards.
    pub const fn row(&self) -> &Assist {
        &self.row
    }

    /// The version it was decided on.
    pub const fn from_version(&self) -> u64 {
        self.row.version - 1
    }

    /// The answer that is kept with it.
    pub const fn answer(&self) -> Option<&AssistAnswer> {
        self.answer.as_ref()
    }

    /// What it means for the money, to be written with it.
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
                let note = format!(
                    "{}, {} tokens",
                    kind.as_str(),
                    tokens.input.saturating_add(tokens.output)
                );
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

/// The wish to work on an assist; the store turns it into a [`AssistLease`] or says that it came too late.
#[must_use = "a claim is nothing until the store has written it"]
#[derive(Debug)]
pub struct AssistClaim(AssistTransition);

impl AssistClaim {
    /// The write that takes the lease.
    pub const fn write(&self) -> &AssistTransition {
        &self.0
    }

    /// The lease, once that write has succeeded.
    pub fn granted(self) -> AssistLease {
        AssistLease(self.0.row)
    }
}

/// The right to work. It is spent by the move that ends the work.
#[must_use = "a lease that is dropped blocks the assist until it runs out"]
#[derive(Debug)]
pub struct AssistLease(Assist);

impl AssistLease {
    /// The assist as it stands under this lease.
    pub const fn row(&self) -> &Assist {
        &self.0
    }

    /// Ends it with its answer.
    pub fn done(self, answer: AssistAnswer, used: ModelUsage, now: Timestamp) -> AssistTransition {
        let mut ended = AssistTransition::of(self.0, now)
            .ending(AssistState::Done)
            .with(|row| row.used = Some(used));
        ended.answer = Some(answer);
        ended
    }

    /// Ends a try that failed, as its class says: the assist fails, waits, or is tried again.
    pub fn failed(self, failure: &Failure, jitter: u64, now: Timestamp) -> AssistTransition {
        // The outermost words only: people read them, and what is below may name our insides.
        let reason = failure.source.to_string();
        let tries = self.0.tries;
        match NextAttempt::after(failure, tries.attempts, jitter, now) {
            NextAttempt::Over => self.fail(&reason, now),
            NextAttempt::Later(due_at) => {
                AssistTransition::of(self.0, now).with(|row| row.tries = tries.postponed(due_at))
            }
            NextAttempt::Again(_) if tries.attempts.saturating_add(1) >= ATTEMPTS_MAX => {
                self.fail(&gave_up(&reason), now)
            }
            NextAttempt::Again(due_at) => {
                AssistTransition::of(self.0, now).with(|row| row.tries = tries.given_back(due_at))
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
