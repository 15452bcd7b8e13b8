//! Automatic top-up: its terms, and setting it. Nothing is charged here. A top-up begins where the
//! balance falls, and `stripe-events` charges.

use crate::billing::Shop;
use crate::billing::prices::{from_stripe, pack};
use domain::billing::pack_terms::PackTerms;
use domain::billing::plans::Catalogue;
use domain::billing::top_ups::{TopUp, TopUpTerms};
use domain::ids::AccountId;
use domain::refusal::{FlowError, Refusal};
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::units::Credits;
use store::{AccountBegun, Store, TopUpSaved};

/// The highest monthly cap, in minor units.
pub const CAP_MINOR_MAX: i64 = 99_999_999;
/// Concurrent changes of one account's settings; the last one counts.
const TURNS_MAX: u32 = 4;

/// Returns the terms for a threshold, a pack and a monthly cap.
pub fn terms(
    catalogue: &Catalogue,
    threshold: &str,
    pack_id: &str,
    monthly_cap_minor: i64,
) -> Result<TopUpTerms, Refusal> {
    let bad = |detail: String| Refusal::invalid("bad_amount", detail);
    let pack = pack(catalogue, pack_id)?;
    let threshold = Credits::parse(threshold).map_err(|error| bad(error.to_string()))?;
    // Otherwise a purchase could leave the balance below the threshold, and the next would follow.
    if threshold.is_zero() || threshold > pack.credits {
        return Err(bad(format!(
            "`threshold` must be greater than zero and at most the {} credits of the pack; choose a larger pack or a lower \
             threshold.",
            pack.credits
        )));
    }
    if !(pack.price.minor..=CAP_MINOR_MAX).contains(&monthly_cap_minor) {
        return Err(bad(format!(
            "`monthly_cap_minor` must be {} (the price of the pack) to {CAP_MINOR_MAX}.",
            pack.price.minor
        )));
    }
    Ok(TopUpTerms {
        threshold,
        pack: pack.id.clone(),
        sold: PackTerms::of(pack, &catalogue.version),
        price: pack.price,
        monthly_cap_minor,
    })
}

/// Switches automatic top-up on. If the balance is below the threshold already, the first top-up
/// begins at once.
pub async fn set(
    shop: &Shop<'_>,
    account: &AccountId,
    terms: &TopUpTerms,
) -> Result<Option<TopUp>, FlowError> {
    require_default_method(shop, account).await?;
    // From here on, the account's owner cannot move away from what is about to be charged.
    if shop.store.account_begin(account, shop.now).await? == AccountBegun::Closed {
        return Err(Refusal::conflict(
            "account_closed",
            "This account is closed, so it buys nothing more; use the account that its owner has moved to.",
        )
        .into());
    }
    save(shop.store, account, Some(terms), shop.now).await
}

/// Switches automatic top-up off, and cancels a top-up in progress that is not paid yet.
pub async fn stop(
    store: &Store,
    account: &AccountId,
    now: Timestamp,
) -> Result<Option<TopUp>, FlowError> {
    save(store, account, None, now).await
}

async fn save(
    store: &Store,
    account: &AccountId,
    terms: Option<&TopUpTerms>,
    now: Timestamp,
) -> Result<Option<TopUp>, FlowError> {
    for _ in 0..TURNS_MAX {
        let known = store.top_up_find(account).await?;
        let next = match (terms, &known) {
            (Some(terms), known) => TopUp::set(known.as_ref(), Switch::On, terms.clone(), now)
                .ok_or_else(in_progress)?,
            (None, Some(known)) => known.stop(now),
            (None, None) => return Ok(None),
        };
        if store.top_up_save(account, &next).await? == TopUpSaved::Now {
            store.top_up_begin(account, now).await?;
            return Ok(store.top_up_find(account).await?);
        }
    }
    let detail = "Concurrent requests are changing automatic top-up; retry.";
    Err(Refusal::conflict("auto_top_up_busy", detail).into())
}

fn in_progress() -> Refusal {
    Refusal::conflict(
        "top_up_in_progress",
        "A top-up is in progress on the terms of before; switch automatic top-up off, or retry when `state` is `idle`.",
    )
}

async fn require_default_method(shop: &Shop<'_>, account: &AccountId) -> Result<(), FlowError> {
    let account = shop.store.account_find(account).await?;
    let account =
        account.ok_or_else(|| Refusal::not_found("The account does not exist any more."))?;
    let customer = shop
        .stripe
        .customer_find(&account.customer)
        .await
        .map_err(from_stripe)?;
    match customer.and_then(|customer| customer.default_payment_method) {
        Some(_) => Ok(()),
        None => Err(Refusal::conflict(
            "no_default_payment_method",
            "There is no default payment method to charge; add one with `POST /api/v1/billing/payment-methods` and retry.",
        )
        .into()),
    }
}
