//! Checkout sessions, one for each wish: whoever asks again, with the same key or with another, comes to the same one.
//!
//! An act writes down what it will tell Stripe, claims the cart of what it buys, has Stripe make the session under a key
//! that follows from the act, and writes down which one it is. Whoever dies in between is taken up at any step by whoever
//! asks next. Another act that finds the cart claimed takes up that act instead of its own, as long as its session is
//! open and costs the same.

use crate::sales::at_stripe;
use crate::{ApiError, Ctx};
use domain::accounts::Account;
use domain::ids::{ActionId, CheckoutSessionId, CustomerId, PriceId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Begun, Intent};
use stripe_api::{
    CheckoutMode, CheckoutOrder, CheckoutSession, CheckoutUi, MethodMissing, PriceChoice,
    SessionStatus, StripeApi, Trial,
};

/// All that Stripe is told of a session, fixed beforehand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Whose it is.
    pub customer: String,
    /// What it is for.
    pub mode: Mode,
    /// At what prices, and how many of each; none where a meter counts.
    pub prices: Vec<(String, Option<u64>)>,
    /// Days it is tried for nothing.
    pub trial_days: u32,
    /// In lower case.
    pub currency: String,
    /// Whether it is shown within a page of ours.
    pub embedded: bool,
    /// Where its customer goes when it is complete.
    pub success_url: String,
    /// Where its customer goes who does not want to.
    pub cancel_url: String,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// One payment.
    Payment,
    /// A subscription.
    Subscription,
    /// A way to pay later.
    Setup,
}

/// Stripe forgets keys after a day.
const KEY_LASTS: Duration = Duration::from_secs(23 * 3_600);
/// Keys for one act: Stripe keeps its own failures with a key, so that a new one is needed.
const KEYS_MAX: u32 = 3;
/// More acts than this do not follow each other while one of them looks.
const TURNS_MAX: usize = 4;

/// Prices as they are kept.
pub fn frozen(prices: &[PriceChoice]) -> Vec<(String, Option<u64>)> {
    prices
        .iter()
        .map(|choice| (choice.price.to_string(), choice.quantity))
        .collect()
}

/// The same, for Stripe.
pub fn thawed(prices: &[(String, Option<u64>)]) -> Result<Vec<PriceChoice>, ApiError> {
    let one = |(price, quantity): &(String, Option<u64>)| {
        let price = PriceId::parse(price).map_err(|_| unreadable())?;
        Ok(PriceChoice {
            price,
            quantity: *quantity,
        })
    };
    prices.iter().map(one).collect()
}

/// The session of an act that wants this.
pub async fn session(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<CheckoutSession, ApiError> {
    let intent = match ctx.store.intent_begin(&account.id, act, &intent).await? {
        Begun::New => intent,
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused()),
    };
    let session = match &intent.answer {
        Some(answer) => find(stripe, answer).await?,
        None => settle((ctx, stripe), account, act, &intent).await?,
    };
    match session.status {
        Some(SessionStatus::Complete) => {
            let detail = "this checkout is complete; take a new Idempotency-Key for another one";
            Err(ApiError::conflict("checkout_complete", detail))
        }
        Some(SessionStatus::Expired) => Err(expired()),
        Some(_) | None => Ok(session),
    }
}

async fn settle(
    (ctx, stripe): (&Ctx, &StripeApi),
    account: &Account,
    act: &ActionId,
    intent: &Intent,
) -> Result<CheckoutSession, ApiError> {
    let cart = cart(&intent.what);
    let mut instead_of = None;
    for _ in 0..TURNS_MAX {
        let first = ctx
            .store
            .cart_claim(&account.id, &cart, act, instead_of.as_ref())
            .await?;
        let ours = first == *act;
        let wish = if ours {
            Some(intent.clone())
        } else {
            ctx.store.intent_find(&account.id, &first).await?
        };
        let wish = wish.filter(|wish| wish.params == intent.params);
        let session = match &wish {
            Some(wish) => made((ctx, stripe), &first, wish).await?,
            None => None,
        };
        if let Some(session) = &session {
            ctx.store
                .intent_done(&account.id, &first, session.id.as_str())
                .await?;
        }
        match session {
            Some(session) if ours || session.status == Some(SessionStatus::Open) => {
                ctx.store
                    .intent_done(&account.id, act, session.id.as_str())
                    .await?;
                return Ok(session);
            }
            None if ours => return Err(expired()),
            Some(_) | None => instead_of = Some(first),
        }
    }
    let detail = "several checkouts of the same thing were begun at once; try again";
    Err(ApiError::conflict("checkout_busy", detail))
}

