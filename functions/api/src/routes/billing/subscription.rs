//! `/api/v1/billing/subscription`: the plan that an account pays for.
//!
//! Safe to run twice: an act stores what it will send to Stripe before it calls, so a repeat does
//! nothing again.

use crate::caller::{Caller, MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::accounts::Account;
use domain::billing::entitlements::entitlements;
use domain::billing::entitlements::{Coverage, plan_of};
use domain::billing::subscriptions::{Contracts, Status};
use domain::ids::{AccountId, ActionId};
use domain::retry::Failure;
use flows::billing::plan_changes;
use flows::billing::subscriptions::live;
use http::StatusCode;
use rest::views::PlannedShown;
use rest::{Body, IdempotencyKey, OptionalKey, Params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::Store;
use stripe_api::Cancel;
use utoipa::{IntoParams, ToSchema};

/// The account's subscription.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionShown {
    /// The status at Stripe; `none` without a subscription.
    status: String,
    /// The id of the subscription at Stripe.
    id: Option<String>,
    /// The plan that the subscription pays for.
    plan: Option<String>,
    /// The plan in effect, with or without a subscription.
    effective_plan: String,
    /// When the current period began.
    period_start: Option<String>,
    /// When the current period ends.
    period_end: Option<String>,
    /// When the free trial ends.
    trial_end: Option<String>,
    /// Whether the subscription ends with its period or has ended.
    cancelled: bool,
    /// When the subscription ends.
    ends_at: Option<String>,
    /// The end of the grace period after a failed payment.
    grace_until: Option<String>,
    /// The change of plan when the period ends, if one is planned.
    planned_change: Option<PlannedShown>,
}

/// The plan to subscribe to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanWanted {
    /// The id of the plan.
    #[schema(example = "teams")]
    plan: String,
}

/// A change of the subscription: either to another plan, or a resumption, or none of what is planned.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWanted {
    /// The id of another plan. If it changes now, the rest of the paid period is credited, and the
    /// difference is charged immediately.
    plan: Option<String>,
    /// When the plan changes: `now`, or `period_end` without a charge until then. Defaults to `now`.
    when: Option<String>,
    /// The `at` of a preview. The change then costs exactly what the preview showed.
    at: Option<i64>,
    /// `true` undoes a cancellation or resumes a paused subscription.
    resume: Option<bool>,
    /// `true` withdraws a change that is planned for the end of the period.
    keep_plan: Option<bool>,
}

/// When a cancellation takes effect.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct End {
    /// `now` or `period_end`. Defaults to `period_end`.
    when: Option<String>,
}

/// The cost of a change of plan.
#[derive(Serialize, ToSchema)]
pub struct PreviewShown {
    /// The amount due immediately. Negative for a credit.
    amount_due_minor: i64,
    currency: String,
    /// The moment of the preview. Send it as `at` with the change within an hour, and the change
    /// costs exactly this.
    at: i64,
    lines: Vec<LineShown>,
}

/// A line of the preview.
#[derive(Serialize, ToSchema)]
pub struct LineShown {
    description: Option<String>,
    amount_minor: i64,
    /// Whether the line covers only part of a period.
    proration: bool,
}

/// Retrieves your subscription.
#[utoipa::path(get, path = "/api/v1/billing/subscription", tag = "billing",
    responses((status = 200, body = SubscriptionShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SubscriptionShown>, ApiError> {
    shown(&ctx, &caller).await.map(Json)
}

/// Subscribes to a plan.
///
/// The account's default payment method pays for it.
#[utoipa::path(post, path = "/api/v1/billing/subscription", tag = "billing", request_body = PlanWanted,
    params(OptionalKey),
    responses((status = 201, body = SubscriptionShown),
        (status = 402), (status = 409), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<PlanWanted>,
) -> Result<(StatusCode, Json<SubscriptionShown>), ApiError> {
    let stripe = ctx.stripe().await?;
    let act = once.act(&caller.account, "billing/subscription").id();
    let shop = ctx.shop(&stripe);
    plan_changes::subscribe(&shop, &caller.account, &act, &wanted.plan).await?;
    tracing::info!(account.id = %caller.account, plan = %wanted.plan, by = %caller.by, audit = true, "subscribed");
    Ok((StatusCode::CREATED, Json(shown(&ctx, &caller).await?)))
}

/// Previews the cost of a change to another plan now.
///
/// Nothing is changed.
#[utoipa::path(post, path = "/api/v1/billing/subscription/preview", tag = "billing", request_body = PlanWanted,
    responses((status = 200, body = PreviewShown), (status = 404), (status = 422)))]
