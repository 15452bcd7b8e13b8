//! `POST /api/v1/billing/portal`: sessions of Stripe's customer portal, where customers change
//! their cards and read their invoices.

use crate::caller::MayBill;
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use flows::accounts::load;
use flows::billing::prices::from_stripe;
use http::StatusCode;
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

/// The name that `catalogue push` gives its portal configuration.
const CONFIGURATION: &str = "Tallyhook";

/// Creates a session of Stripe's customer portal for your account.
#[utoipa::path(post, path = "/api/v1/billing/portal", tag = "billing",
    params(IdempotencyKey),
    responses((status = 201, body = PortalShown), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
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
    let known = stripe
        .portal_configuration_list()
        .await
        .map_err(from_stripe)?;
    let ours = known
        .iter()
        .find(|one| one.active && one.name.as_deref() == Some(CONFIGURATION));
    let key = once.act(&caller.account, "billing/portal").key();
    let back = ctx.page("/billing");
    let configuration = ours.map(|one| one.id.as_str());
    let session = stripe
        .portal_session_create(&account.customer, &back, configuration, &key)
        .await;
    Ok((
        StatusCode::CREATED,
        Json(PortalShown {
            url: session.map_err(from_stripe)?.url,
        }),
    ))
}
