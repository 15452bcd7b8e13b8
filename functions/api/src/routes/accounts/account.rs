//! `GET /api/v1/account`, `…/billing/quota` and `…/billing/invoices`: an account, its quota usage
//! and its invoices. Read-only.

use crate::caller::MayRead;
use crate::routes::billing::spend_limit::{self, SpendingShown};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::Coverage;
use domain::billing::quotas::period_of;
use domain::billing::usage::Meter;
use domain::jobs::admission::Obstacle;
use flows::accounts::{Entitled, load};
use flows::jobs::admission::next_job;
use rest::views::{InvoiceShown, QuotaUse};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account.
#[derive(Serialize, ToSchema)]
pub struct AccountShown {
    id: String,
    /// The id of the account's customer at Stripe.
    stripe_customer_id: String,
    /// The plan in effect.
    plan: String,
    /// The plan chosen at sign-up. It starts after the trial.
    wished_plan: Option<String>,
    /// The status of the subscription at Stripe; `none` without a subscription.
    subscription_status: String,
    /// Who is billed for metered work: `stripe`, by a subscription, or `none` if it is free.
    billing: &'static str,
    /// Whether the account's next job would be accepted.
    can_use_service: bool,
    /// Why the next job would be refused: `account_closed`, `no_subscription` (the plan is billed
    /// through a subscription, and there is none), `too_much_unbilled`, `quota_used`,
    /// `agents_busy` (as many jobs are at work as the plan has agents), `spend_limit_reached` or `insufficient_credits`.
    reason: Option<&'static str>,
    /// The number of pull requests in the current period.
    current_usage: u64,
    /// The end of the grace period after a failed payment.
    grace_until: Option<String>,
    created_at: String,
}

/// Retrieves your account.
#[utoipa::path(get, path = "/api/v1/account", tag = "account",
    responses((status = 200, body = AccountShown)))]
pub async fn account(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<AccountShown>, ApiError> {
    let now = ctx.outside.now();
    let found = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    let Entitled {
        account,
        entitlements,
    } = &found;
    let pulls = Meter::pull_requests();
    let period = period_of(entitlements, &pulls, now);
    let reason = next_job(&ctx.store, &ctx.catalogue, &found, now)
        .await
        .map_err(|failure| ApiError::failure(&failure))?
        .map(Obstacle::as_str);
    Ok(Json(AccountShown {
        id: account.id.to_string(),
        stripe_customer_id: account.customer.to_string(),
        plan: entitlements.plan.id.to_string(),
        wished_plan: account.wish.clone(),
        subscription_status: entitlements
            .status
            .as_ref()
            .map_or("none", |status| status.as_str())
            .to_owned(),
        billing: account.billing.as_str(),
        can_use_service: reason.is_none(),
        reason,
        current_usage: ctx
            .store
            .quota_used(&account.id, &pulls, &period.key)
            .await?,
        grace_until: match entitlements.coverage {
            Coverage::Grace { until } => Some(until.to_string()),
            Coverage::Full | Coverage::Lapsed => None,
        },
        created_at: account.created_at.to_string(),
    }))
}

/// The usage of each quota.
#[derive(Serialize, ToSchema)]
pub struct Quotas {
    plan: String,
    quotas: Vec<QuotaUse>,
    /// The spending of the current billing period and its limit.
    spending: SpendingShown,
}

/// Retrieves the usage of each quota of your plan in its current period.
#[utoipa::path(get, path = "/api/v1/billing/quota", tag = "billing",
    responses((status = 200, body = Quotas)))]
pub async fn quota(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Quotas>, ApiError> {
    let now = ctx.outside.now();
    let Entitled {
        account,
        entitlements,
    } = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    let mut quotas = Vec::new();
    for (meter, quota) in &entitlements.plan.quotas {
        let period = period_of(&entitlements, meter, now);
        let used = ctx
            .store
            .quota_used(&account.id, meter, &period.key)
            .await?;
        quotas.push(QuotaUse::of(meter, quota.limit, used, period));
    }
    let spending = spend_limit::shown(
        &ctx.store,
        ctx.catalogue.currency,
        &account.id,
        &entitlements,
        now,
    )
    .await?;
    Ok(Json(Quotas {
        plan: entitlements.plan.id.to_string(),
        quotas,
        spending,
    }))
}

/// The account's invoices.
#[derive(Serialize, ToSchema)]
pub struct Invoices {
    invoices: Vec<InvoiceShown>,
}

/// Lists your invoices, newest first.
#[utoipa::path(get, path = "/api/v1/billing/invoices", tag = "billing",
    responses((status = 200, body = Invoices)))]
pub async fn invoices(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Invoices>, ApiError> {
    let invoices = ctx.store.invoice_list(&caller.account).await?;
    Ok(Json(Invoices {
        invoices: invoices.iter().map(InvoiceShown::of).collect(),
    }))
}
