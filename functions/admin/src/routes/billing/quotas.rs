//! `GET /api/v1/admin/accounts/{id}/quotas`: an account's usage of its plan.

use crate::operator::Authorized;
use crate::routes::accounts::account::whole;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::{Entitlements, entitlements};
use domain::billing::plans::{Limit, Period, Renewal};
use domain::billing::quotas::period_of;
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::retry::Failure;
use rest::Path;
use rest::views::QuotaUse;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// The usage of each meter.
#[derive(Serialize, ToSchema)]
pub struct Quotas {
    /// The plan in effect.
    plan: String,
    quotas: Vec<QuotaUse>,
}

/// Shows what an account has used on each meter of its plan in the current period.
///
/// A limit of 0 means that there is no limit.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/quotas", tag = "billing",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = Quotas)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<Quotas>, ApiError> {
    let (account, contracts) = whole(&ctx, &id).await?;
    let now = ctx.outside.now();
    let entitlements = entitlements(&ctx.catalogue, &account, &contracts, now);
    let entitlements = entitlements.ok_or_else(|| {
        ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
    })?;
    Ok(Json(Quotas {
        plan: entitlements.plan.id.to_string(),
        quotas: used(&ctx, &account.id, &entitlements).await?,
    }))
}

/// Reads what an account has used on each meter of its plan in the current period.
pub async fn used(
    ctx: &Ctx,
    account: &AccountId,
    entitlements: &Entitlements<'_>,
) -> Result<Vec<QuotaUse>, ApiError> {
    let (plan, now) = (entitlements.plan, ctx.outside.now());
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
        let period = match quota {
            Some(_) => period_of(entitlements, meter, now),
            None => Period::at(of_jobs, entitlements.period, now),
        };
        let limit = quota.map_or(Limit::Unlimited, |quota| quota.limit);
        let used = ctx.store.quota_used(account, meter, &period.key).await?;
        quotas.push(QuotaUse::of(meter, limit, used, period));
    }
    Ok(quotas)
}
