//! Intents: what an act will send to Stripe, stored before the call. A repeat therefore sends the
//! same under the same key.

use domain::ids::{AccountId, ActionId, PriceId};
use domain::refusal::{FlowError, Refusal};
use domain::retry::Failure;
use domain::time::Timestamp;
use serde::Serialize;
use store::{Intent, Store};
use stripe_api::PriceChoice;

/// Returns the stored intent of an act, if the act has begun.
pub async fn begun(
    store: &Store,
    account: &AccountId,
    act: &ActionId,
    what: &str,
) -> Result<Option<Intent>, FlowError> {
    match store.intent_find(account, act).await? {
        Some(known) if known.what != what => Err(key_reused().into()),
        known => Ok(known),
    }
}

pub fn new(what: String, params: &impl Serialize, now: Timestamp) -> Intent {
    Intent {
        what,
        params: serde_json::to_string(params).unwrap_or_default(),
        answer: None,
        begun_at: now,
    }
}

/// Returns the idempotency key of an act at Stripe. An attempt after a stored failure needs another
/// key.
pub fn key(act: &ActionId, attempt: u32) -> String {
    if attempt == 1 {
        format!("tallyhook-{act}")
    } else {
        format!("tallyhook-{act}-{attempt}")
    }
}

/// The refusal of a key that was already used for another act.
pub fn key_reused() -> Refusal {
    let detail = "This `Idempotency-Key` was used for another request; use a new one for each act.";
    Refusal::conflict("idempotency_key_reused", detail)
}

/// Converts prices to the form in which an intent stores them.
pub fn frozen(prices: &[PriceChoice]) -> Vec<(String, Option<u64>)> {
    prices
        .iter()
        .map(|choice| (choice.price.to_string(), choice.quantity))
        .collect()
}

/// Converts stored prices back for Stripe.
pub(crate) fn thawed(prices: &[(String, Option<u64>)]) -> Result<Vec<PriceChoice>, FlowError> {
    let one = |(price, quantity): &(String, Option<u64>)| {
        let price = PriceId::parse(price).map_err(|_| unreadable())?;
        Ok(PriceChoice {
            price,
            quantity: *quantity,
        })
    };
    prices.iter().map(one).collect()
}

pub(crate) fn unreadable() -> FlowError {
    FlowError::Failed(Failure::never("a stored intent cannot be read"))
}
