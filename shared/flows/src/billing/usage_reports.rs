//! Reports an account's usage on one meter to Stripe, and cancels or credits reports that an operator
//! takes back.
//!
//! Safe to run twice: a record's identifier and value are fixed, and each attempt is recorded with
//! the timestamp to report before the call, unless the invoice of that timestamp is final. A record
//! that may have reached Stripe, and that must not simply be sent again, is looked up first.

mod credits;
mod minute;

use domain::billing::entitlements::bills;
use domain::billing::plans::Catalogue;
use domain::billing::subscriptions::Subscription;
use domain::billing::usage::{
    AccountMeter, Billed, MeterContract, ReportAction, Usage, report_action,
};
use domain::ids::AccountId;
use domain::retry::{Failure, Retry, Retryable, backoff};
use domain::time::Timestamp;
use std::time::Duration;
use store::{Attempted, Cancelling, Owed, ReportClaim, Store};
use stripe_api::{Reported, StripeApi, UsageReport};

/// The number of records to list at once. Those that wait for a later time are among them.
const BATCH: i32 = 100;
/// The time to reserve for one batch. If less is left, the remaining records wait until they are
/// due again.
const TIME_FOR_A_BATCH: Duration = Duration::from_secs(30);
/// The longest wait for another worker. That worker usually finishes in a moment, and records that
/// became due after it listed them must not wait for its whole claim.
const HELD_WAIT: Duration = Duration::from_secs(3);
/// How long a customer's request may spend on reporting what is owed before it changes what bills
/// it.
const FLUSH: Duration = Duration::from_secs(20);

const TOO_OLD: &str = "Stripe does not accept usage this old";
const UNBILLED: &str = "no subscription bills this usage, because it ended or its plan changed";

/// Reports usage; only one worker at a time does so for an account and a meter.
#[derive(Clone, Copy)]
pub struct Reporter<'a> {
    pub store: &'a Store,
    pub stripe: &'a StripeApi,
    pub catalogue: &'a Catalogue,
    pub now: &'a (dyn Fn() -> Timestamp + Send + Sync),
    pub random: &'a (dyn Fn() -> u64 + Send + Sync),
}

/// What a worker knows while it holds the lease of an account's meter.
struct MeterLease<'a> {
    debts: &'a AccountMeter,
    until: Timestamp,
    billed_until: Option<Timestamp>,
    subscriptions: Vec<Subscription>,
}

/// What became of a record.
enum Step {
    Reported,
    /// It has to be decided about again.
    Again,
    Waits(Duration),
}

