//! Starts subscriptions, once for each act. `subscription_changes` changes them.
//!
//! Safe to run twice: an act stores what it will send to Stripe before it calls, so a repeat finds
//! what was done and does not do it again. Afterwards we fetch the subscription from Stripe and
//! record its state at once. Stripe's events arrive later and say the same.

use crate::billing::Shop;
use crate::billing::intents::{frozen, key, key_reused, thawed, unreadable};
use crate::billing::prices::{self, from_stripe};
use crate::billing::rivals::{self, ORIGIN_FIELD};
use crate::billing::subscription_lock::locked;
use domain::accounts::Account;
use domain::billing::entitlements::plan_of;
use domain::billing::plans::{Catalogue, Plan};
use domain::billing::subscriptions::{Status, Subscription, SubscriptionOrigin};
use domain::ids::{ActionId, CustomerId, PaymentMethodId, SubscriptionId};
use domain::refusal::{FlowError, Refusal};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Begun, Intent, Noted};
use stripe_api::{
    MethodMissing, PriceChoice, SessionMode, StripeApi, StripeError, SubscriptionOrder, Trial,
    WhenUnpaid,
};

/// What we send to Stripe for a new subscription, fixed before the first call.
#[derive(Serialize, Deserialize)]
pub struct Order {
    prices: Vec<(String, Option<u64>)>,
    trial_days: u32,
    /// The payment method to use. If absent, the customer's default applies.
    payment_method: Option<String>,
    /// Whether a trial converts. Its first invoice may then stay unpaid for a while.
    converted: bool,
}

impl Order {
    /// The order for a plan to which a payment method converts an account.
    pub fn conversion(prices: &[PriceChoice], method: &PaymentMethodId) -> Self {
        Self {
            prices: frozen(prices),
            trial_days: 0,
            payment_method: Some(method.to_string()),
            converted: true,
        }
    }
}

/// The metadata field with the act that created a subscription.
const ACT_FIELD: &str = "tallyhook_act";
/// The metadata field with the account that pays.
const ACCOUNT_FIELD: &str = "account";
/// The number of keys for one act. Stripe stores its own failures under a key for a day, so each
/// new attempt needs a new key.
pub(crate) const KEYS_MAX: u32 = 12;

/// Whether a subscription with this status is live: it has begun and has not ended.
pub fn is_alive(status: &Status) -> bool {
    !status.is_final() && *status != Status::Incomplete
}

/// Returns the live subscription to one of our plans. Of several, it prefers an active or trialing
/// one, then the newest.
pub fn live<'a>(
    catalogue: &Catalogue,
    subscriptions: &'a [Subscription],
) -> Option<&'a Subscription> {
    let ours = subscriptions
        .iter()
        .filter(|one| plan_of(catalogue, one).is_some());
    let alive = ours.filter(|one| is_alive(&one.status));
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

/// Refuses if Stripe has a live subscription of the account. Otherwise returns the ones that have
/// ended.
pub async fn refuse_second(
    shop: &Shop<'_>,
    account: &Account,
) -> Result<Vec<Subscription>, FlowError> {
    let there = shop
        .stripe
        .subscription_list(&account.customer)
        .await
        .map_err(from_stripe)?;
    let there: Vec<_> = there.iter().map(|one| one.as_kept(one.created)).collect();
    match live(shop.catalogue, &there) {
        Some(live) => Err(already_subscribed(live).into()),
        None => Ok(there),
    }
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
    // A subscription of a moment ago may not be recorded yet.
    let there = refuse_second(shop, account).await?;
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
        converted: false,
    })
}

/// Subscribes once for the act, under the account's lock.
pub async fn subscribe(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<SubscriptionId, FlowError> {
    let work = subscribe_locked(shop, account, act, intent);
    locked(shop, &account.id, act, work).await
}

/// Subscribes once for the act, which holds the lock.
pub async fn subscribe_locked(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<SubscriptionId, FlowError> {
    let intent = match shop.store.intent_begin(&account.id, act, &intent).await? {
        Begun::New => intent,
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused().into()),
    };
    match &intent.answer {
        Some(answer) => SubscriptionId::parse(answer).map_err(|_| unreadable()),
        None => make(shop, account, act, &intent).await,
    }
}

async fn make(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: &Intent,
) -> Result<SubscriptionId, FlowError> {
    let order: Order = serde_json::from_str(&intent.params).map_err(|_| unreadable())?;
    let prices = thawed(&order.prices)?;
    let method = order
        .payment_method
        .as_deref()
        .map(PaymentMethodId::parse)
        .transpose()
        .map_err(|_| unreadable())?;
    let (origin, when_unpaid) = if order.converted {
        (SubscriptionOrigin::Converted, WhenUnpaid::Owe)
    } else {
        (SubscriptionOrigin::Chosen, WhenUnpaid::Refuse)
    };
    let metadata = [
        (ACT_FIELD, act.to_string()),
        (ACCOUNT_FIELD, account.id.to_string()),
        (ORIGIN_FIELD, origin.to_string()),
    ];
    let metadata: BTreeMap<_, _> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let order = SubscriptionOrder {
        customer: &account.customer,
        prices: &prices,
        trial: (order.trial_days > 0).then_some(Trial {
            days: order.trial_days,
            method_missing: MethodMissing::Cancel,
        }),
        payment_method: method.as_ref(),
        when_unpaid,
        metadata: &metadata,
    };
    let made = created(shop, account, act, &order).await?;
    expire_checkouts(shop.stripe, &account.customer).await?;
    record(shop, account, &made).await?;
    shop.store
        .intent_done(&account.id, act, made.id.as_str())
        .await?;
    Ok(made.id)
}

/// Returns the subscription that the act created, and creates it if there is none yet.
async fn created(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    order: &SubscriptionOrder<'_>,
) -> Result<stripe_api::Subscription, FlowError> {
    let mut attempt = 1;
    loop {
        let there = shop
            .stripe
            .subscription_list(&account.customer)
            .await
            .map_err(from_stripe)?;
        let ours = |one: &&stripe_api::Subscription| {
            let by = one.metadata.get(ACT_FIELD);
            by.is_some_and(|by| *by == act.as_str())
        };
        if let Some(made) = there.iter().find(ours) {
            return Ok(made.clone());
        }
        if let Some(other) = rivals::live(shop.catalogue, &there).first() {
            return Err(already_subscribed(&other.as_kept(other.created)).into());
        }
        match shop
            .stripe
            .subscription_create(order, &key(act, attempt))
            .await
        {
            // Stripe will never return another result for this key. It may have created the
            // subscription nevertheless, so look again.
            Err(error)
                if (error.failure_is_stored() || error.key_reused()) && attempt < KEYS_MAX =>
            {
                attempt += 1;
            }
            answer => return answer.map_err(from_stripe),
        }
    }
}

/// Expires the customer's open Checkout sessions for plans, because the account has a subscription.
pub async fn expire_checkouts(
    stripe: &StripeApi,
    customer: &CustomerId,
) -> Result<usize, FlowError> {
    let open = stripe
        .checkout_list_open(customer)
        .await
        .map_err(from_stripe)?;
    let mut count = 0;
    for session in open {
        if session.mode != SessionMode::Subscription {
            continue;
        }
        let key = format!("tallyhook-expire-{}", session.id);
        match stripe.checkout_expire(&session.id, &key).await {
            Ok(_) => count += 1,
            // It has been paid or has expired in the meantime.
            Err(StripeError::Refused { .. }) => {}
            Err(error) => return Err(from_stripe(error)),
        }
    }
    Ok(count)
}

pub(crate) async fn record(
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
