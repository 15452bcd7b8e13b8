//! Starts and changes subscriptions, once for each act.
//!
//! Safe to run twice: an act stores what it will send to Stripe before it calls, so a repeat finds
//! what was done and does not do it again. Afterwards we fetch the subscription from Stripe and
//! record its state at once. Stripe's events arrive later and say the same.

use crate::billing::Shop;
use crate::billing::intents::{self, frozen, key, key_reused, thawed, unreadable};
use crate::billing::prices::{self, from_stripe};
use domain::accounts::Account;
use domain::billing::entitlements::plan_of;
use domain::billing::plans::{Catalogue, Plan};
use domain::billing::subscriptions::{Status, Subscription};
use domain::ids::{ActionId, PaymentMethodId, SubscriptionId};
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Begun, Intent, Noted};
use stripe_api::{
    MethodMissing, Proration, SubscriptionChange, SubscriptionOrder, Trial, WhenUnpaid,
};

/// What we send to Stripe for a new subscription, fixed before the first call.
#[derive(Serialize, Deserialize)]
pub struct Order {
    prices: Vec<(String, Option<u64>)>,
    trial_days: u32,
    /// The payment method to use. If absent, the customer's default applies.
    payment_method: Option<String>,
}

/// The metadata field with the act that created a subscription.
const ACT_FIELD: &str = "tallyhook_act";
/// The slot of a new subscription. An account starts one subscription at a time.
const SLOT: &str = "subscription";
/// The number of keys for one act. Stripe stores its own failures under a key, so a new attempt
/// needs a new key.
const KEYS_MAX: u32 = 3;
/// How many concurrent acts one request deals with before it gives up.
const TURNS_MAX: usize = 4;
/// How long an act without an answer counts as under way. After that, it has died or was refused.
const UNDER_WAY: Duration = Duration::from_secs(60);

/// Returns the live subscription to one of our plans. Of several, it prefers an active or trialing
/// one, then the newest.
pub fn live<'a>(
    catalogue: &Catalogue,
    subscriptions: &'a [Subscription],
) -> Option<&'a Subscription> {
    let ours = subscriptions
        .iter()
        .filter(|one| plan_of(catalogue, one).is_some());
    let alive = ours.filter(|one| !one.status.is_final() && one.status != Status::Incomplete);
    alive.max_by_key(|one| {
        (
            matches!(one.status, Status::Active | Status::Trialing),
            one.created_at,
        )
    })
}

/// The refusal of a second subscription: an account pays for one plan at a time.
pub fn already_subscribed(live: &Subscription) -> Refusal {
    let detail = format!(
        "The account already has the subscription {}; change it with `PATCH /api/v1/billing/subscription`.",
        live.id
    );
    Refusal::conflict("already_subscribed", detail)
}

