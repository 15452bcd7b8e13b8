//! `/api/v1/billing/payment-methods`: how the account pays. Only Stripe sees card numbers.
//!
//! Safe to run twice: each call to Stripe carries a key that follows from the idempotency key.

use crate::caller::{Caller, MayBill, MayRead};
use crate::routes::billing::checkout::{CheckoutShown, embedded, return_to, shown};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::ids::CustomerId;
use flows::accounts::load;
use flows::billing::payment_methods;
use flows::billing::prices::from_stripe;
use flows::billing::purchases::{Wish, purchase};
use http::{HeaderMap, StatusCode};
use rest::{Body, IdempotencyKey, Path};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stripe_api::{PaymentMethod, StripeApi};
use utoipa::ToSchema;

/// The account's payment methods.
#[derive(Serialize, ToSchema)]
pub struct PaymentMethods {
    payment_methods: Vec<MethodShown>,
}

/// A payment method.
#[derive(Serialize, ToSchema)]
pub struct MethodShown {
    id: String,
    /// Stripe's type, such as `card`.
    kind: String,
    /// Whether invoices are charged to it.
    is_default: bool,
    /// The brand of a card, such as `visa`.
    brand: Option<String>,
    /// The last four digits of a card.
    last4: Option<String>,
    expires: Option<String>,
}

/// How to add a payment method.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupWanted {
    /// `hosted` for a page at Stripe (the default), or `embedded` for a form within your own page.
    ui: Option<String>,
}

/// Lists your account's payment methods.
#[utoipa::path(get, path = "/api/v1/billing/payment-methods", tag = "billing",
    responses((status = 200, body = PaymentMethods),
        (status = 422)))]
pub async fn list(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<PaymentMethods>, ApiError> {
    let stripe = ctx.stripe().await?;
    let customer = load(
        &ctx.store,
        &ctx.catalogue,
        &caller.account,
        ctx.outside.now(),
    )
    .await?
    .account
    .customer;
    let usual = stripe.customer_find(&customer).await.map_err(from_stripe)?;
    let usual = usual.and_then(|customer| customer.default_payment_method);
    let methods = stripe
        .payment_method_list(&customer)
        .await
        .map_err(from_stripe)?;
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

/// Starts a checkout that adds a payment method.
///
/// The customer gives the payment method to Stripe. Nothing is charged.
#[utoipa::path(post, path = "/api/v1/billing/payment-methods", tag = "billing", request_body = SetupWanted,
    params(IdempotencyKey),
    responses((status = 201, body = CheckoutShown), (status = 409), (status = 422)))]
pub async fn add(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    headers: HeaderMap,
    Body(wanted): Body<SetupWanted>,
) -> Result<(StatusCode, Json<CheckoutShown>), ApiError> {
    let embedded = embedded(wanted.ui.as_deref())?;
    let stripe = ctx.stripe().await?;
    let act = once.act(&caller.account, "billing/payment-methods").id();
    let back = return_to(&ctx, &headers, embedded);
    let shop = ctx.shop(&stripe);
    let session = purchase(&shop, &caller.account, &act, Wish::Method, back).await?;
    Ok((StatusCode::CREATED, Json(shown(&ctx, session))))
}

/// Removes a payment method permanently.
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
        .map_err(from_stripe)?;
    tracing::info!(account.id = %caller.account, by = %caller.by, audit = true, "removed a payment method");
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a payment method the default for invoices, also of present subscriptions.
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
    payment_methods::make_default(&stripe, &customer, &method.id, &key)
        .await
        .map_err(from_stripe)?;
    Ok(StatusCode::NO_CONTENT)
}

struct Own {
    stripe: StripeApi,
    customer: CustomerId,
    method: PaymentMethod,
}

/// Finds a payment method of the account's own customer. Methods of other customers look absent.
async fn own(ctx: &Ctx, caller: &Caller, id: &str) -> Result<Own, ApiError> {
    let stripe = ctx.stripe().await?;
    let customer = load(
        &ctx.store,
        &ctx.catalogue,
        &caller.account,
        ctx.outside.now(),
    )
    .await?
    .account
    .customer;
    let methods = stripe
        .payment_method_list(&customer)
        .await
        .map_err(from_stripe)?;
    let method = methods.into_iter().find(|method| method.id.as_str() == id);
    let method =
        method.ok_or_else(|| ApiError::not_found("The account has no such payment method."))?;
    Ok(Own {
        stripe,
        customer,
        method,
    })
}
