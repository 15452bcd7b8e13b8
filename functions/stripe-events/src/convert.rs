//! A trial that becomes a paid plan: whoever is on a plan that converts and leaves a way to pay gets the plan that it
//! converts to, or the one he asked for when he signed up.
//!
//! Nobody gets two: what the customer has at Stripe is looked up first, and a subscription of his to anything of ours is
//! noted instead of another one being made. Its name at Stripe is fixed by account and plan. Who had that plan before and
//! has ended it is not converted again.

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

/// Until somebody has pushed the catalogue.
const UNSOLD_WAIT: Duration = Duration::from_secs(3_600);

/// Keys for one conversion: Stripe keeps its own failures with a key, and what it was first asked with; the catalogue may
/// have changed since.
const KEYS_MAX: u32 = 3;

/// What is said of an account that its owner has left.
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
        return Ok(Done::Ignored(
            "ways to pay are not kept; Stripe is asked for them",
        ));
    };
    let stripe = ctx.stripe().await?;
    let methods = stripe.payment_method_list(customer).await?;
    let Some(method) = methods.first() else {
        return Ok(Done::Ignored("the way to pay is gone again"));
    };
    // Before Stripe makes anything: a death after that must not find the owner gone.
    if ctx.store.account_begin(&id, ctx.outside.now()).await? == AccountBegun::Closed {
        return Ok(CLOSED);
    }
    let found = match of_ours(ctx, &stripe, customer, target).await? {
        Some(found) => found,
        None => subscribe(ctx, &stripe, &account, target, &method.id).await?,
    };
    subscription::record(ctx, &account.id, &found.as_kept(found.created)).await
}

/// The plan that was asked for when signing up, where it is still sold and has to be subscribed to.
fn wished<'a>(ctx: &'a Ctx, account: &Account) -> Option<&'a Plan> {
    let plan = ctx
        .catalogue
        .plan(&PlanId::parse(account.wish.as_ref()?)?)?;
    (is_open(plan) && (plan.price.is_some() || plan.pays == Pays::Meters)).then_some(plan)
}

/// A subscription that stands in the way of another one: any to a plan of ours that is not over, or one that was to this.
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
        // What costs something at once is paid with what was left for that; it need not be the customer's usual way yet.
        payment_method: plan.price.map(|_| method),
        when_unpaid: WhenUnpaid::Owe,
        metadata: &metadata,
    };
    for attempt in 1..KEYS_MAX {
        match stripe
            .subscription_create(&order, &key(account, plan, attempt))
            .await
        {
            // With this key it will never be anything else; but another try may have done it meanwhile.
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

/// The plan's prices, as Stripe sells them.
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
