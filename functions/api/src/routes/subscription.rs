//! `/api/v1/billing/subscription`: the plan that an account pays for.

use crate::caller::{Caller, MayBill, MayRead};
use crate::routes::checkout::{intent, known, live};
use crate::sales::{self, at_stripe};
use crate::subscribing::{self, whole};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::entitlements;
use domain::billing::entitlements::{Coverage, plan_of};
use domain::billing::subscriptions::Status;
use domain::retry::Failure;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Params};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stripe_api::{Cancel, SubscriptionStatus};
use utoipa::{IntoParams, ToSchema};

/// The account's subscription.
#[derive(Serialize, ToSchema)]
pub struct SubscriptionShown {
    /// Stripe's word for how it stands; `none` without one.
    status: String,
    /// Its id at Stripe.
    id: Option<String>,
    /// The plan that it pays for.
    plan: Option<String>,
    /// The plan that counts now, with or without it.
    effective_plan: String,
    /// When its present period began.
    period_start: Option<String>,
    /// When it is paid again, or ends.
    period_end: Option<String>,
    /// Until when it is tried for nothing.
    trial_end: Option<String>,
    /// Whether it ends with its period.
    cancelled: bool,
    /// When it ends.
    ends_at: Option<String>,
    /// Until when it goes on although a payment has failed.
    grace_until: Option<String>,
}

/// Which plan.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanWanted {
    /// A plan, by its id.
    #[schema(example = "teams")]
    plan: String,
}

/// What is to change: either the plan, or that it ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeWanted {
    /// Another plan, by its id. What is left of the paid period is set off, and the difference is paid at once.
    plan: Option<String>,
    /// The moment of a preview, so that the change costs what the preview said.
    at: Option<i64>,
    /// `true` takes a cancellation back, or lets a paused subscription go on.
    resume: Option<bool>,
}

/// When it ends.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct End {
    /// `now` or `period_end`; with its period where it is absent.
    when: Option<String>,
}

/// What a change would cost.
#[derive(Serialize, ToSchema)]
pub struct PreviewShown {
    /// What would be paid at once; below nothing for what stays to the account's credit.
    amount_due_minor: i64,
    currency: String,
    /// Hand it in as `at` with the change, within the hour, and it costs just this.
    at: i64,
    lines: Vec<LineShown>,
}

/// One line of it.
#[derive(Serialize, ToSchema)]
pub struct LineShown {
    description: Option<String>,
    amount_minor: i64,
    /// Whether it is for a part of a period.
    proration: bool,
}

/// How old the moment of a preview may be.
const PREVIEW_SECONDS: i64 = 3_600;

/// Your subscription.
#[utoipa::path(get, path = "/api/v1/billing/subscription", tag = "billing",
    responses((status = 200, body = SubscriptionShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<SubscriptionShown>, ApiError> {
    shown(&ctx, &caller).await.map(Json)
}

/// Subscribes to a plan, paid with the account's usual payment method.
#[utoipa::path(post, path = "/api/v1/billing/subscription", tag = "billing", request_body = PlanWanted,
    params(IdempotencyKey),
    responses((status = 201, body = SubscriptionShown),
        (status = 402), (status = 409), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<PlanWanted>,
) -> Result<(StatusCode, Json<SubscriptionShown>), ApiError> {
    let plan = sales::plan(&ctx, &wanted.plan)?;
    let stripe = ctx.stripe().await?;
    let (account, contracts) = whole(&ctx, &caller).await?;
    let act = once.act(&caller.account, "billing/subscription");
    let what = format!("subscribe {}", plan.id);
    let begun = match known(&ctx, &account, &act, &what).await? {
        Some(begun) => begun,
        None => {
            let order =
                subscribing::order((&ctx, &stripe), &account, &contracts.subscriptions, plan)
                    .await?;
            intent(&ctx, what, &order)
        }
    };
    subscribing::subscribe((&ctx, &stripe), &account, &act.id(), begun).await?;
    tracing::info!(account.id = %account.id, plan = %plan.id, by = %caller.by, audit = true, "subscribed");
    Ok((StatusCode::CREATED, Json(shown(&ctx, &caller).await?)))
}

/// What a change to another plan would cost now. Nothing is changed.
#[utoipa::path(post, path = "/api/v1/billing/subscription/preview", tag = "billing", request_body = PlanWanted,
    responses((status = 200, body = PreviewShown), (status = 404), (status = 422)))]
