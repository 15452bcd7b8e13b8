//! `/api/v1/billing/spend-limit`: the most that the account wants to spend in a billing period, and what it has come to.

use crate::caller::{Caller, MayBill, MayRead};
use crate::routes::account::{Found, load};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::Entitlements;
use domain::billing::plans::Pays;
use domain::billing::spending::{SpendLimit, SpendUnit, billing_period, minor};
use domain::ids::AccountId;
use domain::time::Timestamp;
use domain::units::Credits;
use domain::units::Money;
use rest::Body;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The most that may be spent in a billing period. What is left out has no limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitWanted {
    /// Of what is invoiced by meters, in minor units of the catalogue's currency; 0 is nothing beyond what the plan includes.
    #[schema(minimum = 0, maximum = 99999999, example = 5000)]
    money_minor: Option<i64>,
    /// Of the balance, as a decimal with at most six places.
    #[schema(example = "5000", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    credits: Option<String>,
}

/// What a billing period has come to, and the most it may.
#[derive(Serialize, ToSchema)]
pub struct SpendingShown {
    /// What your jobs spend: `money`, `credits`, or nothing.
    jobs_spend: Option<&'static str>,
    /// What tells the billing period from others.
    period: String,
    /// When the next one begins, with nothing spent, where that is known.
    resets_at: Option<String>,
    money: MoneySpent,
    credits: CreditsSpent,
}

/// What is invoiced by meters.
#[derive(Serialize, ToSchema)]
pub struct MoneySpent {
    /// None where there is no limit.
    limit_minor: Option<i64>,
    /// For work that was delivered; parts of a minor unit count as a whole one.
    spent_minor: i64,
    /// For work under way, at most.
    reserved_minor: i64,
    currency: String,
}

/// What comes off the balance.
#[derive(Serialize, ToSchema)]
pub struct CreditsSpent {
    /// None where there is no limit.
    limit: Option<String>,
    /// For work that was delivered.
    spent: String,
    /// For work under way, at most.
    reserved: String,
}

const MINOR_MAX: i64 = 99_999_999;

/// What you want to spend at most, and what the present billing period has come to.
#[utoipa::path(get, path = "/api/v1/billing/spend-limit", tag = "billing",
    responses((status = 200, body = SpendingShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SpendingShown>, ApiError> {
    now_shown(&ctx, &caller).await
}

/// Says what you want to spend at most in a billing period. It replaces what you said before. Work that could go beyond it
/// is refused; what is under way goes on, also where the new limit is below what is spent already.
#[utoipa::path(put, path = "/api/v1/billing/spend-limit", tag = "billing", request_body = LimitWanted,
    responses((status = 200, body = SpendingShown)))]
pub async fn set(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<LimitWanted>,
) -> Result<Json<SpendingShown>, ApiError> {
    let bad = |detail: String| ApiError::bad_request("bad_amount", detail);
    if wanted
        .money_minor
        .is_some_and(|minor| !(0..=MINOR_MAX).contains(&minor))
    {
        return Err(bad(format!("money_minor is 0 to {MINOR_MAX}")));
    }
    let credits = wanted
        .credits
        .as_deref()
        .map(Credits::parse)
        .transpose()
        .map_err(|error| bad(error.to_string()))?;
    if wanted.money_minor.is_none() && credits.is_none() {
        return Err(bad(
            "say money_minor, credits or both; DELETE takes the limit away".to_owned(),
        ));
    }
    let currency = ctx.catalogue.currency;
    change(
        &ctx,
        &caller,
        &SpendLimit {
            money: wanted.money_minor.map(|minor| Money { minor, currency }),
            credits,
        },
    )
    .await
}

/// Takes the limit away.
#[utoipa::path(delete, path = "/api/v1/billing/spend-limit", tag = "billing",
    responses((status = 200, body = SpendingShown)))]
pub async fn remove(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SpendingShown>, ApiError> {
    change(&ctx, &caller, &SpendLimit::default()).await
}

async fn change(
    ctx: &Ctx,
    caller: &Caller,
    limit: &SpendLimit,
) -> Result<Json<SpendingShown>, ApiError> {
    ctx.store
        .spend_limit_set(&caller.account, limit, ctx.outside.now())
        .await?;
    tracing::info!(
        account.id = %caller.account, by = %caller.by, limit.money = limit.money.map(|money| money.minor),
        limit.credits = limit.credits.map(Credits::micros), audit = true, "changed the spend limit"
    );
    now_shown(ctx, caller).await
}

async fn now_shown(ctx: &Ctx, caller: &Caller) -> Result<Json<SpendingShown>, ApiError> {
    let now = ctx.outside.now();
    let Found {
        account,
        entitlements,
    } = load(ctx, caller, now).await?;
    Ok(Json(shown(ctx, &account.id, &entitlements, now).await?))
}

/// What an account spends in its present billing period.
pub async fn shown(
    ctx: &Ctx,
    account: &AccountId,
    entitlements: &Entitlements<'_>,
    now: Timestamp,
) -> Result<SpendingShown, ApiError> {
    let period = billing_period(entitlements, now);
    let limit = ctx.store.spend_limit_find(account).await?;
    let money = ctx
        .store
        .spent_find(account, &period.key, SpendUnit::Money)
        .await?;
    let credits = ctx
        .store
        .spent_find(account, &period.key, SpendUnit::Credits)
        .await?;
    let decimal = |micros| {
        Credits::from_micros(micros)
            .unwrap_or(Credits::MAX)
            .to_string()
    };
    Ok(SpendingShown {
        jobs_spend: match entitlements.plan.pays {
            Pays::Meters => Some(SpendUnit::Money.as_str()),
            Pays::Credits => Some(SpendUnit::Credits.as_str()),
            Pays::Nothing => None,
        },
        resets_at: period.end.map(|end| end.to_string()),
        period: period.key,
        money: MoneySpent {
            limit_minor: limit.money.map(|money| money.minor),
            spent_minor: minor(money.spent),
            reserved_minor: minor(money.reserved),
            currency: limit
                .money
                .map_or(ctx.catalogue.currency, |money| money.currency)
                .to_string(),
        },
        credits: CreditsSpent {
            limit: limit.credits.map(|credits| credits.to_string()),
            spent: decimal(credits.spent),
            reserved: decimal(credits.reserved),
        },
    })
}

/// What is said to whoever wants more than the limit leaves; his customer is told by mail, once.
pub async fn reached(
    ctx: &Ctx,
    caller: &Caller,
    (unit, period): (SpendUnit, &str),
    now: Timestamp,
) -> Result<ApiError, ApiError> {
    let limit = ctx.store.spend_limit_find(&caller.account).await?;
    let spent = ctx.store.spent_find(&caller.account, period, unit).await?;
    if let Some(notice) = limit.reached((unit, period), spent, now) {
        ctx.store.notice_owe(&caller.account, &notice, now).await?;
    }
    let words = limit
        .usage_text(unit, spent)
        .unwrap_or_else(|| "your spend limit is reached".to_owned());
    let detail = format!(
        "{words}; this needs more than is left. Raise the limit by PUT /api/v1/billing/spend-limit, or try again when the \
         next billing period has begun"
    );
    Ok(ApiError::forbidden("spend_limit_reached", detail))
}
