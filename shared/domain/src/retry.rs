//! Retry classes: whether and when failed work is attempted again.
//!
//! Every adapter's error states its class through [`Retryable`]. The `?` operator converts such an
//! error to a [`Failure`], which carries the class and the cause to the queue.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// When failed work may be attempted again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The next attempt may well succeed: a throttle, a timeout, a conflict.
    Soon,
    /// A vendor or a service is down: it failed on its own, timed out or could not be reached. This
    /// says nothing about the work, so it counts no attempt before [`OUTAGE_MAX`] has passed.
    Outage,
    /// Not before this much time has passed: a rate limit, another worker's lease, an object that
    /// is not visible yet.
    After(Duration),
    /// Like [`Retry::After`], but the cause is our own credentials or configuration, so an operator
    /// is alerted.
    Alarm(Duration),
    /// The same input fails the same way.
    Never,
}

impl Retry {
    /// Whether the same call may well succeed if it is repeated at once.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Soon | Self::Outage)
    }
}

/// An error that knows whether another attempt makes sense. Implement it with a match without a
/// wildcard.
pub trait Retryable: Error + Send + Sync + 'static {
    /// The class of this error.
    fn retry(&self) -> Retry;
}

/// Failed work on its way to the queue: the class and the cause.
#[derive(Debug)]
pub struct Failure {
    pub retry: Retry,
    /// The cause; logged once, at the boundary, with its whole chain.
    pub source: Box<dyn Error + Send + Sync>,
}

/// Work waits for a limit of our own. That says nothing about the vendor, whose outage may still
/// last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnLimit(pub &'static str);

impl fmt::Display for OwnLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for OwnLimit {}

impl Failure {
    /// A failure that no other attempt resolves.
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

    /// The same failure after the row was given its due time: the message returns then.
    #[must_use]
    pub fn due_in(self, wait: Duration) -> Self {
        let retry = match self.retry {
            Retry::Soon | Retry::Outage | Retry::After(_) => Retry::After(wait),
            Retry::Alarm(_) => Retry::Alarm(wait),
            Retry::Never => Retry::Never,
        };
        Self {
            retry,
            source: self.source,
        }
    }

    /// The causes in one line, outermost first.
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

/// The result of handling a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// It acted; the text describes the result. "The job failed" is a result too, not an error.
    Applied(String),
    Duplicate,
    /// Tallyhook does not act on this; the text contains the reason.
    Ignored(&'static str),
    /// It concerns money, but the account is unknown. After an operator names the account, it is
    /// acted on.
    Unattributed(&'static str),
    /// An operator has stopped this kind of work. The row stays pending, and the sweeper sends it
    /// when the work may continue.
    Waiting(&'static str),
}

/// What to do with a message whose work failed, after its row has been updated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageFate {
    Retry(Duration),
    /// The row has ended; the message is done.
    Acknowledge,
    /// The row waits, and the sweeper or another copy of the message brings it back.
    Drop,
}

impl MessageFate {
    /// The failure of a message whose row was given its own due time: the message is sent again for
    /// then, so that no number of attempts turns it into a dead letter.
    pub fn of_row(self, failure: Failure) -> Failure {
        match self {
            Self::Retry(wait) => failure.due_in(wait),
            Self::Acknowledge | Self::Drop => failure,
        }
    }

    /// The fate of a message whose row holds its own due time. `tries` and `jitter` are those of
    /// [`backoff`].
    pub fn of(retry: Retry, tries: u32, jitter: u64) -> Self {
        match retry {
            Retry::Soon => Self::Retry(backoff(tries, jitter)),
            // The sweeper continues, so that no outage turns a message into a dead letter.
            Retry::Outage if tries >= OUTAGE_RECEIVES_MAX => Self::Drop,
            Retry::Outage => Self::Retry(backoff(tries, jitter)),
            Retry::After(wait) | Retry::Alarm(wait) => Self::Retry(wait),
            Retry::Never => Self::Acknowledge,
        }
    }
}

/// The reason to store when all attempts are used.
pub fn gave_up(reason: &str) -> String {
    format!("gave up after {ATTEMPTS_MAX} attempts: {reason}")
}

/// Attempts on one row before it fails.
pub const ATTEMPTS_MAX: u32 = 12;

/// How long an outage lasts before failed attempts count against a row. GitHub's longest incident
/// took a little more than a day.
pub const OUTAGE_MAX: Duration = Duration::from_secs(2 * 86_400);

/// How often one message is received during an outage. It is below the queues' limit, after which a
/// message is a dead letter.
const OUTAGE_RECEIVES_MAX: u32 = 10;

/// The longest wait between two attempts.
const WAIT_MAX_MILLIS: u64 = 900_000;

/// The wait before attempt `attempt + 1`: one second, doubled each time, at most fifteen minutes.
/// `jitter` is any random number; it shortens the wait by up to a quarter, so that failures with
/// one cause do not return together.
pub fn backoff(attempt: u32, jitter: u64) -> Duration {
    shortened(1_000_u64.saturating_mul(1 << attempt.min(10)), jitter)
}

/// The wait before the next attempt during an outage: as long as the outage has lasted, within the
/// bounds of [`backoff`], so that the waits double without a count of the attempts.
pub fn outage_wait(lasted: Duration, jitter: u64) -> Duration {
    let lasted = u64::try_from(lasted.as_millis()).unwrap_or(WAIT_MAX_MILLIS);
    shortened(lasted.max(1_000), jitter)
}

fn shortened(millis: u64, jitter: u64) -> Duration {
    let full = millis.min(WAIT_MAX_MILLIS);
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

    #[test]
    fn an_outage_is_tried_less_and_less_often_and_never_by_a_dead_letter() {
        let seconds = |lasted| outage_wait(Duration::from_secs(lasted), 0).as_secs();
        assert_eq!(
            [0, 1, 7, 400, 900, 86_400].map(seconds),
            [1, 1, 7, 400, 900, 900]
        );
        let mut receives = 1..20;
        let dropped =
            receives.find(|count| MessageFate::of(Retry::Outage, *count, 0) == MessageFate::Drop);
        assert_eq!(dropped, Some(OUTAGE_RECEIVES_MAX));
    }
}