pub async fn preview(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<PlanWanted>,
) -> Result<Json<PreviewShown>, ApiError> {
    let plan = sales::plan(&ctx, &wanted.plan)?;
    let stripe = ctx.stripe().await?;
    let (account, _) = whole(&ctx, &caller).await?;
    let there = subscribing::active_subscription((&ctx, &stripe), &account).await?;
    let at = ctx.outside.now().seconds();
    let change = subscribing::change((&ctx, &stripe), &there, plan, at).await?;
    if change.items.is_empty() {
        return Ok(Json(PreviewShown {
            amount_due_minor: 0,
            currency: ctx.catalogue.currency.to_string(),
            at,
            lines: vec![],
        }));
    }
    let preview = stripe
        .subscription_preview(&there.id, &change)
        .await
        .map_err(at_stripe)?;
    let line = |line: stripe_api::PreviewLine| LineShown {
        description: line.description,
        amount_minor: line.amount_minor,
        proration: line.proration,
    };
    let lines = preview.lines.data.into_iter().map(line).collect();
    Ok(Json(PreviewShown {
        amount_due_minor: preview.amount_due_minor,
        currency: preview.currency,
        at,
        lines,
    }))
}

/// Changes the plan, or takes a cancellation back.
#[utoipa::path(patch, path = "/api/v1/billing/subscription", tag = "billing", request_body = ChangeWanted,
    params(IdempotencyKey),
    responses((status = 200, body = SubscriptionShown),
        (status = 402), (status = 404),
        (status = 409), (status = 422)))]
pub async fn update(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<ChangeWanted>,
) -> Result<Json<SubscriptionShown>, ApiError> {
    let act = once.act(&caller.account, "billing/subscription/change");
    match (&wanted.plan, wanted.resume) {
        (Some(plan), None) => {
            let plan = sales::plan(&ctx, plan)?;
            let now = ctx.outside.now().seconds();
            let at = wanted.at.unwrap_or(now);
            if at > now || now - at > PREVIEW_SECONDS {
                return Err(ApiError::bad_request(
                    "bad_at",
                    "at is that of a preview of the last hour",
                ));
            }
            let what = wanted.at.map_or_else(
                || format!("change {}", plan.id),
                |at| format!("change {} {at}", plan.id),
            );
            subscribing::act(
                (&ctx, &caller),
                &act,
                (what, at),
                async |stripe, there, key, at| {
                    let change = subscribing::change((&ctx, stripe), there, plan, at).await?;
                    if !change.items.is_empty() {
                        stripe
                            .subscription_change(&there.id, &change, key)
                            .await
                            .map_err(at_stripe)?;
                    }
                    Ok(())
                },
            )
            .await?;
        }
        (None, Some(true)) if wanted.at.is_none() => {
            let now = ctx.outside.now().seconds();
            subscribing::act(
                (&ctx, &caller),
                &act,
                ("resume".to_owned(), now),
                async |stripe, there, key, _| {
                    if there.cancel_at_period_end || there.cancel_at.is_some() {
                        stripe
                            .subscription_uncancel(&there.id, key)
                            .await
                            .map_err(at_stripe)?;
                    } else if there.status == SubscriptionStatus::Paused {
                        stripe
                            .subscription_resume(&there.id, key)
                            .await
                            .map_err(at_stripe)?;
                    }
                    Ok(())
                },
            )
            .await?;
        }
        _ => {
            return Err(ApiError::bad_request(
                "bad_body",
                "say either a plan, or \"resume\": true",
            ));
        }
    }
    shown(&ctx, &caller).await.map(Json)
}

/// Cancels the subscription: with its period, or now, which is billed for what was counted until now.
#[utoipa::path(delete, path = "/api/v1/billing/subscription", tag = "billing", params(End,
    IdempotencyKey),
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
        Some(_) => {
            return Err(ApiError::bad_request(
                "bad_when",
                "when is now or period_end",
            ));
        }
    };
    let act = once.act(&caller.account, "billing/subscription/cancel");
    let what = format!("cancel {how:?}");
    let now = ctx.outside.now().seconds();
    subscribing::act(
        (&ctx, &caller),
        &act,
        (what, now),
        async |stripe, there, key, _| {
            if how != Cancel::AtPeriodEnd || !there.cancel_at_period_end {
                stripe
                    .subscription_cancel(&there.id, how, key)
                    .await
                    .map_err(at_stripe)?;
            }
            Ok(())
        },
    )
    .await?;
    shown(&ctx, &caller).await.map(Json)
}

async fn shown(ctx: &Ctx, caller: &Caller) -> Result<SubscriptionShown, ApiError> {
    let (account, contracts) = whole(ctx, caller).await?;
    let stands = entitlements(&ctx.catalogue, &account, &contracts, ctx.outside.now());
    let stands = stands.ok_or_else(|| {
        ApiError::failure(&Failure::never("the catalogue lacks its default plan"))
    })?;
    let subscriptions = contracts.subscriptions;
    let ended = || {
        subscriptions
            .iter()
            .filter(|one| plan_of(&ctx.catalogue, one).is_some())
            .max_by_key(|one| one.created_at)
    };
    let one = live(ctx, &subscriptions).or_else(ended);
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
    })
}
