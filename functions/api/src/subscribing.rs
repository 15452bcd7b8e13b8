//! Subscriptions, begun and changed once for each act.
//!
//! An act is written down before Stripe is asked, with everything Stripe will be told, and whoever comes again finds what
//! was done and does not do it again. Afterwards Stripe is asked how the subscription stands, and our store notes that at
//! once; its events come later and say the same.

use crate::caller::Caller;
use crate::checkout_sessions::{frozen, key, key_reused, thawed};
use crate::routes::checkout::{intent, known, live, subscribed};
use crate::sales::{self, at_stripe};
use crate::{ApiError, Ctx};
use domain::accounts::Account;
use domain::billing::plans::Plan;
use domain::billing::subscriptions::{Contracts, Subscription};
use domain::ids::{ActionId, PaymentMethodId, SubscriptionId};
use domain::retry::Failure;
use domain::time::Timestamp;
use rest::Act;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Begun, Intent, Noted};
use stripe_api::{
    MethodMissing, Proration, StripeApi, SubscriptionChange, SubscriptionOrder, Trial, WhenUnpaid,
};

/// What a new subscription is asked for with, fixed beforehand.
#[derive(Serialize, Deserialize)]
pub struct Order {
    prices: Vec<(String, Option<u64>)>,
    trial_days: u32,
    /// What it is paid with; without, as the customer pays usually.
    payment_method: Option<String>,
}

/// The note by which a subscription is known as an act's.
const ACT_NOTE: &str = "tallyhook_act";
/// The cart of whoever subscribes: one at a time.
const CART: &str = "subscription";
/// Keys for one act: Stripe keeps its own failures with a key.
const KEYS_MAX: u32 = 3;
/// More acts than this do not follow each other while one of them looks.
const TURNS_MAX: usize = 4;
/// An act that has not come back by then has died or was refused.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// The account with what it has agreed to pay for, as the store has it.
pub async fn whole(ctx: &Ctx, caller: &Caller) -> Result<(Account, Contracts), ApiError> {
    let found = ctx.store.account_find_whole(&caller.account).await?;
    found.ok_or_else(|| ApiError::not_found("the account is gone"))
}

/// What a subscription to this plan will be asked for with, if there is none yet and something to pay with.
pub async fn order(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    subscriptions: &[Subscription],
    plan: &Plan,
) -> Result<Order, ApiError> {
    if let Some(live) = live(ctx, subscriptions) {
        return Err(subscribed(live));
    }
    // Stripe is asked, too: what was subscribed to a moment ago may not have been noted.
    let there = stripe
        .subscription_list(&account.customer)
        .await
        .map_err(at_stripe)?;
    let there: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
    if let Some(live) = live(ctx, &there) {
        return Err(subscribed(live));
    }
    let trial_days = if there.is_empty() { plan.trial_days } else { 0 };
    let prices = sales::plan_prices(ctx, stripe, plan).await?;
    let methods = stripe
        .payment_method_list(&account.customer)
        .await
        .map_err(at_stripe)?;
    if trial_days == 0 && methods.is_empty() {
        let detail = "the account has no payment method; add one with POST /api/v1/billing/payment-methods, or buy the \
                      plan with POST /api/v1/billing/checkout";
        return Err(ApiError::payment_required("no_payment_method", detail));
    }
    let usual = stripe
        .customer_find(&account.customer)
        .await
        .map_err(at_stripe)?;
    let has_usual = usual.is_some_and(|customer| customer.default_payment_method.is_some());
    let payment_method = methods
        .first()
        .filter(|_| !has_usual)
        .map(|method| method.id.to_string());
    Ok(Order {
        prices: frozen(&prices),
        trial_days,
        payment_method,
    })
}

/// Subscribes, once for the act; of several acts at once one does.
pub async fn subscribe(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<(), ApiError> {
    let intent = match ctx.store.intent_begin(&account.id, act, &intent).await? {
        Begun::New => intent,
        Begun::Same(known) if known.answer.is_some() => return Ok(()),
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused()),
    };
    let mut instead_of = None;
    for _ in 0..TURNS_MAX {
        let first = ctx
            .store
            .cart_claim(&account.id, CART, act, instead_of.as_ref())
            .await?;
        if first == *act {
            return make((ctx, stripe), account, act, &intent).await;
        }
        let theirs = ctx.store.intent_find(&account.id, &first).await?;
        let under_way = theirs.is_some_and(|theirs| {
            theirs.answer.is_none() && ctx.outside.now().since(theirs.begun_at) < UNDER_WAY
        });
        let there = stripe
            .subscription_list(&account.customer)
            .await
            .map_err(at_stripe)?;
        let there: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
        if let Some(live) = live(ctx, &there) {
            return Err(subscribed(live));
        }
        if under_way {
            break;
        }
        instead_of = Some(first);
    }
    let detail =
        "another subscription is just being begun; look at it with GET, or try again in a minute";
    Err(ApiError::conflict("subscription_busy", detail))
}

