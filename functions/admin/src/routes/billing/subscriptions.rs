//! `/api/v1/admin/accounts/{id}/subscriptions`: what Stripe has, beside what is recorded; and
//! `…/billing`: who is billed for metered work.

use crate::operator::Authorized;
use crate::routes::accounts::account::{billing_of, existing, whole};
use crate::{ApiError, Ctx, reason};
use axum::Json;
use axum::extract::State;
use domain::billing::entitlements::plan_of;
use domain::billing::subscriptions::Subscription as Recorded;
use domain::retry::Failure;
use flows::billing::rivals;
use rest::{Body, Path};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::sync::Arc;
use stripe_api::{Subscription, SubscriptionItem};
use utoipa::ToSchema;

/// The subscriptions that Stripe has for an account's customer.
#[derive(Serialize, ToSchema)]
pub struct StripeSubscriptions {
    account: String,
    stripe_customer_id: String,
    /// How many of them are live and pay for a plan of the catalogue. An account has at most one.
    live: usize,
    /// Newest first.
    subscriptions: Vec<StripeSubscription>,
}

/// A subscription, as Stripe has it.
#[derive(Serialize, ToSchema)]
pub struct StripeSubscription {
    id: String,
    /// The status at Stripe.
    status: String,
    /// The plan that it pays for, if it is one of the catalogue.
    plan: Option<String>,
    items: Vec<StripeItem>,
    /// Whether it has begun, has not ended, and pays for a plan of the catalogue.
    live: bool,
    /// Whether it is the live one that stands. The others are cancelled.
    stands: bool,
    /// The status that is recorded here; absent if nothing is recorded.
    recorded_status: Option<String>,
    period_start: Option<String>,
    period_end: Option<String>,
    /// When it ends, if it was cancelled.
    ends_at: Option<String>,
    ended_at: Option<String>,
    trial_end: Option<String>,
    /// The payment method that it names; absent if the customer's default pays.
    default_payment_method: Option<String>,
    /// What was said at its cancellation, such as which one supersedes it.
    comment: Option<String>,
    created_at: String,
}

/// An item of a subscription.
#[derive(Serialize, ToSchema)]
pub struct StripeItem {
    price: String,
    product: String,
    /// Absent if it is metered.
    quantity: Option<u64>,
}

/// Lists the subscriptions that Stripe has for an account.
///
/// Of several live ones to plans of the catalogue, one stands.
#[utoipa::path(get, path = "/api/v1/admin/accounts/{id}/subscriptions", tag = "billing",
    params(("id" = String, Path, description = "The account's id.")),
    responses((status = 200, body = StripeSubscriptions), (status = 422)))]
pub async fn list(
    _: Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
) -> Result<Json<StripeSubscriptions>, ApiError> {
    let (account, contracts) = whole(&ctx, &id).await?;
    let stripe = ctx
        .stripe()
        .await
        .map_err(|failure| ApiError::failure(&failure))?;
    let stripe = stripe.ok_or_else(|| {
        let detail = "Stripe is not configured here; set `STRIPE_SECRET_KEY`.";
        ApiError::unprocessable("billing_off", detail)
    })?;
    let mut all = stripe
        .subscription_list(&account.customer)
        .await
        .map_err(|error| ApiError::failure(&Failure::from(error)))?;
    all.sort_by_key(|one| Reverse((one.created, one.id.clone())));
    let live = rivals::live(&ctx.catalogue, &all);
    let stands = rivals::stands(&live);
    let shown = |one: &Subscription| {
        let recorded = |known: &&Recorded| known.id == one.id;
        let recorded = contracts.subscriptions.iter().find(recorded);
        StripeSubscription {
            live: live.iter().any(|other| other.id == one.id),
            stands: stands.as_ref() == Some(&one.id),
            recorded_status: recorded.map(|known| known.status.as_str().to_owned()),
            ..as_stripe_has_it(&ctx, one)
        }
    };
    Ok(Json(StripeSubscriptions {
        account: account.id.to_string(),
        stripe_customer_id: account.customer.to_string(),
        live: live.len(),
        subscriptions: all.iter().map(shown).collect(),
    }))
}

fn as_stripe_has_it(ctx: &Ctx, one: &Subscription) -> StripeSubscription {
    let kept = one.as_kept(one.created);
    let item = |item: &SubscriptionItem| StripeItem {
        price: item.price.id.to_string(),
        product: item.price.product.to_string(),
        quantity: item.quantity,
    };
    StripeSubscription {
        id: one.id.to_string(),
        status: one.status.as_str().to_owned(),
        plan: plan_of(&ctx.catalogue, &kept).map(|plan| plan.id.to_string()),
        items: one.items.iter().map(item).collect(),
        live: false,
        stands: false,
        recorded_status: None,
        period_start: kept.period.map(|period| period.start.to_string()),
        period_end: kept.period.map(|period| period.end.to_string()),
        ends_at: kept.ends_at.map(|at| at.to_string()),
        ended_at: one.ended_at.map(|at| at.to_string()),
        trial_end: one.trial_end.map(|at| at.to_string()),
        default_payment_method: one.default_payment_method.as_ref().map(ToString::to_string),
        comment: one.comment.clone(),
        created_at: one.created.to_string(),
    }
}

/// Who is to be billed for an account's metered work, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BillingWanted {
    /// `none` makes the work free, `stripe` has it billed by a subscription.
    #[schema(example = "none", pattern = "^(none|stripe)$")]
    billing: String,
    /// Why. It is logged.
    #[schema(min_length = 1, max_length = 500, pattern = r"\S", example = "A test.")]
    reason: String,
}

/// Who is billed for an account's metered work.
#[derive(Serialize, ToSchema)]
pub struct BillingShown {
    id: String,
    /// `stripe` or `none`.
    billing: &'static str,
}

/// Makes an account's metered work free, or has it billed again.
///
/// A subscription that the account has is not cancelled.
#[utoipa::path(put, path = "/api/v1/admin/accounts/{id}/billing", tag = "billing",
    params(("id" = String, Path, description = "The account's id.")), request_body = BillingWanted,
    responses((status = 200, body = BillingShown)))]
pub async fn change(
    Authorized(operator): Authorized,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    Body(wanted): Body<BillingWanted>,
) -> Result<Json<BillingShown>, ApiError> {
    let billing = billing_of(&wanted.billing)?;
    let reason = reason::checked(&wanted.reason)?;
    let id = existing(&ctx, &id).await?;
    if !ctx.store.account_billing_set(&id, billing).await? {
        return Err(ApiError::not_found("There is no such account."));
    }
    tracing::info!(operator.name = operator.name, account.id = %id, account.billing = %billing, reason, audit = true, "changed who is billed for an account");
    Ok(Json(BillingShown {
        id: id.to_string(),
        billing: billing.as_str(),
    }))
}
