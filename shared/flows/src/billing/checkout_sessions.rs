//! Checkout sessions, one for each purchase. A repeat gets the same session, with the same key or
//! with another one.
//!
//! An act stores what it will send to Stripe, claims the slot of the purchase, has Stripe create
//! the session under a key that follows from the act, and stores the session's id. Safe to run
//! twice: if a process dies at any step, the next request continues from there. An act that finds
//! the slot claimed continues the other act instead of its own, as long as that act's session is
//! open and costs the same.

use crate::billing::Shop;
use crate::billing::intents::{key, key_reused, thawed, unreadable};
use crate::billing::prices::from_stripe;
use domain::accounts::Account;
use domain::billing::pack_terms::WHAT;
use domain::billing::plans::{Catalogue, CheckoutOption};
use domain::ids::{ActionId, CheckoutSessionId, CustomerId};
use domain::refusal::{FlowError, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Begun, Intent};
use stripe_api::{
    CheckoutMode, CheckoutOrder, CheckoutSession, CheckoutUi, MethodMissing, SessionStatus,
    StripeApi, Trial,
};

/// What we send to Stripe for a session, fixed before the first call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub customer: String,
    pub mode: Mode,
    /// Each price with its quantity. A metered price has no quantity.
    pub prices: Vec<(String, Option<u64>)>,
    pub trial_days: u32,
    /// The currency code, in lower case.
    pub currency: String,
    /// Whether the session is embedded in a page instead of hosted by Stripe.
    pub embedded: bool,
    /// The page to show after a completed checkout.
    pub success_url: String,
    /// The page to show after a cancelled checkout.
    pub cancel_url: String,
    /// The terms of a pack, which the session carries as metadata.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub terms: BTreeMap<String, String>,
    /// The options of the catalogue, by their words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The text beside the button.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The catalogue's options for a session that sells something.
pub fn options(catalogue: &Catalogue) -> Vec<String> {
    let words = catalogue.checkout.iter().map(|option| option.as_str());
    words.map(str::to_owned).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Payment,
    Subscription,
    /// Saves a payment method for later.
    Setup,
}

/// Stripe forgets idempotency keys after a day, so we stop one hour earlier.
const KEY_LASTS: Duration = Duration::from_secs(23 * 3_600);
/// The number of keys for one act. Stripe stores its own failures under a key, so a new attempt
/// needs a new key.
const KEYS_MAX: u32 = 3;
/// How many concurrent acts one request deals with before it gives up.
const TURNS_MAX: usize = 4;

/// Returns the session of an act with this intent, and creates it if it does not exist.
pub async fn session(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: Intent,
) -> Result<CheckoutSession, FlowError> {
    let intent = match shop.store.intent_begin(&account.id, act, &intent).await? {
        Begun::New => intent,
        Begun::Same(known) => known,
        Begun::Other => return Err(key_reused().into()),
    };
    let session = match &intent.answer {
        Some(answer) => find(shop.stripe, answer).await?,
        None => settle(shop, account, act, &intent).await?,
    };
    match session.status {
        Some(SessionStatus::Complete) => {
            let detail = "This checkout is complete; use a new `Idempotency-Key` for another one.";
            Err(Refusal::conflict("checkout_complete", detail).into())
        }
        Some(SessionStatus::Expired) => Err(expired().into()),
        Some(_) | None => Ok(session),
    }
}

async fn settle(
    shop: &Shop<'_>,
    account: &Account,
    act: &ActionId,
    intent: &Intent,
) -> Result<CheckoutSession, FlowError> {
    let slot = slot(&intent.what);
    let mut instead_of = None;
    for _ in 0..TURNS_MAX {
        let first = shop
            .store
            .cart_claim(&account.id, &slot, act, instead_of.as_ref())
            .await?;
        let ours = first == *act;
        let planned = if ours {
            Some(intent.clone())
        } else {
            shop.store.intent_find(&account.id, &first).await?
        };
        let planned = planned.filter(|planned| planned.params == intent.params);
        let session = match &planned {
            Some(planned) => made(shop, &first, planned).await?,
            None => None,
        };
        if let Some(session) = &session {
            shop.store
                .intent_done(&account.id, &first, session.id.as_str())
                .await?;
        }
        match session {
            Some(session) if ours || session.status == Some(SessionStatus::Open) => {
                shop.store
                    .intent_done(&account.id, act, session.id.as_str())
                    .await?;
                return Ok(session);
            }
            None if ours => return Err(expired().into()),
            Some(_) | None => instead_of = Some(first),
        }
    }
    let detail = "Concurrent requests are starting the same checkout; retry.";
    Err(Refusal::conflict("checkout_busy", detail).into())
}

/// Returns the session of an intent, and creates it if necessary. Returns `None` if the intent is
/// so old that Stripe has forgotten its key, and no session is open.
async fn made(
    shop: &Shop<'_>,
    act: &ActionId,
    planned: &Intent,
) -> Result<Option<CheckoutSession>, FlowError> {
    if let Some(answer) = &planned.answer {
        return find(shop.stripe, answer).await.map(Some);
    }
    let order: Order = serde_json::from_str(&planned.params).map_err(|_| unreadable())?;
    let customer = CustomerId::parse(&order.customer).map_err(|_| unreadable())?;
    if shop.now.since(planned.begun_at) >= KEY_LASTS {
        return open_session(shop.stripe, &customer, act).await;
    }
    for attempt in 1..=KEYS_MAX {
        match create(
            shop.stripe,
            act,
            &customer,
            (&order, &planned.what),
            attempt,
        )
        .await
        {
            Err(error) if error.failure_is_stored() && attempt < KEYS_MAX => {
                // Stripe failed under this key and will repeat that response. It may have created
                // the session nevertheless.
                if let Some(found) = open_session(shop.stripe, &customer, act).await? {
                    return Ok(Some(found));
                }
            }
            other => return other.map(Some).map_err(from_stripe),
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
    let mut metadata = order.terms.clone();
    metadata.insert(WHAT.to_owned(), what.to_owned());
    let order = CheckoutOrder {
        customer,
        mode,
        ui,
        reference: act.as_str(),
        metadata: &metadata,
        options: &order
            .options
            .iter()
            .filter_map(|word| CheckoutOption::parse(word))
            .collect(),
        text: order.text.as_deref(),
    };
    stripe.checkout_create(&order, &key(act, attempt)).await
}

/// Returns an open session that the act created, if there is one.
async fn open_session(
    stripe: &StripeApi,
    customer: &CustomerId,
    act: &ActionId,
) -> Result<Option<CheckoutSession>, FlowError> {
    let open = stripe
        .checkout_list_open(customer)
        .await
        .map_err(from_stripe)?;
    Ok(open
        .into_iter()
        .find(|session| session.client_reference_id.as_deref() == Some(act.as_str())))
}

async fn find(stripe: &StripeApi, answer: &str) -> Result<CheckoutSession, FlowError> {
    let id = CheckoutSessionId::parse(answer).map_err(|_| unreadable())?;
    stripe
        .checkout_find(&id)
        .await
        .map_err(from_stripe)?
        .ok_or_else(|| expired().into())
}

/// Returns the slot of a purchase as part of a database key, which must not contain spaces.
fn slot(what: &str) -> String {
    what.replace(' ', "_")
}

fn expired() -> Refusal {
    let detail = "This checkout has expired and nothing was paid; use a new `Idempotency-Key` for another one.";
    Refusal::conflict("checkout_expired", detail)
}
