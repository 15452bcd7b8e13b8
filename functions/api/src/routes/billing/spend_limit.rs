//! `/api/v1/billing/spend-limit`: the limit that an account sets on its spending in a billing
//! period, and its spending so far.

use crate::caller::{Caller, MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::Entitlements;
use domain::billing::plans::Pays;
use domain::billing::spending::{SpendLimit, SpendUnit, minor};
use domain::ids::AccountId;
use domain::time::Timestamp;
use domain::units::{Credits, Currency};
use flows::accounts::{Entitled, load};
use flows::billing::spend_limit::{self, Spending};
use rest::Body;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Store;
use utoipa::ToSchema;

/// The most that the account may spend in a billing period. An absent field means no limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitWanted {
    /// The limit for metered usage, in minor units of the catalogue's currency. 0 allows nothing
    /// beyond the plan.
    #[schema(minimum = 0, maximum = 99999999, example = 5000)]
    money_minor: Option<i64>,
    /// The limit for credits, as a decimal with at most six places.
    #[schema(example = "5000", pattern = r"^[0-9]+(\.[0-9]{1,6})?$")]
    credits: Option<String>,
}

/// The spending of a billing period and its limit.
#[derive(Serialize, ToSchema)]
pub struct SpendingShown {
    /// What your jobs spend: `money` or `credits`. Absent if they spend nothing.
    jobs_spend: Option<&'static str>,
    /// The name of the billing period.
    period: String,
    /// When the next billing period begins, if known.
    resets_at: Option<String>,
    money: MoneySpent,
    credits: CreditsSpent,
}

/// Metered usage, which Stripe invoices.
#[derive(Serialize, ToSchema)]
pub struct MoneySpent {
    /// The limit; absent if there is none.
    limit_minor: Option<i64>,
    /// The amount spent on delivered work, rounded up to whole minor units.
    spent_minor: i64,
    /// The amount reserved for work in progress.
    reserved_minor: i64,
    currency: String,
}

/// Usage paid from the credit balance.
#[derive(Serialize, ToSchema)]
pub struct CreditsSpent {
    /// The limit; absent if there is none.
    limit: Option<String>,
    /// The amount spent on delivered work.
    spent: String,
    /// The amount reserved for work in progress.
    reserved: String,
}

/// Retrieves your spend limit and the spending of the current billing period.
#[utoipa::path(get, path = "/api/v1/billing/spend-limit", tag = "billing",
    responses((status = 200, body = SpendingShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SpendingShown>, ApiError> {
    now_shown(&ctx, &caller).await
}

/// Sets the most that you want to spend in a billing period.
///
/// It replaces the previous limit. Work that could exceed the limit is refused. Work in progress
/// continues, even if the new limit is below the amount already spent.
#[utoipa::path(put, path = "/api/v1/billing/spend-limit", tag = "billing", request_body = LimitWanted,
    responses((status = 200, body = SpendingShown)))]
pub async fn set(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<LimitWanted>,
) -> Result<Json<SpendingShown>, ApiError> {
    let currency = ctx.catalogue.currency;
    let wanted = spend_limit::limit(wanted.money_minor, wanted.credits.as_deref(), currency)?;
    change(&ctx, &caller, &wanted).await
}

/// Removes your spend limit.
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
    let Entitled {
        account,
        entitlements,
    } = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    Ok(Json(
        shown(
            &ctx.store,
            ctx.catalogue.currency,
            &account.id,
            &entitlements,
            now,
        )
        .await?,
    ))
}

/// Returns the spending of the account's current billing period.
pub async fn shown(
    store: &Store,
    currency: Currency,
    account: &AccountId,
    entitlements: &Entitlements<'_>,
    now: Timestamp,
) -> Result<SpendingShown, ApiError> {
    let Spending {
        period,
        limit,
        money,
        credits,
    } = spend_limit::spending(store, account, entitlements, now).await?;
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
                .map_or(currency, |money| money.currency)
                .to_string(),
        },
        credits: CreditsSpent {
            limit: limit.credits.map(|credits| credits.to_string()),
            spent: decimal(credits.spent),
            reserved: decimal(credits.reserved),
        },
    })
}
