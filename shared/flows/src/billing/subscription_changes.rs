//! Changes subscriptions, once for each act: another plan, a cancellation, a resumption.
//!
//! Safe to run twice: an act stores which subscription it means before it calls, and what is left to
//! do follows from the subscription. Afterwards we record its state at once; Stripe's events arrive
//! later and say the same.

use crate::billing::intents::{self, key, key_reused, unreadable};
use crate::billing::prices::{self, from_stripe};
use crate::billing::subscription_lock::locked;
use crate::billing::subscriptions::{KEYS_MAX, live, record};
use crate::billing::{Shop, planned_changes};
use domain::accounts::Account;
use domain::billing::plans::Plan;
use domain::ids::{ActionId, SubscriptionId};
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use store::Begun;
use stripe_api::{
    Cancel, Proration, StripeError, SubscriptionChange, SubscriptionStatus, WhenUnpaid,
};

/// The target of a change, fixed before the first call. A repeat changes the same subscription,
/// whatever has started since.
#[derive(Serialize, Deserialize)]
struct Target {
    subscription: String,
    /// The moment from which Stripe prorates.
    at: i64,
}

/// A change of the subscription, made once for an act.
pub struct Change<'a> {
    pub act: ActionId,
    /// A description that distinguishes this change from others under the same key.
    pub what: String,
    /// The moment from which Stripe prorates.
    pub at: i64,
    pub kind: ChangeKind<'a>,
}

#[derive(Clone, Copy)]
pub enum ChangeKind<'a> {
    To(&'a Plan),
    /// Undoes a cancellation, or resumes a paused subscription.
    Resume,
    Cancel(Cancel),
    /// Changes the plan when the period ends.
    Later(&'a Plan),
    /// Withdraws a planned change.
    Keep,
}

/// Why a call of a change failed.
pub(super) enum CallFailed {
    Stripe(StripeError),
    Flow(FlowError),
}

impl From<StripeError> for CallFailed {
    fn from(error: StripeError) -> Self {
        Self::Stripe(error)
    }
}

/// Changes the live subscription and records its new state, under the account's lock. A
/// cancellation now needs no lock, because it never leads to a second subscription. One at the end
/// of the period needs it, because a change that is planned at the same time would undo it.
pub async fn change(
    shop: &Shop<'_>,
    account: &Account,
    wanted: Change<'_>,
) -> Result<SubscriptionId, FlowError> {
    if matches!(
        wanted.kind,
        ChangeKind::Cancel(Cancel::Now | Cancel::NowWithLastInvoice)
    ) {
        return change_once(shop, account, wanted).await;
    }
    let act = wanted.act.clone();
    let work = change_once(shop, account, wanted);
    locked(shop, &account.id, &act, work).await
}

async fn change_once(
    shop: &Shop<'_>,
    account: &Account,
    wanted: Change<'_>,
) -> Result<SubscriptionId, FlowError> {
    let Change {
        act,
        what,
        at,
        kind,
    } = wanted;
    let begun = match intents::begun(shop.store, &account.id, &act, &what).await? {
        Some(begun) => begun,
        None => {
            let subscription = active_subscription(shop, account).await?.id.to_string();
            intents::new(what, &Target { subscription, at }, shop.now)
        }
    };
    let begun = match shop.store.intent_begin(&account.id, &act, &begun).await? {
        Begun::New => begun,
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused().into()),
    };
    let target: Target = serde_json::from_str(&begun.params).map_err(|_| unreadable())?;
    let subscription = SubscriptionId::parse(&target.subscription).map_err(|_| unreadable())?;
    if begun.answer.is_some() {
        return Ok(subscription);
    }
    let after = changed(shop, &subscription, (&act, kind), target.at).await?;
    record(shop, account, &after).await?;
    planned_changes::record(shop, account, &after).await?;
    shop.store
        .intent_done(&account.id, &act, after.id.as_str())
        .await?;
    Ok(after.id)
}

