//! `/api/v1/billing/payment-methods`: how the account pays. Cards are given to Stripe alone.

use crate::caller::{Caller, MayBill, MayRead};
use crate::checkout_sessions;
use crate::checkout_sessions::{Mode, Order};
use crate::routes::account::load;
use crate::routes::checkout::{CheckoutShown, embedded, intent, known, shown};
use crate::sales::{at_stripe, page};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::CustomerId;
use http::StatusCode;
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stripe_api::{PaymentMethod, StripeApi};
use utoipa::ToSchema;

/// How the account can pay.
#[derive(Serialize, ToSchema)]
pub struct PaymentMethods {
    payment_methods: Vec<MethodShown>,
}

/// One way to pay.
#[derive(Serialize, ToSchema)]
pub struct MethodShown {
    id: String,
    /// Stripe's word for its kind, as `card`.
    kind: String,
    /// Whether invoices are paid with it.
    is_default: bool,
    /// Whose card it is, as `visa`.
    brand: Option<String>,
    /// Its last four digits.
    last4: Option<String>,
    expires: Option<String>,
}

/// How a way to pay is to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupWanted {
    /// `hosted` for a page of Stripe's, or `embedded` for a part of a page of yours; hosted where it is absent.
    ui: Option<String>,
}

/// How your account can pay.
#[utoipa::path(get, path = "/api/v1/billing/payment-methods", tag = "billing",
    responses((status = 200, body = PaymentMethods),
        (status = 422)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<PaymentMethods>, ApiError> {
    let stripe = ctx.stripe().await?;
    let customer = load(&ctx, &caller, ctx.outside.now())
        .await?
        .account
        .customer;
    let usual = stripe.customer_find(&customer).await.map_err(at_stripe)?;
    let usual = usual.and_then(|customer| customer.default_payment_method);
    let methods = stripe
        .payment_method_list(&customer)
        .await
        .map_err(at_stripe)?;
    let one = |method: PaymentMethod| MethodShown {
        is_default: usual.as_ref() == Some(&method.id),
        id: method.id.to_string(),
        kind: method.kind,
        brand: method.card.as_ref().map(|card| card.brand.clone()),
        last4: method.card.as_ref().and_then(|card| card.last4.clone()),
        expires: method
            .card
            .as_ref()
            .map(|card| format!("{}-{:02}", card.exp_year, card.exp_month)),
    };
    Ok(Json(PaymentMethods {
        payment_methods: methods.into_iter().map(one).collect(),
    }))
}

/// Begins a checkout at which the customer gives Stripe a way to pay; nothing is paid.
#[utoipa::path(post, path = "/api/v1/billing/payment-methods", tag = "billing", request_body = SetupWanted,
    params(IdempotencyKey),
    responses((status = 201, body = CheckoutShown), (status = 409), (status = 422)))]
pub async fn add(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    Body(wanted): Body<SetupWanted>,
) -> Result<(StatusCode, Json<CheckoutShown>), ApiError> {
    let embedded = embedded(wanted.ui.as_deref())?;
    let stripe = ctx.stripe().await?;
    let account = load(&ctx, &caller, ctx.outside.now()).await?.account;
    let act = once.act(&caller.account, "billing/payment-methods");
    let what = format!("setup {embedded}");
    let order = Order {
        customer: account.customer.to_string(),
        mode: Mode::Setup,
        prices: vec![],
        trial_days: 0,
        currency: ctx.catalogue.currency.to_string(),
        embedded,
        success_url: page(&ctx, "/billing/success?session_id={CHECKOUT_SESSION_ID}"),
        cancel_url: page(&ctx, "/billing"),
    };
    let begun = known(&ctx, &account, &act, &what).await?;
    let intent = begun.unwrap_or_else(|| intent(&ctx, what, &order));
    let session = checkout_sessions::session((&ctx, &stripe), &account, &act.id(), intent).await?;
    Ok((StatusCode::CREATED, Json(shown(session))))
}

/// Takes a way to pay away, for ever.
#[utoipa::path(delete, path = "/api/v1/billing/payment-methods/{id}", tag = "billing", params(("id" = String, Path),
    IdempotencyKey),
    responses((status = 204), (status = 422)))]
pub async fn remove(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
) -> Result<StatusCode, ApiError> {
    let Own { stripe, method, .. } = own(&ctx, &caller, &id).await?;
    let key = once
        .act(&caller.account, &format!("billing/payment-methods/{id}"))
        .key();
    stripe
        .payment_method_detach(&method.id, &key)
        .await
        .map_err(at_stripe)?;
    tracing::info!(account.id = %caller.account, by = %caller.by, audit = true, "took a payment method away");
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a way to pay the one that invoices are paid with.
#[utoipa::path(post, path = "/api/v1/billing/payment-methods/{id}/default", tag = "billing", params(("id" = String, Path),
    IdempotencyKey),
    responses((status = 204), (status = 422)))]
pub async fn make_default(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Path(id): Path<String>,
    once: IdempotencyKey,
) -> Result<StatusCode, ApiError> {
    let Own {
        stripe,
        customer,
        method,
    } = own(&ctx, &caller, &id).await?;
    let key = once
        .act(
            &caller.account,
            &format!("billing/payment-methods/{id}/default"),
        )
        .key();
    stripe
        .payment_method_default_set(&customer, &method.id, &key)
        .await
        .map_err(at_stripe)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A payment method of the account's own customer.
struct Own {
    stripe: StripeApi,
    customer: CustomerId,
    method: PaymentMethod,
}

/// Only the account's own can be touched, by who may buy; everything else looks absent.
async fn own(ctx: &Ctx, caller: &Caller, id: &str) -> Result<Own, ApiError> {
    let stripe = ctx.stripe().await?;
    let customer = load(ctx, caller, ctx.outside.now()).await?.account.customer;
    let methods = stripe
        .payment_method_list(&customer)
        .await
        .map_err(at_stripe)?;
    let method = methods.into_iter().find(|method| method.id.as_str() == id);
    let method =
        method.ok_or_else(|| ApiError::not_found("the account has no such payment method"))?;
    Ok(Own {
        stripe,
        customer,
        method,
    })
}
