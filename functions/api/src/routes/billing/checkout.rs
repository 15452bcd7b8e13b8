//! `POST /api/v1/billing/checkout`: checkout sessions at Stripe.
//!
//! A session grants nothing; Stripe's events about a payment do. Safe to run twice: an act stores
//! its intent before it calls Stripe, and a repeat gets the same session.

use crate::caller::MayBill;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::billing::plans::Catalogue;
use flows::billing::purchases::{ReturnTo, Wish, purchase};
use http::{HeaderMap, StatusCode};
use rest::{Body, IdempotencyKey};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stripe_api::{CheckoutSession, SessionStatus};
use utoipa::ToSchema;

/// A purchase. Provide exactly one of `pack` and `plan`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutWanted {
    /// The id of a pack of credits.
    #[schema(example = "10k")]
    pack: Option<String>,
    /// The number of packs. Defaults to 1.
    #[schema(minimum = 1, maximum = 1000)]
    quantity: Option<u64>,
    /// The id of a plan.
    plan: Option<String>,
    /// `hosted` for a page at Stripe (the default), or `embedded` for a form within your own page.
    ui: Option<String>,
}

/// A checkout session.
#[derive(Serialize, ToSchema)]
pub struct CheckoutShown {
    /// The id of the session at Stripe.
    id: String,
    /// The page to send the customer to. Only for hosted sessions.
    url: Option<String>,
    /// The client secret with which your page shows the session. Only for embedded sessions.
    client_secret: Option<String>,
    /// Stripe's publishable key, with which your page loads Stripe.js. Only for embedded sessions, if
    /// it is set.
    publishable_key: Option<String>,
    /// The status at Stripe.
    status: String,
    /// When the session expires.
    expires_at: String,
}

/// Starts a checkout.
///
/// The same Idempotency-Key returns the same session while the session is open. So does another key
/// for the same purchase.
#[utoipa::path(post, path = "/api/v1/billing/checkout", tag = "billing", request_body = CheckoutWanted,
    params(IdempotencyKey),
    responses((status = 201, body = CheckoutShown), (status = 409), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    headers: HeaderMap,
    Body(wanted): Body<CheckoutWanted>,
) -> Result<(StatusCode, Json<CheckoutShown>), ApiError> {
    let embedded = embedded(wanted.ui.as_deref())?;
    let wish = wish(&ctx.catalogue, &wanted)?;
    let stripe = ctx.stripe().await?;
    let act = once.act(&caller.account, "billing/checkout").id();
    let back = return_to(&ctx, &headers, embedded);
    let session = purchase(&ctx.shop(&stripe), &caller.account, &act, wish, back).await?;
    Ok((StatusCode::CREATED, Json(shown(&ctx, session))))
}

/// Parses `ui`: whether a page of the customer shows the session.
pub fn embedded(ui: Option<&str>) -> Result<bool, ApiError> {
    match ui {
        None | Some("hosted") => Ok(false),
        Some("embedded") => Ok(true),
        Some(_) => Err(ApiError::bad_request(
            "bad_ui",
            "`ui` must be `hosted` or `embedded`.",
        )),
    }
}

fn wish<'a>(catalogue: &'a Catalogue, wanted: &CheckoutWanted) -> Result<Wish<'a>, ApiError> {
    match (&wanted.pack, &wanted.plan) {
        (Some(pack), None) => Ok(Wish::packs(catalogue, pack, wanted.quantity.unwrap_or(1))?),
        (None, Some(_)) if wanted.quantity.is_some() => Err(ApiError::bad_request(
            "bad_quantity",
            "`quantity` applies to packs only; leave it out for a plan.",
        )),
        (None, Some(plan)) => Ok(Wish::plan(catalogue, plan)?),
        (None, None) | (Some(_), Some(_)) => Err(ApiError::bad_request(
            "bad_body",
            "Provide exactly one of `pack` and `plan`.",
        )),
    }
}

/// Where a checkout sends the browser.
pub fn return_to(ctx: &Ctx, headers: &HeaderMap, embedded: bool) -> ReturnTo {
    ReturnTo {
        embedded,
        success_url: ctx.page(headers, "/billing/success?session_id={CHECKOUT_SESSION_ID}"),
        cancel_url: ctx.page(headers, "/billing/cancelled"),
    }
}

pub fn shown(ctx: &Ctx, session: CheckoutSession) -> CheckoutShown {
    let embedded = session.client_secret.is_some();
    CheckoutShown {
        publishable_key: ctx.publishable_key.clone().filter(|_| embedded),
        id: session.id.to_string(),
        url: session.url,
        client_secret: session
            .client_secret
            .map(|secret| secret.expose_secret().to_owned()),
        status: session
            .status
            .as_ref()
            .map_or("open", SessionStatus::as_str)
            .to_owned(),
        expires_at: session.expires_at.to_string(),
    }
}
