//! A payment method that a customer leaves. It pays their invoices from then on, and it converts an
//! account whose plan is a trial: to the plan that was chosen at sign-up, or else to the one that
//! the trial converts to. An account on a metered plan without a subscription gets one to its plan.
//!
//! Safe to run twice: the work holds the account's subscription lock, and the customer's
//! subscriptions on Stripe are looked up first. A live one to a plan of ours is recorded instead of
//! creating another. The act and its keys follow from account, plan and payment method. A customer
//! who cancelled that plan is not converted again. A customer whose first payment was declined is:
//! an open first invoice is paid with the new method, and an expired one does not count.

use crate::{Ctx, subscription};
use catalogue::offers::Product;
use domain::accounts::Account;
use domain::accounts::signups::is_open;
use domain::billing::entitlements::{Entitlements, MeteredTo, entitlements};
use domain::billing::plans::{Catalogue, Pays, Plan, PlanId};
use domain::ids::{AccountId, ActionId, CustomerId};
use domain::refusal::{FlowError, Refusal};
use domain::retry::{Done, Failure, Retry};
use flows::billing::subscription_lock::{BUSY, locked};
use flows::billing::subscriptions::{Order, expire_checkouts, subscribe_locked};
use flows::billing::{Shop, intents, payment_methods, rivals};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::AccountBegun;
use stripe_api::{
    PaymentMethod, PriceChoice, SessionMode, StripeApi, Subscription, SubscriptionStatus,
};

/// How long to wait until the catalogue has been pushed to Stripe.
const UNSOLD_WAIT: Duration = Duration::from_secs(3_600);
/// How long a conversion waits while another act changes the account's subscription.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// How long a Checkout for a plan that is open when a method is attached may be the cause: Stripe
/// creates its subscription after the payment. Later, an open Checkout is an abandoned one.
const CHECKOUT_LASTS: Duration = Duration::from_secs(120);
const CHECKOUT_WAIT: Duration = Duration::from_secs(30);
const CHECKOUT_OPEN: &str = "checkout_open";

const CLOSED: Done = Done::Ignored("the account is closed: its owner has moved to another one");

/// Adopts the customer's newest payment method, and converts the account if its plan converts.
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
    let stripe = ctx.stripe().await?;
    let now = ctx.outside.now();
    let methods = stripe.payment_method_list(customer).await?;
    let Some(newest) = methods
        .iter()
        .max_by_key(|method| (method.created, method.id.clone()))
    else {
        return Ok(Done::Ignored("the payment method was removed again"));
    };
    payment_methods::adopt(&stripe, customer, &methods, newest, now).await?;
    let present = entitlements(&ctx.catalogue, &account, &known, now);
    let target = present.and_then(|entitlements| target(&ctx.catalogue, &account, &entitlements));
    let Some(target) = target else {
        return Ok(Done::Applied(format!(
            "payment method {} pays the invoices",
            newest.id
        )));
    };
    // Runs before Stripe creates anything: after a crash, the owner must still belong to this
    // account.
    if ctx.store.account_begin(&id, now).await? == AccountBegun::Closed {
        return Ok(CLOSED);
    }
    let shop = ctx.shop(&stripe);
    let act = act(&account.id, target, newest);
    let work = convert(ctx, &shop, &account, target, newest, &act);
    locked(&shop, &account.id, &act, work).await.map_err(failed)
}

/// Returns the plan to subscribe to: the account's own if it is metered and nobody is billed for
/// it, or the one to which it converts.
fn target<'a>(
    catalogue: &'a Catalogue,
    account: &Account,
    present: &Entitlements<'a>,
) -> Option<&'a Plan> {
    if present.metered_to == MeteredTo::Missing {
        return is_open(present.plan).then_some(present.plan);
    }
    let usual = catalogue.plan(present.plan.converts_to.as_ref()?)?;
    Some(wished(catalogue, account).unwrap_or(usual))
}

/// Returns the plan chosen at sign-up, if it is still sold and needs a subscription.
fn wished<'a>(catalogue: &'a Catalogue, account: &Account) -> Option<&'a Plan> {
    let plan = catalogue.plan(&PlanId::parse(account.wish.as_ref()?)?)?;
    (is_open(plan) && (plan.price.is_some() || plan.pays == Pays::Meters)).then_some(plan)
}

/// The act of a conversion: a payment method converts an account to a plan once.
fn act(account: &AccountId, plan: &Plan, method: &PaymentMethod) -> ActionId {
    let text = format!("convert {account} {} {}", plan.id, method.id);
    let digest = Sha256::digest(text);
    let mut first = [0; 16];
    first.copy_from_slice(&digest[..16]);
    ActionId::of_digest(first)
}