async fn make(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    act: &ActionId,
    intent: &Intent,
) -> Result<(), ApiError> {
    let order: Order = serde_json::from_str(&intent.params).map_err(|_| unreadable())?;
    let prices = thawed(&order.prices)?;
    let method = order
        .payment_method
        .as_deref()
        .map(PaymentMethodId::parse)
        .transpose()
        .map_err(|_| unreadable())?;
    let metadata = BTreeMap::from([(ACT_NOTE.to_owned(), act.to_string())]);
    let method_missing = MethodMissing::Cancel;
    let order = SubscriptionOrder {
        customer: &account.customer,
        prices: &prices,
        trial: (order.trial_days > 0).then_some(Trial {
            days: order.trial_days,
            method_missing,
        }),
        payment_method: method.as_ref(),
        when_unpaid: WhenUnpaid::Refuse,
        metadata: &metadata,
    };
    for attempt in 1..=KEYS_MAX {
        let there = stripe
            .subscription_list(&account.customer)
            .await
            .map_err(at_stripe)?;
        let made = there.into_iter().find(|one| {
            one.metadata
                .get(ACT_NOTE)
                .is_some_and(|by| *by == act.as_str())
        });
        let answer = match made {
            Some(made) => Ok(made),
            None => stripe.subscription_create(&order, &key(act, attempt)).await,
        };
        match answer {
            Err(error) if error.failure_is_stored() && attempt < KEYS_MAX => {}
            Err(error) => return Err(at_stripe(error)),
            Ok(made) => {
                note(ctx, account, &made).await?;
                ctx.store
                    .intent_done(&account.id, act, made.id.as_str())
                    .await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What a change is about, fixed beforehand: a repeat means the same subscription, whatever has begun since.
#[derive(Serialize, Deserialize)]
struct Target {
    subscription: String,
    /// The moment that parts of a period are counted from.
    at: i64,
}

/// Changes the subscription that goes on, once for the act, and notes how it stands then.
pub async fn act(
    (ctx, caller): (&Ctx, &Caller),
    act: &Act,
    (what, at): (String, i64),
    change: impl AsyncFnOnce(&StripeApi, &stripe_api::Subscription, &str, i64) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let (account, _) = whole(ctx, caller).await?;
    let id = act.id();
    let begun = match known(ctx, &account, act, &what).await? {
        Some(known) => known,
        None => {
            let subscription = active_subscription((ctx, &stripe), &account)
                .await?
                .id
                .to_string();
            intent(ctx, what.clone(), &Target { subscription, at })
        }
    };
    let begun = match ctx.store.intent_begin(&account.id, &id, &begun).await? {
        Begun::New => begun,
        Begun::Same(known) if known.answer.is_some() => return Ok(()),
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused()),
    };
    let target: Target = serde_json::from_str(&begun.params).map_err(|_| unreadable())?;
    let subscription = SubscriptionId::parse(&target.subscription).map_err(|_| unreadable())?;
    let there = stripe
        .subscription_find(&subscription)
        .await
        .map_err(at_stripe)?
        .ok_or_else(none)?;
    // What the try before has ended is over; all that is left is to note it.
    if there.ended_at.is_none() {
        change(&stripe, &there, &key(&id, 1), target.at).await?;
    }
    let after = stripe
        .subscription_find(&subscription)
        .await
        .map_err(at_stripe)?
        .unwrap_or(there);
    note(ctx, &account, &after).await?;
    ctx.store
        .intent_done(&account.id, &id, after.id.as_str())
        .await?;
    tracing::info!(account.id = %account.id, subscription.id = %after.id, by = %caller.by, what, audit = true,
        "changed a subscription");
    Ok(())
}

fn unreadable() -> ApiError {
    ApiError::failure(&Failure::never(
        "what was kept of a subscription cannot be read",
    ))
}

/// What has to become of a subscription so that it is for this plan. It is worked out from what is there, so a second try
/// changes nothing.
pub async fn change(
    (ctx, stripe): (&Ctx, &StripeApi),
    there: &stripe_api::Subscription,
    plan: &Plan,
    at: i64,
) -> Result<SubscriptionChange, ApiError> {
    let prices = sales::plan_prices(ctx, stripe, plan).await?;
    Ok(SubscriptionChange {
        items: there.changes_to(&prices),
        proration: Proration::AtOnce,
        proration_at: Some(Timestamp::from_seconds(at)),
        when_unpaid: WhenUnpaid::Refuse,
    })
}

/// The subscription that goes on, as Stripe has it.
pub async fn active_subscription(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
) -> Result<stripe_api::Subscription, ApiError> {
    let there = stripe
        .subscription_list(&account.customer)
        .await
        .map_err(at_stripe)?;
    let known: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
    let live = live(ctx, &known)
        .map(|one| one.id.clone())
        .ok_or_else(none)?;
    there
        .into_iter()
        .find(|one| one.id == live)
        .ok_or_else(none)
}

async fn note(
    ctx: &Ctx,
    account: &Account,
    answered: &stripe_api::Subscription,
) -> Result<(), ApiError> {
    let now = Timestamp::from_seconds(ctx.outside.now().seconds());
    let said = answered.as_kept(now.max(answered.created));
    // What is known of the same second is older than an answer that has just come. Whatever else is known is newer.
    if let Noted::Tie(known) = ctx.store.subscription_note(&account.id, &said).await? {
        let said = Subscription {
            as_of: known.as_of,
            ..said
        };
        ctx.store
            .subscription_settle(&account.id, &known, &said)
            .await?;
    }
    Ok(())
}

fn none() -> ApiError {
    ApiError::not_found(
        "the account has no subscription that goes on; begin one with POST /api/v1/billing/subscription",
    )
}