/// The session of a wish; none where it is too long ago that it was asked for.
async fn made(
    (ctx, stripe): (&Ctx, &StripeApi),
    act: &ActionId,
    wish: &Intent,
) -> Result<Option<CheckoutSession>, ApiError> {
    if let Some(answer) = &wish.answer {
        return find(stripe, answer).await.map(Some);
    }
    let order: Order = serde_json::from_str(&wish.params).map_err(|_| unreadable())?;
    let customer = CustomerId::parse(&order.customer).map_err(|_| unreadable())?;
    if ctx.outside.now().since(wish.begun_at) >= KEY_LASTS {
        return open_session(stripe, &customer, act).await;
    }
    for attempt in 1..=KEYS_MAX {
        match create(stripe, act, &customer, (&order, &wish.what), attempt).await {
            Err(error) if error.failure_is_stored() && attempt < KEYS_MAX => {
                // Stripe failed under this key and will always say so; what it did nevertheless is looked up.
                if let Some(found) = open_session(stripe, &customer, act).await? {
                    return Ok(Some(found));
                }
            }
            other => return other.map(Some).map_err(at_stripe),
        }
    }
    Ok(None)
}

async fn create(
    stripe: &StripeApi,
    act: &ActionId,
    customer: &CustomerId,
    (order, what): (&Order, &str),
    attempt: u32,
) -> Result<CheckoutSession, stripe_api::StripeError> {
    let bad = |_| stripe_api::StripeError::Malformed {
        why: "a price that was kept is none".to_owned(),
    };
    let prices = thawed(&order.prices).map_err(bad)?;
    let method_missing = MethodMissing::Cancel;
    let mode = match (order.mode, prices.first()) {
        (Mode::Payment, Some(one)) => CheckoutMode::Payment {
            price: &one.price,
            quantity: one.quantity.unwrap_or(1),
        },
        (Mode::Subscription, _) => {
            let trial = (order.trial_days > 0).then_some(Trial {
                days: order.trial_days,
                method_missing,
            });
            CheckoutMode::Subscription {
                prices: &prices,
                trial,
            }
        }
        (Mode::Setup | Mode::Payment, _) => CheckoutMode::Setup {
            currency: &order.currency,
        },
    };
    let ui = if order.embedded {
        CheckoutUi::Embedded {
            return_url: &order.success_url,
        }
    } else {
        CheckoutUi::Hosted {
            success_url: &order.success_url,
            cancel_url: &order.cancel_url,
        }
    };
    let metadata = BTreeMap::from([("tallyhook_what".to_owned(), what.to_owned())]);
    let order = CheckoutOrder {
        customer,
        mode,
        ui,
        reference: act.as_str(),
        metadata: &metadata,
    };
    stripe.checkout_create(&order, &key(act, attempt)).await
}

/// The name of an act at Stripe.
pub fn key(act: &ActionId, attempt: u32) -> String {
    if attempt == 1 {
        format!("tallyhook-{act}")
    } else {
        format!("tallyhook-{act}-{attempt}")
    }
}

/// An open session that an act has made.
async fn open_session(
    stripe: &StripeApi,
    customer: &CustomerId,
    act: &ActionId,
) -> Result<Option<CheckoutSession>, ApiError> {
    let open = stripe
        .checkout_list_open(customer)
        .await
        .map_err(at_stripe)?;
    Ok(open
        .into_iter()
        .find(|session| session.client_reference_id.as_deref() == Some(act.as_str())))
}

async fn find(stripe: &StripeApi, answer: &str) -> Result<CheckoutSession, ApiError> {
    let id = CheckoutSessionId::parse(answer).map_err(|_| unreadable())?;
    stripe
        .checkout_find(&id)
        .await
        .map_err(at_stripe)?
        .ok_or_else(expired)
}

/// What of a wish tells its cart from others: everything but spaces, which no key needs.
fn cart(what: &str) -> String {
    what.replace(' ', "_")
}

fn expired() -> ApiError {
    let detail = "this checkout has expired and nothing was paid; take a new Idempotency-Key for another one";
    ApiError::conflict("checkout_expired", detail)
}

fn unreadable() -> ApiError {
    ApiError::failure(&domain::retry::Failure::never(
        "what was kept of a checkout cannot be read",
    ))
}

/// The act stands for something else.
pub fn key_reused() -> ApiError {
    let detail = "this Idempotency-Key stands for something else; take a new one for each act";
    ApiError::conflict("idempotency_key_reused", detail)
}
