//! `customer.subscription.*`: records a subscription's latest state.
//!
//! An event carries the second in which it was created, and an older event changes nothing. If two
//! events have the same second, we ask Stripe which state is current. If Stripe cannot be asked,
//! the state that is further along in a subscription's life wins, so every order of events ends in
//! the same state.

use crate::{Ctx, attribution, dunning, notify, rivals, unbilled};
use domain::billing::subscriptions::{Status, Subscription};
use domain::ids::{AccountId, SubscriptionId};
use domain::inbox::EventRow;
use domain::inbox::events::{SubscriptionChange, SubscriptionEvent};
use domain::retry::{Done, Failure};
use flows::billing::subscriptions::is_alive;
use std::time::Duration;
use store::Noted;

const OUTDATED: Done = Done::Ignored("a newer state is recorded");
/// How long to wait for another event of the same second.
const TIE_WAIT: Duration = Duration::from_secs(1);

/// Records the subscription's state, and sends a notice before a trial ends and before or when
/// service stops.
pub async fn handle(ctx: &Ctx, event: &SubscriptionEvent, row: &EventRow) -> Result<Done, Failure> {
    let Some(account) = attribution::account(ctx, row, Some(&event.customer)).await? else {
        return Ok(attribution::UNATTRIBUTED);
    };
    let done = record(ctx, &account, &event.subscription).await?;
    dunning::plan(ctx, &account, &event.subscription.id).await?;
    match event.change {
        SubscriptionChange::TrialWillEnd => {
            notify::trial_ending(ctx, &account, &event.subscription).await?;
        }
        SubscriptionChange::Created
        | SubscriptionChange::Updated
        | SubscriptionChange::Deleted
        | SubscriptionChange::Paused
        | SubscriptionChange::Resumed => {}
    }
    unbilled::after_subscription(ctx, &account, &event.subscription.id).await?;
    Ok(done)
}

/// Records the state of an account's subscription, and ends the others if several are live.
pub async fn record(
    ctx: &Ctx,
    account: &AccountId,
    subscription: &Subscription,
) -> Result<Done, Failure> {
    let done = note(ctx, account, subscription).await?;
    if !is_alive(&subscription.status) {
        return Ok(done);
    }
    Ok(rivals::settle(ctx, account)
        .await?
        .map_or(done, Done::Applied))
}

/// Records the state of an account's subscription.
pub async fn note(
    ctx: &Ctx,
    account: &AccountId,
    subscription: &Subscription,
) -> Result<Done, Failure> {
    if let Status::Other(word) = &subscription.status {
        tracing::error!(subscription.id = %subscription.id, subscription.status = word, account.id = %account, alarm = true,
            "a subscription has an unknown status; the recorded one stays");
    }
    match ctx.store.subscription_note(account, subscription).await? {
        Noted::Now => Ok(applied(subscription)),
        // The same event may be handled twice concurrently; the second run reports what the first
        // one did.
        Noted::Outdated => {
            let recorded = find(ctx, account, &subscription.id).await?;
            Ok(if recorded.as_ref() == Some(subscription) {
                applied(subscription)
            } else {
                OUTDATED
            })
        }
        Noted::Tie(recorded) => untie(ctx, account, &recorded, subscription).await,
    }
}

/// Returns the recorded state of a subscription.
pub async fn find(
    ctx: &Ctx,
    account: &AccountId,
    id: &SubscriptionId,
) -> Result<Option<Subscription>, Failure> {
    Ok(ctx.store.subscription_find(account, id).await?)
}

fn applied(subscription: &Subscription) -> Done {
    Done::Applied(format!(
        "subscription {} is {}",
        subscription.id,
        subscription.status.as_str()
    ))
}

/// Decides between two events of the same second. The winner is written under that second, so every
/// newer event still replaces it.
async fn untie(
    ctx: &Ctx,
    account: &AccountId,
    recorded: &Subscription,
    other: &Subscription,
) -> Result<Done, Failure> {
    let winner = match ask(ctx, &other.id).await? {
        Some(asked) => Subscription {
            as_of: recorded.as_of,
            ..asked
        },
        None => further(recorded, other).clone(),
    };
    if winner == *recorded {
        return Ok(OUTDATED);
    }
    match ctx
        .store
        .subscription_settle(account, recorded, &winner)
        .await?
    {
        Noted::Now => Ok(applied(&winner)),
        Noted::Outdated | Noted::Tie(_) => Err(Failure::after(
            TIE_WAIT,
            "another event of this subscription was recorded at the same time",
        )),
    }
}

/// Returns Stripe's current state of the subscription, dated by its creation, so that every later
/// event wins over it. Returns `None` if Stripe cannot be asked or has no such subscription.
async fn ask(ctx: &Ctx, id: &SubscriptionId) -> Result<Option<Subscription>, Failure> {
    let Some(stripe) = ctx.stripe_maybe().await? else {
        return Ok(None);
    };
    Ok(stripe
        .subscription_find(id)
        .await?
        .map(|found| found.as_kept(found.created)))
}

/// Returns the state that is further along, whichever came first.
fn further<'a>(one: &'a Subscription, other: &'a Subscription) -> &'a Subscription {
    let place = |subscription: &Subscription| {
        let period = subscription.period.map(|span| (span.end, span.start));
        (
            stage(&subscription.status),
            period,
            subscription.ends_at,
            subscription.trial_end,
            format!("{subscription:?}"),
        )
    };
    if place(one) >= place(other) {
        one
    } else {
        other
    }
}

/// Ranks a status by its place in a subscription's life. An unknown status ranks below all others.
const fn stage(status: &Status) -> u8 {
    match status {
        Status::Other(_) => 0,
        Status::Incomplete => 1,
        Status::Trialing => 2,
        Status::Active => 3,
        Status::PastDue => 4,
        Status::Unpaid => 5,
        Status::Paused => 6,
        Status::IncompleteExpired => 7,
        Status::Canceled => 8,
    }
}
