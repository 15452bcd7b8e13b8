//! `POST /api/v1/billing/portal`: sessions of Stripe's customer portal, where customers change
//! their cards and read their invoices.

use crate::caller::MayBill;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use flows::accounts::load;
use flows::billing::portal;
use http::{HeaderMap, StatusCode};
use rest::IdempotencyKey;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A session of the customer portal.
#[derive(Serialize, ToSchema)]
pub struct PortalShown {
    /// The URL of the portal. It grants access, so give it only to your customer, and immediately.
    url: String,
}

/// Creates a session of Stripe's customer portal for your account.
#[utoipa::path(post, path = "/api/v1/billing/portal", tag = "billing",
    params(IdempotencyKey),
    responses((status = 201, body = PortalShown), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<PortalShown>), ApiError> {
    let stripe = ctx.stripe().await?;
    let account = load(
        &ctx.store,
        &ctx.catalogue,
        &caller.account,
        ctx.outside.now(),
    )
    .await?
    .account;
    let key = once.act(&caller.account, "billing/portal").key();
    let url = portal::open(
        &stripe,
        &account.customer,
        &ctx.page(&headers, "/billing"),
        &key,
    )
    .await?;
    Ok((StatusCode::CREATED, Json(PortalShown { url })))
}
