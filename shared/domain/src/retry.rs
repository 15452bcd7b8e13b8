//! Retry classes: whether and when failed work is attempted again.
//!
//! Every adapter's error states its class through [`Retryable`]. The `?` operator turns such an error into a [`Failure`],
//! which carries the class and the cause to the queue.

use crate::time::Timestamp;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// How a failed piece of work is to be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The next attempt may well succeed: a throttle, a timeout, a conflict.
    Soon,
    /// Not before this much time has passed: a rate limit, a lease of somebody else, a thing that is not there yet.
    After(Duration),
    /// Like [`Retry::After`], but the cause is our own credentials or set-up, so somebody must be woken.
    Alarm(Duration),
    /// Never: the same input will fail the same way.
    Never,
}

/// An error that knows whether trying again makes sense. Implement it with a match that has no wildcard.
pub trait Retryable: Error + Send + Sync + 'static {
    /// The class of this error.
    fn retry(&self) -> Retry;
}

/// A failed piece of work on its way to the queue: the class and the cause.
#[derive(Debug)]
pub struct Failure {
    /// What the queue shall do.
    pub retry: Retry,
    /// Why; logged once, at the boundary, with its whole chain.
    pub source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure that no other attempt will mend.
    pub fn never(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            retry: Retry::Never,
            source: why.into(),
        }
    }

    /// Work that has to wait for a known time.
    pub fn after(wait: Duration, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            retry: Retry::After(wait),
            source: why.into(),
        }
    }

    /// The same failure of work whose row has been given its moment: the message comes back then.
    #[must_use]
    pub fn due_in(self, wait: Duration) -> Self {
        let retry = match self.retry {
            Retry::Soon | Retry::After(_) => Retry::After(wait),
            Retry::Alarm(_) => Retry::Alarm(wait),
            Retry::Never => Retry::Never,
        };
        Self {
            retry,
            source: self.source,
        }
    }

    /// The causes, outermost first, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.source.to_string();
        let mut next = self.source.source();
        while let Some(cause) = next {
            text.push_str(": ");
            text.push_str(&cause.to_string());
            next = cause.source();
        }
        text
    }
}

impl<E: Retryable> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            retry: error.retry(),
            source: Box::new(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.chain())
    }
}

/// What a handler did with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It acted, and what came of it. "The job failed" is an answer too, not an error.
    Applied(String),
    /// Somebody had already done it.
    Duplicate,
    /// We do not act on this, and why.
    Ignored(&'static str),
    /// It is about money or a promise, and nobody knows whose. A person has to say so; then it is acted on.
    Unattributed(&'static str),
    /// An operator has stopped this kind of work. The row goes on pending it, and the sweeper sends it once it may go on.
    Waiting(&'static str),
}

/// What is to happen with a message whose work failed, after its row has been dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFate {
    /// Try again after this while.
    Retry(Duration),
    /// Its row was brought to an end; the message is done with.
    Acknowledge,
}

impl MessageFate {
    /// The fate of a message whose row says itself when it is due: it comes back at about that time, and what has failed
    /// for good is over. `tries` and `jitter` are those of [`backoff`].
    pub fn of(retry: Retry, tries: u32, jitter: u64) -> Self {
        match retry {
            Retry::Soon => Self::Retry(backoff(tries, jitter)),
            Retry::After(wait) | Retry::Alarm(wait) => Self::Retry(wait),
            Retry::Never => Self::Acknowledge,
        }
    }
}

/// What a try that failed means for the row it was made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// No other try will mend it.
    Over,
    /// It waits until then for what is not its fault; no try is counted.
    Later(Timestamp),
    /// It is tried again then; a try is counted.
    Again(Timestamp),
}

impl NextAttempt {
    /// By the class of the failure and the tries that failed before. `jitter` is that of [`backoff`].
    pub fn after(failure: &Failure, attempts: u32, jitter: u64, now: Timestamp) -> Self {
        match failure.retry {
            Retry::Never => Self::Over,
            Retry::After(wait) | Retry::Alarm(wait) => Self::Later(now.plus(wait)),
            Retry::Soon => Self::Again(now.plus(backoff(attempts, jitter))),
        }
    }
}

/// What is said of work that was tried too often.
pub fn gave_up(reason: &str) -> String {
    format!("gave up after {ATTEMPTS_MAX} tries: {reason}")
}

/// Attempts on one row before it is failed for a human to look at.
pub const ATTEMPTS_MAX: u32 = 12;

/// The wait before attempt `attempt + 1`: one second, doubled each time, at most fifteen minutes. `jitter` is any random
/// number; up to a quarter of the wait is taken off by it, so that failures of one cause do not come back together.
pub fn backoff(attempt: u32, jitter: u64) -> Duration {
    let full = 1_000_u64.saturating_mul(1 << attempt.min(10)).min(900_000);
    Duration::from_millis(full - jitter % (full / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_within_bounds() {
        for (attempt, jitter, expected) in [
            (0, 0, 1_000),
            (1, 0, 2_000),
            (3, 0, 8_000),
            (30, 0, 900_000),
            (0, 249, 751),
            (0, 250, 1_000),
        ] {
            assert_eq!(
                backoff(attempt, jitter),
                Duration::from_millis(expected),
                "attempt {attempt} jitter {jitter}"
            );
        }
    }
}
