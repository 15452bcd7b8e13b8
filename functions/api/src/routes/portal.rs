//! `POST /api/v1/billing/portal`: the way into Stripe's portal, where customers change cards and read invoices.

use crate::caller::MayBill;
use crate::routes::account::load;
use crate::sales::{at_stripe, page};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use rest::IdempotencyKey;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A way into the portal.
#[derive(Serialize, ToSchema)]
pub struct PortalShown {
    /// Where it is. Whoever has it is in, so give it to your customer alone, and at once.
    url: String,
}

/// What `catalogue push` calls its configuration of the portal.
const CONFIGURATION: &str = "Tallyhook";

/// Opens Stripe's customer portal for the account.
#[utoipa::path(post, path = "/api/v1/billing/portal", tag = "billing",
    params(IdempotencyKey),
    responses((status = 201, body = PortalShown), (status = 422)))]
pub async fn create(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    once: IdempotencyKey,
) -> Result<(StatusCode, Json<PortalShown>), ApiError> {
    let stripe = ctx.stripe().await?;
    let account = load(&ctx, &caller, ctx.outside.now()).await?.account;
    let known = stripe
        .portal_configuration_list()
        .await
        .map_err(at_stripe)?;
    let ours = known
        .iter()
        .find(|one| one.active && one.name.as_deref() == Some(CONFIGURATION));
    let key = once.act(&caller.account, "billing/portal").key();
    let back = page(&ctx, "/billing");
    let configuration = ours.map(|one| one.id.as_str());
    let session = stripe
        .portal_session_create(&account.customer, &back, configuration, &key)
        .await;
    Ok((
        StatusCode::CREATED,
        Json(PortalShown {
            url: session.map_err(at_stripe)?.url,
        }),
    ))
}
