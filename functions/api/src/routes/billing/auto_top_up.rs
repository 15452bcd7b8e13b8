//! `/api/v1/billing/auto-top-up`: whether, when and with what an account's balance is topped
//! up.
//!
//! Nothing is charged here. A top-up begins where the balance falls, and `stripe-events` charges.

use crate::caller::{MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::top_ups::{Charge, TopUp, TopUpTerms};
use domain::time::Timestamp;
use domain::units::Credits;
use flows::billing::top_ups::{self, CAP_MINOR_MAX};
use rest::Body;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
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
    let known = if wanted.enabled {
        let terms = terms(&ctx, &wanted)?;
        let stripe = ctx.stripe().await?;
        top_ups::set(&ctx.shop(&stripe), account, &terms).await?
    } else {
        top_ups::stop(&ctx.store, account, ctx.outside.now()).await?
    };
    Ok(Json(shown(known.as_ref(), ctx.outside.now())))
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
    let pack = wanted.pack.as_deref().ok_or_else(missing)?;
    Ok(top_ups::terms(&ctx.catalogue, threshold, pack, cap)?)
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