impl Reporter<'_> {
    /// Claims the lease until `until`, reports what the account owes and cancels or credits what an
    /// operator takes back. Returns the number of records.
    pub async fn run(&self, debts: &AccountMeter, until: Timestamp) -> Result<usize, Failure> {
        let now = (self.now)();
        // A message about finished work must not meet the lease: while another worker has it, each
        // such message would be sent again, and messages that arrive twice would multiply.
        if !self.has_work(debts, now).await? {
            // Credits need no lease, and they are rare. So only an otherwise idle run looks for them.
            return self.credit_all(debts).await;
        }
        let billed_until = match self.store.report_claim(debts, until, now).await? {
            ReportClaim::Yours { billed_until } => billed_until,
            ReportClaim::Held(other) => {
                return Err(Failure::after(
                    other.since(now).min(HELD_WAIT),
                    "another worker reports this account's usage",
                ));
            }
        };
        let mut lease = MeterLease {
            debts,
            until,
            billed_until,
            subscriptions: Vec::new(),
        };
        let reported = self.report_all(&mut lease).await;
        let cancelled = match &reported {
            Ok(_) => self.cancel_all(debts).await,
            Err(_) => Ok(0),
        };
        self.store.report_release(debts, until).await?;
        Ok(reported? + cancelled?)
    }

    async fn has_work(&self, debts: &AccountMeter, now: Timestamp) -> Result<bool, Failure> {
        let is_due = |not_before: Option<Timestamp>| not_before.is_none_or(|moment| moment <= now);
        let owed = self.store.owed_list(debts, BATCH).await?;
        if owed.iter().any(|owed| is_due(owed.not_before)) {
            return Ok(true);
        }
        let cancelling = self.store.cancelling_list(debts).await?;
        Ok(cancelling.iter().any(|one| is_due(one.not_before)))
    }

    /// Reports everything that the account owes, before a change of what bills it. What cannot be
    /// reported now stays owed and is decided about after the change.
    pub async fn flush(&self, account: &AccountId) {
        for meter in self.catalogue.charged_meters() {
            let debts = AccountMeter {
                account: account.clone(),
                meter,
            };
            let owed = self.store.owed_list(&debts, 1).await;
            if owed.is_ok_and(|owed| owed.is_empty()) {
                continue;
            }
            let until = (self.now)().plus(FLUSH).plus(TIME_FOR_A_BATCH);
            if let Err(failure) = self.run(&debts, until).await {
                tracing::warn!(account.id = %account, meter = %debts.meter, error = %failure.source,
                    "usage is still owed while the account's subscription changes");
            }
        }
    }

    /// Reports one batch after another while there is time.
    async fn report_all(&self, lease: &mut MeterLease<'_>) -> Result<usize, Failure> {
        let mut reported = 0;
        loop {
            let mut batch = self.store.owed_list(lease.debts, BATCH).await?;
            // Read after the records: a record that was made after a subscription had ended is never
            // judged by an older state.
            lease.subscriptions = self.subscriptions(&lease.debts.account).await?;
            let (now, mut progress) = ((self.now)(), 0);
            let due = |owed: &&mut Owed| owed.not_before.is_none_or(|moment| moment <= now);
            for owed in batch.iter_mut().filter(due) {
                match self.report(lease, owed).await {
                    Ok(Step::Reported) => (progress, reported) = (progress + 1, reported + 1),
                    Ok(Step::Again) => {
                        progress += 1;
                        break;
                    }
                    Ok(Step::Waits(wait)) => {
                        let due_at = (self.now)().plus(wait);
                        self.store.owed_wait(owed, due_at).await?;
                    }
                    Err(failure) if failure.retry == Retry::Never => {
                        self.set_stuck(owed, &failure.source.to_string()).await?;
                        progress += 1;
                    }
                    Err(failure) => {
                        let wait = self.postpone(owed, failure.retry).await?;
                        return Err(failure.due_in(wait));
                    }
                }
            }
            let is_late = lease.until.since((self.now)()) < TIME_FOR_A_BATCH;
            if progress == 0 || is_late {
                return Ok(reported);
            }
        }
    }

    async fn subscriptions(&self, account: &AccountId) -> Result<Vec<Subscription>, Failure> {
        let account = self.store.account_find_whole(account).await?;
        Ok(account
            .map(|(_, contracts)| contracts.subscriptions)
            .unwrap_or_default())
    }

    fn billed(&self, lease: &MeterLease<'_>, at: Timestamp) -> Billed {
        let bills = |one: &Subscription| bills(self.catalogue, one, &lease.debts.meter);
        let contract = MeterContract {
            subscriptions: &lease.subscriptions,
            billed_until: lease.billed_until,
            bills: &bills,
        };
        contract.billed(at, (self.now)())
    }

    /// Reports a record, unless Stripe has already counted it.
    async fn report(&self, lease: &mut MeterLease<'_>, owed: &mut Owed) -> Result<Step, Failure> {
        let now = (self.now)();
        let billed = self.billed(lease, owed.moment());
        let carry = match report_action(owed.moment(), owed.attempts_made, billed, now) {
            ReportAction::Send => owed.carried_to,
            ReportAction::Carry => Some(now),
            ReportAction::LookUp => return self.look_up(lease, owed).await,
            ReportAction::TooOld => return Err(Failure::never(TOO_OLD)),
            ReportAction::Unbilled => return Err(Failure::never(UNBILLED)),
        };
        self.send(lease, owed, carry).await
    }

    async fn send(
        &self,
        lease: &mut MeterLease<'_>,
        owed: &mut Owed,
        carry: Option<Timestamp>,
    ) -> Result<Step, Failure> {
        let is_first = owed.attempts_made.is_none();
        let at = (lease.until, (self.now)());
        match self.store.owed_attempt(owed, carry, at).await? {
            Attempted::Yours => {}
            Attempted::Closed(until) => {
                lease.billed_until = Some(until);
                return Ok(Step::Again);
            }
            Attempted::Lost => {
                return Err(Failure::after(
                    HELD_WAIT,
                    "another worker reports this usage",
                ));
            }
        }
        let identifier = owed.usage.identifier.to_string();
        let key = key(&owed.usage, owed.carried_to);
        let report = UsageReport {
            event_name: owed.usage.meter.as_str(),
            customer: &owed.usage.customer,
            value: owed.usage.value,
            identifier: &identifier,
            key: &key,
            timestamp: owed.moment(),
        };
        match self.stripe.usage_report(&report).await? {
            // A look-up found that Stripe had not counted it, and yet Stripe has it: it is neither
            // sent again nor taken for counted.
            Reported::AlreadyThere if is_first && owed.looked_up => Err(Failure::never(
                "Stripe has accepted this identifier and has not counted it",
            )),
            Reported::Accepted | Reported::AlreadyThere => {
                self.store.usage_reported(owed, (self.now)()).await?;
                Ok(Step::Reported)
            }
        }
    }

    async fn set_stuck(&self, owed: &Owed, reason: &str) -> Result<(), Failure> {
        tracing::error!(usage.id = %owed.usage.id, reason, alarm = true, "this usage is not billed; an operator has to decide");
        self.store.usage_park(owed, reason, (self.now)()).await?;
        Ok(())
    }

    async fn postpone(&self, owed: &Owed, retry: Retry) -> Result<Duration, Failure> {
        let wait = self.wait(retry, owed.attempts);
        let due_at = (self.now)().plus(wait);
        self.store.owed_postpone(owed, due_at).await?;
        Ok(wait)
    }

    fn wait(&self, retry: Retry, attempts: u32) -> Duration {
        match retry {
            Retry::Soon | Retry::Outage | Retry::Never => backoff(attempts, (self.random)()),
            Retry::After(wait) | Retry::Alarm(wait) => wait,
        }
    }

    /// Cancels at Stripe what operators have cancelled.
    async fn cancel_all(&self, debts: &AccountMeter) -> Result<usize, Failure> {
        let mut cancelled = 0;
        for one in self.store.cancelling_list(debts).await? {
            let now = (self.now)();
            if one.not_before.is_some_and(|moment| moment > now) {
                continue;
            }
            match self.cancel(&one).await {
                Ok(()) => cancelled += 1,
                Err(failure) => {
                    let wait = self.wait(failure.retry, one.attempts);
                    self.store
                        .cancelling_postpone(&one.row, now.plus(wait))
                        .await?;
                    return Err(failure.due_in(wait));
                }
            }
        }
        Ok(cancelled)
    }

    async fn cancel(&self, one: &Cancelling) -> Result<(), Failure> {
        let usage = &one.row.usage;
        let identifier = usage.identifier.to_string();
        // Stripe keeps its own failures under a key, so each attempt has its own. A repeat is
        // recognized by the identifier.
        let key = format!("cancel-{identifier}-{}", one.attempts);
        let adjusted = self
            .stripe
            .meter_event_adjust(usage.meter.as_str(), &identifier, &key);
        match adjusted.await {
            Ok(_) => {
                self.store.cancelling_done(&one.row, (self.now)()).await?;
            }
            Err(error) if error.retry() == Retry::Never => {
                tracing::error!(usage.id = %usage.id, error = %error, alarm = true, "Stripe does not cancel this usage; it stays reported");
                let why = error.to_string();
                self.store.cancelling_refused(&one.row, &why).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// The idempotency key of a report. Stripe rejects a known key with other parameters, so a new
/// timestamp has another key. The identifier still makes both one report.
fn key(usage: &Usage, carried_to: Option<Timestamp>) -> String {
    carried_to.map_or_else(
        || usage.identifier.to_string(),
        |moment| format!("{}-at-{}", usage.identifier, moment.seconds()),
    )
}
