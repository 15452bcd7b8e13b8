//! The lifecycle of a row with work to do: lease, attempts, and when it is due.

use crate::retry::{ATTEMPTS_MAX, Failure, OUTAGE_MAX, OwnLimit, Retry, backoff, outage_wait};
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
    /// Since when every attempt has met an outage.
    pub outage_since: Option<Timestamp>,
    /// When the row is next due, if work is pending.
    pub due_at: Option<Timestamp>,
}

/// What a failed attempt means for its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextAttempt {
    /// No other attempt resolves it.
    Over,
    /// That was the last attempt.
    Last(Lifecycle),
    /// The row waits for its next attempt.
    Again(Lifecycle),
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
            ..self
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

    /// Decides what a failed attempt means for the row. `jitter` is that of [`backoff`].
    pub fn failed(self, failure: &Failure, jitter: u64, now: Timestamp) -> NextAttempt {
        let answered = Self {
            outage_since: None,
            ..self
        };
        match failure.retry {
            Retry::Never => NextAttempt::Over,
            Retry::After(wait) if failure.source.is::<OwnLimit>() => {
                NextAttempt::Again(self.postponed(now.plus(wait)))
            }
            Retry::After(wait) | Retry::Alarm(wait) => {
                NextAttempt::Again(answered.postponed(now.plus(wait)))
            }
            Retry::Soon => answered.counted(now.plus(backoff(self.attempts, jitter))),
            Retry::Outage => {
                let since = self.outage_since.unwrap_or(now);
                let lasted = now.since(since);
                let due_at = now.plus(outage_wait(lasted, jitter));
                let away = Self {
                    outage_since: Some(since),
                    ..self
                };
                if lasted < OUTAGE_MAX {
                    NextAttempt::Again(away.postponed(due_at))
                } else {
                    away.counted(due_at)
                }
            }
        }
    }

    const fn counted(self, due_at: Timestamp) -> NextAttempt {
        let next = self.given_back(due_at);
        if next.is_worn_out() {
            NextAttempt::Last(next)
        } else {
            NextAttempt::Again(next)
        }
    }

    /// Whether the next attempt may not begin yet.
    pub fn is_early(&self, now: Timestamp) -> bool {
        self.not_before.is_some_and(|moment| moment > now)
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

    fn failure(retry: Retry) -> Failure {
        Failure {
            retry,
            source: "x".into(),
        }
    }

    /// GitHub is down for days: no attempt is counted for two days, and twelve are counted then.
    #[test]
    fn an_outage_counts_no_attempt_for_two_days() {
        let (mut tries, mut now, mut made) = (Lifecycle::owed(at(0)), at(0), 0);
        let last = loop {
            made += 1;
            match tries.failed(&failure(Retry::Outage), 0, now) {
                NextAttempt::Again(next) => tries = next,
                NextAttempt::Last(last) => break last,
                NextAttempt::Over => panic!("an outage is not final"),
            }
            let counted = now.since(at(0)) >= OUTAGE_MAX;
            assert_eq!(tries.attempts > 0, counted, "at {now}");
            now = tries.due_at.expect("it is due");
        };
        assert_eq!(last.attempts, ATTEMPTS_MAX);
        assert!(made < 250, "{made} attempts in two days");
    }

    /// An answer ends the outage, whatever it says. Our own limit is no answer.
    #[test]
    fn an_answer_ends_an_outage() {
        let down = |tries: Lifecycle, now| match tries.failed(&failure(Retry::Outage), 0, now) {
            NextAttempt::Again(next) => next,
            other => panic!("{other:?}"),
        };
        let away = down(down(Lifecycle::owed(at(0)), at(0)), at(100));
        assert_eq!((away.attempts, away.outage_since), (0, Some(at(0))));
        let wait = Duration::from_secs(5);
        for (retry, attempts, since) in [
            (Retry::Soon, 1, None),
            (Retry::Alarm(wait), 0, None),
            (Retry::After(wait), 0, None),
        ] {
            let NextAttempt::Again(next) = away.failed(&failure(retry), 0, at(200)) else {
                panic!("{retry:?} is not final");
            };
            assert_eq!((next.attempts, next.outage_since), (attempts, since));
        }
        let limited = Failure::after(wait, OwnLimit("enough for now"));
        let NextAttempt::Again(next) = away.failed(&limited, 0, at(200)) else {
            panic!("a limit is not final");
        };
        assert_eq!((next.attempts, next.outage_since), (0, Some(at(0))));
        assert_eq!(
            away.failed(&failure(Retry::Never), 0, at(200)),
            NextAttempt::Over
        );
        assert!(away.is_early(at(199)) && !away.is_early(at(200)));
    }
}