/// Converts the account while the act holds the lock.
async fn convert(
    ctx: &Ctx,
    shop: &Shop<'_>,
    account: &Account,
    target: &Plan,
    method: &PaymentMethod,
    act: &ActionId,
) -> Result<Done, FlowError> {
    let all = shop.stripe.subscription_list(&account.customer).await?;
    let live = rivals::live(&ctx.catalogue, &all);
    let stands = rivals::stands(&live);
    if let Some(found) = live
        .into_iter()
        .find(|one| Some(&one.id) == stands.as_ref())
    {
        return recorded(ctx, account, found).await;
    }
    let first_unpaid = |one: &&Subscription| {
        one.status == SubscriptionStatus::Incomplete && is_of(ctx, one, target)
    };
    if let Some(unpaid) = all.iter().find(first_unpaid) {
        return pay_first(ctx, shop.stripe, account, unpaid, method).await;
    }
    let ended_by_choice =
        |one: &&Subscription| one.status == SubscriptionStatus::Canceled && is_of(ctx, one, target);
    if let Some(ended) = all.iter().find(ended_by_choice) {
        return recorded(ctx, account, ended).await;
    }
    await_checkouts(shop, account, method).await?;
    let what = format!("convert {}", target.id);
    let intent = match intents::begun(shop.store, &account.id, act, &what).await? {
        Some(begun) => begun,
        None => {
            let prices = prices(ctx, shop.stripe, target)
                .await
                .map_err(FlowError::Failed)?;
            intents::new(what, &Order::conversion(&prices, &method.id), shop.now)
        }
    };
    let made = subscribe_locked(shop, account, act, intent).await?;
    Ok(Done::Applied(format!("subscription {made}")))
}

fn is_of(ctx: &Ctx, subscription: &Subscription, plan: &Plan) -> bool {
    let sold = |item: &stripe_api::SubscriptionItem| {
        let (price, product) = (&item.price.id, &item.price.product);
        ctx.catalogue.plan_sold_by(price, Some(product))
    };
    let sold = subscription.items.iter().find_map(sold);
    sold.is_some_and(|sold| sold.id == plan.id)
}

async fn recorded(ctx: &Ctx, account: &Account, found: &Subscription) -> Result<Done, FlowError> {
    // The lock is taken, so other live subscriptions are left to the events about them.
    subscription::note(ctx, &account.id, &found.as_kept(found.created))
        .await
        .map_err(FlowError::Failed)
}

/// Pays the first invoice of a subscription, whose first payment was declined, with the new method.
async fn pay_first(
    ctx: &Ctx,
    stripe: &StripeApi,
    account: &Account,
    unpaid: &Subscription,
    method: &PaymentMethod,
) -> Result<Done, FlowError> {
    let Some(invoice) = &unpaid.latest_invoice else {
        return recorded(ctx, account, unpaid).await;
    };
    let key = format!("pay-{invoice}-{}", method.id);
    match stripe.invoice_pay(invoice, &method.id, &key).await {
        Err(error) if error.card_declined() => Ok(Done::Applied(format!(
            "the first payment of subscription {} was declined again",
            unpaid.id
        ))),
        // Paid by an earlier attempt, or void since the subscription has expired: the next events
        // say which.
        Err(stripe_api::StripeError::Refused { .. }) | Ok(_) => {
            let after = stripe.subscription_find(&unpaid.id).await?;
            recorded(ctx, account, after.as_ref().unwrap_or(unpaid)).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Waits for a Checkout for a plan that the method may come from, and expires an abandoned one, so
/// that nobody pays it after the conversion.
async fn await_checkouts(
    shop: &Shop<'_>,
    account: &Account,
    method: &PaymentMethod,
) -> Result<(), FlowError> {
    let open = shop.stripe.checkout_list_open(&account.customer).await?;
    let plans = open
        .iter()
        .filter(|session| session.mode == SessionMode::Subscription)
        .count();
    if plans == 0 {
        return Ok(());
    }
    if shop.now.since(method.created) < CHECKOUT_LASTS {
        let why = "a Checkout for a plan is open; its subscription may be under way";
        return Err(Refusal::conflict(CHECKOUT_OPEN, why).into());
    }
    if expire_checkouts(shop.stripe, &account.customer).await? < plans {
        let why = "a Checkout for a plan has just been paid or has expired";
        return Err(Refusal::conflict(BUSY, why).into());
    }
    Ok(())
}

/// What a refusal of the flow means for the event.
fn failed(error: FlowError) -> Failure {
    match error {
        FlowError::Failed(failure) => failure,
        FlowError::Refused(refusal) if [BUSY, "already_subscribed"].contains(&refusal.code) => {
            Failure::after(BUSY_WAIT, refusal.detail)
        }
        FlowError::Refused(refusal) if refusal.code == CHECKOUT_OPEN => {
            Failure::after(CHECKOUT_WAIT, refusal.detail)
        }
        FlowError::Refused(refusal) => Failure::never(refusal.detail),
    }
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
