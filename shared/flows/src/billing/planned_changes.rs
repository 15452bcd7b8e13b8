//! Changes of plan that Stripe makes when the period ends, by a subscription schedule.
//!
//! Whatever else is done with a subscription releases its schedule first: Stripe refuses to cancel
//! one that a schedule manages, and the schedule would undo an immediate change when the period ends.
//! Safe to run twice: at most one schedule is attached to a subscription, and what is left to do
//! follows from it. A schedule that was attached and not set yet changes nothing.

use crate::billing::Shop;
use crate::billing::prices::{self, from_stripe};
use crate::billing::subscription_changes::CallFailed;
use domain::accounts::Account;
use domain::billing::plans::{Catalogue, Plan};
use domain::billing::subscriptions::PlannedChange;
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use stripe_api::{PriceChoice, Schedule, StripeApi, StripeError, Subscription, SubscriptionStatus};

/// Has Stripe change a subscription to this plan when its period ends. The plan that it has already
/// needs no change, so another planned one is withdrawn.
pub(super) async fn plan(
    shop: &Shop<'_>,
    there: &Subscription,
    plan: &Plan,
    key: &str,
) -> Result<(), CallFailed> {
    let prices = prices::plan_prices(shop, plan).await;
    let prices = prices.map_err(CallFailed::Flow)?;
    if there.changes_to(&prices).is_empty() {
        return release(shop.stripe, there, key)
            .await
            .map_err(CallFailed::Stripe);
    }
    let at = changes_at(there).map_err(|refusal| CallFailed::Flow(refusal.into()))?;
    let schedule = match attached(shop.stripe, there).await? {
        Some(schedule) => schedule,
        None => {
            let key = format!("{key}-attach");
            shop.stripe.schedule_create(&there.id, &key).await?
        }
    };
    if !is_planned(&schedule, &prices, at) {
        shop.stripe
            .schedule_plan(&schedule, (&prices, at), key)
            .await?;
    }
    Ok(())
}

/// Withdraws what is planned for a subscription, so that it can be changed.
pub(super) async fn release(
    stripe: &StripeApi,
    there: &Subscription,
    key: &str,
) -> Result<(), StripeError> {
    if let Some(schedule) = attached(stripe, there).await? {
        let key = format!("{key}-release-{}", schedule.id);
        stripe.schedule_release(&schedule.id, &key).await?;
    }
    Ok(())
}

/// Returns what Stripe has planned for a subscription.
pub async fn find(
    stripe: &StripeApi,
    catalogue: &Catalogue,
    there: &Subscription,
) -> Result<Option<PlannedChange>, StripeError> {
    let Some(schedule) = attached(stripe, there).await? else {
        return Ok(None);
    };
    Ok(schedule.next_phase().map(|phase| {
        let mut items = phase.items.iter();
        let plan =
            items.find_map(|item| catalogue.plan_sold_by(&item.price, item.product.as_ref()));
        PlannedChange {
            plan: plan.map(|plan| plan.id.clone()),
            at: phase.start,
        }
    }))
}

/// Records what Stripe has planned for a subscription of the account.
pub(super) async fn record(
    shop: &Shop<'_>,
    account: &Account,
    there: &Subscription,
) -> Result<(), FlowError> {
    let planned = find(shop.stripe, shop.catalogue, there).await;
    let planned = planned.map_err(from_stripe)?;
    shop.store
        .subscription_planned_set(&account.id, &there.id, planned.as_ref(), shop.now)
        .await?;
    Ok(())
}

async fn attached(
    stripe: &StripeApi,
    there: &Subscription,
) -> Result<Option<Schedule>, StripeError> {
    let Some(id) = &there.schedule else {
        return Ok(None);
    };
    Ok(stripe.schedule_find(id).await?.filter(Schedule::is_active))
}

fn is_planned(schedule: &Schedule, prices: &[PriceChoice], at: Timestamp) -> bool {
    schedule.next_phase().is_some_and(|phase| {
        let has = |choice: &PriceChoice| {
            phase
                .items
                .iter()
                .any(|item| item.price == choice.price && item.quantity == choice.quantity)
        };
        phase.start == at && phase.items.len() == prices.len() && prices.iter().all(has)
    })
}

/// The end of the period, at which a subscription can change.
fn changes_at(there: &Subscription) -> Result<Timestamp, Refusal> {
    let (ends, paid) = (
        there.cancel_at_period_end || there.cancel_at.is_some(),
        matches!(
            there.status,
            SubscriptionStatus::Active | SubscriptionStatus::Trialing | SubscriptionStatus::PastDue
        ),
    );
    let period = there.as_kept(there.created).period;
    match period.filter(|_| paid && !ends) {
        Some(period) => Ok(period.end),
        None if ends => {
            let detail =
                "The subscription ends with its period. Resume it before you plan a change.";
            Err(Refusal::conflict("subscription_ends", detail))
        }
        None => {
            let detail = "The subscription is not active, so it has no period that ends. Change the plan now instead.";
            Err(Refusal::conflict("subscription_inactive", detail))
        }
    }
}
