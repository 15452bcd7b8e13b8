//! Reports an account's usage on one meter, and decides what happens to a record that Stripe does
//! not accept.

use boot::Outside;
use domain::billing::subscriptions::Subscription;
use domain::billing::usage::{
    AccountMeter, ReportAction, Usage, carried_to, may_be_late, report_action,
};
use domain::retry::{Failure, Retry, backoff};
use domain::time::Timestamp;
use std::time::Duration;
use store::{Owed, Store};
use stripe_api::{Reported, StripeApi, UsageReport};

/// The number of records to list at once.
const BATCH: i32 = 25;
/// The time to reserve for one batch. If less is left, the remaining records wait until they are
/// due again.
const TIME_FOR_A_BATCH: Duration = Duration::from_secs(30);
const MINUTE_MILLIS: i64 = 60_000;

/// Reports for one account and meter; only one worker does so at a time.
pub struct Reporter<'a> {
    store: &'a Store,
    stripe: &'a StripeApi,
    outside: &'a Outside,
    /// The subscriptions that Stripe bills the account by. Read once, and only when a record may be
    /// late.
    subscriptions: Option<Vec<Subscription>>,
}

impl<'a> Reporter<'a> {
    pub const fn new(store: &'a Store, stripe: &'a StripeApi, outside: &'a Outside) -> Self {
        Self {
            store,
            stripe,
            outside,
            subscriptions: None,
        }
    }

    /// Reports one batch after another while there is time, and returns how many records it
    /// reported.
    pub async fn report_all(
        &mut self,
        debts: &AccountMeter,
        until: Timestamp,
    ) -> Result<usize, Failure> {
        let mut reported = 0;
        loop {
            let mut batch = self.store.owed_list(debts, BATCH).await?;
            let (now, before, count) = (self.outside.now(), reported, batch.len());
            for owed in batch
                .iter_mut()
                .filter(|owed| owed.not_before.is_none_or(|moment| moment <= now))
            {
                match self.report(owed).await {
                    Ok(()) => reported += 1,
                    Err(failure) if failure.retry == Retry::Never => {
                        self.set_stuck(owed, &failure.source.to_string()).await?
                    }
                    Err(failure) => {
                        let wait = self.postpone(owed, failure.retry).await?;
                        return Err(failure.due_in(wait));
                    }
                }
            }
            let last = i32::try_from(count).unwrap_or(BATCH) < BATCH || reported == before;
            if last || until.since(self.outside.now()) < TIME_FOR_A_BATCH {
                return Ok(reported);
            }
        }
    }

    /// Reports a record, unless Stripe has already counted it.
    async fn report(&mut self, owed: &mut Owed) -> Result<(), Failure> {
        let now = self.outside.now();
        let carry = match owed.first_attempt {
            None => self.carried_to(&owed.usage, now).await?,
            Some(_) => owed.carried_to,
        };
        match report_action(carry.unwrap_or(owed.usage.at), owed.first_attempt, now) {
            ReportAction::Send => self.send(owed, carry).await?,
            ReportAction::LookUp => self.look_up(owed).await?,
            ReportAction::TooOld => {
                return Err(Failure::never("Stripe does not accept usage this old"));
            }
        }
        self.store.usage_reported(owed, self.outside.now()).await?;
        Ok(())
    }

    /// Returns the moment to report for a record without an attempt, if its own moment would no
    /// longer be billed.
    async fn carried_to(
        &mut self,
        usage: &Usage,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        if !may_be_late(usage.at, now) {
            return Ok(None);
        }
        if self.subscriptions.is_none() {
            let account = self.store.account_find_whole(&usage.account).await?;
            let contracts = account.map(|(_, contracts)| contracts.subscriptions);
            self.subscriptions = Some(contracts.unwrap_or_default());
        }
        let subscriptions = self.subscriptions.as_deref().unwrap_or_default();
        Ok(carried_to(usage.at, subscriptions, now))
    }

    async fn send(&self, owed: &mut Owed, carry: Option<Timestamp>) -> Result<(), Failure> {
        // Stored before the call: after a lost response, the same record with the same moment is
        // sent again.
        self.store
            .owed_attempt(owed, carry, self.outside.now())
            .await?;
        let usage = &owed.usage;
        let report = UsageReport {
            event_name: usage.meter.as_str(),
            customer: &usage.customer,
            value: usage.value,
            identifier: &usage.identifier.to_string(),
            timestamp: owed.moment(),
        };
        match self.stripe.usage_report(&report).await? {
            Reported::Accepted | Reported::AlreadyThere => Ok(()),
        }
    }

    /// Asks Stripe what it has counted in the record's minute, because Stripe may have forgotten
    /// the identifier. If it counted all our attempts, the record is reported. If it counted only
    /// the reported ones, the record is sent again. A person has to look at any other total.
    async fn look_up(&self, owed: &mut Owed) -> Result<(), Failure> {
        let usage = &owed.usage;
        let minute = owed.moment().millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS;
        let from = Timestamp::from_millis(minute);
        let until = from.plus(Duration::from_secs(60));
        let meter = self.stripe.meter_find(usage.meter.as_str()).await?;
        let meter =
            meter.ok_or_else(|| Failure::never("Stripe has no active meter of this name"))?;
        let last = Timestamp::from_millis(until.millis() - 1);
        let counted = self
            .stripe
            .usage_total(&meter, &usage.customer, from, last)
            .await?;
        let debts = AccountMeter {
            account: usage.account.clone(),
            meter: usage.meter.clone(),
        };
        let reported = self.store.usage_total(&debts, from, until).await?;
        let attempted = self.store.tried_total(&debts, from, until).await?;
        if counted == reported.saturating_add(attempted) {
            return Ok(());
        }
        if counted == reported {
            let carry = owed.carried_to;
            return self.send(owed, carry).await;
        }
        Err(Failure::never(format!(
            "Stripe counted {counted} in this minute; {reported} were reported and {attempted} attempted"
        )))
    }

    async fn set_stuck(&self, owed: &Owed, reason: &str) -> Result<(), Failure> {
        tracing::error!(usage.id = %owed.usage.id, reason, alarm = true, "Stripe does not accept this usage; an operator has to decide");
        self.store
            .usage_park(owed, reason, self.outside.now())
            .await?;
        Ok(())
    }

    async fn postpone(&self, owed: &Owed, retry: Retry) -> Result<Duration, Failure> {
        let wait = match retry {
            Retry::Soon | Retry::Outage | Retry::Never => {
                backoff(owed.attempts, (self.outside.random)())
            }
            Retry::After(wait) | Retry::Alarm(wait) => wait,
        };
        self.store
            .owed_postpone(owed, self.outside.now().plus(wait))
            .await?;
        Ok(wait)
    }
}
