//! ReportAction Stripe of one account's debts on one meter.

use crate::Ctx;
use domain::billing::subscriptions::Subscription;
use domain::billing::usage::{
    AccountMeter, ReportAction, Usage, carried_to, may_be_late, report_action,
};
use domain::retry::{Done, Failure, Retry, backoff};
use domain::switches::Switch;
use domain::time::Timestamp;
use std::time::Duration;
use store::{Owed, ReportClaim};
use stripe_api::{Reported, StripeApi, UsageReport};

/// Records listed at once.
const BATCH: i32 = 25;
/// What a batch may take; with less time left the rest waits for its own moment.
const TIME_FOR_A_BATCH: Duration = Duration::from_secs(30);
const HELD_WAIT: Duration = Duration::from_secs(3);
const MINUTE_MILLIS: i64 = 60_000;

const KEPT: Done = Done::Waiting("billing is off, or the account is paused; the debt is kept");

/// Tells what is owed, as the only one who does for this account and meter.
pub async fn handle(ctx: &Ctx, debts: &AccountMeter, until: Timestamp) -> Result<Done, Failure> {
    // The rows stay due, so the sweeper keeps asking and the debt is told once billing is on.
    let Some(stripe) = &ctx.stripe else {
        return Ok(KEPT);
    };
    let now = ctx.outside.now();
    if ctx
        .switches
        .switch_now(now, |switches| switches.usage(&debts.account, ctx.billing))
        .await
        == Switch::Off
    {
        return Ok(KEPT);
    }
    let stripe = stripe.client().await?;
    if let ReportClaim::Held(held) = ctx.store.report_claim(debts, until, now).await? {
        // Mostly somebody who is done in a moment; what became due after he looked must not wait for his whole lease.
        return Err(Failure::after(
            held.since(now).min(HELD_WAIT),
            "somebody reports this account's usage",
        ));
    }
    let told = drain(ctx, &stripe, debts, until).await;
    ctx.store.report_release(debts, until).await?;
    Ok(match told? {
        0 => Done::Duplicate,
        count => Done::Applied(format!("told of {count}")),
    })
}

/// Tells batch after batch while there is time.
async fn drain(
    ctx: &Ctx,
    stripe: &StripeApi,
    debts: &AccountMeter,
    until: Timestamp,
) -> Result<usize, Failure> {
    let (mut told, mut periods) = (0, Periods::default());
    loop {
        let mut batch = ctx.store.owed_list(debts, BATCH).await?;
        let (now, before, count) = (ctx.outside.now(), told, batch.len());
        for owed in batch
            .iter_mut()
            .filter(|owed| owed.not_before.is_none_or(|moment| moment <= now))
        {
            match one(ctx, stripe, &mut periods, owed).await {
                Ok(()) => told += 1,
                Err(failure) if failure.retry == Retry::Never => {
                    park(ctx, owed, &failure.source.to_string()).await?
                }
                Err(failure) => {
                    let wait = postpone(ctx, owed, failure.retry).await?;
                    return Err(failure.due_in(wait));
                }
            }
        }
        let last = i32::try_from(count).unwrap_or(BATCH) < BATCH || told == before;
        if last || until.since(ctx.outside.now()) < TIME_FOR_A_BATCH {
            return Ok(told);
        }
    }
}

/// What Stripe bills the account by, read once and only when some of its usage may be late.
#[derive(Default)]
struct Periods(Option<Vec<Subscription>>);

