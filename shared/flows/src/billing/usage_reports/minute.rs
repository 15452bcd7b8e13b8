//! Looks up what Stripe has counted in a minute, and decides about all records of that minute at
//! once, because Stripe names a sum and no identifiers.

use super::{MeterLease, Reporter, Step, TOO_OLD, UNBILLED};
use domain::billing::usage::{AbsentAction, Counted, SUMMARY_LAG, absent_action, tell_apart};
use domain::retry::Failure;
use domain::time::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Owed, UsageRow};

const MINUTE_MILLIS: i64 = 60_000;

/// The records of one minute.
struct Minute {
    reported: Vec<UsageRow>,
    /// The records that were sent and are still owed.
    sent: Vec<Owed>,
    /// What Stripe has counted.
    counted: u64,
}

impl Minute {
    /// What was reported, what was sent, and what Stripe has counted, for people.
    fn words(&self) -> String {
        let reported = self.reported_sum();
        let sent = self.sent.len();
        format!(
            "Stripe counted {} in this minute; {reported} were reported, and {sent} records may have been",
            self.counted
        )
    }

    fn reported_sum(&self) -> u64 {
        let values = self.reported.iter().map(|row| row.usage.value);
        values.fold(0, u64::saturating_add)
    }

    /// The last time at which anything with a timestamp in the minute was sent.
    fn last_sent(&self) -> Option<Timestamp> {
        let reported = self.reported.iter().filter_map(|row| row.reported_at);
        let sent = self.sent.iter().filter_map(|owed| owed.attempts_made);
        reported.chain(sent.map(|made| made.last)).max()
    }
}

impl Reporter<'_> {
    /// Asks Stripe what it has counted in the record's minute. A counted record is reported. The
    /// attempts of a missing one are void, once Stripe had the time to count it. If the count fits to
    /// no choice of the records, or to several, a person has to look at all of them.
    pub(super) async fn look_up(
        &self,
        lease: &MeterLease<'_>,
        owed: &Owed,
    ) -> Result<Step, Failure> {
        let minute = self.minute(lease, owed).await?;
        let values: Vec<u64> = minute.sent.iter().map(|sent| sent.usage.value).collect();
        let now = (self.now)();
        match tell_apart(minute.counted, minute.reported_sum(), &values) {
            Counted::All => {
                for one in &minute.sent {
                    self.store.usage_reported(one, now).await?;
                }
            }
            found => {
                if let Some(wait) = waits(&minute, now) {
                    return Ok(Step::Waits(wait));
                }
                match found {
                    Counted::These(counted) => self.divide(lease, &minute, &counted).await?,
                    Counted::All | Counted::Unclear => {
                        for one in &minute.sent {
                            self.set_stuck(one, &minute.words()).await?;
                        }
                    }
                }
            }
        }
        Ok(Step::Again)
    }

    async fn minute(&self, lease: &MeterLease<'_>, owed: &Owed) -> Result<Minute, Failure> {
        let usage = &owed.usage;
        let start = owed.moment().millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS;
        let from = Timestamp::from_millis(start);
        let until = from.plus(Duration::from_secs(60));
        let meter = self.stripe.meter_find(usage.meter.as_str()).await?;
        let meter =
            meter.ok_or_else(|| Failure::never("Stripe has no active meter of this name"))?;
        let last = Timestamp::from_millis(until.millis() - 1);
        let counted = self
            .stripe
            .usage_total(&meter, &usage.customer, from, last)
            .await?;
        let span = (from, until);
        Ok(Minute {
            reported: self.store.reported_within(lease.debts, span).await?,
            sent: self.store.attempted_within(lease.debts, span).await?,
            counted,
        })
    }

    /// Voids the attempts of the missing records, then records the counted ones as reported. In this
    /// order, a process that dies in between leaves a minute whose rest is still told apart.
    async fn divide(
        &self,
        lease: &MeterLease<'_>,
        minute: &Minute,
        counted: &BTreeSet<usize>,
    ) -> Result<(), Failure> {
        let now = (self.now)();
        let is_counted = |place: usize| counted.contains(&place);
        for (place, one) in minute.sent.iter().enumerate() {
            let Some(made) = one.attempts_made.filter(|_| !is_counted(place)) else {
                continue;
            };
            let billed = self.billed(lease, one.usage.at);
            match absent_action(one.usage.at, made.last, billed, now) {
                AbsentAction::Wait(_) => {}
                AbsentAction::Restart => {
                    // Of several, which one is missing is not known, only how many. Stripe might
                    // still know the identifier of any.
                    let identifier = if counted.is_empty() {
                        one.usage.identifier.clone()
                    } else {
                        one.usage.identifier.next()
                    };
                    self.store.owed_restart(one, &identifier, now).await?;
                }
                AbsentAction::TooOld => self.set_stuck(one, TOO_OLD).await?,
                AbsentAction::Unbilled => self.set_stuck(one, UNBILLED).await?,
            }
        }
        for (place, one) in minute.sent.iter().enumerate() {
            if is_counted(place) {
                self.store.usage_reported(one, now).await?;
            }
        }
        Ok(())
    }
}

/// How long to wait until Stripe's summaries show everything that was sent.
fn waits(minute: &Minute, now: Timestamp) -> Option<Duration> {
    let passed = now.since(minute.last_sent()?);
    (passed < SUMMARY_LAG).then(|| SUMMARY_LAG - passed)
}