/// Returns the order for a subscription to this plan. The account must have no subscription yet and
/// a way to pay.
pub async fn order(
    shop: &Shop<'_>,
    account: &Account,
    subscriptions: &[Subscription],
    plan: &Plan,
) -> Result<Order, FlowError> {
    if let Some(live) = live(shop.catalogue, subscriptions) {
        return Err(already_subscribed(live).into());
    }
    // Check Stripe as well, because a subscription created a moment ago may not have been recorded
    // yet.
    let there = shop
        .stripe
        .subscription_list(&account.customer)
        .await
        .map_err(from_stripe)?;
    let there: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
    if let Some(live) = live(shop.catalogue, &there) {
        return Err(already_subscribed(live).into());
    }
    let trial_days = if there.is_empty() { plan.trial_days } else { 0 };
    let prices = prices::plan_prices(shop, plan).await?;
    let methods = shop
        .stripe
        .payment_method_list(&account.customer)
        .await
        .map_err(from_stripe)?;
    if trial_days == 0 && methods.is_empty() {
        let detail = "The account has no payment method. Add one with `POST /api/v1/billing/payment-methods`, or buy the \
                      plan with `POST /api/v1/billing/checkout`.";
        return Err(Refusal::payment_required("no_payment_method", detail).into());
    }
    let usual = shop
        .stripe
        .customer_find(&account.customer)
        .await
        .map_err(from_stripe)?;
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

/// Subscribes once for the act. Of several concurrent acts, only one subscribes.
pub async fn subscribe(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<(), FlowError> {
    let intent = match shop.store.intent_begin(&account.id, act, &intent).await? {
        Begun::New => intent,
        Begun::Same(known) if known.answer.is_some() => return Ok(()),
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused().into()),
    };
    let mut instead_of = None;
    for _ in 0..TURNS_MAX {
        let first = shop
            .store
            .cart_claim(&account.id, SLOT, act, instead_of.as_ref())
            .await?;
        if first == *act {
            return make(shop, account, act, &intent).await;
        }
        let theirs = shop.store.intent_find(&account.id, &first).await?;
        let under_way = theirs.is_some_and(|theirs| {
            theirs.answer.is_none() && shop.now.since(theirs.begun_at) < UNDER_WAY
        });
        let there = shop
            .stripe
            .subscription_list(&account.customer)
            .await
            .map_err(from_stripe)?;
        let there: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
        if let Some(live) = live(shop.catalogue, &there) {
            return Err(already_subscribed(live).into());
        }
        if under_way {
            break;
        }
        instead_of = Some(first);
    }
    let detail = "A concurrent request is starting a subscription; retry in a minute.";
    Err(Refusal::conflict("subscription_busy", detail).into())
}

async fn make(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: &Intent,
) -> Result<(), FlowError> {
    let order: Order = serde_json::from_str(&intent.params).map_err(|_| unreadable())?;
    let prices = thawed(&order.prices)?;
    let method = order
        .payment_method
        .as_deref()
        .map(PaymentMethodId::parse)
        .transpose()
        .map_err(|_| unreadable())?;
    let metadata = BTreeMap::from([(ACT_FIELD.to_owned(), act.to_string())]);
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
        let there = shop
            .stripe
            .subscription_list(&account.customer)
            .await
            .map_err(from_stripe)?;
        let made = there.into_iter().find(|one| {
            one.metadata
                .get(ACT_FIELD)
                .is_some_and(|by| *by == act.as_str())
        });
        let answer = match made {
            Some(made) => Ok(made),
            None => {
                shop.stripe
                    .subscription_create(&order, &key(act, attempt))
                    .await
            }
        };
        match answer {
            Err(error) if error.failure_is_stored() && attempt < KEYS_MAX => {}
            Err(error) => return Err(from_stripe(error)),
            Ok(made) => {
                record(shop, account, &made).await?;
                shop.store
                    .intent_done(&account.id, act, made.id.as_str())
                    .await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The target of a change, fixed before the first call. A repeat changes the same subscription,
/// whatever has started since.
#[derive(Serialize, Deserialize)]
struct Target {
    subscription: String,
    /// The moment from which Stripe prorates.
    at: i64,
}

/// A change of the subscription, made once for an act.
pub struct Change {
    pub act: ActionId,
    /// A description that distinguishes this change from others under the same key.
    pub what: String,
    /// The moment from which Stripe prorates.
    pub at: i64,
}

/// Changes the live subscription and records its new state.
pub async fn change(
    shop: &Shop<'_>,
    account: &Account,
    wanted: Change,
    call: impl AsyncFnOnce(&stripe_api::Subscription, &str, i64) -> Result<(), FlowError>,
) -> Result<SubscriptionId, FlowError> {
    let Change { act, what, at } = wanted;
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
    let there = shop
        .stripe
        .subscription_find(&subscription)
        .await
        .map_err(from_stripe)?
        .ok_or_else(no_subscription)?;
    // If a previous attempt ended the subscription, only the record is missing.
    if there.ended_at.is_none() {
        call(&there, &key(&act, 1), target.at).await?;
    }
    let after = shop
        .stripe
        .subscription_find(&subscription)
        .await
        .map_err(from_stripe)?
        .unwrap_or(there);
    record(shop, account, &after).await?;
    shop.store
        .intent_done(&account.id, &act, after.id.as_str())
        .await?;
    Ok(after.id)
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

async fn record(
    shop: &Shop<'_>,
    account: &Account,
    answered: &stripe_api::Subscription,
) -> Result<(), FlowError> {
    let now = Timestamp::from_seconds(shop.now.seconds());
    let said = answered.as_kept(now.max(answered.created));
    // A record of the same second is older than a response that has just arrived, so the response
    // wins the tie. A record that does not tie is newer and stays.
    if let Noted::Tie(known) = shop.store.subscription_note(&account.id, &said).await? {
        let said = Subscription {
            as_of: known.as_of,
            ..said
        };
        shop.store
            .subscription_settle(&account.id, &known, &said)
            .await?;
    }
    Ok(())
}

fn no_subscription() -> Refusal {
    Refusal::not_found(
        "The account has no active subscription; start one with `POST /api/v1/billing/subscription`.",
    )
}
