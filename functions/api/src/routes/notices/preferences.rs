//! `/api/v1/notices`: which notices an account receives by email.
//!
//! A program may switch kinds of notice on and off. It may neither read nor change the address: a
//! stolen key could redirect the links in welcome and payment mails. Operators change addresses.

use crate::caller::{Caller, MayBill, MayRead};
use crate::{ApiError, Ctx};
use axum::Json;
use axum::extract::State;
use domain::notices;
use rest::Body;
use rest::views::NoticesShown;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// A change of notice preferences.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticesWanted {
    /// Kinds of notice, and whether the account should receive them. Other kinds keep their
    /// setting.
    #[schema(example = json!({ "job_finished": true }))]
    kinds: BTreeMap<String, bool>,
}

/// Retrieves your notice preferences.
#[utoipa::path(get, path = "/api/v1/notices", tag = "account",
    responses((status = 200, body = NoticesShown)))]
pub async fn show(
    MayRead(caller): MayRead,
    State(ctx): State<Arc<Ctx>>,
) -> Result<Json<NoticesShown>, ApiError> {
    shown(&ctx, &caller).await
}

/// Switches kinds of notice on or off.
#[utoipa::path(patch, path = "/api/v1/notices", tag = "account", request_body = NoticesWanted,
    responses((status = 200, body = NoticesShown)))]
pub async fn switch(
    MayBill(caller): MayBill,
    State(ctx): State<Arc<Ctx>>,
    Body(wanted): Body<NoticesWanted>,
) -> Result<Json<NoticesShown>, ApiError> {
    let switches = notices::switches(&wanted.kinds)
        .map_err(|error| ApiError::bad_request("bad_kind", error.to_string()))?;
    for (kind, switch) in switches {
        ctx.store
            .account_notices_set(&caller.account, kind, switch)
            .await?;
    }
    tracing::info!(account.id = %caller.account, by = %caller.by, audit = true, "changed notice preferences");
    shown(&ctx, &caller).await
}

async fn shown(ctx: &Ctx, caller: &Caller) -> Result<Json<NoticesShown>, ApiError> {
    let mailing = ctx.store.account_mail_find(&caller.account).await?;
    let is_on = |kind| mailing.switch(kind).is_on();
    Ok(Json(NoticesShown::of(mailing.address.is_some(), is_on)))
}