/// Makes a change at Stripe and returns the subscription after it.
async fn changed(
    shop: &Shop<'_>,
    id: &SubscriptionId,
    (act, kind): (&ActionId, ChangeKind<'_>),
    at: i64,
) -> Result<stripe_api::Subscription, FlowError> {
    let mut attempt = 1;
    loop {
        let there = shop.stripe.subscription_find(id).await;
        let there = there.map_err(from_stripe)?.ok_or_else(no_subscription)?;
        // If a previous attempt ended the subscription, only the record is missing.
        if there.ended_at.is_some() {
            return Ok(there);
        }
        match call(shop, &there, kind, &key(act, attempt), at).await {
            // Stripe will never return another result for this key. It may have made the change
            // nevertheless, so look again and use another key for what is left.
            Err(CallFailed::Stripe(error)) if error.failure_is_stored() && attempt < KEYS_MAX => {
                attempt += 1;
            }
            Err(CallFailed::Stripe(error)) => return Err(from_stripe(error)),
            Err(CallFailed::Flow(error)) => return Err(error),
            Ok(()) => {
                let after = shop.stripe.subscription_find(id).await;
                return Ok(after.map_err(from_stripe)?.unwrap_or(there));
            }
        }
    }
}

/// Does what is left to do of a change, as the subscription shows it.
async fn call(
    shop: &Shop<'_>,
    there: &stripe_api::Subscription,
    kind: ChangeKind<'_>,
    key: &str,
    at: i64,
) -> Result<(), CallFailed> {
    let (stripe, id) = (shop.stripe, &there.id);
    let ends = there.cancel_at_period_end || there.cancel_at.is_some();
    if !matches!(kind, ChangeKind::Later(_)) {
        planned_changes::release(stripe, there, key).await?;
    }
    match kind {
        ChangeKind::Later(plan) => planned_changes::plan(shop, there, plan, key).await?,
        ChangeKind::To(plan) => {
            let change = change_to(shop, there, plan, at)
                .await
                .map_err(CallFailed::Flow)?;
            if !change.items.is_empty() {
                stripe.subscription_change(id, &change, key).await?;
            }
        }
        ChangeKind::Resume if ends => {
            stripe.subscription_uncancel(there, key).await?;
        }
        ChangeKind::Resume if there.status == SubscriptionStatus::Paused => {
            stripe.subscription_resume(id, key).await?;
        }
        ChangeKind::Cancel(Cancel::AtPeriodEnd) if ends => {}
        ChangeKind::Cancel(how) => {
            stripe.subscription_cancel(id, how, key).await?;
        }
        ChangeKind::Resume | ChangeKind::Keep => {}
    }
    Ok(())
}

/// Returns the change that moves a subscription to this plan. The items follow from the current
/// ones, so a repeat changes nothing.
pub async fn change_to(
    shop: &Shop<'_>,
    there: &stripe_api::Subscription,
    plan: &Plan,
    at: i64,
) -> Result<SubscriptionChange, FlowError> {
    let prices = prices::plan_prices(shop, plan).await?;
    Ok(SubscriptionChange {
        items: there.changes_to(&prices),
        proration: Proration::AtOnce,
        proration_at: Some(Timestamp::from_seconds(at)),
        when_unpaid: WhenUnpaid::Refuse,
    })
}

/// Returns the live subscription from Stripe.
pub async fn active_subscription(
    shop: &Shop<'_>,
    account: &Account,
) -> Result<stripe_api::Subscription, FlowError> {
    let there = shop
        .stripe
        .subscription_list(&account.customer)
        .await
        .map_err(from_stripe)?;
    let kept: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
    let live = live(shop.catalogue, &kept)
        .map(|one| one.id.clone())
        .ok_or_else(no_subscription)?;
    there
        .into_iter()
        .find(|one| one.id == live)
        .ok_or_else(|| no_subscription().into())
}

fn no_subscription() -> Refusal {
    Refusal::not_found(
        "The account has no active subscription; start one with `POST /api/v1/billing/subscription`.",
    )
}
