//! The lifecycle of a row with work to do: lease, attempts, and when it is due.

use crate::retry::ATTEMPTS_MAX;
use crate::time::Timestamp;
use std::time::Duration;

/// The time after which the sweeper sends pending work again.
pub const RESEND_AFTER: Duration = Duration::from_secs(60);

/// The lifecycle fields of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lifecycle {
    pub attempts: u32,
    /// The end of the current worker's lease.
    pub lease_until: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    /// When the row is next due, if work is pending.
    pub due_at: Option<Timestamp>,
}

/// The work is leased, or may not start yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy {
    /// When it is available at the latest.
    pub until: Timestamp,
}

impl Lifecycle {
    /// New work that nobody has attempted.
    pub fn owed(now: Timestamp) -> Self {
        Self {
            due_at: Some(now.plus(RESEND_AFTER)),
            ..Self::default()
        }
    }

    /// Takes the lease until `until`. A lease that expired counts as a failed attempt.
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

    /// Returns the work until `due_at` without counting an attempt.
    pub const fn postponed(self, due_at: Timestamp) -> Self {
        Self {
            lease_until: None,
            not_before: Some(due_at),
            due_at: Some(due_at),
            ..self
        }
    }

    /// Returns the work until `due_at` after a failed attempt.
    pub const fn given_back(self, due_at: Timestamp) -> Self {
        Self {
            attempts: self.attempts.saturating_add(1),
            ..self.postponed(due_at)
        }
    }

    /// Whether all attempts are used.
    pub const fn is_worn_out(&self) -> bool {
        self.attempts >= ATTEMPTS_MAX
    }

    /// How long until the row is due.
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
