//! `/api/v1/billing/auto-top-up`: whether, when and with what an account's balance is topped
//! up.
//!
//! Nothing is charged here. A top-up begins where the balance falls, and `stripe-events` charges.

use crate::caller::{MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::pack_terms::PackTerms;
use domain::billing::top_ups::{Charge, TopUp, TopUpTerms};
use domain::ids::AccountId;
use domain::switches::Switch;
use domain::time::Timestamp;
use domain::units::Credits;
use flows::billing::prices::{from_stripe, pack};
use rest::Body;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{AccountBegun, TopUpSaved};
use utoipa::ToSchema;

/// Automatic top-up as you want it. Only `enabled` is needed to switch it off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopUpWanted {
    enabled: bool,
    /// A balance below this many credits begins a top-up. At most the credits of the pack.
    #[schema(example = "500", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    threshold: Option<String>,
    /// The id of the pack to buy each time.
    #[schema(example = "10k")]
    pack: Option<String>,
    /// The most to spend on top-ups in a calendar month (UTC), in minor units of the pack's
    /// currency. At least the price of the pack.
    #[schema(minimum = 1, maximum = 99999999, example = 5000)]
    monthly_cap_minor: Option<i64>,
}

/// Automatic top-up of the account. The fields are absent that have never been set.
#[derive(Serialize, ToSchema)]
pub struct TopUpShown {
    enabled: bool,
    /// A balance below this begins a top-up.
    threshold: Option<String>,
    /// The id of the pack that is bought each time.
    pack: Option<String>,
    /// The credits of the pack.
    credits: Option<String>,
    /// The price of the pack, in minor units. Top-ups stop if the pack is no longer sold at this
    /// price.
    price_minor: Option<i64>,
    currency: Option<String>,
    /// The most to spend on top-ups in a calendar month (UTC).
    monthly_cap_minor: Option<i64>,
    /// What was spent on them in this calendar month, with the one in progress.
    spent_minor: i64,
    /// `idle`, `charging`, or `confirming` while your bank waits for you.
    state: &'static str,
    /// How often the card was declined for the top-up in progress.
    declines: u32,
    /// When the card is charged again, or until when you have to confirm.
    next_at: Option<String>,
    /// Why it was switched off, if you did not do that: `declined`, `not_confirmed`,
    /// `pack_changed`, `disputed` or `customer_deleted`.
    off_because: Option<&'static str>,
}

const CAP_MINOR_MAX: i64 = 99_999_999;
/// Concurrent changes of one account's settings; the last one counts.
const TURNS_MAX: u32 = 4;

/// Retrieves automatic top-up.
#[utoipa::path(get, path = "/api/v1/billing/auto-top-up", tag = "billing",
    responses((status = 200, body = TopUpShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<TopUpShown>, ApiError> {
    let known = ctx.store.top_up_find(&caller.account).await?;
    Ok(Json(shown(known.as_ref(), ctx.outside.now())))
}

/// Sets automatic top-up, or switches it off.
///
/// While it is on, your default card is charged for a pack each time your balance falls below
/// `threshold`, at most up to `monthly_cap_minor` in a calendar month. If the balance is below it
/// already, the first top-up begins at once. After a declined charge, the card is tried again after
/// 1, 6 and 24 hours; then it is switched off, with a mail. It is also switched off, with a mail,
/// when a payment of the account is disputed; set it again to switch it on. Switching it off also
/// cancels a top-up in progress that is not paid yet.
#[utoipa::path(put, path = "/api/v1/billing/auto-top-up", tag = "billing", request_body = TopUpWanted,
    responses((status = 200, body = TopUpShown), (status = 409), (status = 422)))]
pub async fn set(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<TopUpWanted>,
) -> Result<Json<TopUpShown>, ApiError> {
    let account = &caller.account;
    check(&wanted)?;
    let terms = if wanted.enabled {
        Some(terms(&ctx, &wanted)?)
    } else {
        None
    };
    if terms.is_some() {
        require_default_method(&ctx, account).await?;
    }
    let now = ctx.outside.now();
    // From here on, the account's owner cannot move away from what is about to be charged.
    if terms.is_some() && ctx.store.account_begin(account, now).await? == AccountBegun::Closed {
        return Err(closed());
    }
    for _ in 0..TURNS_MAX {
        let known = ctx.store.top_up_find(account).await?;
        let next = match (&terms, &known) {
            (Some(terms), known) => TopUp::set(known.as_ref(), Switch::On, terms.clone(), now)
                .ok_or_else(in_progress)?,
            (None, Some(known)) => known.stop(now),
            (None, None) => return Ok(Json(shown(None, now))),
        };
        if ctx.store.top_up_save(account, &next).await? == TopUpSaved::Now {
            ctx.store.top_up_begin(account, now).await?;
            let known = ctx.store.top_up_find(account).await?;
            return Ok(Json(shown(known.as_ref(), now)));
        }
    }
    Err(ApiError::conflict(
        "auto_top_up_busy",
        "Concurrent requests are changing automatic top-up; retry.",
    ))
}

