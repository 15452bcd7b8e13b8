//! `/api/v1/admin/accounts/{id}/invoices` and `…/quotas`: an account's invoices, and its usage of
//! its plan.

use crate::operator::Authorized;
use crate::routes::accounts::account::{existing, whole};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::{Path, State};
use domain::billing::entitlements::entitlements;
use domain::billing::plans::{Limit, Period, Renewal};
use domain::billing::subscriptions::Invoice;
use domain::billing::usage::Meter;
use domain::retry::Failure;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Lists an account's invoices, newest first.
pub async fn invoices(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let account = existing(&ctx, &id).await?;
    let invoices = ctx.store.invoice_list(&account).await?;
    Ok(Json(
        json!({ "invoices": invoices.iter().map(shown).collect::<Vec<_>>() }),
    ))
}

fn shown(invoice: &Invoice) -> Value {
    json!({
        "id": invoice.id.as_str(),
        "number": invoice.number,
        "status": invoice.status,
        "subscription": invoice.subscription.as_ref().map(|id| id.as_str()),
        "amount_due_minor": invoice.amount_due_minor,
        "amount_paid_minor": invoice.amount_paid_minor,
        "currency": invoice.currency,
        "url": invoice.url,
        "created_at": invoice.created_at.to_string(),
        "as_of": invoice.as_of.to_string(),
    })
}

/// Shows what an account has used on each meter of its plan in the current period. A limit of 0
/// means that there is no limit.
pub async fn quotas(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let (account, contracts) = whole(&ctx, &id).await?;
    let now = ctx.outside.now();
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let entitlements = entitlements.ok_or_else(|| {
        ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
    })?;
    let plan = entitlements.plan;
    // A meter without a quota is counted in the period of the jobs.
    let of_jobs = plan
        .quotas
        .get(&Meter::pull_requests())
        .map_or(Renewal::Month, |quota| quota.renews);
    let counted = [Meter::pull_requests(), Meter::tokens()];
    let charged = plan.charges.iter().map(|charge| charge.meter.clone());
    let meters: BTreeSet<_> = plan
        .quotas
        .keys()
        .cloned()
        .chain(charged)
        .chain(counted)
        .collect();
    let mut quotas = Vec::new();
    for meter in &meters {
        let quota = plan.quotas.get(meter);
        let period = Period::at(
            quota.map_or(of_jobs, |quota| quota.renews),
            entitlements.period,
            now,
        );
        let limit = match quota.map(|quota| quota.limit) {
            Some(Limit::Of(limit)) => limit,
            Some(Limit::Unlimited) | None => 0,
        };
        quotas.push(json!({
            "meter": meter.as_str(),
            "used": ctx.store.quota_used(&account.id, meter, &period.key).await?,
            "limit": limit,
            "period": period.key,
            "renews_at": period.end.map(|at| at.to_string()),
        }));
    }
    Ok(Json(json!({ "plan": plan.id.as_str(), "quotas": quotas })))
}
