//! `GET /api/v1/billing/usage`: the usage and spending of the current period.

use crate::caller::MayRead;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::quotas::period_of;
use domain::billing::usage::Meter;
use domain::ids::AccountId;
use domain::ledger::EntryKind;
use domain::time::Timestamp;
use domain::units::Credits;
use flows::accounts::{Entitled, load};
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// The usage and spending of the current period.
#[derive(Serialize, ToSchema)]
pub struct UsageShown {
    plan: String,
    /// The name of the period.
    period: String,
    /// When the period began; absent for a period without a start.
    period_start: Option<String>,
    /// When the next period begins, if known.
    period_end: Option<String>,
    /// The usage of each meter that the plan counts.
    meters: Vec<MeterShown>,
    /// The number of jobs counted in the period.
    jobs: u64,
    /// The credits spent in the period, as a decimal.
    credits_spent: String,
    /// Whether `credits_spent` is complete. It is `false` if the period has more transactions than
    /// one request adds up.
    credits_spent_complete: bool,
    /// Usage records of delivered work that have not been reported to Stripe yet. At most 1000 are
    /// counted.
    waiting_for_stripe: u64,
}

/// The usage of a meter.
#[derive(Serialize, ToSchema)]
pub struct MeterShown {
    meter: String,
    used: u64,
    period: String,
}

const WAITING_MAX: u64 = 1_000;
const ENTRIES_PAGE: usize = 200;
const PAGES_MAX: usize = 25;

/// Retrieves the usage and spending of the current period.
#[utoipa::path(get, path = "/api/v1/billing/usage", tag = "billing",
    responses((status = 200, body = UsageShown)))]
pub async fn usage(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<UsageShown>, ApiError> {
    let now = ctx.outside.now();
    let Entitled {
        account,
        entitlements,
    } = load(&ctx.store, &ctx.catalogue, &caller.account, now).await?;
    let pulls = Meter::pull_requests();
    let counted = entitlements
        .plan
        .quotas
        .keys()
        .chain(entitlements.plan.charges.iter().map(|charge| &charge.meter));
    let counted: BTreeSet<_> = counted.chain([&pulls]).collect();
    let mut meters = Vec::new();
    for meter in counted {
        let period = period_of(&entitlements, meter, now);
        let used = ctx
            .store
            .quota_used(&account.id, meter, &period.key)
            .await?;
        meters.push(MeterShown {
            meter: meter.to_string(),
            used,
            period: period.key,
        });
    }
    let period = period_of(&entitlements, &pulls, now);
    let (spent, complete) = spent(&ctx, &account.id, period.start).await?;
    Ok(Json(UsageShown {
        plan: entitlements.plan.id.to_string(),
        jobs: ctx
            .store
            .quota_used(&account.id, &pulls, &period.key)
            .await?,
        period: period.key,
        period_start: period.start.map(|start| start.to_string()),
        period_end: period.end.map(|end| end.to_string()),
        meters,
        credits_spent: spent.to_string(),
        credits_spent_complete: complete,
        waiting_for_stripe: ctx.store.owed_count(&account.id, WAITING_MAX).await?,
    }))
}

/// Returns the credits spent since `since`, and whether the sum is complete.
async fn spent(
    ctx: &Ctx,
    account: &AccountId,
    since: Option<Timestamp>,
) -> Result<(Credits, bool), ApiError> {
    let (mut sum, mut from) = (Credits::ZERO, None);
    for _ in 0..PAGES_MAX {
        let page = ctx
            .store
            .entry_list(account, from.as_ref(), ENTRIES_PAGE)
            .await?;
        for entry in &page.rows {
            if since.is_some_and(|since| entry.at < since) {
                return Ok((sum, true));
            }
            if entry.kind == EntryKind::Capture {
                sum = sum.checked_add(entry.amount).unwrap_or(Credits::MAX);
            }
        }
        from = page.next;
        if from.is_none() {
            return Ok((sum, true));
        }
    }
    Ok((sum, false))
}
