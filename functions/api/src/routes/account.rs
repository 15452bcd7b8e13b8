//! `GET /api/v1/account`, `…/billing/quota`, `…/billing/invoices`: what an account is, may do and has been asked for.

use crate::caller::{Caller, MayRead};
use crate::routes::spend_limit::{self, SpendingShown};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::Account;
use domain::billing::entitlements::entitlements;
use domain::billing::entitlements::{Coverage, Entitlements};
use domain::billing::plans::{Limit, Period};
use domain::billing::subscriptions::Invoice;
use domain::billing::usage::Meter;
use domain::retry::Failure;
use domain::time::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// An account, as provisioning and billing agree on it.
#[derive(Serialize, ToSchema)]
pub struct AccountShown {
    id: String,
    /// Its customer at Stripe.
    stripe_customer_id: String,
    /// The plan that counts at this moment.
    plan: String,
    /// The plan that was asked for when signing up, and that a trial goes on to.
    wished_plan: Option<String>,
    /// Stripe's word for its subscription; `none` without one.
    subscription_status: String,
    /// Whether it may use the service now.
    can_use_service: bool,
    /// Pull requests counted in the present period.
    current_usage: u64,
    /// Until when it goes on although a payment has failed.
    grace_until: Option<String>,
    created_at: String,
}

/// Your account.
#[utoipa::path(get, path = "/api/v1/account", tag = "account",
    responses((status = 200, body = AccountShown)))]
pub async fn account(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<AccountShown>, ApiError> {
    let now = ctx.outside.now();
    let found = load(&ctx, &caller, now).await?;
    let Found {
        account,
        entitlements,
    } = &found;
    let pulls = Meter::pull_requests();
    let period = period(entitlements, &pulls, now);
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
        can_use_service: !matches!(entitlements.coverage, Coverage::Lapsed),
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

/// What of each quota is used.
#[derive(Serialize, ToSchema)]
pub struct Quotas {
    plan: String,
    quotas: Vec<QuotaUse>,
    /// What the present billing period has come to, and the most you want it to.
    spending: SpendingShown,
}

/// What of one quota is used.
#[derive(Serialize, ToSchema)]
pub struct QuotaUse {
    meter: String,
    used: u64,
    /// How many there are in the period; 0 is as many as one likes.
    limit: u64,
    /// What is left; none where it is as many as one likes.
    left: Option<u64>,
    /// What tells the period from others.
    period: String,
    /// When the next period begins, where that is known.
    renews_at: Option<String>,
}

/// What of each quota of your plan is used in its present period.
#[utoipa::path(get, path = "/api/v1/billing/quota", tag = "billing",
    responses((status = 200, body = Quotas)))]
pub async fn quota(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Quotas>, ApiError> {
    let now = ctx.outside.now();
    let Found {
        account,
        entitlements,
    } = load(&ctx, &caller, now).await?;
    let mut quotas = Vec::new();
    for (meter, quota) in &entitlements.plan.quotas {
        let period = Period::at(quota.renews, entitlements.period, now);
        let used = ctx
            .store
            .quota_used(&account.id, meter, &period.key)
            .await?;
        let (limit, left) = match quota.limit {
            Limit::Unlimited => (0, None),
            Limit::Of(limit) => (limit, Some(limit.saturating_sub(used))),
        };
        let renews_at = period.end.map(|end| end.to_string());
        quotas.push(QuotaUse {
            meter: meter.to_string(),
            used,
            limit,
            left,
            period: period.key,
            renews_at,
        });
    }
    let spending = spend_limit::shown(&ctx, &account.id, &entitlements, now).await?;
    Ok(Json(Quotas {
        plan: entitlements.plan.id.to_string(),
        quotas,
        spending,
    }))
}

/// What the account was asked to pay.
#[derive(Serialize, ToSchema)]
pub struct Invoices {
    invoices: Vec<InvoiceShown>,
}

/// One invoice.
#[derive(Serialize, ToSchema)]
pub struct InvoiceShown {
    id: String,
    number: Option<String>,
    /// Stripe's word: `open`, `paid` and so on.
    status: String,
    amount_due_minor: i64,
    amount_paid_minor: i64,
    currency: String,
    /// Where it can be seen and paid.
    url: Option<String>,
    created_at: String,
}

/// Your invoices, the newest first.
#[utoipa::path(get, path = "/api/v1/billing/invoices", tag = "billing",
    responses((status = 200, body = Invoices)))]
pub async fn invoices(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<Invoices>, ApiError> {
    let invoices = ctx.store.invoice_list(&caller.account).await?;
    Ok(Json(Invoices {
        invoices: invoices.into_iter().map(shown).collect(),
    }))
}

fn shown(invoice: Invoice) -> InvoiceShown {
    InvoiceShown {
        id: invoice.id.to_string(),
        number: invoice.number,
        status: invoice.status,
        amount_due_minor: invoice.amount_due_minor,
        amount_paid_minor: invoice.amount_paid_minor,
        currency: invoice.currency,
        url: invoice.url,
        created_at: invoice.created_at.to_string(),
    }
}

/// The caller's account and what it may do.
pub struct Found<'a> {
    /// The account.
    pub account: Account,
    /// What it may do now.
    pub entitlements: Entitlements<'a>,
}

/// Reads the caller's account.
pub async fn load<'a>(
    ctx: &'a Ctx,
    caller: &Caller,
    now: Timestamp,
) -> Result<Found<'a>, ApiError> {
    let found = ctx.store.account_find_whole(&caller.account).await?;
    let (account, contracts) = found.ok_or_else(|| ApiError::not_found("the account is gone"))?;
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let entitlements = entitlements.ok_or_else(|| {
        ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
    })?;
    Ok(Found {
        account,
        entitlements,
    })
}

/// The period that a meter counts in for an account now.
pub fn period(entitlements: &Entitlements<'_>, meter: &Meter, now: Timestamp) -> Period {
    let renews = entitlements
        .plan
        .quotas
        .get(meter)
        .map_or(domain::billing::plans::Renewal::Month, |quota| quota.renews);
    Period::at(renews, entitlements.period, now)
}