pub async fn preview(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<PlanWanted>,
) -> Result<Json<PreviewShown>, ApiError> {
    let stripe = ctx.stripe().await?;
    let shop = ctx.shop(&stripe);
    let preview = plan_changes::preview(&shop, &caller.account, &wanted.plan).await?;
    let line = |line: stripe_api::PreviewLine| LineShown {
        description: line.description,
        amount_minor: line.amount_minor,
        proration: line.proration,
    };
    Ok(Json(PreviewShown {
        amount_due_minor: preview.amount_due_minor,
        currency: preview.currency,
        at: preview.at,
        lines: preview.lines.into_iter().map(line).collect(),
    }))
}

/// Changes the plan now or when the period ends, undoes a cancellation, resumes a paused subscription
/// or withdraws a planned change.
///
/// A change now, a cancellation and a resumption withdraw a planned change, too.
#[utoipa::path(patch, path = "/api/v1/billing/subscription", tag = "billing", request_body = ChangeWanted,
    params(OptionalKey),
    responses((status = 200, body = SubscriptionShown),
        (status = 402), (status = 404),
        (status = 409), (status = 422)))]
pub async fn update(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<ChangeWanted>,
) -> Result<Json<SubscriptionShown>, ApiError> {
    let act = once
        .act(&caller.account, "billing/subscription/change")
        .id();
    let bare = wanted.at.is_none() && wanted.when.is_none();
    match (&wanted.plan, wanted.resume, wanted.keep_plan) {
        (Some(plan), None, None) if is_later(&wanted)? => {
            change_plan_later(&ctx, &caller, act, plan).await?;
        }
        (Some(plan), None, None) => change_plan(&ctx, &caller, act, plan, wanted.at).await?,
        (None, Some(true), None) if bare => resume(&ctx, &caller, act).await?,
        (None, None, Some(true)) if bare => keep_plan(&ctx, &caller, act).await?,
        _ => {
            let detail =
                "Provide exactly one of `plan`, `\"resume\": true` and `\"keep_plan\": true`.";
            return Err(ApiError::bad_request("bad_body", detail));
        }
    }
    shown(&ctx, &caller).await.map(Json)
}

/// Whether the plan changes when the period ends.
fn is_later(wanted: &ChangeWanted) -> Result<bool, ApiError> {
    match wanted.when.as_deref() {
        None | Some("now") => Ok(false),
        Some("period_end") if wanted.at.is_none() => Ok(true),
        Some("period_end") => {
            let detail = "`at` is the moment of a change now; leave it out with `period_end`.";
            Err(ApiError::bad_request("bad_at", detail))
        }
        Some(_) => Err(bad_when()),
    }
}

fn bad_when() -> ApiError {
    ApiError::bad_request("bad_when", "`when` must be `now` or `period_end`.")
}

async fn change_plan_later(
    ctx: &Ctx,
    caller: &Caller,
    act: ActionId,
    plan: &str,
) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let shop = ctx.shop(&stripe);
    let id = plan_changes::change_plan_later(&shop, &caller.account, act, plan).await?;
    tracing::info!(account.id = %caller.account, subscription.id = %id, plan, by = %caller.by, audit = true,
        "planned a change of a subscription's plan");
    Ok(())
}

async fn keep_plan(ctx: &Ctx, caller: &Caller, act: ActionId) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let id = plan_changes::keep_plan(&ctx.shop(&stripe), &caller.account, act).await?;
    tracing::info!(account.id = %caller.account, subscription.id = %id, by = %caller.by, audit = true,
        "withdrew a planned change of a subscription's plan");
    Ok(())
}