impl Periods {
    /// The moment to tell a record with that has not been tried yet, where its own would not be billed any more.
    async fn carry(
        &mut self,
        ctx: &Ctx,
        usage: &Usage,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Failure> {
        if !may_be_late(usage.at, now) {
            return Ok(None);
        }
        if self.0.is_none() {
            let found = ctx.store.account_find_whole(&usage.account).await?;
            self.0 = Some(
                found
                    .map(|(_, contracts)| contracts.subscriptions)
                    .unwrap_or_default(),
            );
        }
        Ok(carried_to(
            usage.at,
            self.0.as_deref().unwrap_or_default(),
            now,
        ))
    }
}

/// Tells of one record, as far back as that can be done safely.
async fn one(
    ctx: &Ctx,
    stripe: &StripeApi,
    periods: &mut Periods,
    owed: &mut Owed,
) -> Result<(), Failure> {
    let now = ctx.outside.now();
    let carry = match owed.first_attempt {
        None => periods.carry(ctx, &owed.usage, now).await?,
        Some(_) => owed.carried_to,
    };
    match report_action(carry.unwrap_or(owed.usage.at), owed.first_attempt, now) {
        ReportAction::Send => send(ctx, stripe, owed, carry).await?,
        ReportAction::LookUp => look_up(ctx, stripe, owed).await?,
        ReportAction::TooOld => return Err(Failure::never("Stripe takes no usage this old")),
    }
    ctx.store.usage_reported(owed, ctx.outside.now()).await?;
    Ok(())
}

async fn send(
    ctx: &Ctx,
    stripe: &StripeApi,
    owed: &mut Owed,
    carry: Option<Timestamp>,
) -> Result<(), Failure> {
    ctx.store
        .owed_attempt(owed, carry, ctx.outside.now())
        .await?;
    let usage = &owed.usage;
    let report = UsageReport {
        event_name: usage.meter.as_str(),
        customer: &usage.customer,
        value: usage.value,
        identifier: &usage.identifier.to_string(),
        timestamp: owed.moment(),
    };
    match stripe.usage_report(&report).await? {
        Reported::Accepted | Reported::AlreadyThere => Ok(()),
    }
}

/// Stripe may have forgotten the identifier, so it is asked what it has counted in the minute that the record is told with.
/// All of ours there: it was told. None but what we know it was told: it was not. Anything else is for a person.
async fn look_up(ctx: &Ctx, stripe: &StripeApi, owed: &mut Owed) -> Result<(), Failure> {
    let usage = &owed.usage;
    let from =
        Timestamp::from_millis(owed.moment().millis().div_euclid(MINUTE_MILLIS) * MINUTE_MILLIS);
    let until = from.plus(Duration::from_secs(60));
    let meter = stripe.meter_find(usage.meter.as_str()).await?;
    let meter = meter.ok_or_else(|| Failure::never("Stripe has no active meter of this name"))?;
    let last = Timestamp::from_millis(until.millis() - 1);
    let counted = stripe
        .usage_total(&meter, &usage.customer, from, last)
        .await?;
    let debts = AccountMeter {
        account: usage.account.clone(),
        meter: usage.meter.clone(),
    };
    let known = ctx.store.usage_total(&debts, from, until).await?;
    let open = ctx.store.tried_total(&debts, from, until).await?;
    if counted == known.saturating_add(open) {
        return Ok(());
    }
    if counted == known {
        let frozen = owed.carried_to;
        return send(ctx, stripe, owed, frozen).await;
    }
    Err(Failure::never(format!(
        "Stripe has counted {counted} in this minute, where {known} were told and {open} may have been"
    )))
}

async fn park(ctx: &Ctx, owed: &Owed, reason: &str) -> Result<(), Failure> {
    tracing::error!(usage.id = %owed.usage.id, reason, alarm = true, "a debt that Stripe does not take; a person has to decide");
    ctx.store
        .usage_park(owed, reason, ctx.outside.now())
        .await?;
    Ok(())
}

async fn postpone(ctx: &Ctx, owed: &Owed, retry: Retry) -> Result<Duration, Failure> {
    let wait = match retry {
        Retry::Soon | Retry::Never => backoff(owed.attempts, (ctx.outside.random)()),
        Retry::After(wait) | Retry::Alarm(wait) => wait,
    };
    ctx.store
        .owed_postpone(owed, ctx.outside.now().plus(wait))
        .await?;
    Ok(wait)
}
