//! Who works on a row, until when, and how often that has failed: the same for jobs and for assists.

use crate::retry::ATTEMPTS_MAX;
use crate::time::Timestamp;
use std::time::Duration;

/// How long owed work may lie before the sweeper sends it again.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);

/// The part of a row that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifecycle {
    /// Failed tries of the present work.
    pub attempts: u32,
    /// Until when somebody works on it.
    pub lease_until: Option<Timestamp>,
    /// Nobody may work on it before.
    pub not_before: Option<Timestamp>,
    /// When the next look at it is due, if anything is owed.
    pub due_at: Option<Timestamp>,
}

/// Not now: somebody else is at work, or nobody may be. The row says when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// Until when at most.
    pub until: Timestamp,
}

impl Lifecycle {
    /// Work that is owed and that nobody has tried.
    pub fn owed(now: Timestamp) -> Self {
        Self {
            due_at: Some(now.plus(RESEND_AFTER)),
            ..Self::default()
        }
    }

    /// Takes the work until `until`, unless somebody has it or nobody may. A lease that ran out was a try that failed
    /// without a word.
    pub fn taken(self, until: Timestamp, now: Timestamp) -> Result<Self, Busy> {
        if let Some(until) = self
            .lease_until
            .max(self.not_before)
            .filter(|until| *until > now)
        {
            return Err(Busy { until });
        }
        let attempts = self
            .attempts
            .saturating_add(u32::from(self.lease_until.is_some()));
        Ok(Self {
            attempts,
            lease_until: Some(until),
            not_before: None,
            due_at: Some(until),
        })
    }

    /// Given back until then; no try is counted.
    pub const fn postponed(self, due_at: Timestamp) -> Self {
        Self {
            lease_until: None,
            not_before: Some(due_at),
            due_at: Some(due_at),
            ..self
        }
    }

    /// Given back until then after a try that failed.
    pub const fn given_back(self, due_at: Timestamp) -> Self {
        Self {
            attempts: self.attempts.saturating_add(1),
            ..self.postponed(due_at)
        }
    }

    /// Whether it has been tried so often that another try would be one too many.
    pub const fn is_worn_out(&self) -> bool {
        self.attempts >= ATTEMPTS_MAX
    }

    /// How long until it is due.
    pub fn wait(&self, now: Timestamp) -> Duration {
        self.due_at
            .map_or(Duration::ZERO, |due_at| due_at.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1_000)
    }

    #[test]
    fn one_at_a_time_and_silent_ends_count() {
        let taken = Lifecycle::owed(at(0))
            .taken(at(10), at(1))
            .expect("nobody has it");
        assert_eq!((taken.attempts, taken.due_at), (0, Some(at(10))));
        assert_eq!(taken.taken(at(30), at(9)), Err(Busy { until: at(10) }));
        let again = taken.taken(at(30), at(10)).expect("the lease ran out");
        assert_eq!(again.attempts, 1);
        let back = again.given_back(at(40));
        assert_eq!((back.attempts, back.lease_until), (2, None));
        assert_eq!(back.taken(at(60), at(39)), Err(Busy { until: at(40) }));
        assert_eq!(
            back.taken(at(60), at(40))
                .expect("its time has come")
                .attempts,
            2,
            "giving back was no silent end"
        );
        assert_eq!(back.postponed(at(50)).attempts, 2, "waiting is no try");
    }
}
