//! Converts a trial into a paid plan when its customer adds a payment method. The plan is the one
//! that the trial converts to, or the one that was chosen at sign-up.
//!
//! Safe to run twice: the customer's subscriptions on Stripe are looked up first. If one is to a
//! plan of ours, it is recorded instead of creating another. The idempotency key is derived from
//! account and plan. A customer who had that plan before and ended it is not converted again.

use crate::{Ctx, subscription};
use catalogue::offers::Product;
use domain::accounts::Account;
use domain::accounts::signups::is_open;
use domain::billing::entitlements::entitlements;
use domain::billing::plans::{Pays, Plan, PlanId};
use domain::ids::{CustomerId, PaymentMethodId};
use domain::retry::{Done, Failure, Retry};
use std::collections::BTreeMap;
use std::time::Duration;
use store::AccountBegun;
use stripe_api::{
    PriceChoice, StripeApi, StripeError, Subscription, SubscriptionOrder, WhenUnpaid,
};

/// How long to wait until the catalogue has been pushed to Stripe.
const UNSOLD_WAIT: Duration = Duration::from_secs(3_600);

/// The number of idempotency keys for one conversion. Stripe keeps a key's failure and its first
/// parameters, and the catalogue may have changed since then.
const KEYS_MAX: u32 = 3;

const CLOSED: Done = Done::Ignored("the account is closed: its owner has moved to another one");

/// Converts the customer's account if it is on a plan that converts.
pub async fn customer(ctx: &Ctx, customer: &CustomerId) -> Result<Done, Failure> {
    let Some(id) = ctx.store.customer_find(customer).await? else {
        return Ok(Done::Ignored("no account has this customer"));
    };
    let Some((account, known)) = ctx.store.account_find_whole(&id).await? else {
        return Ok(Done::Ignored("the account is gone"));
    };
    if !account.is_open() {
        return Ok(CLOSED);
    }
    let present = entitlements(&ctx.catalogue, &account, &known, ctx.outside.now());
    let target = present
        .and_then(|entitlements| ctx.catalogue.plan(entitlements.plan.converts_to.as_ref()?));
    let target = target.map(|usual| wished(ctx, &account).unwrap_or(usual));
    let Some(target) = target else {
        return Ok(Done::Ignored("payment methods are not kept"));
    };
    let stripe = ctx.stripe().await?;
    let methods = stripe.payment_method_list(customer).await?;
    let Some(method) = methods.first() else {
        return Ok(Done::Ignored("the payment method was removed again"));
    };
    // Runs before Stripe creates anything: after a crash, the owner must still belong to this
    // account.
    if ctx.store.account_begin(&id, ctx.outside.now()).await? == AccountBegun::Closed {
        return Ok(CLOSED);
    }
    let found = match of_ours(ctx, &stripe, customer, target).await? {
        Some(found) => found,
        None => subscribe(ctx, &stripe, &account, target, &method.id).await?,
    };
    subscription::record(ctx, &account.id, &found.as_kept(found.created)).await
}

/// Returns the plan chosen at sign-up, if it is still sold and needs a subscription.
fn wished<'a>(ctx: &'a Ctx, account: &Account) -> Option<&'a Plan> {
    let plan = ctx
        .catalogue
        .plan(&PlanId::parse(account.wish.as_ref()?)?)?;
    (is_open(plan) && (plan.price.is_some() || plan.pays == Pays::Meters)).then_some(plan)
}

/// Finds a subscription that rules out a new one: any active one to a plan of ours, or any former
/// one to this plan.
async fn of_ours(
    ctx: &Ctx,
    stripe: &StripeApi,
    customer: &CustomerId,
    target: &Plan,
) -> Result<Option<Subscription>, Failure> {
    let plan = |subscription: &Subscription| {
        let mut items = subscription.items.iter();
        items.find_map(|item| {
            ctx.catalogue
                .plan_sold_by(&item.price.id, Some(&item.price.product))
        })
    };
    let over = |subscription: &Subscription| subscription.ended_at.is_some();
    let all = stripe.subscription_list(customer).await?;
    let ours = all
        .into_iter()
        .filter(|one| plan(one).is_some_and(|plan| !over(one) || plan.id == target.id));
    Ok(ours.max_by_key(|one| (!over(one), one.created, one.id.clone())))
}

async fn subscribe(
    ctx: &Ctx,
    stripe: &StripeApi,
    account: &Account,
    plan: &Plan,
    method: &PaymentMethodId,
) -> Result<Subscription, Failure> {
    let prices = prices(ctx, stripe, plan).await?;
    let metadata = BTreeMap::from([("account".to_owned(), account.id.to_string())]);
    let order = SubscriptionOrder {
        customer: &account.customer,
        prices: &prices,
        trial: None,
        // An immediate charge uses this method, which need not be the customer's default yet.
        payment_method: plan.price.map(|_| method),
        when_unpaid: WhenUnpaid::Owe,
        metadata: &metadata,
    };
    for attempt in 1..KEYS_MAX {
        match stripe
            .subscription_create(&order, &key(account, plan, attempt))
            .await
        {
            // Stripe will never return another result for this key, but a concurrent attempt may
            // have succeeded.
            Err(error)
                if error.failure_is_stored() || matches!(error, StripeError::KeyReused { .. }) => {}
            answer => return Ok(answer?),
        }
        if let Some(found) = of_ours(ctx, stripe, &account.customer, plan).await? {
            return Ok(found);
        }
    }
    Ok(stripe
        .subscription_create(&order, &key(account, plan, KEYS_MAX))
        .await?)
}

fn key(account: &Account, plan: &Plan, attempt: u32) -> String {
    format!("convert-{}-{}-{attempt}", account.id, plan.id)
}

/// Returns the plan's prices, as Stripe sells them.
async fn prices(ctx: &Ctx, stripe: &StripeApi, plan: &Plan) -> Result<Vec<PriceChoice>, Failure> {
    let product = Product::of_plan(plan, ctx.catalogue.currency);
    let keys = product
        .as_ref()
        .map(Product::lookup_keys)
        .unwrap_or_default();
    stripe
        .price_choices(&plan.prices, &keys)
        .await?
        .ok_or_else(|| {
            let source = format!(
                "Stripe does not sell all of {}: push the catalogue",
                plan.name
            );
            Failure {
                retry: Retry::Alarm(UNSOLD_WAIT),
                source: source.into(),
            }
        })
}