async fn change_plan(
    ctx: &Ctx,
    caller: &Caller,
    act: ActionId,
    plan: &str,
    previewed_at: Option<i64>,
) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let (shop, reporter) = (ctx.shop(&stripe), ctx.reporter(&stripe));
    let wanted = (plan, previewed_at);
    let changed = plan_changes::change_plan(&shop, &reporter, &caller.account, act, wanted).await?;
    tracing::info!(account.id = %caller.account, subscription.id = %changed, plan, by = %caller.by, audit = true,
        "changed the plan of a subscription");
    Ok(())
}

async fn resume(ctx: &Ctx, caller: &Caller, act: ActionId) -> Result<(), ApiError> {
    let stripe = ctx.stripe().await?;
    let resumed = plan_changes::resume(&ctx.shop(&stripe), &caller.account, act).await?;
    tracing::info!(account.id = %caller.account, subscription.id = %resumed, by = %caller.by, audit = true, "resumed a subscription");
    Ok(())
}

/// Cancels the subscription.
///
/// It ends with its period, or now with a final invoice for usage.
#[utoipa::path(delete, path = "/api/v1/billing/subscription", tag = "billing", params(End,
    OptionalKey),
    responses((status = 200, body = SubscriptionShown), (status = 404), (status = 422)))]
pub async fn cancel(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Params(end): Params<End>,
) -> Result<Json<SubscriptionShown>, ApiError> {
    let how = match end.when.as_deref() {
        None | Some("period_end") => Cancel::AtPeriodEnd,
        Some("now") => Cancel::NowWithLastInvoice,
        Some(_) => return Err(bad_when()),
    };
    let act = once
        .act(&caller.account, "billing/subscription/cancel")
        .id();
    let stripe = ctx.stripe().await?;
    let (shop, reporter) = (ctx.shop(&stripe), ctx.reporter(&stripe));
    let cancelled = plan_changes::cancel(&shop, &reporter, &caller.account, act, how).await?;
    tracing::info!(account.id = %caller.account, subscription.id = %cancelled, by = %caller.by, audit = true, "cancelled a subscription");
    shown(&ctx, &caller).await.map(Json)
}

async fn whole(store: &Store, account: &AccountId) -> Result<(Account, Contracts), ApiError> {
    let found = store.account_find_whole(account).await?;
    found.ok_or_else(|| ApiError::not_found("The account does not exist any more."))
}

async fn shown(ctx: &Ctx, caller: &Caller) -> Result<SubscriptionShown, ApiError> {
    let (account, contracts) = whole(&ctx.store, &caller.account).await?;
    let now = ctx.outside.now();
    let stands = entitlements(&ctx.catalogue, &account, &contracts, now);
    let stands = stands.ok_or_else(|| {
        ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
    })?;
    let subscriptions = &contracts.subscriptions;
    let ended = || {
        subscriptions
            .iter()
            .filter(|one| plan_of(&ctx.catalogue, one).is_some())
            .max_by_key(|one| one.created_at)
    };
    let one = live(&ctx.catalogue, subscriptions).or_else(ended);
    let planned = one.and_then(|one| contracts.planned(&one.id, now));
    let period = one.and_then(|one| one.period);
    let ends_at = one.and_then(|one| one.ends_at);
    Ok(SubscriptionShown {
        status: one.map_or("none", |one| one.status.as_str()).to_owned(),
        id: one.map(|one| one.id.to_string()),
        plan: one
            .and_then(|one| plan_of(&ctx.catalogue, one))
            .map(|plan| plan.id.to_string()),
        effective_plan: stands.plan.id.to_string(),
        period_start: period.map(|period| period.start.to_string()),
        period_end: period.map(|period| period.end.to_string()),
        trial_end: one.and_then(|one| one.trial_end).map(|end| end.to_string()),
        cancelled: ends_at.is_some() || one.is_some_and(|one| one.status == Status::Canceled),
        ends_at: ends_at.map(|end| end.to_string()),
        grace_until: match stands.coverage {
            Coverage::Grace { until } => Some(until.to_string()),
            Coverage::Full | Coverage::Lapsed => None,
        },
        planned_change: planned.map(PlannedShown::of),
    })
}
