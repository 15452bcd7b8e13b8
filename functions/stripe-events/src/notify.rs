//! Sends the notices about invoices and subscriptions, each once. Their texts contain no address
//! and no link; customers find those in the dashboard after signing in.

use crate::Ctx;
use crate::dunning::{money, named};
use domain::billing::entitlements::{grace_end, plan_of};
use domain::billing::subscriptions::{Invoice, Status, Subscription};
use domain::ids::AccountId;
use domain::notices::{Notice, Topic};
use domain::retry::Failure;

/// Notifies the customer that the trial is about to end, unless that has changed.
pub async fn trial_ending(
    ctx: &Ctx,
    account: &AccountId,
    told: &Subscription,
) -> Result<(), Failure> {
    let Some(known) = ctx.store.subscription_find(account, &told.id).await? else {
        return Ok(());
    };
    let (Status::Trialing, Some(end)) = (&known.status, known.trial_end) else {
        return Ok(());
    };
    if end <= ctx.outside.now() {
        return Ok(());
    }
    let plan = plan_of(&ctx.catalogue, &known).map_or("your plan", |plan| &plan.name);
    let words = format!(
        "The trial of {plan} ends on {}; after that it has to be paid for.",
        end.day()
    );
    owe(
        ctx,
        account,
        &Notice::new(Topic::TrialEnding(known.id), words, told.as_of),
    )
    .await
}

/// Notifies the customer that a payment failed, unless the invoice has been settled.
pub async fn payment_failed(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<(), Failure> {
    if is_settled(ctx, account, told).await? {
        return Ok(());
    }
    let mut words = format!(
        "The payment of {} for {} has failed. Stripe may try again.",
        money(told),
        named(told)
    );
    if let Some(then) = then(ctx, account, told).await? {
        words.push(' ');
        words.push_str(&then);
    }
    let topic = Topic::PaymentFailed(told.id.clone());
    owe(ctx, account, &Notice::new(topic, words, told.as_of)).await
}

/// Notifies the customer that their bank asks for confirmation, unless the invoice has been
/// settled.
pub async fn action_required(
    ctx: &Ctx,
    account: &AccountId,
    told: &Invoice,
) -> Result<(), Failure> {
    if is_settled(ctx, account, told).await? {
        return Ok(());
    }
    let place = if told.url.is_some() {
        "on the invoice's page"
    } else {
        "with your bank"
    };
    let words = format!(
        "The payment of {} for {} has to be confirmed {place}.",
        money(told),
        named(told)
    );
    let topic = Topic::ActionRequired(told.id.clone());
    owe(ctx, account, &Notice::new(topic, words, told.as_of)).await
}

async fn owe(ctx: &Ctx, account: &AccountId, notice: &Notice) -> Result<(), Failure> {
    let now = ctx.outside.now();
    flows::owe::notice(&ctx.store, &ctx.queues, account, notice, now).await
}

/// Reports whether the recorded invoice is further along than the event's invoice.
async fn is_settled(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<bool, Failure> {
    let known = ctx.store.invoice_find(account, &told.id).await?;
    Ok(known.is_some_and(|known| Invoice::rank(&known.status) > Invoice::rank(&told.status)))
}

/// Says how long the invoice's plan stays active. The grace counts from the first failure.
async fn then(ctx: &Ctx, account: &AccountId, told: &Invoice) -> Result<Option<String>, Failure> {
    let Some(id) = &told.subscription else {
        return Ok(None);
    };
    let Some(subscription) = ctx.store.subscription_find(account, id).await? else {
        return Ok(None);
    };
    let Some(plan) = plan_of(&ctx.catalogue, &subscription) else {
        return Ok(None);
    };
    let name = &plan.name;
    match subscription.status {
        Status::Incomplete => {
            return Ok(Some(format!("{name} starts when the invoice is paid.")));
        }
        Status::Canceled | Status::IncompleteExpired => {
            return Ok(Some(format!("{name} has ended.")));
        }
        _ => {}
    }
    let failures = ctx.store.payment_failures(account).await?;
    let since = failures
        .get(id)
        .map_or(told.as_of, |failure| failure.since.min(told.as_of));
    let until = grace_end(plan, since);
    // The event may have waited longer than the grace.
    Ok(Some(if until <= ctx.outside.now() {
        format!("{name} is suspended until the invoice is paid.")
    } else {
        format!(
            "{name} stays active until {}; after that it is suspended until the invoice is paid.",
            until.day()
        )
    }))
}