fn closed() -> ApiError {
    ApiError::conflict(
        "account_closed",
        "This account is closed, so it buys nothing more; use the account that its owner has moved to.",
    )
}

fn in_progress() -> ApiError {
    ApiError::conflict(
        "top_up_in_progress",
        "A top-up is in progress on the terms of before; switch automatic top-up off, or retry when `state` is `idle`.",
    )
}

fn bad_amount(detail: impl Into<String>) -> ApiError {
    ApiError::bad_request("bad_amount", detail.into())
}

/// Checks the amounts also of a body that switches automatic top-up off.
fn check(wanted: &TopUpWanted) -> Result<(), ApiError> {
    if let Some(threshold) = &wanted.threshold {
        Credits::parse(threshold).map_err(|error| bad_amount(error.to_string()))?;
    }
    if wanted
        .monthly_cap_minor
        .is_some_and(|cap| !(1..=CAP_MINOR_MAX).contains(&cap))
    {
        return Err(bad_amount(format!(
            "`monthly_cap_minor` must be 1 to {CAP_MINOR_MAX}."
        )));
    }
    Ok(())
}

fn terms(ctx: &Ctx, wanted: &TopUpWanted) -> Result<TopUpTerms, ApiError> {
    let missing = || {
        ApiError::bad_request(
            "bad_body",
            "Provide `threshold`, `pack` and `monthly_cap_minor` to switch automatic top-up on.",
        )
    };
    let threshold = wanted.threshold.as_deref().ok_or_else(missing)?;
    let cap = wanted.monthly_cap_minor.ok_or_else(missing)?;
    let pack = pack(&ctx.catalogue, wanted.pack.as_deref().ok_or_else(missing)?)?;
    let threshold = Credits::parse(threshold).map_err(|error| bad_amount(error.to_string()))?;
    // Otherwise a purchase could leave the balance below the threshold, and the next would follow.
    if threshold.is_zero() || threshold > pack.credits {
        return Err(bad_amount(format!(
            "`threshold` must be greater than zero and at most the {} credits of the pack; choose a larger pack or a lower \
             threshold.",
            pack.credits
        )));
    }
    if !(pack.price.minor..=CAP_MINOR_MAX).contains(&cap) {
        return Err(bad_amount(format!(
            "`monthly_cap_minor` must be {} (the price of the pack) to {CAP_MINOR_MAX}.",
            pack.price.minor
        )));
    }
    Ok(TopUpTerms {
        threshold,
        pack: pack.id.clone(),
        sold: PackTerms::of(pack, &ctx.catalogue.version),
        price: pack.price,
        monthly_cap_minor: cap,
    })
}

async fn require_default_method(ctx: &Ctx, account: &AccountId) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let account = ctx.store.account_find(account).await?;
    let account =
        account.ok_or_else(|| ApiError::not_found("The account does not exist any more."))?;
    let customer = stripe
        .customer_find(&account.customer)
        .await
        .map_err(from_stripe)?;
    match customer.and_then(|customer| customer.default_payment_method) {
        Some(_) => Ok(()),
        None => Err(ApiError::conflict(
            "no_default_payment_method",
            "There is no default payment method to charge; add one with `POST /api/v1/billing/payment-methods` and retry.",
        )),
    }
}

fn shown(known: Option<&TopUp>, now: Timestamp) -> TopUpShown {
    let terms = known.map(|known| &known.terms);
    let charge: Option<&Charge> = known.and_then(|known| known.charge.as_ref());
    TopUpShown {
        enabled: known.is_some_and(|known| known.switch.is_on()),
        threshold: terms.map(|terms| terms.threshold.to_string()),
        pack: terms.map(|terms| terms.pack.to_string()),
        credits: terms.map(|terms| terms.sold.credits.to_string()),
        price_minor: terms.map(|terms| terms.price.minor),
        currency: terms.map(|terms| terms.price.currency.to_string()),
        monthly_cap_minor: terms.map(|terms| terms.monthly_cap_minor),
        spent_minor: known.map_or(0, |known| known.spent_in_month(now)),
        state: charge.map_or("idle", |charge| charge.stage.as_str()),
        declines: charge.map_or(0, |charge| charge.declines),
        next_at: charge.map(|charge| charge.next_at.to_string()),
        off_because: known
            .and_then(|known| known.off_because)
            .map(|why| why.as_str()),
    }
}
